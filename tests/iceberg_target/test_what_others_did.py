"""Tables that a catalog owns, that others changed, copied or damaged, and those that Java XTable began."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from converters.delta.source import DeltaSource, DeltaSourceOptions
from converters.errors import ForeignTarget
from converters.iceberg.target import IcebergTarget, IcebergTargetOptions
from converters.storage import ObjectStorage
from converters.sync.state import SyncState
from tests.corpus.relocate import relocate_iceberg
from tests.iceberg_target.sources import (
    Source,
    edit_metadata,
    sync,
    target_metadata,
    target_of,
)
from tests.readers.compare import assert_same_rows
from tests.readers.tables import read


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

    edit_metadata(source, own_property)
    current = target_of(source).current()
    assert current is not None
    assert current.changed is None
    edit_metadata(source, add_column)
    current = target_of(source).current()
    assert current is not None
    assert "schema" in (current.changed or "")
    edit_metadata(source, append)
    current = target_of(source).current()
    assert current is not None
    assert "77" in (current.changed or "")
    sync(source)  # as after on-conflict=replace
    current = target_of(source).current()
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
    current = target_of(source).current()
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
