"""Statistics as Delta's JSON: true for any values, and never narrower than the data."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from converters.delta.statistics.writer import Statistics, joined
from converters.json_text import escaped, json_string
from converters.model import (
    PRIMITIVE_KINDS,
    UNPARTITIONED,
    DecimalType,
    Field,
    FixedType,
    ListType,
    Schema,
    StructType,
    Type,
    arrow_type,
    data_file_batch,
    data_file_schema,
)

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock arithmetic
MICROSECOND = dt.timedelta(microseconds=1)


def _texts(schema: Schema, stats: dict[int, dict[str, list[Any]]], row_counts: list[int | None]) -> list[str]:
    """The statistics of some files, checked to be the same text in a commit as in a checkpoint."""
    shape = data_file_schema(schema, (UNPARTITIONED,))
    files = len(row_counts)
    columns = {
        "path": pa.array([f"file:///{n}" for n in range(files)], pa.string()),
        "size": pa.array([1] * files, pa.int64()),
        "row_count": pa.array(row_counts, pa.int64()),
        "spec_id": pa.array([0] * files, pa.int32()),
    }
    types = {leaf.field.id: arrow_type(leaf.field.type) for leaf in schema.leaves}
    arrays = {
        id_: {name: pa.array(values, _stat_type(types[id_], name)) for name, values in members.items()}
        for id_, members in stats.items()
    }
    found = Statistics(data_file_batch(shape, columns, {}, arrays), schema)
    plain: list[str] = found.plain().to_pylist()
    nested = joined(['"', *found.nested_parts(), '"'], files).to_pylist()
    assert plain == [json.loads(each) for each in nested]
    return plain


def _stat_type(type_: pa.DataType, name: str) -> pa.DataType:
    return {"null_count": pa.int64(), "nan_count": pa.int64(), "exact": pa.bool_()}.get(name, type_)


def _one(type_: Type, **stats: Any) -> dict[str, Any]:
    """What is said of a column ``c`` of one file of 10 rows."""
    schema = Schema((Field(id=1, name="c", type=type_),))
    (text,) = _texts(schema, {1: {name: [value] for name, value in stats.items()}}, [10])
    found: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=int, parse_constant=_no_constant)
    assert found.pop("numRecords") == 10
    assert all(list(each) in ([], ["c"]) for each in found.values())
    return {name: each["c"] for name, each in found.items() if each}


def _no_constant(name: str) -> Any:
    raise AssertionError(name)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integers(one: int, other: int) -> None:
    low, high = sorted((one, other))
    found = _one(PRIMITIVE_KINDS["long"], lower=low, upper=high, null_count=3, exact=True)
    assert found == {"minValues": low, "maxValues": high, "nullCount": 3}


@given(st.floats(width=64), st.floats(width=64))
@example(-0.0, 0.0)
@example(5e-324, 1.7976931348623157e308)
def test_doubles(low: float, high: float) -> None:
    found = _one(PRIMITIVE_KINDS["double"], lower=low, upper=high, nan_count=0, null_count=0, exact=True)
    assert ("minValues" in found) == math.isfinite(low)
    assert ("maxValues" in found) == math.isfinite(high)
    for value, name in ((low, "minValues"), (high, "maxValues")):
        if math.isfinite(value):
            read = float(found[name])
            assert (read, math.copysign(1, read)) == (value, math.copysign(1, value))
            assert value != 0 or math.copysign(1, value) > 0 or str(found[name]) == "-0.0"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_may_be_read_as_a_double(value: float) -> None:
    found = _one(PRIMITIVE_KINDS["float"], lower=value, upper=value, nan_count=0)
    assert float(found["minValues"]) == float(found["maxValues"]) == value
    assert np.float32(str(found["minValues"])) == np.float32(value)


@pytest.mark.parametrize("nan_count", [None, 1])
def test_nan_is_greater_than_any_bound(nan_count: int | None) -> None:
    found = _one(PRIMITIVE_KINDS["double"], lower=1.0, upper=2.0, nan_count=nan_count, null_count=0)
    assert "maxValues" not in found
    assert found["minValues"] == 1


decimals = st.integers(1, 38).flatmap(
    lambda precision: st.tuples(
        st.just(precision), st.integers(0, precision), st.integers(-(10**precision) + 1, 10**precision - 1)
    )
)


@given(decimals)
def test_decimals_are_exact(given: tuple[int, int, int]) -> None:
    precision, scale, unscaled = given
    value = Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale))
    schema = Schema((Field(id=1, name="c", type=DecimalType(precision, scale)),))
    (text,) = _texts(schema, {1: {"lower": [value], "upper": [value]}}, [1])
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal)["minValues"]["c"] == value
    assert "e" not in text.partition("minValues")[2].partition("maxValues")[0].replace("minValues", "").lower().replace(
        "maxvalues", ""
    )


@given(st.integers(-(2**31), 2**31 - 1))
def test_dates(days: int) -> None:
    found = _one(PRIMITIVE_KINDS["date"], lower=days, upper=days)
    ordinal = days + dt.date(1970, 1, 1).toordinal()
    if 1 <= ordinal <= dt.date.max.toordinal():
        assert found["minValues"] == found["maxValues"] == dt.date.fromordinal(ordinal).isoformat()
    else:
        assert not found


@pytest.mark.parametrize("kind, zone", [("timestamp", ""), ("timestamptz", "Z")])
@given(
    micros=st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-62_135_596_800_000_000 - 10**6, -62_135_596_800_000_000 + 10**6),
        st.integers(253_402_300_800_000_000 - 10**6, 253_402_300_800_000_000 + 10**6),
        st.integers(-(10**7), 10**7),
    )
)
@settings(max_examples=60)
def test_timestamps_are_rounded_outward(kind: Any, zone: str, micros: int) -> None:
    found = _one(PRIMITIVE_KINDS[kind], lower=micros, upper=micros)
    for name, sign in (("minValues", 1), ("maxValues", -1)):
        if name in found:
            assert found[name].endswith(zone)
            text = found[name].removesuffix("Z")
            assert len(text) == 23
            read = (dt.datetime.fromisoformat(text) - EPOCH) // MICROSECOND
            assert 0 <= sign * (micros - read) < 1000
    if -62_135_596_800_000_000 <= micros <= 253_402_300_799_999_000:
        assert len(found) == 2


texts = st.text(st.characters(codec="utf-8"), max_size=80)


@given(texts)
def test_strings_are_cut_outward(value: str) -> None:
    found = _one(PRIMITIVE_KINDS["string"], lower=value, upper=value, null_count=1)
    low = found["minValues"]
    assert low.encode() <= value.encode()
    assert value.startswith(low)
    assert len(low) <= 32
    high = found.get("maxValues")
    if high is None:
        assert value.startswith("\U0010ffff" * 32)
    else:
        assert high.encode() >= value.encode()
        assert len(high) <= 32
    if len(value) <= 32:
        assert low == high == value


@pytest.mark.parametrize(
    "value, upper",
    [
        ("a" * 40, "a" * 31 + "b"),
        ("a" * 31 + "\U0010ffff" + "b", "a" * 30 + "b"),
        ("a" * 31 + "\ud7ff" + "b", "a" * 31 + "\ue000"),
        ("\U0010ffff" * 33, None),
        ("", ""),
    ],
)
def test_the_next_string(value: str, upper: str | None) -> None:
    assert _one(PRIMITIVE_KINDS["string"], lower=value, upper=value).get("maxValues") == upper


@pytest.mark.parametrize("type_", [PRIMITIVE_KINDS["binary"], PRIMITIVE_KINDS["boolean"], FixedType(2)])
def test_types_without_bounds(type_: Type) -> None:
    value: Any = True if type_ == PRIMITIVE_KINDS["boolean"] else b"ab"
    assert _one(type_, lower=value, upper=value, null_count=4) == {"nullCount": 4}


def test_a_wide_bound_is_no_answer() -> None:
    """Spark answers MIN and MAX from statistics when a file has both bounds and its null count."""
    for kind in ("int", "long", "float", "double", "date"):
        stats = {"lower": 1, "upper": 2, "null_count": 3, "nan_count": 0}
        assert "nullCount" not in _one(PRIMITIVE_KINDS[kind], **stats)
        assert "nullCount" not in _one(PRIMITIVE_KINDS[kind], **stats, exact=False)
        assert _one(PRIMITIVE_KINDS[kind], **stats, exact=True)["nullCount"] == 3
        assert _one(PRIMITIVE_KINDS[kind], null_count=10) == {"nullCount": 10}
    assert _one(PRIMITIVE_KINDS["string"], lower="a", upper="b", null_count=3)["nullCount"] == 3


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
counts = st.one_of(st.none(), st.integers(0, 9))


@given(
    st.lists(names, min_size=4, max_size=4, unique=True),
    st.lists(st.tuples(counts, counts, counts, counts, st.one_of(st.none(), texts)), max_size=6),
)
def test_whatever_is_unknown_is_left_out(names: list[str], files: list[tuple[Any, ...]]) -> None:
    inner = StructType((Field(id=3, name="x", type=PRIMITIVE_KINDS["string"], physical_name=names[2]),))
    schema = Schema(
        (
            Field(id=1, name=names[0], type=PRIMITIVE_KINDS["long"]),
            Field(id=2, name=names[1], type=inner),
            Field(id=4, name=names[3], type=ListType(5, PRIMITIVE_KINDS["long"])),
        )
    )
    rows, low, nulls, inner_nulls, text = ([each[n] for each in files] for n in range(5))
    stats = {1: {"lower": low, "null_count": nulls}, 3: {"upper": text, "null_count": inner_nulls}}
    found = [json.loads(each) for each in _texts(schema, stats, rows)]
    assert len(found) == len(files)
    for number, each in enumerate(found):
        assert each.get("numRecords") == rows[number]
        assert each["minValues"].get(names[0]) == low[number]
        assert each["nullCount"].get(names[0]) == nulls[number]
        assert each["nullCount"].get(names[1], {}).get(names[2]) == inner_nulls[number]
        expected = text[number] if text[number] is None or len(text[number]) <= 32 else ...
        if expected is not ...:
            assert each["maxValues"].get(names[1], {}).get(names[2]) == expected
        assert names[3] not in each["nullCount"]


def test_no_column_at_all() -> None:
    schema = Schema((Field(id=1, name="c", type=PRIMITIVE_KINDS["binary"]),))
    assert _texts(schema, {}, [None, None]) == ['{"minValues":{},"maxValues":{},"nullCount":{}}'] * 2
    assert _texts(schema, {}, []) == []


@given(st.lists(st.one_of(st.none(), texts), max_size=8), st.integers(0, 3), st.integers(0, 8))
def test_escaping(values: list[str | None], start: int, length: int) -> None:
    array = pa.array(values, pa.string()).slice(start, length)
    found = escaped(array).to_pylist()
    assert found == [None if each is None else json_string(each)[1:-1] for each in array.to_pylist()]
    assert [None if each is None else json.loads(f'"{each}"') for each in found] == array.to_pylist()
