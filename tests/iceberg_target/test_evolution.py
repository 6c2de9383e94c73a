"""Columns and partition specs that change from one sync to the next."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.model import (
    PRIMITIVE_KINDS,
    Field,
    ListType,
    PartitionSpec,
    PrimitiveType,
    Schema,
    StructType,
)
from converters.storage import ObjectStorage
from tests.iceberg_target.sources import (
    Source,
    by_column,
    fields,
    some_rows,
    sync,
    target_metadata,
)
from tests.readers.compare import assert_same_rows
from tests.readers.tables import read

P = PRIMITIVE_KINDS


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
    source.add(some_rows(50).select(["id"]))
    sync(source)
    assert_same_rows("iceberg", source.directory, source.rows(), ("duckdb", "pyiceberg", "spark"))


def test_a_new_column_may_have_a_partition_fields_name(tmp_path: Path) -> None:
    """A renamed partition column leaves its name in the spec; Java binds every spec to the current schema."""
    schema = _mapped((1, "id", "id", "long"), (2, "p", "p", "string"))
    source = Source(directory=tmp_path / "t", schema=schema, spec=by_column(schema, "p"))
    source.add(some_rows(0), ("p0",))
    sync(source)
    source.schema = _mapped((1, "id", "id", "long"), (2, "q", "p", "string"), (3, "p", "p2", "string"))
    source.version += 1
    sync(source)
    expected = pa.table({"id": some_rows(0)["id"], "q": some_rows(0)["p"], "p": pa.nulls(4, pa.string())})
    assert_same_rows("iceberg", source.directory, expected, ("duckdb", "spark"), filters=False)
