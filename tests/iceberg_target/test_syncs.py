"""What a sync makes of a target: new, followed, unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.iceberg.target import IcebergTargetOptions
from converters.model import (
    PRIMITIVE_KINDS,
    Field,
    Schema,
)
from converters.storage import ObjectStorage
from tests.iceberg_target.sources import (
    Source,
    edit_metadata,
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
from tests.readers.tables import read

P = PRIMITIVE_KINDS


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
    current = target_of(source).current()
    assert current is not None
    assert (current.version, current.state, current.changed) == ("v1", state_of(source), None)
    assert json.loads(current.schema_text)["fields"][0]["name"] == "id"


def test_an_unpartitioned_table_has_one_empty_spec(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=fields(id="long"))
    source.add(some_rows(0).select(["id"]))
    sync(source)
    metadata = target_metadata(source.directory)
    assert [(spec.spec_id, spec.fields) for spec in metadata.partition_specs] == [(0, ())]
    assert metadata.last_partition_id == 999


def test_a_later_sync_is_a_difference(source: Source) -> None:
    sync(source)
    first = target_metadata(source.directory).current_snapshot_id
    (old, *_) = source.files
    source.drop(old)
    new = source.add(some_rows(30), ("p0",))
    commit = sync(source)
    assert (commit.files_added, commit.files_removed) == (1, 1)
    metadata = target_metadata(source.directory)
    snapshot = metadata.current_snapshot
    assert snapshot is not None
    assert (snapshot.sequence_number, metadata.last_sequence_number, snapshot.parent_snapshot_id) == (2, 2, first)
    found = {(entry["name"], entry["status"], entry["snapshot"], entry["sequence"]) for entry in live_entries(source)}
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
    source.files = {**source.files, name: (some_rows(0, 3), ("p0",))}
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
    current = target_of(source).current()
    assert current is not None
    assert (current.state, current.changed) == (state_of(source), None)
    assert [schema.schema_id for schema in after.schemas] == [0, 1]
    assert read("iceberg", source.directory, "duckdb").column_names == ["id", "p", "more"]


def test_only_the_retained_is_kept(source: Source) -> None:
    for start in (30, 40, 50):
        sync(source)
        source.add(some_rows(start), (f"p{start % 3}",))
    assert len(target_metadata(source.directory).snapshots) == 3
    sync(source, retention_hours=0)
    metadata = target_metadata(source.directory)
    assert [each.snapshot_id for each in metadata.snapshots] == [metadata.current_snapshot_id]
    assert [each.snapshot_id for each in metadata.snapshot_log] == [metadata.current_snapshot_id]
    assert sum(name.startswith("snap-") for name in files_under(source)) == 1
    assert sum("-m" in name for name in files_under(source)) == 1
    assert sorted(path.name for path in source.directory.glob("*.parquet")) == sorted(source.files)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg"))


def test_branches_and_tags_keep_their_snapshots(source: Source) -> None:
    sync(source)
    first = target_metadata(source.directory).current_snapshot_id

    def tag(content: dict[str, Any]) -> None:
        content["refs"]["kept"] = {"snapshot-id": first, "type": "tag"}

    edit_metadata(source, tag)
    source.add(some_rows(30), ("p0",))
    sync(source, retention_hours=0)
    source.add(some_rows(40), ("p0",))
    sync(source, retention_hours=0)
    metadata = target_metadata(source.directory)
    assert {each.snapshot_id for each in metadata.snapshots} == {first, metadata.current_snapshot_id}
    assert metadata.refs["kept"].snapshot_id == first
    assert read("iceberg", source.directory, "pyiceberg", version="kept").num_rows == 12


def test_the_metadata_log_is_bounded(source: Source) -> None:
    sync(source)

    def limit(content: dict[str, Any]) -> None:
        content["properties"]["write.metadata.previous-versions-max"] = "2"

    edit_metadata(source, limit)
    for version in range(4):
        source.version = 100 + version
        sync(source)
    metadata = target_metadata(source.directory)
    names = [entry.metadata_file.rpartition("/")[2] for entry in metadata.metadata_log]
    assert names == ["v4.metadata.json", "v5.metadata.json"]
    times = [entry.timestamp_ms for entry in metadata.metadata_log]
    assert times == sorted(times)
    assert {name for name in files_under(source) if name.endswith("json")} == {
        f"v{n}.metadata.json" for n in (1, 4, 5, 6)
    }


def test_version_3_is_kept_and_reached(source: Source) -> None:
    sync(source)
    source.version += 1
    sync(source, format_version=3)
    metadata = target_metadata(source.directory)
    assert (metadata.format_version, metadata.next_row_id) == (3, 12)
    source.add(some_rows(30), ("p0",))
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


def test_options_are_checked() -> None:
    for wrong in ({"format-version": "4"}, {"retention-hours": "-1"}, {"nonsense": "1"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, IcebergTargetOptions, strict=False)


def test_there_are_not_more_snapshots_than_wanted(source: Source) -> None:
    for start in range(30, 80, 10):
        sync(source, retention_snapshots=3)
        source.add(some_rows(start), (f"p{start % 3}",))
    metadata = target_metadata(source.directory)
    assert [each.sequence_number for each in metadata.snapshots] == [3, 4, 5]
    assert sum(name.startswith("snap-") for name in files_under(source)) == 3
    assert len(metadata.snapshot_log) == 3
