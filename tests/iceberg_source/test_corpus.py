"""What is read from each real table is what pyiceberg and fastavro read, and its bounds hold for its rows."""

from __future__ import annotations

import math
import uuid
from pathlib import Path
from typing import Any, cast

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import ManifestContent
from pyiceberg.table import StaticTable

from converters.deletes.blob import positions_in
from converters.deletes.reader import read_blobs
from converters.errors import UnsupportedTableFeature
from converters.iceberg.manifests.file_lists import listed_files
from converters.iceberg.metadata.location import load_table
from converters.iceberg.metadata.view import read_view
from converters.iceberg.reading.live_files import partition_keys
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.model.data_file import STAT_NAMES
from converters.model.deletion_vector import DELETION_VECTOR
from converters.model.schema import Leaf
from converters.model.snapshot import Snapshot
from converters.model.types import DecimalType
from converters.storage.location import canonical
from converters.storage.object_store import ObjectStorage
from tests.corpus import Case, Corpus, case, cases
from tests.readers import canonical_rows, digest

DELETES = ("iceberg/equality_deletes", "iceberg/mor_dv_v3", "iceberg/mor_posdel_v2")
UNSTABLE_NAMES = {"iceberg/evolve", "iceberg/py_partitioned"}
READABLE = [each for each in cases("iceberg") if each.name not in DELETES]

pytestmark = pytest.mark.filterwarnings("ignore")


def _read(table: Path) -> tuple[Snapshot, list[dict[str, Any]]]:
    source = IcebergSource.open(ObjectStorage(), f"file://{table}", IcebergSourceOptions())
    snapshot = source.snapshot()
    batches = list(source.data_files(snapshot))
    for batch in batches:
        batch.validate(full=True)
    return snapshot, [row for batch in batches for row in batch.to_pylist()]


def _by_pyiceberg(metadata_path: str) -> list[dict[str, Any]]:
    """Live entries, with the partition values that fastavro decodes."""
    table = StaticTable.from_metadata(metadata_path)
    snapshot = table.current_snapshot()
    found: list[dict[str, Any]] = []
    for manifest in snapshot.manifests(table.io) if snapshot is not None else []:
        assert manifest.content == ManifestContent.DATA
        with Path(manifest.manifest_path.removeprefix("file:").replace("//", "/")).open("rb") as file:
            reader = fastavro.reader(file)
            rows = [cast("dict[str, Any]", row) for row in reader]
        ids = _partition_ids(reader.writer_schema)
        values = {row["data_file"]["file_path"]: row["data_file"]["partition"] for row in rows}
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            file_path = entry.data_file.file_path
            found.append(
                {
                    "path": canonical(file_path),
                    "row_count": entry.data_file.record_count,
                    "size": entry.data_file.file_size_in_bytes,
                    "file_format": entry.data_file.file_format.value.upper(),
                    "spec_id": manifest.partition_spec_id,
                    "partition": {ids[name]: value for name, value in values[file_path].items()},
                }
            )
    return found


def _partition_ids(schema: Any) -> dict[str, int]:
    data_file = next(field for field in schema["fields"] if field["field-id"] == 2)["type"]
    partition = next(field for field in data_file["fields"] if field["field-id"] == 102)["type"]
    return {field["name"]: field["field-id"] for field in partition["fields"]}


@pytest.mark.parametrize("case", READABLE, ids=str)
def test_files_are_what_pyiceberg_lists(case: Case, corpus: Corpus) -> None:
    snapshot, rows = _read(corpus.path(case))
    expected = _by_pyiceberg(snapshot.table.metadata_path.removeprefix("file://"))
    assert len(rows) == len(expected) == snapshot.file_count
    assert sum(row["row_count"] for row in rows) == case.contents.rows
    for row, wanted in zip(_sorted(rows), _sorted(expected), strict=True):
        partition = {int(id_): value for id_, value in row["partition"].items() if value is not None}
        assert partition == {id_: value for id_, value in wanted.pop("partition").items() if value is not None}
        assert {name: row[name] for name in wanted} == wanted
        assert row["modified_at"] is None


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["path"]))


@pytest.mark.parametrize("case", READABLE, ids=str)
def test_the_snapshot_is_the_current_one(case: Case, corpus: Corpus) -> None:
    snapshot, _ = _read(corpus.path(case))
    table = snapshot.table
    known = StaticTable.from_metadata(table.metadata_path.removeprefix("file://"))
    current = known.current_snapshot()
    assert snapshot.version == ("0" if current is None else str(current.snapshot_id))
    assert snapshot.committed_at == (known.metadata.last_updated_ms if current is None else current.timestamp_ms)
    assert table.id == str(known.metadata.table_uuid)
    assert table.location == f"file://{corpus.path(case)}"
    assert [field.name for field in table.schema.fields] == [field.name for field in known.schema().fields]
    assert {node.id for node in table.schema.nodes} == set(known.schema()._lazy_id_to_name)
    assert table.names_are_stable == (case.name not in UNSTABLE_NAMES)
    assert table.field_ids == ("unknown" if case.name == "iceberg/add_files_no_ids" else "all")


