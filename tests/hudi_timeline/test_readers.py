"""Hudi on Spark, in three versions, reads the schemas that we write; where it does not, we know."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from converters.hudi.schema.reader_limits import reader_limits
from converters.model.schema import Schema
from converters.model.types import (
    PRIMITIVE_KINDS,
    DecimalType,
    Field,
    FixedType,
    ListType,
    MapType,
    StructType,
    Type,
)
from tests.hudi_timeline.made import made_table
from tests.readers import hudi

_AT = dt.datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=dt.UTC)
_LOCAL_AT = _AT.replace(tzinfo=None)


def _field(id_: int, name: str, type_: Type, *, required: bool = False, doc: str | None = None) -> Field:
    return Field(id=id_, name=name, type=type_, required=required, doc=doc)


def _kind(name: str) -> Type:
    return PRIMITIVE_KINDS[name]


def _every_type() -> tuple[pa.Table, Schema]:
    """A row with a value of each type that all versions read, and one of nulls."""
    inner = pa.struct([("fixed", pa.struct([("x", pa.decimal128(5, 1))])), ("l", pa.list_(pa.float64()))])
    columns: list[tuple[str, pa.Array, Type]] = [
        ("größe", pa.array([7, None], pa.int32()), _kind("int")),
        ("l", pa.array([2**40, None], pa.int64()), _kind("long")),
        ("b", pa.array([True, None]), _kind("boolean")),
        ("f", pa.array([1.5, None], pa.float32()), _kind("float")),
        ("d", pa.array([2.5, None], pa.float64()), _kind("double")),
        ("s", pa.array(["ü", None]), _kind("string")),
        ("bin", pa.array([b"\x00\xff", None]), _kind("binary")),
        ("fixed", pa.array([b"abcd", None], pa.binary(4)), FixedType(4)),
        ("day", pa.array([dt.date(1969, 12, 31), None]), _kind("date")),
        ("at", pa.array([_AT, None], pa.timestamp("us", "UTC")), _kind("timestamptz")),
        ("d7", pa.array([Decimal("-1.25"), None], pa.decimal128(7, 2)), DecimalType(7, 2)),
        ("d38", pa.array([Decimal("1.0000000001"), None], pa.decimal128(38, 10)), DecimalType(38, 10)),
        ("record", pa.array(["a", None]), _kind("string")),
        (
            "m",
            pa.array([[("k", {"fixed": {"x": Decimal("1.5")}, "l": [1.0, None]})], None], pa.map_(pa.string(), inner)),
            MapType(
                100,
                _kind("string"),
                101,
                StructType(
                    (
                        _field(102, "fixed", StructType((_field(103, "x", DecimalType(5, 1)),))),
                        _field(104, "l", ListType(105, _kind("double"))),
                    )
                ),
            ),
        ),
    ]
    fields = tuple(_field(n, name, type_, doc='a "doc" é') for n, (name, _, type_) in enumerate(columns, 1))
    id_ = pa.array([1, 2], pa.int64())
    rows = pa.table({"id": id_, **{name: values for name, values, _ in columns}})
    return rows, Schema((_field(50, "id", _kind("long"), required=True), *fields))


@pytest.mark.parametrize("reader", hudi.VERSIONS)
def test_every_version_reads_every_type_that_has_no_limit(reader: str, tmp_path: Path) -> None:
    rows, schema = _every_type()
    assert reader_limits(schema) == ()
    made_table(tmp_path / "t", rows, schema)
    found = hudi.query(reader, tmp_path / "t").rows.to_pylist()
    assert sorted(found, key=lambda row: row["id"]) == rows.to_pylist()


def _limited(kind: str, values: pa.Array) -> tuple[pa.Table, Schema]:
    return pa.table({"c": values}), Schema((_field(1, "c", _kind(kind)),))


_SMALL = {
    "byte": _limited("byte", pa.array([1, -2], pa.int8())),
    "short": _limited("short", pa.array([1, -2], pa.int16())),
}
_LOCAL = _limited("timestamp", pa.array([_LOCAL_AT], pa.timestamp("us")))


def _values(reader: str, table: Path, made: tuple[pa.Table, Schema]) -> list[object]:
    found: list[object] = hudi.query(reader, made_table(table, *made)).rows.column("c").to_pylist()
    return found


def test_limits_are_told_of_nested_columns_too() -> None:
    inner = StructType((_field(3, "at", _kind("timestamp")),))
    schema = Schema((_field(1, "n", _kind("short")), _field(2, "s", ListType(4, inner)), _field(5, "l", _kind("long"))))
    limits = {limit.column: (limit.type, limit.is_silent) for limit in reader_limits(schema)}
    assert limits == {"n": ("short", False), "s.element.at": ("timestamp", True)}


def test_the_newest_version_has_no_limits(tmp_path: Path) -> None:
    assert _values("spark", tmp_path / "local", _LOCAL) == [_LOCAL_AT]
    for kind, made in _SMALL.items():
        assert _values("spark", tmp_path / kind, made) == [1, -2]


def test_hudi_1_0_shows_local_timestamps_as_numbers_of_seconds(tmp_path: Path) -> None:
    assert _values("spark-hudi-1.0.2", tmp_path / "local", _LOCAL) == [int(_AT.timestamp())]
    for kind, made in _SMALL.items():
        assert _values("spark-hudi-1.0.2", tmp_path / kind, made) == [1, -2]


def test_hudi_0_15_fails_on_local_timestamps_and_small_integers(tmp_path: Path) -> None:
    for kind, made in {"local": _LOCAL, **_SMALL}.items():
        with pytest.raises(hudi.HudiError):
            _values("spark-hudi-0.15.0", tmp_path / kind, made)
