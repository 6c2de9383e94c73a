"""The life of a target: made, followed, changed by others, refused."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import zstandard

from converters.delta.source import DeltaSource, DeltaSourceOptions
from converters.errors import CommitConflict, CorruptTable, ForeignTarget, StorageError, UnsupportedTableFeature
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.iceberg.target import IcebergTarget, IcebergTargetOptions
from converters.model import (
    PRIMITIVE_KINDS,
    Field,
    ListType,
    PartitionField,
    PartitionSpec,
    PrimitiveType,
    Schema,
    StructType,
    Transform,
)
from converters.storage import FaultyStorage, ObjectStorage
from converters.sync.state import SyncState
from tests.corpus.relocate import relocate_iceberg
from tests.iceberg_target.sources import Source, by_column, fields, state_of, sync, target_metadata
from tests.readers.compare import assert_same_rows
from tests.readers.tables import read, static_table

P = PRIMITIVE_KINDS


def _rows(start: int, count: int = 4) -> pa.Table:
    numbers = range(start, start + count)
    return pa.table({"id": pa.array(numbers, pa.int64()), "p": pa.array([f"p{start % 3}"] * count)})


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Three files in partitions."""
    schema = fields(id="long", p="string")
    made = Source(directory=tmp_path / "t", schema=schema, spec=by_column(schema, "p"))
    for start in (0, 10, 20):
        made.add(_rows(start), (f"p{start % 3}",))
    return made


def _target(source: Source, **options: Any) -> IcebergTarget:
    return IcebergTarget.open(ObjectStorage(), f"file://{source.directory}", IcebergTargetOptions(**options))


def _files(source: Source) -> set[str]:
    return {path.name for path in (source.directory / "metadata").iterdir()}


def _edit(source: Source, change: Callable[[dict[str, Any]], None]) -> None:
    """Commit as somebody else would."""
    metadata = source.directory / "metadata"
    newest = max(metadata.glob("v*.metadata.json"), key=lambda path: int(path.name[1:].split(".")[0]))
    number = int(newest.name[1:].split(".")[0])
    content = json.loads(newest.read_text())
    change(content)
    (metadata / f"v{number + 1}.metadata.json").write_text(json.dumps(content))


def _entries(source: Source) -> list[dict[str, Any]]:
    """All entries of the current snapshot, deleted ones too."""
    table = static_table(source.directory)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return [
        {
            "status": int(entry.status),
            "snapshot": entry.snapshot_id,
            "sequence": entry.sequence_number,
            "name": entry.data_file.file_path.rpartition("/")[2],
        }
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
    ]


def test_a_new_table_is_what_it_should_be(source: Source) -> None:
    commit = sync(source)
    assert (commit.version, commit.files_added, commit.files_removed) == ("v1", 3, 0)
    assert commit.metadata_path == f"file://{source.directory}/metadata/v1.metadata.json"
    assert (source.directory / "metadata" / "version-hint.text").read_bytes() == b"1"
    metadata = target_metadata(source.directory)
    assert (metadata.format_version, metadata.location) == (2, f"file://{source.directory}")
    assert [schema.schema_id for schema in metadata.schemas] == [0]
    assert [(spec.spec_id, [field.name for field in spec.fields]) for spec in metadata.partition_specs] == [(0, ["p"])]
    assert (metadata.last_column_id, metadata.last_partition_id) == (2, 1000)
    assert metadata.properties["write.parquet.compression-codec"] == "zstd"
    snapshot = metadata.current_snapshot
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["XTABLE_METADATA"] == metadata.properties["XTABLE_METADATA"]
    wanted = {
        "operation": "append",
        "added-data-files": "3",
        "added-records": "12",
        "total-records": "12",
        "total-data-files": "3",
        "total-delete-files": "0",
        "changed-partition-count": "3",
    }
    assert wanted.items() <= snapshot.summary.items()
    assert [(entry.snapshot_id, entry.timestamp_ms) for entry in metadata.snapshot_log] == [
        (snapshot.snapshot_id, snapshot.timestamp_ms)
    ]


