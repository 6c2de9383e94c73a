"""What is told of the commits since a sync leads from the files of then to those of now, version by version."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from converters.delta import DeltaSource
from converters.delta.source import DeltaSourceOptions
from converters.model import Snapshot
from converters.model.change import Change
from converters.storage import ObjectStorage
from converters.sync.state import SourceMark, SyncState
from tests.corpus import Case, Corpus, cases

CASES = cases("delta")

Rows = Mapping[str, Mapping[str, Any]]


class Version(msgspec.Struct, frozen=True):
    """A version as it is read whole: its snapshot, and its files by path."""

    snapshot: Snapshot
    files: Rows


def source_at(location: str, version: int | None = None) -> DeltaSource:
    return DeltaSource.open(ObjectStorage(), location, DeltaSourceOptions(version))


def read(location: str, version: int | None = None) -> Version:
    source = source_at(location, version)
    snapshot = source.snapshot()
    return Version(msgspec.structs.replace(snapshot, file_count=None), rows_of(source.data_files(snapshot)))


def rows_of(batches: Iterable[pa.RecordBatch]) -> Rows:
    rows = [row for batch in batches for row in batch.to_pylist()]
    found = {row["path"]: row for row in rows}
    assert len(found) == len(rows), "a path is there twice"
    return found


def synced(snapshot: Snapshot) -> SyncState:
    """What a sync of the snapshot leaves."""
    return SyncState(
        last_instant=snapshot.committed_at,
        source_format="DELTA",
        source_version=snapshot.version,
        mark=SourceMark(table_id=snapshot.table.id, fingerprint="x"),
    )


def changes(location: str, since: Snapshot, version: int | None = None) -> list[Change]:
    source = source_at(location, version)
    return list(source.changes(synced(since), source.snapshot()))


def check_chain(location: str, versions: Mapping[int, Version], since: int) -> None:
    """The changes since a version lead to the newest one, by way of the versions between."""
    before = {path: _kept(row) for path, row in versions[since].files.items()}
    last = max(versions)
    told = changes(location, versions[since].snapshot)
    for change in told:
        at = versions[int(change.snapshot.version)]
        assert msgspec.structs.replace(change.snapshot, file_count=None) == at.snapshot
        added, removed = rows_of(change.added()), change.removed.to_pylist()
        assert rows_of(change.added()) == added, "the second reading differs"
        assert all(at.files[path] == row for path, row in added.items())
        assert len(set(removed)) == len(removed)
        assert set(removed) <= before.keys() - added.keys()
        assert not (change.adds_only_new and before.keys() & added.keys())
        before = {path: row for path, row in before.items() if path not in removed}
        before |= {path: _kept(row) for path, row in added.items()}
        assert before == {path: _kept(row) for path, row in at.files.items()}
    assert bool(told) == (since < last)
    if told:
        assert int(told[-1].snapshot.version) == last


def _kept(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a file stays the same when the table's schema changes."""
    return row["size"], row["row_count"], row["deletion_vector"]


def growing(directory: Path) -> Iterator[int]:
    """Take a table's log away, and give it back version by version."""
    log, away = directory / "_delta_log", directory / "away"
    log.rename(away)
    log.mkdir()
    versions: dict[int, list[Path]] = {}
    for path in sorted(away.iterdir()):
        if path.name[:20].isdecimal():
            versions.setdefault(int(path.name[:20]), []).append(path)
        elif path.is_dir():
            shutil.move(path, log / path.name)
    for version, paths in sorted(versions.items()):
        for path in paths:
            shutil.move(path, log / path.name)
        yield version


@pytest.mark.parametrize("case", CASES, ids=str)
def test_real_tables_version_by_version(corpus: Corpus, tmp_path: Path, case: Case) -> None:
    directory = corpus.copy(case, tmp_path)
    location = f"file://{directory}"
    versions: dict[int, Version] = {}
    for version in growing(directory):
        if not versions and version > 0 and not any((directory / "_delta_log").glob("*.checkpoint*")):
            continue
        versions[version] = read(location)
        for since in sorted(versions)[:2] + sorted(versions)[2:][-3:]:
            check_chain(location, versions, since)
    assert versions
