"""Two at once, storage that fails, hints that are stale: the old table or the new one, never between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from converters.errors import CommitConflict, StorageError, UnsupportedTableFeature
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.iceberg.target import IcebergTarget, IcebergTargetOptions
from converters.storage import FaultyStorage, ObjectStorage
from tests.iceberg_target.sources import (
    Source,
    files_under,
    some_rows,
    state_of,
    sync,
    target_of,
)
from tests.readers.compare import assert_same_rows
from tests.readers.tables import read


def test_two_at_once_make_one_commit(source: Source) -> None:
    sync(source)
    source.add(some_rows(30), ("p0",))
    first, second = target_of(source), target_of(source)
    snapshot, state = source.snapshot(), state_of(source)
    base, other_base = first.current(), second.current()
    first.replace(snapshot, iter([source.batch()]), state, base)
    before = files_under(source)
    with pytest.raises(CommitConflict):
        second.replace(snapshot, iter([source.batch()]), state, other_base)
    assert files_under(source) == before


def test_a_new_table_made_twice_at_once_is_one(source: Source) -> None:
    snapshot, state = source.snapshot(), state_of(source)
    target_of(source).replace(snapshot, iter([source.batch()]), state, None)
    with pytest.raises(CommitConflict):
        target_of(source).replace(snapshot, iter([source.batch()]), state, None)
    assert len(files_under(source)) == 4


def test_a_refusal_leaves_no_trace(source: Source) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield source.batch()
        raise UnsupportedTableFeature("The second batch has deletes.")

    with pytest.raises(UnsupportedTableFeature):
        target_of(source).replace(source.snapshot(), batches(), state_of(source), None)
    assert not (source.directory / "metadata").exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_anywhere_leaves_the_old_or_the_new(source: Source, when: Any) -> None:
    sync(source)
    source.add(some_rows(30), ("p0",))
    for call in range(1, 40):
        version = len(list((source.directory / "metadata").glob("v*.json")))
        storage = FaultyStorage(ObjectStorage(), fail_at=call, when=when)
        try:
            commit = sync(source, storage)
        except StorageError:
            current = target_of(source).current()
            assert current is not None
            made = len(list((source.directory / "metadata").glob("v*.json")))
            assert current.state is not None
            assert (current.state == state_of(source)) == (made == version + 1)
            assert_same_rows("iceberg", source.directory, read("iceberg", source.directory, "pyiceberg"), ("duckdb",))
            continue
        assert commit.version == f"v{version + 1}"
        if storage.calls < call:
            break
    else:
        pytest.fail("never ran through")
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb",))


def test_a_lost_answer_is_no_conflict(source: Source) -> None:
    """The storage did create the version, and says that it exists already, as after a retry of its own."""

    class Retrying(ObjectStorage):
        def put_if_absent(self, path: str, data: Any) -> None:
            super().put_if_absent(path, data)
            super().put_if_absent(path, data)

    assert sync(source, Retrying()).version == "v1"
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb",))


def test_a_stale_hint_is_put_right(source: Source) -> None:
    sync(source)
    sync(source)
    hint = source.directory / "metadata" / "version-hint.text"
    for stale in ("1", None, "rubbish"):
        hint.unlink()
        if stale is not None:
            hint.write_text(stale)
        (source.directory / "metadata" / ".version-hint.text.crc").write_bytes(b"crc")
        current = target_of(source).current()
        assert current is not None
        assert current.version == "v2"
        assert hint.read_bytes() == b"2"
        assert not (source.directory / "metadata" / ".version-hint.text.crc").exists()


def test_a_hint_that_cannot_be_written_fails_nothing(source: Source) -> None:
    class NoHints(ObjectStorage):
        def put(self, path: str, data: Any) -> None:
            raise StorageError("No.")

    assert sync(source, NoHints()).version == "v1"
    assert not (source.directory / "metadata" / "version-hint.text").exists()


def test_a_far_away_store_gets_several_files_at_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.iceberg.manifests.writer.MANIFEST_BYTES", 200)
    for start in range(30, 60):
        source.add(some_rows(start), (f"p{start % 3}",))
    storage = ObjectStorage()
    target = IcebergTarget.open(storage, "memory:///t", IcebergTargetOptions())
    snapshot, state = source.snapshot(), state_of(source)
    target.replace(snapshot, iter([source.batch()]), state, target.current())
    names = [found.path.rpartition("/")[2] for found in storage.list("memory:///t/metadata")]
    assert sum("-m" in name for name in names) > 10
    opened = IcebergSource.open(storage, "memory:///t", IcebergSourceOptions())
    found = [path for batch in opened.data_files(opened.snapshot()) for path in batch.column("path").to_pylist()]
    assert sorted(found) == sorted(source.batch().column("path").to_pylist())


def test_a_fault_among_many_files_leaves_none(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(ObjectStorage):
        puts = 0

        def put_if_absent(self, path: str, data: Any) -> None:
            self.puts += 1
            if self.puts > 5:
                raise StorageError("No space left.")
            super().put_if_absent(path, data)

    monkeypatch.setattr("converters.iceberg.manifests.writer.MANIFEST_BYTES", 200)
    for start in range(30, 60):
        source.add(some_rows(start), (f"p{start % 3}",))
    storage = Full()
    for location in ("memory:///t", f"file://{source.directory}"):
        storage.puts = 0
        target = IcebergTarget.open(storage, location, IcebergTargetOptions())
        with pytest.raises(StorageError, match="No space"):
            target.replace(source.snapshot(), iter([source.batch()]), state_of(source), None)
        assert list(storage.list(f"{location}/metadata")) == []
