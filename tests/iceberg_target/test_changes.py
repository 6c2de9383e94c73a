"""What one change makes of a target."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.deletes.blob import blob_of
from converters.errors import CommitConflict, FullSyncNeeded
from converters.formats import Commit
from converters.iceberg.manifests.listed import ListedManifest, read_listed
from converters.iceberg.writing.previous_files import PreviousFiles
from converters.model import PRIMITIVE_KINDS, DecimalType, Field, PartitionSpec, Schema
from converters.model.change import Change
from converters.model.deletion_vector import DELETION_VECTOR
from converters.storage import ObjectStorage
from tests.iceberg_target.sources import (
    Source,
    by_column,
    fields,
    files_under,
    live_entries,
    some_rows,
    state_of,
    sync,
    target_metadata,
    target_of,
)
from tests.readers.compare import assert_same_rows
from tests.readers.tables import Reader, read

P = PRIMITIVE_KINDS
_READERS: tuple[Reader, Reader] = ("duckdb", "pyiceberg")


def advance(
    source: Source, before: set[str], *, changed: tuple[str, ...] = (), proven: bool = False, **options: Any
) -> Commit:
    """Apply what the source has done since it had the files ``before``; ``changed`` ones are told as well."""
    added = [name not in before or name in changed for name in source.files]
    batch = source.batch().filter(pa.array(added, pa.bool_()))
    gone = [f"file://{source.directory}/{name}" for name in sorted(before - set(source.files))]
    change = Change(
        snapshot=source.snapshot(),
        added=lambda: iter([batch]),
        removed=pa.chunked_array([gone], pa.string()),
        adds_only_new=proven,
    )
    target = target_of(source, **options)
    base = target.current()
    assert base is not None
    return target.advance(change, state_of(source), base)


def listed(source: Source) -> list[ListedManifest]:
    """The manifests of the current snapshot."""
    snapshot = target_metadata(source.directory).current_snapshot
    assert snapshot is not None
    return read_listed(ObjectStorage(), snapshot)


def summary(source: Source) -> dict[str, str]:
    """What the current snapshot says of itself."""
    snapshot = target_metadata(source.directory).current_snapshot
    assert snapshot is not None
    return snapshot.summary or {}


@pytest.mark.parametrize("proven", [True, False])
def test_added_files_make_one_manifest_and_the_others_stay(source: Source, proven: bool) -> None:
    sync(source)
    old, before = listed(source), set(source.files)
    new = source.add(some_rows(30), ("p0",))
    commit = advance(source, before, proven=proven)
    assert (commit.version, commit.files_added, commit.files_removed) == ("v2", 1, 0)
    made, *kept = listed(source)
    assert kept == old
    assert (made.files, made.rows, made.sequence_number, made.min_sequence_number) == ((1, 0, 0), (4, 0, 0), 2, 2)
    said = summary(source)
    assert said["operation"] == "append"
    assert (said["added-data-files"], said["total-data-files"], said["total-records"]) == ("1", "4", "16")
    assert said["total-files-size"] == str(sum((source.directory / name).stat().st_size for name in source.files))
    assert new in source.files
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


@pytest.mark.parametrize("version", [2, 3])
def test_a_removed_file_is_deleted_from_the_manifest_that_lists_it(source: Source, version: int) -> None:
    sync(source, format_version=version)
    first = target_metadata(source.directory).current_snapshot_id
    before = set(source.files)
    new = source.add(some_rows(30), ("p0",))
    advance(source, before, format_version=version)
    second = target_metadata(source.directory).current_snapshot_id
    lineage = _row_ids(source)
    before = set(source.files)
    (gone, *_) = source.files
    source.drop(gone)
    commit = advance(source, before, format_version=version)
    third = target_metadata(source.directory).current_snapshot_id
    assert (commit.files_added, commit.files_removed) == (0, 1)
    found = {(entry["name"], entry["status"], entry["snapshot"], entry["sequence"]) for entry in live_entries(source)}
    kept = {(name, 0, first, 1) for name in source.files if name != new}
    assert found == kept | {(gone, 2, third, 1), (new, 1, second, 2)}
    said = summary(source)
    assert (said["operation"], said["deleted-records"], said["total-records"]) == ("delete", "4", "12")
    assert {path: id_ for path, id_ in lineage.items() if not path.endswith(gone)} == _row_ids(source)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))
    for snapshot, rows in ((first, 12), (second, 16), (third, 12)):
        assert read("iceberg", source.directory, "duckdb", version=snapshot).num_rows == rows


def _row_ids(source: Source) -> dict[str, int | None]:
    """The first row id of each live file, as the reader of the source side works it out."""
    metadata = target_metadata(source.directory)
    assert metadata.current_snapshot is not None
    previous = PreviousFiles.read(ObjectStorage(), metadata.current_snapshot, Schema(()), {})
    found: dict[str, int | None] = {}
    for _, files, origins in previous.gone():
        found.update(zip(files.column("path").to_pylist(), origins.first_row_id.to_pylist(), strict=True))
    return found


def test_a_file_that_comes_back_changed_takes_the_place_of_its_entry(source: Source) -> None:
    sync(source)
    (name, *_) = source.files
    rows = some_rows(0, 3)
    pq.write_table(rows.select(["id"]), source.directory / name)
    source.files = {**source.files, name: (rows, ("p0",))}
    source.version += 1
    commit = advance(source, set(source.files), changed=(name,))
    assert (commit.files_added, commit.files_removed) == (1, 1)
    assert summary(source)["operation"] == "overwrite"
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_a_file_that_is_told_again_unchanged_stays(source: Source) -> None:
    sync(source)
    old = listed(source)
    source.version += 1
    commit = advance(source, set(source.files), changed=tuple(source.files))
    assert (commit.version, commit.files_added, commit.files_removed) == ("v2", 0, 0)
    assert listed(source) == old


def test_everything_may_be_removed_and_files_come_again(source: Source) -> None:
    sync(source)
    before = set(source.files)
    for name in before:
        source.drop(name)
    advance(source, before)
    assert summary(source)["total-data-files"] == "0"
    assert read("iceberg", source.directory, "duckdb").num_rows == 0
    source.add(some_rows(50), ("p2",))
    advance(source, set())
    assert [each.files for each in listed(source)] == [(1, 0, 0)]
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_a_removed_file_that_is_not_listed_needs_a_full_sync(source: Source) -> None:
    sync(source)
    before, names = set(source.files), files_under(source)
    source.version += 1
    with pytest.raises(FullSyncNeeded, match="1 of the files that were removed"):
        advance(source, before | {"never.parquet"})
    assert files_under(source) == names


def test_a_change_of_the_schema_alone_makes_a_snapshot_that_names_it(source: Source) -> None:
    sync(source)
    first = target_metadata(source.directory).current_snapshot_id
    source.schema = Schema((*source.schema.fields, Field(id=3, name="more", type=P["int"])))
    source.version += 1
    advance(source, set(source.files))
    metadata = target_metadata(source.directory)
    assert metadata.current_snapshot_id != first
    assert [each.schema_id for each in metadata.snapshots] == [0, 1]
    assert read("iceberg", source.directory, "duckdb", version=first).column_names == ["id", "p"]
    assert read("iceberg", source.directory, "duckdb").column_names == ["id", "p", "more"]


@pytest.mark.parametrize("by", ["q", None])
def test_a_widened_column_leaves_old_entries_as_they_are(tmp_path: Path, by: str | None) -> None:
    """Readers widen bounds and partition values themselves (Iceberg spec, "Schema Evolution")."""

    def rows(start: int, *, wide: bool) -> pa.Table:
        numbers = range(start, start + 5)
        return pa.table(
            {
                "i": pa.array(numbers, pa.int64() if wide else pa.int32()),
                "f": pa.array([n / 4 for n in numbers], pa.float64() if wide else pa.float32()),
                "d": pa.array([Decimal(n) / 4 for n in numbers], pa.decimal128(15 if wide else 9, 2)),
                "q": pa.array([start] * 5, pa.int64() if wide else pa.int32()),
            }
        )

    narrow = fields(i="int", f="float", d=DecimalType(9, 2), q="int")
    spec = by_column(narrow, by) if by else PartitionSpec(0)
    source = Source(directory=tmp_path / "t", schema=narrow, spec=spec)
    for start in (0, 100, -100):
        source.add(rows(start, wide=False), (start,) if by else ())
    sync(source)
    first = target_metadata(source.directory).current_snapshot_id
    source.schema = fields(i="long", f="double", d=DecimalType(15, 2), q="long")
    before = set(source.files)
    source.add(rows(2**40, wide=True), (2**40,) if by else ())
    source.drop(sorted(before)[1])
    source.files = {
        name: (found.cast(rows(0, wide=True).schema), partition) for name, (found, partition) in source.files.items()
    }
    advance(source, before)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg", "polars", "spark"))
    old = read("iceberg", source.directory, "duckdb", version=first)
    assert (old.num_rows, old.schema.field("i").type) == (15, pa.int32())


def test_a_lost_race_leaves_nothing(source: Source) -> None:
    sync(source)
    target, before = target_of(source), set(source.files)
    base = target.current()
    assert base is not None
    source.add(some_rows(30), ("p0",))
    advance(source, before)
    names = files_under(source)
    change = Change(snapshot=source.snapshot(), added=lambda: iter([source.batch()]), adds_only_new=True)
    with pytest.raises(CommitConflict):
        target.advance(change, state_of(source), base)
    assert files_under(source) == names


@pytest.mark.parametrize("version", [2, 3])
def test_many_small_commits_do_not_make_many_manifests(
    source: Source, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("converters.iceberg.manifests.merging.FEWEST_TO_MERGE", 5)
    sync(source, format_version=version)
    for number in range(12):
        before = set(source.files)
        source.add(some_rows(30 + 10 * number), (f"p{number % 3}",))
        if number % 4 == 3:
            source.drop(sorted(before)[number])
        lineage = _row_ids(source)
        advance(source, before, format_version=version)
        after = _row_ids(source)
        assert {path: lineage[path] for path in lineage if path in after} == {
            path: after[path] for path in after if path in lineage
        }
        assert len(listed(source)) <= 7
    assert sum(each.live_files for each in listed(source)) == len(source.files)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def _vector(*positions: int) -> dict[str, object]:
    return {
        "id": f"v{positions}",
        "path": None,
        "offset": None,
        "length": None,
        "inline": blob_of(np.array(positions, np.uint64)),
        "cardinality": len(positions),
    }


def with_vectors(source: Source, batch: pa.RecordBatch, **vectors: tuple[int, ...]) -> pa.RecordBatch:
    """The batch with deletion vectors of these positions, by the files' places (``f0``)."""
    names = list(source.files)
    wanted = {f"file://{source.directory}/{names[int(key[1:])]}": _vector(*value) for key, value in vectors.items()}
    column = pa.array([wanted.get(path) for path in batch.column("path").to_pylist()], DELETION_VECTOR)
    return batch.set_column(batch.schema.get_field_index("deletion_vector"), "deletion_vector", column)


