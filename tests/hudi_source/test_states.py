"""Which commits count: completed ones, with what they replaced; nothing of running, failed or undone ones."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.errors import CorruptTable, SourceTableNotFound
from converters.hudi.timeline.instants import instant_millis
from converters.storage.object_store import ObjectStorage
from tests.corpus import Corpus, case
from tests.hudi_source.tables import base_files, opened, rows_of, set_property, timeline_files, uncommit
from tests.readers import digest

LISTED = ["hudi/cow_v6_nomdt", "hudi/cow_v9_nomdt"]
INDEXED = ["hudi/cow_v6", "hudi/cow_v8", "hudi/cow_v9", "hudi/w0150_cow_v6", "hudi/w102_cow_v8"]
NEW = "29991231235959999"


@pytest.mark.parametrize("name", [*LISTED, *INDEXED])
def test_a_table_is_what_its_completed_commits_made_it(name: str, corpus: Corpus) -> None:
    source = opened(corpus.path(name))
    snapshot = source.snapshot()
    newest = [path.name for path in timeline_files(corpus.path(name)) if path.name.endswith(".commit")][-1]
    assert snapshot.version == newest.split(".")[0].split("_")[0]
    assert snapshot.committed_at == instant_millis(snapshot.version)
    assert snapshot.pending_instants == ()
    assert digest(rows_of(source, snapshot)) == case(name).contents.sha256


@pytest.mark.parametrize("name", [*LISTED, *INDEXED])
def test_a_commit_that_is_still_running_is_not_seen(name: str, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(name, tmp_path)
    uncommit(table, -1)
    source = opened(table)
    snapshot = source.snapshot()
    assert digest(rows_of(source, snapshot)) == case(name).stages[-2].sha256
    assert snapshot.pending_instants == ()  # it would become the newest: nobody has to wait for it


@pytest.mark.parametrize("name", [*LISTED, *INDEXED])
def test_an_older_commit_that_is_still_running_is_remembered(name: str, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(name, tmp_path)
    running = uncommit(table, -2)
    assert opened(table).snapshot().pending_instants == (instant_millis(running),)


@pytest.mark.parametrize("name", LISTED)
def test_files_of_a_write_that_failed_are_not_seen(name: str, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(name, tmp_path)
    expected = rows_of(opened(table))
    first = base_files(table)[0]
    group = first.name.split("_")[0]
    shutil.copy(first, first.with_name(f"{group}_9-9-9_{NEW}.parquet"))  # a new slice of a file group
    shutil.copy(first, first.with_name(f"ffffffff-0_9-9-9_{NEW}.parquet"))  # and a new file group
    assert rows_of(opened(table)) == expected
    timeline_files(table)[0].with_name(f"{NEW}.commit.requested").touch()
    timeline_files(table)[0].with_name(f"{NEW}.inflight").touch()
    assert rows_of(opened(table)) == expected


@pytest.mark.parametrize("token", ["0-0-0", "9-9999-99999"])
@pytest.mark.parametrize("name", LISTED)
def test_of_a_file_that_was_written_twice_the_one_that_the_commit_names_counts(
    name: str, token: str, corpus: Corpus, tmp_path: Path
) -> None:
    table = corpus.copy(name, tmp_path)
    expected = rows_of(opened(table))
    for path in base_files(table):
        group, _, rest = path.name.split("_")
        path.with_name(f"{group}_{token}_{rest}").write_bytes(b"half a file")
    assert rows_of(opened(table)) == expected


def test_strays_are_not_seen(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/cow_v9_nomdt", tmp_path)
    expected = rows_of(opened(table))
    first = base_files(table)[0]
    shutil.copy(first, first.with_name("part-00000.snappy.parquet"))
    shutil.copy(first, table / first.name)
    (table / "not-a-partition").mkdir()
    shutil.copy(first, table / "not-a-partition" / first.name)
    assert rows_of(opened(table)) == expected


def test_replaced_file_groups_are_not_seen(corpus: Corpus) -> None:
    for name in ("hudi/overwrites", "hudi/clustered", "hudi/w0150_clustered"):
        source = opened(corpus.path(name))
        assert digest(rows_of(source)) == case(name).contents.sha256
        live = source.snapshot().file_count
        assert live is not None
        assert live < len(base_files(corpus.path(name)))


def test_a_replacement_that_is_still_running_replaces_nothing(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/overwrites", tmp_path)
    rows = rows_of(opened(table))
    set_property(table, "hoodie.table.metadata.partitions", "")
    assert rows_of(opened(table)) == rows
    uncommit(table, -1)
    assert digest(rows_of(opened(table))) == case("hudi/overwrites").stages[-2].sha256


def test_a_table_that_was_never_written_to_is_empty(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/schema_on_read", tmp_path)
    for path in timeline_files(table):
        path.unlink()
    source = opened(table)
    snapshot = source.snapshot()
    assert (snapshot.version, snapshot.committed_at, snapshot.file_count) == ("0", 0, 0)
    assert [field.name for field in snapshot.table.schema.fields][:2] == ["id", "name"]
    assert list(source.data_files(snapshot)) == []


def test_a_table_without_rows_has_a_schema(corpus: Corpus) -> None:
    snapshot = opened(corpus.path("hudi/empty")).snapshot()
    assert snapshot.file_count == 0
    assert snapshot.table.schema.fields


def test_nothing_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(SourceTableNotFound, match=r"hoodie\.properties"):
        opened(tmp_path).snapshot()


def test_a_table_is_known_by_its_properties(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.path("hudi/simple")
    assert type(opened(table)).is_table(ObjectStorage(), f"file://{table}")
    assert not type(opened(table)).is_table(ObjectStorage(), f"file://{tmp_path}")


@pytest.mark.parametrize("content", [b"", b'{"partitionToWriteStats": {', b"Obj\x01\x00", b"[]"])
@pytest.mark.parametrize("name", LISTED)
def test_a_completed_commit_that_cannot_be_read_is_named(
    name: str, content: bytes, corpus: Corpus, tmp_path: Path
) -> None:
    table = corpus.copy(name, tmp_path)
    newest = [path for path in timeline_files(table) if path.name.endswith(".commit")][-1]
    newest.write_bytes(content)
    with pytest.raises(CorruptTable, match=newest.name):
        opened(table).snapshot()


@pytest.mark.parametrize("name", [*LISTED, *INDEXED])
def test_a_base_file_that_is_gone_is_named(name: str, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(name, tmp_path)
    source = opened(table)
    (batch,) = source.data_files(source.snapshot())
    version = source.snapshot().version
    gone = next(path for path in batch.column("path").to_pylist() if version in path)
    Path(gone.removeprefix("file://")).unlink()
    with pytest.raises(CorruptTable, match=Path(gone).name):
        opened(table).snapshot()


def test_a_table_that_is_made_anew_at_the_same_place_has_other_versions(corpus: Corpus, tmp_path: Path) -> None:
    one = opened(corpus.copy("hudi/simple", tmp_path / "1")).snapshot().table
    two = opened(corpus.copy("hudi/simple", tmp_path / "2")).snapshot().table
    assert one.id != two.id
    assert opened(tmp_path / "1" / "hudi" / "simple").snapshot().table.id == one.id


@pytest.mark.parametrize("change", [lambda data: data[:-9], lambda data: data + b"x" * 30, lambda _: b""])
@pytest.mark.parametrize("name", INDEXED)
def test_a_torn_log_file_of_the_metadata_table_is_named(
    name: str, change: Callable[[bytes], bytes], corpus: Corpus, tmp_path: Path
) -> None:
    table = corpus.copy(name, tmp_path)
    logs = sorted(table.glob(".hoodie/metadata/files/.*.log.*"), key=lambda path: path.stat().st_size)
    logs[-1].write_bytes(change(logs[-1].read_bytes()))
    with pytest.raises(CorruptTable, match=re.escape(logs[-1].name)):
        opened(table).snapshot()


@pytest.mark.parametrize("name", INDEXED)
def test_a_log_file_that_a_writer_left_torn_does_not_count(name: str, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(name, tmp_path)
    log = max(table.glob(".hoodie/metadata/files/.*.log.*"))
    parts = log.name.rpartition("_")
    log.with_name(f"{parts[0]}_99-9-9").write_bytes(log.read_bytes()[:-9])
    assert digest(rows_of(opened(table))) == case(name).contents.sha256