def test_the_state_comes_back(source: Source) -> None:
    sync(source)
    current = _target(source).current()
    assert current is not None
    assert (current.version, current.state, current.changed) == ("v1", state_of(source), None)
    assert json.loads(current.schema_text)["fields"][0]["name"] == "id"


def test_an_unpartitioned_table_has_one_empty_spec(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=fields(id="long"))
    source.add(_rows(0).select(["id"]))
    sync(source)
    metadata = target_metadata(source.directory)
    assert [(spec.spec_id, spec.fields) for spec in metadata.partition_specs] == [(0, ())]
    assert metadata.last_partition_id == 999


def test_a_later_sync_is_a_difference(source: Source) -> None:
    sync(source)
    first = target_metadata(source.directory).current_snapshot_id
    (old, *_) = source.files
    source.drop(old)
    new = source.add(_rows(30), ("p0",))
    commit = sync(source)
    assert (commit.files_added, commit.files_removed) == (1, 1)
    metadata = target_metadata(source.directory)
    snapshot = metadata.current_snapshot
    assert snapshot is not None
    assert (snapshot.sequence_number, metadata.last_sequence_number, snapshot.parent_snapshot_id) == (2, 2, first)
    found = {(entry["name"], entry["status"], entry["snapshot"], entry["sequence"]) for entry in _entries(source)}
    kept = {(name, 0, first, 1) for name in source.files if name != new}
    assert found == kept | {(new, 1, snapshot.snapshot_id, 2), (old, 2, snapshot.snapshot_id, 1)}
    assert snapshot.summary is not None
    assert snapshot.summary["operation"] == "overwrite"
    assert snapshot.summary["deleted-records"] == "4"
    assert snapshot.summary["total-data-files"] == "3"
    assert snapshot.summary["changed-partition-count"] == "1"
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_deletes_only(source: Source) -> None:
    sync(source)
    for name in list(source.files):
        source.drop(name)
    sync(source)
    snapshot = target_metadata(source.directory).current_snapshot
    assert snapshot is not None
    assert snapshot.summary is not None
    assert (snapshot.summary["operation"], snapshot.summary["total-records"]) == ("delete", "0")
    assert read("iceberg", source.directory, "pyiceberg").num_rows == 0
    assert read("iceberg", source.directory, "duckdb").num_rows == 0


def test_a_file_that_was_written_anew_is_another_file(source: Source) -> None:
    sync(source)
    (name, *_) = source.files
    source.files = {**source.files, name: (_rows(0, 3), ("p0",))}
    (source.directory / name).unlink()
    source.directory.joinpath(name).touch()
    assert (sync(source).files_added, target_metadata(source.directory).last_sequence_number) == (1, 2)


def test_without_new_files_there_is_no_new_snapshot(source: Source) -> None:
    sync(source)
    before = target_metadata(source.directory)
    source.version += 1
    source.schema = Schema((*source.schema.fields, Field(id=3, name="more", type=P["int"])))
    assert sync(source).version == "v2"
    after = target_metadata(source.directory)
    assert after.current_snapshot_id == before.current_snapshot_id
    assert after.snapshots == before.snapshots
    current = _target(source).current()
    assert current is not None
    assert (current.state, current.changed) == (state_of(source), None)
    assert [schema.schema_id for schema in after.schemas] == [0, 1]
    assert read("iceberg", source.directory, "duckdb").column_names == ["id", "p", "more"]


def test_two_at_once_make_one_commit(source: Source) -> None:
    sync(source)
    source.add(_rows(30), ("p0",))
    first, second = _target(source), _target(source)
    snapshot, state = source.snapshot(), state_of(source)
    base, other_base = first.current(), second.current()
    first.replace(snapshot, iter([source.batch()]), state, base)
    before = _files(source)
    with pytest.raises(CommitConflict):
        second.replace(snapshot, iter([source.batch()]), state, other_base)
    assert _files(source) == before