@pytest.mark.parametrize("name", DELETES)
@pytest.mark.parametrize("stage", [None, 1, 2])
def test_the_rows_that_deletion_vectors_leave_are_the_tables(name: str, stage: int | None, corpus: Corpus) -> None:
    source = IcebergSource.open(
        ObjectStorage(), f"file://{corpus.path(name, stage)}", IcebergSourceOptions(read_data=True)
    )
    snapshot = source.snapshot()
    names = [field.name for field in snapshot.table.schema.fields]  # updated rows carry their ids in further columns
    left = pa.concat_tables(_left(batch, names) for batch in source.data_files(snapshot))
    assert digest(canonical_rows(left)) == case(name).at(stage).sha256


def _left(batch: pa.RecordBatch, names: list[str]) -> pa.Table:
    """The rows of data files without the deleted ones."""
    parts = []
    for file in batch.select(["path", "row_count", "deletion_vector"]).to_pylist():
        rows = pq.read_table(file["path"].removeprefix("file://"), partitioning=None).select(names)
        assert len(rows) == file["row_count"]
        if file["deletion_vector"] is not None:
            vector = pa.array([file["deletion_vector"]], DELETION_VECTOR)
            (blob,) = read_blobs(ObjectStorage(), vector, pa.array([file["path"]]))
            deleted = positions_in(blob, "it")
            assert len(deleted) == file["deletion_vector"]["cardinality"]
            kept = np.ones(len(rows), np.bool_)
            kept[deleted] = False
            rows = rows.filter(pa.array(kept))
        parts.append(rows.replace_schema_metadata(None))
    return pa.concat_tables(parts, promote_options="permissive")


def test_equality_deletes_are_refused_unless_data_may_be_read(corpus: Corpus) -> None:
    name = "iceberg/equality_deletes"
    with pytest.raises(UnsupportedTableFeature, match=f"equality deletes.*{name}/data/") as caught:
        _read(corpus.path(name))
    assert "iceberg.source.read-data=true" in caught.value.hint


@pytest.mark.parametrize("case", [each for each in READABLE if "part" in each.name or "tr_" in each.name], ids=str)
def test_partitions_have_the_same_key_if_all_their_values_are_the_same(case: Case, corpus: Corpus) -> None:
    storage = ObjectStorage()
    loaded = load_table(storage, f"file://{corpus.path(case)}")
    metadata = loaded.metadata
    view = read_view(storage, loaded, metadata.current_snapshot, metadata.current_schema_id)
    keys = listed_files(storage, view.data, partition_keys(view))
    _, rows = _read(corpus.path(case))
    found = {row["path"]: repr((row["spec_id"], row["partition"])) for row in rows}
    by_key: dict[bytes, set[str]] = {}
    for path, key in keys.select("path", "partition").iter_rows():
        by_key.setdefault(key, set()).add(found[path])
    assert all(len(partitions) == 1 for partitions in by_key.values())
    assert len(by_key) == len(set(found.values()))


@pytest.mark.parametrize("case", READABLE, ids=str)
def test_statistics_hold_for_the_rows(case: Case, corpus: Corpus) -> None:
    snapshot, rows = _read(corpus.path(case))
    seen = 0
    for row in rows:
        if row["file_format"] == "PARQUET":
            columns = _columns(row["path"].removeprefix("file://"))
            for leaf in snapshot.table.schema.leaves:
                stats = row["stats"][str(leaf.field.id)]
                assert set(stats) == set(STAT_NAMES)
                if not columns:
                    assert case.name == "iceberg/add_files_no_ids"
                elif leaf.field.id in columns:
                    seen += _hold(stats, columns[leaf.field.id], leaf, rows=row["row_count"])
                else:
                    assert not any(stats[name] is not None for name in ("lower", "upper", "null_count"))
    with_bounds = {"metrics_none", "metrics_counts", "no_snapshot", "empty", "all_deleted", "avro_files", "orc_files"}
    assert seen or case.name.removeprefix("iceberg/") in with_bounds | {"add_files_no_ids"}


def _columns(path: str) -> dict[int, pa.ChunkedArray]:
    """Leaf columns of a data file by field id."""
    found: dict[int, pa.ChunkedArray] = {}

    def walk(field: pa.Field, values: pa.ChunkedArray) -> None:
        if pa.types.is_struct(field.type):
            for place, member in enumerate(field.type):
                walk(member, pc.struct_field(values, [place]))
        id_ = (field.metadata or {}).get(b"PARQUET:field_id")
        if id_ is not None:
            found[int(id_)] = values

    table = pq.read_table(path, partitioning=None)
    for field in table.schema:
        walk(field, table.column(field.name))
    return found


def _comparable(value: Any) -> Any:
    return value.bytes if isinstance(value, uuid.UUID) else value


def _hold(stats: dict[str, Any], values: pa.ChunkedArray, leaf: Leaf, *, rows: int) -> int:
    assert len(values) == rows
    if stats["null_count"] is not None:
        assert stats["null_count"] == values.null_count
    present = [_comparable(value) for value in values.to_pylist() if value is not None]
    numbers = [value for value in present if not (isinstance(value, float) and math.isnan(value))]
    if stats["nan_count"] is not None:
        assert stats["nan_count"] == len(present) - len(numbers)
    lower, upper = stats["lower"], stats["upper"]
    if numbers and lower is not None:
        assert lower <= min(numbers)
        assert not stats["exact"] or lower == min(numbers)
    if numbers and upper is not None:
        assert upper >= max(numbers)
        assert not stats["exact"] or upper == max(numbers)
    if isinstance(leaf.field.type, DecimalType) and lower is not None:
        assert -lower.as_tuple().exponent == leaf.field.type.scale
    return int(lower is not None) + int(upper is not None)
