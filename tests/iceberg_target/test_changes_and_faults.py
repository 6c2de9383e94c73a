"""Changes of a target whose storage fails, or that somebody else is faster at."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pytest

from converters.errors import StorageError
from converters.iceberg.target import IcebergTarget, IcebergTargetOptions
from converters.model.change import Change
from converters.storage import FaultyStorage, ObjectStorage
from tests.iceberg_target.sources import Source, files_under, some_rows, state_of, sync
from tests.iceberg_target.test_changes import with_vectors
from tests.readers.tables import read


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_change_is_seen_whole_or_not_at_all(source: Source, when: Literal["before", "after"]) -> None:
    """A file comes, one goes, one loses a row; each storage call fails once, and so does every later one."""
    sync(source)
    (gone, loser, *_) = source.files
    source.drop(gone)
    source.add(some_rows(30), ("p0",))
    batch = with_vectors(source, source.batch(), f0=(1,))
    assert next(iter(source.files)) == loser
    change = Change(
        snapshot=source.snapshot(), added=lambda: iter([batch]), removed=_paths(source, gone), adds_only_new=False
    )
    before = files_under(source)
    for fail_at in range(1, 200):
        target = IcebergTarget.open(
            FaultyStorage(ObjectStorage(), fail_at=fail_at, when=when),
            f"file://{source.directory}",
            IcebergTargetOptions(),
        )
        try:
            base = target.current()
            assert base is not None
            target.advance(change, state_of(source), base)
            failed = False
        except StorageError:
            failed = True
        seen = sorted(read("iceberg", source.directory, "duckdb")["id"].to_pylist())
        if seen != [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]:
            assert seen == [10, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33]
            if not failed:
                return
            for name in files_under(source) - before:  # begin again
                (source.directory / "metadata" / name).unlink()
            (source.directory / "metadata" / "version-hint.text").write_text("1")
    pytest.fail("it never succeeded")


def _paths(source: Source, *names: str) -> pa.ChunkedArray:
    return pa.chunked_array([[f"file://{source.directory}/{name}" for name in names]], pa.string())
