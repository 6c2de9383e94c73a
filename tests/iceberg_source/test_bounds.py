"""Bounds are decoded as pyiceberg encodes them, also those written before a column was widened."""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg import types as iceberg
from pyiceberg.conversions import to_bytes

from converters.iceberg.statistics.bounds import decode_bounds
from converters.model.types import PRIMITIVE_KINDS, DecimalType, FixedType, Type, arrow_type

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001

CASES: dict[str, tuple[Type, Any, Any]] = {
    "int": (PRIMITIVE_KINDS["int"], iceberg.IntegerType(), INT32),
    "byte": (PRIMITIVE_KINDS["byte"], iceberg.IntegerType(), st.integers(-128, 127)),
    "long": (PRIMITIVE_KINDS["long"], iceberg.LongType(), INT64),
    "float": (PRIMITIVE_KINDS["float"], iceberg.FloatType(), st.floats(width=32, allow_nan=False)),
    "double": (PRIMITIVE_KINDS["double"], iceberg.DoubleType(), st.floats(allow_nan=False)),
    "date": (PRIMITIVE_KINDS["date"], iceberg.DateType(), st.dates()),
    "time": (PRIMITIVE_KINDS["time"], iceberg.TimeType(), st.times()),
    "timestamp": (PRIMITIVE_KINDS["timestamp"], iceberg.TimestampType(), MOMENTS),
    "timestamptz": (PRIMITIVE_KINDS["timestamptz"], iceberg.TimestamptzType(), MOMENTS),
    "timestamp_ns": (PRIMITIVE_KINDS["timestamp_ns"], iceberg.TimestampNanoType(), INT64),
    "string": (PRIMITIVE_KINDS["string"], iceberg.StringType(), st.text()),
    "uuid": (PRIMITIVE_KINDS["uuid"], iceberg.UUIDType(), st.uuids()),
    "fixed": (FixedType(5), iceberg.FixedType(5), st.binary(min_size=5, max_size=5)),
    "binary": (PRIMITIVE_KINDS["binary"], iceberg.BinaryType(), st.binary()),
    "boolean": (PRIMITIVE_KINDS["boolean"], iceberg.BooleanType(), st.booleans()),
}


def _serialised(iceberg_type: Any, value: Any) -> bytes:
    return to_bytes(iceberg_type, value)


def _plain(value: Any) -> Any:
    """A value as its Arrow array's storage has it, so that years beyond Python's can be compared."""
    match value:
        case uuid.UUID():
            return value.bytes
        case datetime():
            return (value.replace(tzinfo=None) - EPOCH) // timedelta(microseconds=1)
        case _:
            return value


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_what_pyiceberg_encodes_is_decoded(name: str, data: st.DataObject) -> None:
    type_, iceberg_type, strategy = CASES[name]
    values = data.draw(st.lists(st.none() | strategy))
    encoded = [None if value is None else _serialised(iceberg_type, value) for value in values]
    padded = pa.array([b"padding", *encoded, None], pa.large_binary())[1:-1]
    for given_values in (pa.array(encoded, pa.binary()), padded):
        decoded = decode_bounds(type_, given_values)
        decoded.validate(full=True)
        assert decoded.type == arrow_type(type_)
        if pa.types.is_timestamp(decoded.type):
            decoded = decoded.cast(pa.int64())
        assert decoded.to_pylist() == [_plain(value) for value in values]


@given(precision=st.integers(1, 38), data=st.data())
def test_decimals(precision: int, data: st.DataObject) -> None:
    scale = data.draw(st.integers(0, precision))
    most = 10**precision - 1
    unscaled = data.draw(st.lists(st.none() | st.sampled_from([0, most, -most]) | st.integers(-most, most)))
    encoded = [None if value is None else _two_complement(value) for value in unscaled]
    decoded = decode_bounds(DecimalType(precision, scale), pa.array(encoded, pa.binary()))
    decoded.validate(full=True)
    assert decoded.to_pylist() == [None if value is None else Decimal(f"{value}e-{scale}") for value in unscaled]