def _apply(source: Source, batch: pa.RecordBatch, **options: Any) -> Commit:
    """Apply a change of these files' vectors."""
    source.version += 1
    target = target_of(source, **options)
    base = target.current()
    assert base is not None
    return target.advance(Change(snapshot=source.snapshot(), added=lambda: iter([batch])), state_of(source), base)


def _ids(source: Source, version: int | None = None) -> list[int]:
    """The rows that are seen, by all readers alike."""
    found = [
        sorted(read("iceberg", source.directory, reader, version=version)["id"].to_pylist())
        for reader in ("duckdb", "pyiceberg")
    ]
    assert found[0] == found[1]
    return found[0]


def test_deleted_rows_come_go_and_follow_their_file(source: Source) -> None:
    """Files of four rows each: 0-3, 10-13 and 20-23."""
    sync(source)
    _apply(source, with_vectors(source, source.batch(), f0=(1, 2), f1=(0,)))
    metadata = target_metadata(source.directory)
    assert metadata.format_version == 3
    assert (metadata.next_row_id, [each.added_rows for each in metadata.snapshots]) == (12, [None, 12])
    assert _ids(source) == [0, 3, 11, 12, 13, 20, 21, 22, 23]
    said = summary(source)
    assert said["operation"] == "delete"
    assert (said["added-dvs"], said["total-position-deletes"], said["total-records"]) == ("2", "3", "12")

    _apply(source, with_vectors(source, source.batch().slice(0, 1), f0=(1, 2, 3)))
    assert _ids(source) == [0, 11, 12, 13, 20, 21, 22, 23]
    assert sorted((each.content, each.files) for each in listed(source)) == [
        (0, (3, 0, 0)),
        (1, (0, 0, 1)),
        (1, (0, 1, 0)),
        (1, (1, 0, 0)),
    ]
    assert summary(source)["total-delete-files"] == "2"

    _apply(source, source.batch().slice(1, 1))
    assert _ids(source) == [0, 10, 11, 12, 13, 20, 21, 22, 23]
    assert summary(source)["operation"] == "overwrite"

    before = set(source.files)
    source.drop(next(iter(source.files)))
    advance(source, before)
    assert _ids(source) == [10, 11, 12, 13, 20, 21, 22, 23]
    said = summary(source)
    assert (said["operation"], said["removed-dvs"], said["total-delete-files"]) == ("delete", "1", "0")
    assert [len(_ids(source, each.snapshot_id)) for each in target_metadata(source.directory).snapshots] == [
        12,
        9,
        8,
        9,
        8,
    ]