def test_a_new_table_made_twice_at_once_is_one(source: Source) -> None:
    snapshot, state = source.snapshot(), state_of(source)
    _target(source).replace(snapshot, iter([source.batch()]), state, None)
    with pytest.raises(CommitConflict):
        _target(source).replace(snapshot, iter([source.batch()]), state, None)
    assert len(_files(source)) == 4


def test_an_unknown_spec_is_refused_by_name(source: Source) -> None:
    batch = source.batch()
    place = batch.schema.get_field_index("spec_id")
    batch = batch.set_column(place, batch.schema.field(place), pa.array([0, 5, 0], pa.int32()))
    with pytest.raises(CorruptTable, match="part-00001"):
        _target(source).replace(source.snapshot(), iter([batch]), state_of(source), None)
    assert not (source.directory / "metadata").exists()


def test_a_refusal_leaves_no_trace(source: Source) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield source.batch()
        raise UnsupportedTableFeature("The second batch has deletes.")

    with pytest.raises(UnsupportedTableFeature):
        _target(source).replace(source.snapshot(), batches(), state_of(source), None)
    assert not (source.directory / "metadata").exists()


def test_an_unknown_row_count_is_refused_by_name(source: Source) -> None:
    batch = source.batch()
    place = batch.schema.get_field_index("row_count")
    batch = batch.set_column(place, batch.schema.field(place), pa.array([4, None, 4], pa.int64()))
    with pytest.raises(CorruptTable, match="part-00001"):
        _target(source).replace(source.snapshot(), iter([batch]), state_of(source), None)
    assert not (source.directory / "metadata").exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_anywhere_leaves_the_old_or_the_new(source: Source, when: Any) -> None:
    sync(source)
    source.add(_rows(30), ("p0",))
    for call in range(1, 40):
        version = len(list((source.directory / "metadata").glob("v*.json")))
        storage = FaultyStorage(ObjectStorage(), fail_at=call, when=when)
        try:
            commit = sync(source, storage)
        except StorageError:
            current = _target(source).current()
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
        current = _target(source).current()
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


def test_a_catalogs_table_is_refused(source: Source) -> None:
    sync(source)
    metadata = source.directory / "metadata"
    (metadata / "v1.metadata.json").rename(metadata / "00000-5f0c1f6e-0000-0000-0000-000000000000.metadata.json")
    (metadata / "version-hint.text").unlink()
    with pytest.raises(ForeignTarget, match="catalog"):
        sync(source)


def test_what_others_do_shows(source: Source) -> None:
    sync(source)

    def add_column(content: dict[str, Any]) -> None:
        schema = content["schemas"][0]
        extra = {"id": 9, "name": "x", "required": False, "type": "int"}
        content["schemas"].append({**schema, "schema-id": 1, "fields": [*schema["fields"], extra]})
        content["current-schema-id"] = 1

    def append(content: dict[str, Any]) -> None:
        snapshot = {
            **content["snapshots"][0],
            "snapshot-id": 77,
            "sequence-number": 2,
            "summary": {"operation": "append"},
        }
        content["snapshots"].append(snapshot)
        content["current-snapshot-id"] = 77
        content["refs"]["main"]["snapshot-id"] = 77

    def own_property(content: dict[str, Any]) -> None:
        content["properties"]["owner"] = "me"

    _edit(source, own_property)
    current = _target(source).current()
    assert current is not None
    assert current.changed is None
    _edit(source, add_column)
    current = _target(source).current()
    assert current is not None
    assert "schema" in (current.changed or "")
    _edit(source, append)
    current = _target(source).current()
    assert current is not None
    assert "77" in (current.changed or "")
    sync(source)  # as after on-conflict=replace
    current = _target(source).current()
    assert current is not None
    assert current.changed is None
    assert target_metadata(source.directory).properties["owner"] == "me"
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_a_copied_table_is_begun_anew(source: Source, tmp_path: Path) -> None:
    """Its metadata is about the files of the table that it was copied from."""
    sync(source)
    before = target_metadata(source.directory)
    shutil.copytree(source.directory, tmp_path / "copy")
    source.directory = tmp_path / "copy"
    current = _target(source).current()
    assert current is not None
    assert str(tmp_path / "t") in (current.changed or "")
    sync(source)  # as after on-conflict=replace
    after = target_metadata(source.directory)
    assert after.location == f"file://{source.directory}"
    assert after.table_uuid != before.table_uuid
    assert len(after.snapshots) == 1
    shutil.rmtree(tmp_path / "t")
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_one_table_has_many_paths(source: Source, tmp_path: Path) -> None:
    sync(source)
    (tmp_path / "link").symlink_to(source.directory)
    target = IcebergTarget.open(ObjectStorage(), f"file://{tmp_path}/link", IcebergTargetOptions())
    current = target.current()
    assert current is not None
    assert current.changed is None


