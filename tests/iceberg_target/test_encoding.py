"""Varints, single values and cut bounds, by property; pyiceberg says what is right."""

from __future__ import annotations

import io
import math
import struct
import uuid
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg import conversions
from pyiceberg import types as ice

from converters.avro.writer import ContainerWriter, RowJoiner, binary_from_matrix, varint, varints
from converters.iceberg.statistics.bounds_encoding import LONGEST_BINARY, LONGEST_STRING, cut, encode_values
from converters.model import PRIMITIVE_KINDS, DecimalType, FixedType, PrimitiveType, Type, arrow_type

LONGS = st.integers(-(2**63), 2**63 - 1)
SKEWED = st.tuples(LONGS, st.integers(0, 63)).map(lambda pair: pair[0] >> pair[1])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def _cells(cells: Any) -> list[bytes]:
    found: list[bytes] = (binary_from_matrix(cells) if isinstance(cells, np.ndarray) else cells).to_pylist()
    return found


@given(st.lists(SKEWED, min_size=1), st.binary(max_size=3), st.data())
def test_varints_are_avros(values: list[int], prefix: bytes, data: st.DataObject) -> None:
    out = io.BytesIO()
    for value in values:
        fastavro.schemaless_writer(out, "long", value)
    assert b"".join(varint(value) for value in values) == out.getvalue()
    assert _cells(varints(np.array(values), prefix=prefix)) == [prefix + varint(value) for value in values]
    present = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    assert _cells(varints(np.array(values), prefix=prefix, present=np.array(present))) == [
        prefix + varint(value) if there else b"" for value, there in zip(values, present, strict=True)
    ]


@given(st.lists(st.tuples(SKEWED, TEXT), min_size=1, max_size=3000))
def test_a_container_holds_its_records(records: list[tuple[int, str]]) -> None:
    row = RowJoiner(len(records))
    row.add(varints(np.array([number for number, _ in records])))
    row.add(b"\x06abc")
    texts = pa.array([text.encode() for _, text in records], pa.binary())
    row.add(varints(np.array([len(text.as_py()) for text in texts])))
    row.add(texts)
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": name, "type": type_} for name, type_ in (("n", "long"), ("c", "string"), ("t", "string"))],
    }
    out = io.BytesIO()
    container = ContainerWriter(out, {"avro.schema": str(schema).replace("'", '"'), "k": "v"})
    container.write(row.join())
    assert container.size == len(out.getvalue())
    out.seek(0)
    reader: Any = fastavro.reader(out)
    assert reader.metadata["k"] == "v"
    assert [(each["n"], each["t"]) for each in reader] == records


def _decimals(precision: int) -> st.SearchStrategy[Decimal]:
    most, scale = 10**precision - 1, min(2, precision)
    skewed = st.tuples(st.integers(-most, most), st.integers(0, 128)).map(lambda pair: pair[0] >> pair[1])
    return skewed.map(lambda number: Decimal(number).scaleb(-scale, Context(prec=80)))


_KINDS: dict[str, tuple[st.SearchStrategy[Any], ice.PrimitiveType]] = {
    "boolean": (st.booleans(), ice.BooleanType()),
    "int": (st.integers(-(2**31), 2**31 - 1), ice.IntegerType()),
    "short": (st.integers(-(2**15), 2**15 - 1), ice.IntegerType()),
    "long": (LONGS, ice.LongType()),
    "float": (st.floats(width=32, allow_nan=False), ice.FloatType()),
    "double": (st.floats(allow_nan=False), ice.DoubleType()),
    "date": (st.integers(-(2**31), 2**31 - 1), ice.DateType()),
    "time": (st.integers(0, 86_399_999_999), ice.TimeType()),
    "timestamp": (LONGS, ice.TimestampType()),
    "timestamptz": (LONGS, ice.TimestamptzType()),
    "timestamp_ns": (LONGS, ice.TimestampNanoType()),
    "string": (TEXT, ice.StringType()),
    "binary": (st.binary(max_size=40), ice.BinaryType()),
    "uuid": (st.uuids().map(lambda value: value.bytes), ice.UUIDType()),
}
_CASES: dict[str, tuple[Type, st.SearchStrategy[Any], ice.PrimitiveType]] = {
    **{kind: (PRIMITIVE_KINDS[kind], values, known) for kind, (values, known) in _KINDS.items()},
    **{
        f"decimal{precision}": (
            DecimalType(precision, min(2, precision)),
            _decimals(precision),
            ice.DecimalType(precision, min(2, precision)),
        )
        for precision in (1, 9, 18, 19, 38)
    },
    "fixed": (FixedType(5), st.binary(min_size=5, max_size=5), ice.FixedType(5)),
}