def _two_complement(value: int) -> bytes:
    return value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True)


def _one(type_: Type, value: bytes) -> Any:
    return decode_bounds(type_, pa.array([value], pa.large_binary()))[0].as_py()


@given(INT32)
def test_a_long_that_was_an_int(value: int) -> None:
    mixed = pa.array([struct.pack("<i", value), struct.pack("<q", value), None], pa.binary())
    assert decode_bounds(PRIMITIVE_KINDS["long"], mixed).to_pylist() == [value, value, None]


@given(st.floats(width=32, allow_nan=False))
def test_a_double_that_was_a_float(value: float) -> None:
    mixed = pa.array([struct.pack("<f", value), struct.pack("<d", value)], pa.binary())
    assert decode_bounds(PRIMITIVE_KINDS["double"], mixed).to_pylist() == [value, value]


@given(st.dates(date(1, 1, 1), date(9999, 12, 31)))
def test_a_timestamp_that_was_a_date(value: date) -> None:
    days = struct.pack("<i", (value - date(1970, 1, 1)).days)
    assert _one(PRIMITIVE_KINDS["timestamp"], days) == datetime.combine(value, time())
    assert _one(PRIMITIVE_KINDS["timestamptz"], days) == datetime.combine(value, time(), UTC)


def test_a_date_beyond_the_timestamps_is_unknown() -> None:
    assert _one(PRIMITIVE_KINDS["timestamp"], struct.pack("<i", 2**31 - 1)) is None
    assert _one(PRIMITIVE_KINDS["timestamp_ns"], struct.pack("<i", 200_000)) is None


@pytest.mark.parametrize("kind", [kind for kind in PRIMITIVE_KINDS if kind not in {"string", "binary"}])
@pytest.mark.parametrize("length", [0, 2, 3, 5, 7, 9, 17])
def test_a_wrong_length_is_unknown(kind: str, length: int) -> None:
    assert _one(PRIMITIVE_KINDS[kind], b"\x01" * length) is None


@pytest.mark.parametrize(
    "type_, value",
    [
        (PRIMITIVE_KINDS["float"], struct.pack("<f", math.nan)),
        (PRIMITIVE_KINDS["double"], struct.pack("<d", math.nan)),
        (PRIMITIVE_KINDS["double"], struct.pack("<f", math.nan)),
        (PRIMITIVE_KINDS["string"], b"caf\xc3"),
        (PRIMITIVE_KINDS["string"], b"\xed\xa0\x80"),
        (PRIMITIVE_KINDS["time"], struct.pack("<q", -1)),
        (PRIMITIVE_KINDS["time"], struct.pack("<q", 86_400_000_000)),
        (DecimalType(3, 1), (1000).to_bytes(2, "big")),
        (DecimalType(3, 1), (-1000).to_bytes(2, "big", signed=True)),
        (DecimalType(38, 0), (10**38).to_bytes(16, "big")),
        (DecimalType(9, 2), b""),
        (DecimalType(9, 2), b"\0" * 17),
    ],
)
def test_what_the_type_cannot_hold_is_unknown(type_: Type, value: bytes) -> None:
    assert _one(type_, value) is None


def test_one_bad_string_does_not_hide_the_others() -> None:
    values = pa.array(["ä".encode(), b"\xff", None, b""], pa.large_binary())
    assert decode_bounds(PRIMITIVE_KINDS["string"], values).to_pylist() == ["ä", None, None, ""]


@pytest.mark.parametrize("make", [pa.binary, pa.large_binary])
def test_no_values(make: Callable[[], pa.DataType]) -> None:
    types: list[Type] = [*PRIMITIVE_KINDS.values(), DecimalType(20, 3), FixedType(3)]
    for type_ in types:
        for values in (pa.array([], make()), pa.nulls(3, make())):
            decoded = decode_bounds(type_, values)
            decoded.validate(full=True)
            assert decoded.null_count == len(values)