def test_a_damaged_target_is_made_whole(source: Source) -> None:
    sync(source)
    for manifest in (source.directory / "metadata").glob("*-m0.avro"):
        manifest.unlink()
    source.version += 1
    sync(source)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_only_the_retained_is_kept(source: Source) -> None:
    for start in (30, 40, 50):
        sync(source)
        source.add(_rows(start), (f"p{start % 3}",))
    assert len(target_metadata(source.directory).snapshots) == 3
    sync(source, retention_hours=0)
    metadata = target_metadata(source.directory)
    assert [each.snapshot_id for each in metadata.snapshots] == [metadata.current_snapshot_id]
    assert [each.snapshot_id for each in metadata.snapshot_log] == [metadata.current_snapshot_id]
    assert sum(name.startswith("snap-") for name in _files(source)) == 1
    assert sum("-m" in name for name in _files(source)) == 1
    assert sorted(path.name for path in source.directory.glob("*.parquet")) == sorted(source.files)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_branches_and_tags_keep_their_snapshots(source: Source) -> None:
    sync(source)
    first = target_metadata(source.directory).current_snapshot_id

    def tag(content: dict[str, Any]) -> None:
        content["refs"]["kept"] = {"snapshot-id": first, "type": "tag"}

    _edit(source, tag)
    source.add(_rows(30), ("p0",))
    sync(source, retention_hours=0)
    source.add(_rows(40), ("p0",))
    sync(source, retention_hours=0)
    metadata = target_metadata(source.directory)
    assert {each.snapshot_id for each in metadata.snapshots} == {first, metadata.current_snapshot_id}
    assert metadata.refs["kept"].snapshot_id == first
    assert read("iceberg", source.directory, "pyiceberg", version="kept").num_rows == 12


def test_the_metadata_log_is_bounded(source: Source) -> None:
    sync(source)

    def limit(content: dict[str, Any]) -> None:
        content["properties"]["write.metadata.previous-versions-max"] = "2"

    _edit(source, limit)
    for version in range(4):
        source.version = 100 + version
        sync(source)
    metadata = target_metadata(source.directory)
    names = [entry.metadata_file.rpartition("/")[2] for entry in metadata.metadata_log]
    assert names == ["v4.metadata.json", "v5.metadata.json"]
    times = [entry.timestamp_ms for entry in metadata.metadata_log]
    assert times == sorted(times)
    assert {name for name in _files(source) if name.endswith("json")} == {f"v{n}.metadata.json" for n in (1, 4, 5, 6)}


def test_version_3_is_kept_and_reached(source: Source) -> None:
    sync(source)
    source.version += 1
    sync(source, format_version=3)
    metadata = target_metadata(source.directory)
    assert (metadata.format_version, metadata.next_row_id) == (3, 12)
    source.add(_rows(30), ("p0",))
    sync(source)
    metadata = target_metadata(source.directory)
    assert (metadata.format_version, metadata.next_row_id) == (3, 12 + 16)
    snapshot = metadata.current_snapshot
    assert snapshot is not None
    assert (snapshot.first_row_id, snapshot.added_rows) == (12, 16)


