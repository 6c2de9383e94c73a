"""Statistics from Parquet footers: bounds over all row groups, in the column's type, or unknown."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.errors import CorruptTable
from converters.model.schema import Schema
from converters.model.types import PRIMITIVE_KINDS, DecimalType, Field, FixedType, StructType, Type
from converters.parquet.statistics import FileStatistics, LeafStatistics, read_statistics
from converters.storage.object_store import ObjectStorage


def _read(paths: list[Path], *fields: tuple[str, Type]) -> FileStatistics:
    schema = Schema(tuple(Field(id=id_, name=name, type=type_) for id_, (name, type_) in enumerate(fields, 1)))
    locations = [f"file://{path}" for path in paths]
    return read_statistics(ObjectStorage(), locations, [path.stat().st_size for path in paths], schema.leaves)


def _one(path: Path, values: pa.Array, type_: Type, **how: Any) -> LeafStatistics:
    pq.write_table(pa.table({"c": values}), path, **how)
    return _read([path], ("c", type_)).columns[1]


def _bounds(found: LeafStatistics) -> tuple[Any, Any, Any, Any]:
    return tuple(getattr(found, name)[0].as_py() for name in ("null_count", "lower", "upper", "exact"))


def _micros(found: LeafStatistics) -> tuple[Any, Any]:
    return found.lower.cast(pa.int64())[0].as_py(), found.upper.cast(pa.int64())[0].as_py()


INTEGERS = st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=30)
DECIMALS = st.decimals(Decimal("-9999999.99"), Decimal("9999999.99"), places=2)
COLUMNS: list[tuple[Type, pa.DataType, st.SearchStrategy[Any]]] = [
    (PRIMITIVE_KINDS["int"], pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (PRIMITIVE_KINDS["long"], pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (PRIMITIVE_KINDS["boolean"], pa.bool_(), st.booleans()),
    (PRIMITIVE_KINDS["double"], pa.float64(), st.floats(allow_nan=False)),
    (PRIMITIVE_KINDS["double"], pa.float32(), st.floats(allow_nan=False, width=32)),
    (PRIMITIVE_KINDS["date"], pa.date32(), st.dates()),
    (PRIMITIVE_KINDS["string"], pa.string(), st.text(st.characters(codec="utf-8"))),
    (PRIMITIVE_KINDS["binary"], pa.binary(), st.binary()),
    (DecimalType(9, 2), pa.decimal128(9, 2), DECIMALS),
    (DecimalType(20, 2), pa.decimal128(9, 2), DECIMALS),
    (DecimalType(38, 2), pa.decimal128(38, 2), DECIMALS),
]


@pytest.mark.parametrize("type_,stored,values", COLUMNS, ids=str)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data(), group=st.integers(1, 8))
def test_bounds_are_those_of_the_rows(
    type_: Type, stored: pa.DataType, values: st.SearchStrategy[Any], data: st.DataObject, group: int, tmp_path: Path
) -> None:
    rows = pa.array(data.draw(st.lists(st.none() | values, min_size=1, max_size=30)), stored)
    found = _one(tmp_path / "f.parquet", rows, type_, row_group_size=group)
    nulls, lower, upper, _ = _bounds(found)
    assert nulls == rows.null_count
    typed = rows.cast(found.lower.type)
    least, most = pc.min(typed).as_py(), pc.max(typed).as_py()
    if pa.types.is_binary(stored) or pa.types.is_string(stored):
        real = [value for value in rows.to_pylist() if value is not None]
        least, most = min(real, default=None), max(real, default=None)
    assert (lower, upper) == (least, most)


def test_a_floating_bound_has_the_sign_that_covers_both_zeros(tmp_path: Path) -> None:
    found = _one(tmp_path / "f.parquet", pa.array([0.0]), PRIMITIVE_KINDS["double"])
    assert math.copysign(1, found.lower[0].as_py()) == -1
    assert math.copysign(1, found.upper[0].as_py()) == 1


def test_nan_is_no_bound(tmp_path: Path) -> None:
    _, lower, upper, _ = _bounds(_one(tmp_path / "f.parquet", pa.array([1.0, math.nan]), PRIMITIVE_KINDS["double"]))
    assert (lower, upper) in {(None, None), (1.0, 1.0)}


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_times_are_in_microseconds(zone: str | None, tmp_path: Path) -> None:
    type_ = PRIMITIVE_KINDS["timestamp" if zone is None else "timestamptz"]
    for unit, expected in (("ms", (-1000, 2000)), ("us", (-1, 2)), ("ns", (-1, 1))):
        values = pa.array([-1, 1 if unit == "ns" else 2], pa.int64()).cast(pa.timestamp(unit, zone))
        assert _micros(_one(tmp_path / f"{unit}.parquet", values, type_, version="2.6")) == expected


def test_old_timestamps_have_no_bounds(tmp_path: Path) -> None:
    values = pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us"))  # noqa: DTZ001
    type_ = PRIMITIVE_KINDS["timestamptz"]
    found = _one(tmp_path / "f.parquet", values, type_, use_deprecated_int96_timestamps=True)
    assert _bounds(found)[1:] == (None, None, False)


@pytest.mark.parametrize(
    "stored,type_",
    [
        (pa.array([1], pa.uint32()), PRIMITIVE_KINDS["int"]),
        (pa.array([2**40]), PRIMITIVE_KINDS["int"]),
        (pa.array([1]), PRIMITIVE_KINDS["string"]),
        (pa.array([1]), PRIMITIVE_KINDS["timestamptz"]),
        (pa.array(["a"]), PRIMITIVE_KINDS["long"]),
        (pa.array([1.5]), PRIMITIVE_KINDS["float"]),
        (pa.array([Decimal("1.50")], pa.decimal128(9, 2)), DecimalType(9, 1)),
        (pa.array([Decimal("1.50")], pa.decimal128(9, 2)), DecimalType(8, 2)),
        (pa.array([b"ab"], pa.binary(2)), PRIMITIVE_KINDS["uuid"]),
    ],
    ids=str,
)
def test_bounds_of_another_type_are_unknown(stored: pa.Array, type_: Type, tmp_path: Path) -> None:
    assert _bounds(_one(tmp_path / "f.parquet", stored, type_))[1:] == (None, None, False)


def test_fixed_bytes(tmp_path: Path) -> None:
    assert _bounds(_one(tmp_path / "f.parquet", pa.array([b"ab", b"cd"], pa.binary(2)), FixedType(2)))[1:3] == (
        b"ab",
        b"cd",
    )


def test_texts_of_writers_that_may_cut_them_are_not_exact(tmp_path: Path) -> None:
    assert _bounds(_one(tmp_path / "f.parquet", pa.array(["a"]), PRIMITIVE_KINDS["string"])) == (0, "a", "a", False)


def test_members_of_structs_count_the_nulls_of_their_parents(tmp_path: Path) -> None:
    rows = pa.array([{"x": 1}, None, {"x": None}], pa.struct([("x", pa.int32())]))
    pq.write_table(pa.table({"s": rows}), tmp_path / "f.parquet")
    inner = Field(id=7, name="x", type=PRIMITIVE_KINDS["int"])
    found = _read([tmp_path / "f.parquet"], ("s", StructType((inner,))))
    assert _bounds(found.columns[7]) == (2, 1, 1, True)


def test_a_file_without_a_column_has_nulls_there(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [3], "b": [4]}), tmp_path / "2.parquet")
    long = PRIMITIVE_KINDS["long"]
    found = _read([tmp_path / "1.parquet", tmp_path / "2.parquet"], ("b", long), ("a", long))
    assert found.row_count.to_pylist() == [2, 1]
    b, a = found.columns[1], found.columns[2]
    assert (b.present.to_pylist(), b.null_count.to_pylist(), b.lower.to_pylist()) == ([False, True], [2, 0], [None, 4])
    assert (a.lower.to_pylist(), a.upper.to_pylist()) == ([1, 3], [2, 3])
    assert [shape.path for shape in found.shapes] == [f"file://{tmp_path}/{n}.parquet" for n in (1, 2)]


def test_a_file_without_rows_has_no_bounds(tmp_path: Path) -> None:
    found = _one(tmp_path / "f.parquet", pa.array([], pa.int32()), PRIMITIVE_KINDS["int"])
    assert _bounds(found) == (0, None, None, False)


def test_a_file_without_statistics_is_unknown(tmp_path: Path) -> None:
    found = _one(tmp_path / "f.parquet", pa.array([1]), PRIMITIVE_KINDS["long"], write_statistics=False)
    assert _bounds(found) == (None, None, None, False)


def test_a_file_that_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.parquet").write_bytes(b"nothing")
    with pytest.raises(CorruptTable, match=r"f\.parquet"):
        _read([tmp_path / "f.parquet"], ("a", PRIMITIVE_KINDS["long"]))