def test_a_full_sync_keeps_vectors_that_are_the_same(source: Source) -> None:
    def whole(batch: pa.RecordBatch) -> Commit:
        source.version += 1
        target = target_of(source)
        return target.replace(source.snapshot(), iter([batch]), state_of(source), target.current())

    whole(with_vectors(source, source.batch(), f0=(1,), f1=(0,)))
    first = target_metadata(source.directory)
    assert first.format_version == 3
    assert _ids(source) == [0, 2, 3, 11, 12, 13, 20, 21, 22, 23]
    whole(with_vectors(source, source.batch(), f0=(1,), f1=(0,)))
    assert target_metadata(source.directory).current_snapshot_id == first.current_snapshot_id
    whole(with_vectors(source, source.batch(), f0=(1,), f1=(0, 3), f2=(0,)))
    assert _ids(source) == [0, 2, 3, 11, 12, 21, 22, 23]
    said = summary(source)
    assert (said["added-dvs"], said["removed-dvs"], said["total-delete-files"]) == ("2", "1", "3")
    assert (said["total-position-deletes"], said["total-data-files"]) == ("4", "3")
    whole(source.batch())
    assert len(_ids(source)) == 12
    assert summary(source)["total-delete-files"] == "0"


def test_a_new_file_may_have_deleted_rows(source: Source) -> None:
    sync(source)
    before = set(source.files)
    source.add(some_rows(30), ("p0",))
    batch = with_vectors(source, source.batch().slice(3), f3=(3,))
    target = target_of(source)
    base = target.current()
    assert base is not None
    assert before
    change = Change(snapshot=source.snapshot(), added=lambda: iter([batch]), adds_only_new=True)
    assert target.advance(change, state_of(source), base).files_added == 1
    assert _ids(source)[-3:] == [30, 31, 32]