def test_the_source_reads_what_the_target_wrote(source: Source) -> None:
    source.changes = {"description": "Some words."}
    sync(source)
    opened = IcebergSource.open(ObjectStorage(), f"file://{source.directory}", IcebergSourceOptions())
    snapshot = opened.snapshot()
    assert snapshot.table.schema.fields == source.schema.fields
    assert snapshot.table.specs == (source.spec,)
    assert snapshot.table.description == "Some words."
    (batch,) = opened.data_files(snapshot)
    found = batch.select(["path", "size", "row_count", "partition"]).to_pylist()
    wanted = source.batch().select(["path", "size", "row_count", "partition"]).to_pylist()
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_narrow_types_are_remembered(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=fields(b="byte", s="short", i="int"))
    source.add(pa.table({name: pa.array([1], pa.int32()) for name in "bsi"}))
    sync(source)
    opened = IcebergSource.open(ObjectStorage(), f"file://{source.directory}", IcebergSourceOptions())
    assert opened.snapshot().table.schema.fields == source.schema.fields


def _nested(*extra: Field) -> Schema:
    inner = StructType((Field(id=4, name="x", type=P["long"]), *extra))
    return Schema((Field(id=1, name="id", type=P["long"]), Field(id=2, name="s", type=inner)))


def _ids(source: Source) -> dict[str, int]:
    metadata = target_metadata(source.directory)
    table = IcebergSource.open(ObjectStorage(), f"file://{source.directory}", IcebergSourceOptions()).snapshot().table
    assert metadata.last_column_id >= table.schema.highest_id
    return {node.dotted: node.id for node in table.schema.nodes}


def test_a_column_keeps_its_id(tmp_path: Path) -> None:
    """A source without ids of its own makes them up on every read; names decide."""
    source = Source(directory=tmp_path / "t", schema=Schema(_nested().fields))
    rows = pa.table({"id": pa.array([1], pa.int64()), "s": pa.array([{"x": 2}], pa.struct([("x", pa.int64())]))})
    source.add(rows)
    sync(source)
    assert _ids(source) == {"id": 1, "s": 2, "s.x": 4}
    inner = StructType((Field(id=5, name="x", type=P["long"]), Field(id=6, name="y", type=P["int"])))
    element = ListType(7, PrimitiveType("string"))
    source.schema = Schema(
        (
            Field(id=1, name="new", type=P["string"]),
            Field(id=2, name="id", type=P["long"]),
            Field(id=3, name="s", type=inner),
            Field(id=4, name="l", type=element),
        )
    )
    sync(source)
    assert _ids(source) == {"new": 5, "id": 1, "s": 2, "s.x": 4, "s.y": 6, "l": 7, "l.element": 8}
    mapping = json.loads(target_metadata(source.directory).properties["schema.name-mapping.default"])
    assert [each["field-id"] for each in mapping] == [5, 1, 2, 7]
    assert read("iceberg", source.directory, "duckdb").to_pylist() == [
        {"new": None, "id": 1, "s": {"x": 2, "y": None}, "l": None}
    ]
    source.schema = _nested()
    sync(source)
    assert _ids(source) == {"id": 1, "s": 2, "s.x": 4}
    assert target_metadata(source.directory).current_schema_id == 0


@pytest.mark.parametrize(
    "before, after, same",
    [("int", "long", True), ("float", "double", True), ("byte", "long", True), ("string", "int", False)],
)
def test_a_column_of_another_type_is_another_column(tmp_path: Path, before: str, after: str, same: bool) -> None:
    source = Source(directory=tmp_path / "t", schema=fields(id="long", c=before))
    old = {"int": pa.int32(), "byte": pa.int32(), "float": pa.float32(), "string": pa.string()}[before]
    name = source.add(
        pa.table({"id": pa.array([1], pa.int64()), "c": pa.array(["7" if before == "string" else 7], old)})
    )
    sync(source)
    if not same:
        source.drop(name)
    source.schema = fields(id="long", c=after)
    new = {"long": pa.int64(), "double": pa.float64(), "int": pa.int32()}[after]
    source.add(pa.table({"id": pa.array([2], pa.int64()), "c": pa.array([9], new)}))
    sync(source)
    assert (_ids(source)["c"] == 2) == same
    found = read("iceberg", source.directory, "duckdb")
    assert sorted(found["c"].to_pylist()) == ([7, 9] if same else [9])
    assert read("iceberg", source.directory, "pyiceberg").num_rows == len(found)