def _column(type_: Type, values: list[Any]) -> pa.Array:
    kind = arrow_type(type_)
    if pa.types.is_temporal(kind):
        return pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
    return pa.array(values, kind)


@pytest.mark.parametrize("name", _CASES)
@given(data=st.data())
def test_single_values_are_pyicebergs(name: str, data: st.DataObject) -> None:
    type_, strategy, known = _CASES[name]
    values = data.draw(st.lists(st.none() | strategy, min_size=1, max_size=20))
    start = data.draw(st.integers(0, len(values) - 1))
    encoded = _cells(encode_values(_column(type_, values).slice(start), type_))
    for value, found in zip(values[start:], encoded, strict=True):
        if value is None:
            continue
        want = uuid.UUID(bytes=value) if name == "uuid" else value
        assert found == conversions.to_bytes(known, want)


@given(st.lists(st.none() | _decimals(38), min_size=1))
def test_an_unknown_decimal_takes_no_byte(values: list[Decimal | None]) -> None:
    found = _cells(encode_values(pa.array(values, pa.decimal128(38, 2)), DecimalType(38, 2)))
    assert [len(cell) == 0 for cell in found] == [value is None for value in values]


LONG_TEXT = st.text(
    st.sampled_from("aü€\U00010000\ud7ff\ue000\U0010ffff\x00") | st.characters(exclude_categories=["Cs"]),
    min_size=25,
    max_size=45,
)
EDGE_BYTES = st.lists(st.sampled_from([0, 254, 255]), min_size=14, max_size=20).map(bytes)
LONG_BYTES = st.binary(min_size=10, max_size=25) | EDGE_BYTES


@given(st.lists(st.none() | LONG_TEXT | TEXT, min_size=1, max_size=30))
def test_cut_texts_are_still_bounds(values: list[str | None]) -> None:
    _check_cut(values, PrimitiveType("string"), LONGEST_STRING, lambda text: text.encode())


@given(st.lists(st.none() | LONG_BYTES, min_size=1, max_size=30))
def test_cut_bytes_are_still_bounds(values: list[bytes | None]) -> None:
    _check_cut(values, PrimitiveType("binary"), LONGEST_BINARY, bytes)


def _check_cut(values: list[Any], type_: Type, longest: int, order: Callable[[Any], bytes]) -> None:
    column = pa.array(values, arrow_type(type_))
    lower, upper = (cut(column, type_, side)[0].to_pylist() for side in ("lower", "upper"))
    for value, low, high in zip(values, lower, upper, strict=True):
        if value is None:
            assert low is None
            assert high is None
            continue
        assert len(low) <= longest
        assert order(low) <= order(value)
        if len(value) <= longest:
            assert (low, high) == (value, value)
        elif high is not None:
            assert len(high) <= longest
            assert order(high) > order(value)
        else:
            assert set(value[:longest]) <= {"\U0010ffff", 255}


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_zero_keeps_its_sign(values: list[float]) -> None:
    for value, found in zip(values, _cells(encode_values(pa.array(values), PRIMITIVE_KINDS["double"])), strict=True):
        (back,) = struct.unpack("<d", found)
        assert back == value
        assert math.copysign(1, back) == math.copysign(1, value)