def test_version_2_has_position_deletes(source: Source) -> None:
    sync(source, format_version=2)
    _apply(source, with_vectors(source, source.batch(), f0=(1, 2), f1=(0,)), format_version=2)
    assert target_metadata(source.directory).format_version == 2
    assert _ids(source) == [0, 3, 11, 12, 13, 20, 21, 22, 23]
    said = summary(source)
    assert (said["added-position-delete-files"], said["total-position-deletes"]) == ("2", "3")
    _apply(source, with_vectors(source, source.batch().slice(0, 1), f0=(0, 1, 2)), format_version=2)
    assert _ids(source) == [3, 11, 12, 13, 20, 21, 22, 23]
    source.version += 1
    first = target_metadata(source.directory).current_snapshot_id
    target = target_of(source, format_version=2)
    same = with_vectors(source, source.batch(), f0=(0, 1, 2), f1=(0,))
    target.replace(source.snapshot(), iter([same]), state_of(source), target.current())
    assert target_metadata(source.directory).current_snapshot_id == first
    before = set(source.files)
    source.drop(next(iter(source.files)))
    advance(source, before, format_version=2)
    assert _ids(source) == [11, 12, 13, 20, 21, 22, 23]
    assert summary(source)["total-delete-files"] == "1"


@pytest.mark.parametrize("version", [2, None])
def test_what_only_expired_snapshots_had_is_deleted(source: Source, version: int | None) -> None:
    """The first vector's file goes when its snapshot expires; the second's, which is live, stays."""
    options: dict[str, Any] = {"format_version": version} if version else {}
    sync(source, **options)
    for vectors in ((1,), (1, 2), (1, 2, 3)):
        _apply(source, with_vectors(source, source.batch(), f0=vectors, f1=(0,)), retention_hours=1000, **options)
    before = set(source.files)
    source.add(some_rows(40), ("p1",))
    advance(source, before, proven=True, retention_hours=0, **options)
    metadata = target_metadata(source.directory)
    assert [each.snapshot_id for each in metadata.snapshots] == [metadata.current_snapshot_id]
    assert _ids(source) == [0, 11, 12, 13, 20, 21, 22, 23, 40, 41, 42, 43]
    names = files_under(source)
    assert sum(name.endswith((".puffin", "-deletes.parquet")) for name in names) == (2 if version else 1)
    assert {each.path.rpartition("/")[2] for each in listed(source)} == {name for name in names if "-m" in name}
