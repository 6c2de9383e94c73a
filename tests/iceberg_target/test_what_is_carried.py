"""What an Iceberg table can say of the source, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.model import (
    PRIMITIVE_KINDS,
    Field,
    ListType,
    PartitionField,
    PartitionSpec,
    Schema,
    StructType,
    Transform,
)
from tests.iceberg_target.sources import (
    Source,
    by_column,
    fields,
    state_of,
    sync,
    target_metadata,
    target_of,
)
from tests.readers.compare import assert_same_rows
from tests.readers.tables import read

P = PRIMITIVE_KINDS


def test_an_unknown_spec_is_refused_by_name(source: Source) -> None:
    batch = source.batch()
    place = batch.schema.get_field_index("spec_id")
    batch = batch.set_column(place, batch.schema.field(place), pa.array([0, 5, 0], pa.int32()))
    with pytest.raises(CorruptTable, match="part-00001"):
        target_of(source).replace(source.snapshot(), iter([batch]), state_of(source), None)
    assert not (source.directory / "metadata").exists()


def test_an_unknown_row_count_is_refused_by_name(source: Source) -> None:
    batch = source.batch()
    place = batch.schema.get_field_index("row_count")
    batch = batch.set_column(place, batch.schema.field(place), pa.array([4, None, 4], pa.int64()))
    with pytest.raises(CorruptTable, match="part-00001"):
        target_of(source).replace(source.snapshot(), iter([batch]), state_of(source), None)
    assert not (source.directory / "metadata").exists()


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
        target_of(source, format_version=2).check(source.snapshot())


def test_identifiers_are_kept_where_iceberg_allows_them(tmp_path: Path) -> None:
    for required, kind, kept in ((True, "long", (1,)), (False, "long", ()), (True, "double", ())):
        schema = Schema((Field(id=1, name="k", type=P[kind], required=required),), identifier_field_ids=(1,))
        source = Source(directory=tmp_path / f"{required}-{kind}", schema=schema)
        assert len(target_of(source).check(source.snapshot())) == (0 if kept else 1)
        sync(source)
        assert target_metadata(source.directory).current_schema.identifier_field_ids == kept


def test_version_3_carries_more(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=fields(t="timestamp_ns"))
    source.add(pa.table({"t": pa.array([None], pa.timestamp("ns"))}))
    (note,) = target_of(source).check(source.snapshot())
    assert note == (
        "The Iceberg table is written in format version 3. The column 't' is a timestamp_ns, which needs it."
    )
    sync(source)
    assert target_metadata(source.directory).format_version == 3
    assert read("iceberg", source.directory, "duckdb").num_rows == 1


def test_lists_are_carried_where_their_ids_are(tmp_path: Path) -> None:
    schema = Schema((Field(id=1, name="l", physical_name="x", type=ListType(2, P["int"])),))
    source = Source(directory=tmp_path / "t", schema=schema)
    source.changes = {"field_ids": "unknown", "properties": {"delta.enableIcebergCompatV2": "true"}}
    assert target_of(source).check(source.snapshot()) == []


def test_lost_defaults_are_told(tmp_path: Path) -> None:
    columns = (
        Field(id=1, name="a", type=P["int"], default_sql="7"),
        Field(id=2, name="b", type=P["int"], generation_sql="a + 1"),
    )
    notes = target_of(Source(directory=tmp_path / "t", schema=Schema(columns))).check(
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