def _mapped(*columns: tuple[int, str, str, str]) -> Schema:
    return Schema(
        tuple(
            Field(id=id_, name=name, physical_name=stored, type=PRIMITIVE_KINDS[kind])
            for id_, name, stored, kind in columns
        )
    )


def test_ids_of_the_source_are_kept(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=_mapped((3, "a", "col-a", "long"), (5, "b", "col-b", "long")))
    source.changes = {"field_ids": "unknown"}
    stored = pa.table({"col-a": pa.array([1], pa.int64()), "col-b": pa.array([2], pa.int64())})
    source.add(stored)
    sync(source)
    assert _ids(source) == {"a": 3, "b": 5}
    source.schema = _mapped((3, "b", "col-a", "long"), (6, "a", "col-c", "long"))
    source.version += 1
    sync(source)
    assert _ids(source) == {"b": 3, "a": 6}
    assert read("iceberg", source.directory, "duckdb").to_pylist() == [{"b": 1, "a": None}]


def test_history_ends_where_an_id_gets_another_meaning(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=fields(b="long", a="long"))
    source.add(pa.table({"a": pa.array([1], pa.int64()), "b": pa.array([2], pa.int64())}))
    sync(source)
    source.schema = _mapped((1, "a", "a", "long"), (2, "b", "b", "long"))
    source.version += 1
    sync(source)
    metadata = target_metadata(source.directory)
    assert _ids(source) == {"a": 1, "b": 2}
    assert [each.snapshot_id for each in metadata.snapshots] == [metadata.current_snapshot_id]
    assert read("iceberg", source.directory, "duckdb").to_pylist() == [{"a": 1, "b": 2}]
    assert read("iceberg", source.directory, "pyiceberg").to_pylist() == [{"a": 1, "b": 2}]


def test_specs_follow_the_source(source: Source) -> None:
    sync(source)
    whole = [(rows, rows["p"][0].as_py()) for rows, _ in source.files.values()]
    for name in list(source.files):
        source.drop(name)
    source.spec = PartitionSpec(0)
    for rows, _ in whole:
        source.add(rows)
    sync(source)
    metadata = target_metadata(source.directory)
    assert (metadata.default_spec_id, len(metadata.partition_specs)) == (1, 2)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg", "spark"))
    for name in list(source.files):
        source.drop(name)
    source.spec = by_column(source.schema, "p")
    for rows, value in whole:
        source.add(rows, (value,))
    sync(source)
    metadata = target_metadata(source.directory)
    assert (metadata.default_spec_id, len(metadata.partition_specs)) == (0, 2)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg", "spark"))


def test_a_partition_column_may_go(source: Source) -> None:
    sync(source)
    for name in list(source.files):
        source.drop(name)
    source.schema, source.spec = fields(id="long"), PartitionSpec(0)
    source.add(_rows(50).select(["id"]))
    sync(source)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg", "spark"))


def test_a_new_column_may_have_a_partition_fields_name(tmp_path: Path) -> None:
    """A renamed partition column leaves its name in the spec; Java binds every spec to the current schema."""
    schema = _mapped((1, "id", "id", "long"), (2, "p", "p", "string"))
    source = Source(directory=tmp_path / "t", schema=schema, spec=by_column(schema, "p"))
    source.add(_rows(0), ("p0",))
    sync(source)
    source.schema = _mapped((1, "id", "id", "long"), (2, "q", "p", "string"), (3, "p", "p2", "string"))
    source.version += 1
    sync(source)
    expected = pa.table({"id": _rows(0)["id"], "q": _rows(0)["p"], "p": pa.nulls(4, pa.string())})
    assert_same_rows("iceberg", source.directory, expected, ("duckdb", "spark"), filters=False)


