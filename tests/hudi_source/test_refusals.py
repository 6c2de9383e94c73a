"""What base files alone would misrepresent is refused by name, or left out by request and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.errors import InvalidOption, UnsupportedTableFeature
from tests.corpus import Corpus, case
from tests.hudi_source.tables import base_files, opened, rows_of, set_property, timeline_files, uncommit
from tests.readers import digest

MERGED = ["hudi/mor_v6", "hudi/mor_v9"]


@pytest.mark.parametrize("name", [*MERGED, "hudi/sql_table"])
def test_file_slices_with_log_files_are_refused_by_name(name: str, corpus: Corpus) -> None:
    with pytest.raises(UnsupportedTableFeature, match=r"log files.*'p=x/") as refused:
        opened(corpus.path(name)).snapshot()
    assert "run_compaction" in refused.value.hint
    assert "hudi.source.read-optimized=true" in refused.value.hint


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("name", MERGED)
def test_slices_without_log_files_convert(name: str, indexed: bool, corpus: Corpus, tmp_path: Path) -> None:
    # The first stage has no log files yet, the fifth was compacted.
    for stage in (1, 5):
        table = corpus.copy(name, tmp_path, stage)
        if not indexed:
            set_property(table, "hoodie.table.metadata.partitions", "")
        assert digest(rows_of(opened(table))) == case(name).stages[stage - 1].sha256


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("name", MERGED)
def test_log_files_of_a_write_that_failed_do_not_count(
    name: str,
    indexed: bool,
    corpus: Corpus,
    tmp_path: Path,
) -> None:
    table = corpus.copy(name, tmp_path, 2)
    if not indexed:
        set_property(table, "hoodie.table.metadata.partitions", "")
    uncommit(table, -1)
    assert digest(rows_of(opened(table))) == case(name).stages[0].sha256


@pytest.mark.parametrize("name", MERGED)
def test_base_files_alone_are_read_by_request_and_that_is_said(name: str, corpus: Corpus) -> None:
    source = opened(corpus.path(name), read_optimized=True)
    rows = rows_of(source)
    assert rows
    assert digest(rows) != case(name).contents.sha256
    (note,) = source.notes()
    assert "log files, which are left out" in note


def test_a_table_without_log_files_has_no_such_note(corpus: Corpus) -> None:
    source = opened(corpus.path("hudi/mor_v9", 1), read_optimized=True)
    source.snapshot()
    assert source.notes() == []


def test_log_files_without_a_base_file_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/mor_v9", tmp_path, 1)
    set_property(table, "hoodie.table.metadata.partitions", "")
    instant = timeline_files(table)[0].name.split(".")[0]
    (table / "p=x" / f".eeeeeeee-0_{instant}.log.1_0-1-2").touch()
    with pytest.raises(UnsupportedTableFeature, match="eeeeeeee-0"):
        opened(table).snapshot()


def test_change_feeds_are_no_changes_to_rows(corpus: Corpus) -> None:
    assert digest(rows_of(opened(corpus.path("hudi/cdc")))) == case("hudi/cdc").contents.sha256


def test_base_files_that_are_no_parquet_files_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/cow_v9_nomdt", tmp_path)
    version = opened(table).snapshot().version
    for path in base_files(table):
        if version not in path.name:
            path.rename(path.with_suffix(".orc"))
    set_property(table, "hoodie.table.base.file.format", "ORC")
    with pytest.raises(UnsupportedTableFeature, match=r"\.orc' is no Parquet file"):
        opened(table).snapshot()


def test_skeletons_of_a_bootstrap_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/cow_v6_nomdt", tmp_path)
    rows = rows_of(opened(table))
    set_property(table, "hoodie.bootstrap.base.path", "/elsewhere")
    assert rows_of(opened(table)) == rows  # a bootstrap with whole rows leaves nothing in the other table
    first = base_files(table)[0]
    first.rename(first.with_name("dddddddd-0_0-1-2_00000000000001.parquet"))
    with pytest.raises(UnsupportedTableFeature, match=r"bootstrap skeleton.*'/elsewhere'"):
        opened(table).snapshot()


def test_renamed_columns_are_said_to_be_renamed_while_files_have_their_old_names(corpus: Corpus) -> None:
    assert not opened(corpus.path("hudi/schema_on_read", 2)).snapshot().table.names_are_stable
    assert opened(corpus.path("hudi/schema_on_read")).snapshot().table.names_are_stable


def test_a_renamed_column_keeps_its_id(corpus: Corpus) -> None:
    before = opened(corpus.path("hudi/schema_on_read", 1)).snapshot().table.schema
    after = opened(corpus.path("hudi/schema_on_read")).snapshot().table.schema
    old, new = before.field("name"), after.field("full_name")
    assert old is not None
    assert new is not None
    assert old.id == new.id


def test_a_partition_spec_must_name_columns(corpus: Corpus) -> None:
    with pytest.raises(InvalidOption, match="'nope'"):
        opened(corpus.path("hudi/cow_v9"), partition_spec="nope:VALUE").snapshot()
