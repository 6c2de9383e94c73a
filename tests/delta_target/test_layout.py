"""What of a table Delta can have, and what is refused by name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from converters.delta.log.state import Protocol
from converters.delta.schema.sql_literals import sql_literal
from converters.delta.writing.protocol import needed_protocol, supports
from converters.errors import UnsupportedTableFeature
from converters.model import PRIMITIVE_KINDS, DecimalType, Field, FixedType, Schema, StructType, Type
from tests.delta_target.made import Made, identity, schema_of, with_ids


def _refused(made: Made, words: str) -> None:
    with pytest.raises(UnsupportedTableFeature, match=words):
        made.sync(check=False)
    assert not (made.directory / "_delta_log").exists()


@pytest.mark.parametrize(
    "rows, words",
    [
        ({"t": pa.array([1], pa.time64("us"))}, "'t' is of the type 'time'"),
        ({"t": pa.array([1], pa.timestamp("ns"))}, "'t' is of the type 'timestamp_ns'"),
        ({"u": pa.array([bytes(16)], pa.uuid())}, "'u' is of the type 'uuid'"),
        (
            {"s": pa.array([{"l": [{"t": 1}]}], pa.struct([("l", pa.list_(pa.struct([("t", pa.time64("us"))])))]))},
            "s.l.element.t",
        ),
        ({"a": [1], "A": [2]}, "'a' and 'A' differ by upper and lower case"),
        ({"": [1]}, "empty name"),
        ({}, "no columns"),
    ],
)
def test_columns_that_delta_does_not_have(tmp_path: Path, rows: dict[str, Any], words: str) -> None:
    made = Made(tmp_path, schema_of(pa.table(rows).schema))
    with pytest.raises(UnsupportedTableFeature, match=words):
        made.target().check(made.snapshot())
    _refused(made, words)


def test_a_column_under_two_names(tmp_path: Path) -> None:
    made = Made(tmp_path, schema_of(pa.schema([("id", pa.int64()), ("new", pa.string())])), names_are_stable=False)
    made.write("old.parquet", with_ids(pa.table({"id": [1], "old": ["a"]}), {"id": 1, "old": 2}))
    made.write("new.parquet", with_ids(pa.table({"id": [2], "new": ["b"]}), {"id": 1, "new": 2}))
    _refused(made, "'new' is called 'old' in some data files and 'new' in others")


def test_names_that_were_swapped(tmp_path: Path) -> None:
    made = Made(tmp_path, schema_of(pa.schema([("a", pa.string()), ("b", pa.string())])), names_are_stable=False)
    made.write("1.parquet", with_ids(pa.table({"a": ["x"], "b": ["y"]}), {"a": 1, "b": 2}))
    made.write("2.parquet", with_ids(pa.table({"a": ["x"], "c": ["y"]}), {"a": 1, "c": 2}))
    _refused(made, "'b' is called")


def test_a_name_that_another_column_had(tmp_path: Path) -> None:
    made = Made(tmp_path, schema_of(pa.schema([("id", pa.int64()), ("v", pa.string())])), names_are_stable=False)
    made.write("old.parquet", with_ids(pa.table({"id": [1], "V": ["dropped"]}), {"id": 1, "V": 7}))
    made.write("new.parquet", with_ids(pa.table({"id": [2], "v": ["b"]}), {"id": 1, "v": 2}))
    _refused(made, "old.parquet' holds another column under the name 'v'")


def test_renamed_columns_without_ids(tmp_path: Path) -> None:
    made = Made(tmp_path, schema_of(pa.schema([("id", pa.int64())])), names_are_stable=False, field_ids="unknown")
    made.write("1.parquet", pa.table({"id": [1]}))
    _refused(made, "1.parquet' has no field ids")


def _ones(type_: pa.DataType) -> pa.Array:
    return pa.array([Decimal("1.00") if pa.types.is_decimal(type_) else 1], type_)


@pytest.mark.parametrize(
    "before, after, refused",
    [
        (pa.int32(), pa.int64(), True),
        (pa.float32(), pa.float64(), True),
        (pa.decimal128(9, 2), pa.decimal128(12, 2), True),
        (pa.decimal128(12, 2), pa.decimal128(20, 2), True),
        (pa.decimal128(5, 2), pa.decimal128(9, 2), False),
        (pa.decimal128(20, 2), pa.decimal128(30, 2), False),
        (pa.int64(), pa.int64(), False),
    ],
)
def test_widened_types(tmp_path: Path, before: pa.DataType, after: pa.DataType, refused: bool) -> None:
    """Only files that were written before the column was widened are a hindrance."""
    made = Made(tmp_path, schema_of(pa.schema([("v", after)])), promotions={1: "int"})
    made.write("new.parquet", with_ids(pa.table({"v": _ones(after)}), {"v": 1}))
    made.sync()
    made.write("old.parquet", with_ids(pa.table({"v": _ones(before)}), {"v": 1}))
    if refused:
        with pytest.raises(UnsupportedTableFeature, match="holds it in the narrower type"):
            made.sync()
    else:
        made.sync()


def test_initial_defaults_matter_where_a_file_lacks_the_column(tmp_path: Path) -> None:
    schema = schema_of(pa.schema([("id", pa.int64()), ("n", pa.int64())]), n={"initial_default": 34})
    made = Made(tmp_path, schema)
    made.write("new.parquet", with_ids(pa.table({"id": [1], "n": [2]}), {"id": 1, "n": 2}))
    made.sync()
    made.write("old.parquet", with_ids(pa.table({"id": [1]}), {"id": 1}))
    with pytest.raises(UnsupportedTableFeature, match=r"'n' has an initial default, and the data file .*old\.parquet"):
        made.sync()


@pytest.mark.parametrize("value", ["", 1.5])
def test_imported_files_whose_partition_delta_cannot_say(tmp_path: Path, value: Any) -> None:
    type_ = pa.string() if value == "" else pa.float64()
    schema = schema_of(pa.schema([("id", pa.int64()), ("p", type_)]))
    made = Made(tmp_path, schema, partition_by=identity(schema, "p"), field_ids="none")
    made.write("1.parquet", pa.table({"id": [1]}), p=value)
    _refused(made, "1.parquet' lacks the column 'p'")


def test_notes(tmp_path: Path) -> None:
    shape = pa.schema([("id", pa.int64()), ("f", pa.binary(4)), ("d", pa.float64()), ("ts", pa.timestamp("us", "UTC"))])
    schema = schema_of(shape, id={"generation_sql": "1+1", "write_default": {"odd": 1}})
    parts = (*identity(schema, "d"), *identity(schema, "ts", kind="day"))
    made = Made(tmp_path, schema, partition_by=parts)
    notes = " ".join(made.target().check(made.snapshot()))
    for words in (
        "generation expression",
        "write default",
        "fixed[4]",
        "not partitioned by d:",
        "not partitioned by day(ts)",
    ):
        assert words in notes
    assert "day(ts)" not in " ".join(made.target(generated_columns=True).check(made.snapshot()))


def test_a_generated_column_needs_its_name(tmp_path: Path) -> None:
    shape = pa.schema([("ts", pa.timestamp("us", "UTC")), ("xtable_partition_col_DAY_ts", pa.int64())])
    made = Made(tmp_path, schema_of(shape), partition_by=identity(schema_of(shape), "ts", kind="day"))
    made.target().check(made.snapshot())
    with pytest.raises(UnsupportedTableFeature, match="xtable_partition_col_DAY_ts"):
        made.target(generated_columns=True).check(made.snapshot())


def test_a_generated_column_has_its_years(tmp_path: Path) -> None:
    shape = pa.schema([("ts", pa.timestamp("us", "UTC"))])
    made = Made(tmp_path, schema_of(shape), partition_by=identity(schema_of(shape), "ts", kind="year"))
    made.write("1.parquet", pa.table({"ts": pa.array([None], shape.field(0).type)}), ts=9000)
    with pytest.raises(UnsupportedTableFeature, match="outside the years"):
        made.sync(generated_columns=True)
    made.sync()


def test_names_of_struct_members(tmp_path: Path) -> None:
    inner = StructType(
        (Field(id=2, name="x", type=PRIMITIVE_KINDS["long"]), Field(id=3, name="X", type=PRIMITIVE_KINDS["long"]))
    )
    made = Made(tmp_path, Schema((Field(id=1, name="s", type=inner),)))
    _refused(made, "'s.x' and 's.X'")


@pytest.mark.parametrize(
    "features, present, expected",
    [
        (set(), None, Protocol(1, 2)),
        ({"invariants"}, None, Protocol(1, 2)),
        ({"generatedColumns"}, None, Protocol(1, 4)),
        ({"columnMapping", "invariants"}, None, Protocol(2, 5)),
        ({"timestampNtz"}, None, Protocol(3, 7, ("timestampNtz",), ("timestampNtz",))),
        (
            {"timestampNtz", "columnMapping"},
            None,
            Protocol(3, 7, ("columnMapping", "timestampNtz"), ("columnMapping", "timestampNtz")),
        ),
        ({"allowColumnDefaults"}, None, Protocol(1, 7, None, ("allowColumnDefaults",))),
        ({"generatedColumns"}, Protocol(1, 4), Protocol(1, 4)),
        (set(), Protocol(2, 5), Protocol(2, 5)),
        ({"columnMapping"}, Protocol(1, 4), Protocol(2, 5)),
        (
            {"allowColumnDefaults"},
            Protocol(1, 2),
            Protocol(1, 7, None, ("allowColumnDefaults", "appendOnly", "invariants")),
        ),
        (
            {"columnMapping"},
            Protocol(1, 7, None, ("allowColumnDefaults",)),
            Protocol(3, 7, ("columnMapping",), ("allowColumnDefaults", "columnMapping")),
        ),
        (
            {"allowColumnDefaults"},
            Protocol(3, 7, ("v2Checkpoint",), ("v2Checkpoint",)),
            Protocol(3, 7, ("v2Checkpoint",), ("allowColumnDefaults", "v2Checkpoint")),
        ),
    ],
)
def test_the_lowest_protocol(features: set[str], present: Protocol | None, expected: Protocol) -> None:
    found = needed_protocol(features, present)
    assert found == expected
    assert all(supports(found, feature) for feature in features)


@pytest.mark.parametrize(
    "value, type_, expected",
    [
        (True, PRIMITIVE_KINDS["boolean"], "true"),
        (1, PRIMITIVE_KINDS["boolean"], None),
        (-5, PRIMITIVE_KINDS["long"], "-5"),
        (True, PRIMITIVE_KINDS["int"], None),
        (1.5, PRIMITIVE_KINDS["double"], "1.5D"),
        ("a'b\\c", PRIMITIVE_KINDS["string"], "'a\\'b\\\\c'"),
        ("2024-01-01", PRIMITIVE_KINDS["date"], "DATE '2024-01-01'"),
        ("2024-01-01T00:00:00", PRIMITIVE_KINDS["timestamp"], "TIMESTAMP_NTZ '2024-01-01T00:00:00'"),
        ("0aff", PRIMITIVE_KINDS["binary"], "X'0AFF'"),
        ("0aff", FixedType(2), "X'0AFF'"),
        ("zz", FixedType(2), None),
        ("14.20", DecimalType(5, 2), "CAST('14.20' AS DECIMAL(5,2))"),
        ("x", DecimalType(5, 2), None),
        ([1], StructType(()), None),
    ],
)
def test_defaults_as_sql(value: Any, type_: Type, expected: str | None) -> None:
    assert sql_literal(value, type_) == expected