def test_names_may_be_odd(tmp_path: Path) -> None:
    """Avro allows fewer characters than Iceberg; two names may become one."""
    schema = fields(**{"a-b": "string", "a_x2Db": "string", "1 ü": "long", "v": "long"})
    source = Source(directory=tmp_path / "t", schema=schema, spec=by_column(schema, "a-b", "a_x2Db", "1 ü"))
    for n in range(3):
        rows = pa.table({"a-b": [f"x{n}"], "a_x2Db": [f"y{n}"], "1 ü": [n], "v": [n * 10]})
        source.add(rows, (f"x{n}", f"y{n}", n))
    sync(source)
    assert_same_rows("iceberg", source.directory, source.rows(), ("spark", "duckdb", "pyiceberg"))


def test_transforms_are_carried(tmp_path: Path) -> None:
    schema = fields(id="long", at="timestamp")
    spec = PartitionSpec(
        4,
        (
            PartitionField(id=1004, source_id=2, name="at", transform=Transform("day")),
            PartitionField(id=1007, source_id=1, name="id_bucket", transform=Transform("bucket", 4)),
        ),
    )
    source = Source(directory=tmp_path / "t", schema=schema, spec=spec)
    sync(source)
    (written,) = target_metadata(source.directory).partition_specs
    assert [(field.name, field.transform, field.field_id) for field in written.fields] == [
        ("at_day", "day", 1000),
        ("id_bucket", "bucket[4]", 1001),
    ]


@pytest.mark.parametrize(
    "schema, changes, said",
    [
        (fields(t="timestamp_ns"), {}, "timestamp_ns"),
        (Schema((Field(id=1, name="d", type=P["int"], initial_default=5),)), {}, "default value"),
        (Schema((Field(id=1, name="d", type=P["int"], write_default=5),)), {}, "default value"),
        (
            Schema(
                (
                    Field(id=1, name="a.b", type=P["int"]),
                    Field(id=2, name="a", type=StructType((Field(id=3, name="b", type=P["int"]),))),
                )
            ),
            {},
            "a.b",
        ),
        (
            Schema((Field(id=1, name="l", physical_name="x", type=ListType(2, P["int"])),)),
            {"field_ids": "unknown"},
            "'l' is a list<int>",
        ),
        (fields(a="int"), {"names_are_stable": False}, "renamed"),
    ],
)
def test_what_cannot_be_carried_is_refused(tmp_path: Path, schema: Schema, changes: dict[str, Any], said: str) -> None:
    source = Source(directory=tmp_path / "t", schema=schema, changes=changes)
    with pytest.raises(UnsupportedTableFeature, match=said):
        _target(source).check(source.snapshot())


def test_identifiers_are_kept_where_iceberg_allows_them(tmp_path: Path) -> None:
    for required, kind, kept in ((True, "long", (1,)), (False, "long", ()), (True, "double", ())):
        schema = Schema((Field(id=1, name="k", type=P[kind], required=required),), identifier_field_ids=(1,))
        source = Source(directory=tmp_path / f"{required}-{kind}", schema=schema)
        assert len(_target(source).check(source.snapshot())) == (0 if kept else 1)
        sync(source)
        assert target_metadata(source.directory).current_schema.identifier_field_ids == kept


def test_version_3_carries_more(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=fields(t="timestamp_ns"))
    source.add(pa.table({"t": pa.array([None], pa.timestamp("ns"))}))
    sync(source, format_version=3)
    _target(source, format_version=2).current()
    assert read("iceberg", source.directory, "duckdb").num_rows == 1


def test_lists_are_carried_where_their_ids_are(tmp_path: Path) -> None:
    schema = Schema((Field(id=1, name="l", physical_name="x", type=ListType(2, P["int"])),))
    source = Source(directory=tmp_path / "t", schema=schema)
    source.changes = {"field_ids": "unknown", "properties": {"delta.enableIcebergCompatV2": "true"}}
    assert _target(source).check(source.snapshot()) == []


def test_lost_defaults_are_told(tmp_path: Path) -> None:
    columns = (
        Field(id=1, name="a", type=P["int"], default_sql="7"),
        Field(id=2, name="b", type=P["int"], generation_sql="a + 1"),
    )
    notes = _target(Source(directory=tmp_path / "t", schema=Schema(columns))).check(
        Source(directory=tmp_path / "t", schema=Schema(columns)).snapshot()
    )
    assert [note.split("'")[1] for note in notes] == ["a", "b"]


def test_hidden_columns_are_mapped(tmp_path: Path) -> None:
    """pyiceberg refuses a file with a column that the name mapping lacks, and Delta's writers leave such ones."""
    source = Source(directory=tmp_path / "t", schema=fields(id="long"))
    source.changes = {"properties": {"delta.enableChangeDataFeed": "true"}}
    source.add(pa.table({"id": pa.array([1], pa.int64()), "_change_type": ["insert"]}))
    sync(source)
    assert read("iceberg", source.directory, "pyiceberg").to_pylist() == [{"id": 1}]


@pytest.fixture(params=["delta_incr", "delta_nested"])
def xtable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A Delta table and the Iceberg table that Java XTable made of it."""
    archive = Path(__file__).with_name("xtable.tar.zst")
    data = zstandard.ZstdDecompressor().stream_reader(archive.read_bytes())
    with tarfile.open(fileobj=data, mode="r|") as tar:
        tar.extractall(tmp_path, filter="data")
    relocate_iceberg(tmp_path / request.param, "/xtable", str(tmp_path))
    return tmp_path / str(request.param)


def test_what_xtable_began_goes_on(xtable: Path) -> None:
    from deltalake import write_deltalake  # noqa: PLC0415 - this test alone

    before = target_metadata(xtable)
    target = IcebergTarget.open(ObjectStorage(), f"file://{xtable}", IcebergTargetOptions())
    base = target.current()
    assert base is not None
    assert base.changed is None
    assert base.state is not None
    assert base.state.source_format == "DELTA"
    rows = read("delta", xtable, "deltalake")
    write_deltalake(xtable, rows.slice(0, 3), mode="append")
    opened = DeltaSource.open(ObjectStorage(), f"file://{xtable}", DeltaSourceOptions())
    snapshot = opened.snapshot()
    state = SyncState(last_instant=snapshot.committed_at, source_format="DELTA", source_version=snapshot.version)
    commit = target.replace(snapshot, opened.data_files(snapshot), state, base)
    assert (commit.files_added, commit.files_removed) == (1, 0)
    after = target_metadata(xtable)
    assert after.table_uuid == before.table_uuid
    assert after.current_schema_id == before.current_schema_id
    assert after.default_spec_id == before.default_spec_id
    assert after.partition_specs == before.partition_specs
    assert len(after.snapshots) == len(before.snapshots) + 1
    assert_same_rows("iceberg", xtable, pa.concat_tables([rows, rows.slice(0, 3)]), ("spark", "duckdb"))


def test_options_are_checked() -> None:
    for wrong in ({"format-version": "4"}, {"retention-hours": "-1"}, {"nonsense": "1"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, IcebergTargetOptions, strict=False)


def test_a_far_away_store_gets_several_files_at_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.iceberg.manifest_writer.MANIFEST_BYTES", 200)
    for start in range(30, 60):
        source.add(_rows(start), (f"p{start % 3}",))
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

    monkeypatch.setattr("converters.iceberg.manifest_writer.MANIFEST_BYTES", 200)
    for start in range(30, 60):
        source.add(_rows(start), (f"p{start % 3}",))
    storage = Full()
    for location in ("memory:///t", f"file://{source.directory}"):
        storage.puts = 0
        target = IcebergTarget.open(storage, location, IcebergTargetOptions())
        with pytest.raises(StorageError, match="No space"):
            target.replace(source.snapshot(), iter([source.batch()]), state_of(source), None)
        assert list(storage.list(f"{location}/metadata")) == []
