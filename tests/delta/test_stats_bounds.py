"""Bounds read from a log contain the values that its writer saw; what is not understood is unknown."""

from __future__ import annotations

import datetime as dt
import json
import math
import struct
from decimal import Context, Decimal
from typing import Any, TypeVar

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.delta.log.engine import cursor
from converters.delta.schema.reader import read_schema
from converters.delta.statistics.extremes import columns_of
from converters.delta.statistics.few_texts import few_stats
from converters.delta.statistics.reader import StatsReader
from converters.delta.statistics.texts import TextStats
from converters.model import Schema
from tests.delta.logs import column, schema_string

T = TypeVar("T")

RECORDS = {"numRecords": 10}


def _read(type_: Any, *texts: str | None, name: str = "c") -> dict[str, list[Any]]:
    """The statistics of one column, by name, from files' statistics texts."""
    schema = read_schema(schema_string(column(name, type_)))
    _check_few(schema, pa.chunked_array([pa.array(texts, pa.string())]))
    found = StatsReader(schema).read(pa.table({"stats": pa.array(texts, pa.string())}))
    columns = found.columns.get(1, {})
    result = {each: _plain(values) for each, values in columns.items()}
    return {"row_count": found.row_count.to_pylist(), **result}


def _check_few(schema: Schema, text: pa.ChunkedArray) -> bool:
    """What is read of a few texts is what is read of many; whether they can be read as a few."""
    columns = columns_of(schema.leaves)
    few, many = few_stats(columns, text), TextStats(columns).read(cursor(), text)
    if few is None:
        return False
    for name in ("row_count", "tight"):
        assert getattr(few, name).equals(getattr(many, name))
    for one, other in zip(few, many, strict=True):
        assert all(a is None if b is None else a is not None and a.equals(b) for a, b in zip(one, other, strict=True))
    return True


def _plain(values: pa.Array) -> list[Any]:
    return (values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values).to_pylist()


def _stats(low: str | None, high: str | None, name: str = "c") -> str:
    """A statistics text with bounds as they are written."""
    parts = ['"numRecords":10']
    parts += [f'"minValues":{{{json.dumps(name)}:{low}}}'] if low is not None else []
    parts += [f'"maxValues":{{{json.dumps(name)}:{high}}}'] if high is not None else []
    return "{" + ",".join(parts) + "}"


def _bounds(type_: Any, low: str | None, high: str | None) -> tuple[Any, Any]:
    found = _read(type_, _stats(low, high))
    return found["lower"][0], found["upper"][0]


def _all_bounds(type_: Any, pairs: list[tuple[str, str]]) -> list[tuple[Any, Any]]:
    found = _read(type_, *(_stats(low, high) for low, high in pairs))
    return list(zip(found["lower"], found["upper"], strict=True))


def _many(values: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    return st.lists(values, min_size=1, max_size=30)


INTEGERS = {"byte": 2**7, "short": 2**15, "integer": 2**31, "long": 2**63}


@settings(deadline=None, max_examples=30)
@given(st.data(), st.sampled_from(sorted(INTEGERS)))
def test_integers_are_exact(data: st.DataObject, type_: str) -> None:
    limit = INTEGERS[type_]
    near = st.integers(-(2**53) - 3, -(2**53) + 3) | st.integers(2**53 - 3, 2**53 + 3) | st.integers(2**62, 2**63 - 1)
    number = st.integers(-limit, limit - 1) | near.filter(lambda n: -limit <= n < limit)
    pairs = [(min(pair), max(pair)) for pair in data.draw(_many(st.tuples(number, number)))]
    assert _all_bounds(type_, [(str(low), str(high)) for low, high in pairs]) == pairs


@settings(deadline=None, max_examples=20)
@given(_many(st.integers(-(2**63), 2**63 - 1)), st.sampled_from(["{}.0", "{}.4", "{}.6", "{}e0"]))
def test_integers_written_as_reals_stay_outside(numbers: list[int], form: str) -> None:
    texts = [form.format(number) for number in numbers]
    for text, (low, high) in zip(texts, _all_bounds("long", [(text, text) for text in texts]), strict=True):
        assert low is None or low <= math.ceil(Decimal(text))
        assert high is None or high >= math.floor(Decimal(text))


@pytest.mark.parametrize("type_", sorted(INTEGERS))
def test_integers_out_of_range_are_unknown(type_: str) -> None:
    limit = INTEGERS[type_]
    assert _bounds(type_, str(-limit - 1), "5") == (None, 5)
    assert _bounds(type_, "5", str(limit)) == (5, None)
    assert _bounds(type_, '"x"', "[1]") == (None, None)


@st.composite
def _decimals(draw: st.DrawFn) -> tuple[int, int, list[Decimal]]:
    precision = draw(st.integers(1, 38))
    scale = draw(st.integers(0, precision))
    most = 10**precision - 1
    unscaled = draw(_many(st.integers(-most, most) | st.sampled_from([0, most, -most])))
    return precision, scale, [Decimal(each).scaleb(-scale, Context(prec=60)) for each in unscaled]


@settings(deadline=None, max_examples=60)
@given(_decimals(), st.sampled_from(["f", "E", "quoted"]))
def test_decimals_are_exact(drawn: tuple[int, int, list[Decimal]], form: str) -> None:
    precision, scale, values = drawn
    texts = [f'"{value:f}"' if form == "quoted" else format(value, form) for value in values]
    found = _all_bounds(f"decimal({precision},{scale})", [(text, text) for text in texts])
    assert found == [(value, value) for value in values]


@settings(deadline=None, max_examples=20)
@given(_many(st.decimals(-(10**7), 10**7, places=6)), st.sampled_from([(9, 2), (15, 2), (16, 2), (38, 2), (20, 0)]))
def test_decimals_of_too_many_digits_go_outwards(values: list[Decimal], type_: tuple[int, int]) -> None:
    found = _all_bounds(f"decimal({type_[0]},{type_[1]})", [(str(value), str(value)) for value in values])
    step = Decimal(2).scaleb(-type_[1])
    for value, (low, high) in zip(values, found, strict=True):
        assert low is None or value - step <= low <= value
        assert high is None or value <= high <= value + step


@pytest.mark.parametrize("type_", ["decimal(5,2)", "decimal(20,2)"])
@pytest.mark.parametrize("text", ["1e400", "100000000000000000000", '"NaN"', '"abc"', '""', "{}", "1e-400", "-0"])
def test_odd_decimals(type_: str, text: str) -> None:
    low, high = _bounds(type_, text, text)
    if text in {"1e-400", "-0"}:
        assert low <= 0 <= high <= Decimal("0.02")
    else:
        assert (low, high) == (None, None)


def _single(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


def _shortest(value: float) -> str:
    """A float as Java prints it: the fewest digits that give it back."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if _single(float(text)) == value:
            return text
    raise AssertionError(value)


@settings(deadline=None, max_examples=30)
@given(_many(st.floats(width=32, allow_nan=False, allow_infinity=False)), st.booleans())
def test_floats_by_their_shortest_text(values: list[float], shortest: bool) -> None:
    texts = [_shortest(value) if shortest else repr(value) for value in values]
    assert _all_bounds("float", [(text, text) for text in texts]) == [(value, value) for value in values]


@settings(deadline=None, max_examples=30)
@given(_many(st.floats(-3e38, 3e38)))
def test_doubles_in_a_float_column_stay_outside(values: list[float]) -> None:
    found = _all_bounds("float", [(repr(value), repr(value)) for value in values])
    for value, (low, high) in zip(values, found, strict=True):
        near = [_single(value), _single(math.nextafter(_single(value), math.inf)), _single(value * (1 + 1e-7))]
        assert all(low <= n for n in near if n >= value)
        assert all(high >= n for n in near if n <= value)


@settings(deadline=None, max_examples=20)
@given(_many(st.floats(allow_nan=False, allow_infinity=False)))
def test_doubles_are_exact(values: list[float]) -> None:
    assert _all_bounds("double", [(repr(value), repr(value)) for value in values]) == [(v, v) for v in values]


@pytest.mark.parametrize("type_", ["float", "double"])
def test_special_floats(type_: str) -> None:
    inf = math.inf
    assert _bounds(type_, '"-Infinity"', '"Infinity"') == (-inf, inf)
    assert _bounds(type_, "1.5", '"NaN"') == (1.5, None)
    assert _bounds(type_, '"NaN"', '"NaN"') == (None, None)
    assert _bounds(type_, '"NaN"', "1.5") == (None, None)
    assert _bounds(type_, "NaN", "NaN") == (None, None)
    assert _bounds(type_, '"x"', "{}") == (None, None)
    low, high = _bounds(type_, "0.0", "-0.0")
    assert (math.copysign(1, low), math.copysign(1, high)) == (-1, 1)
    found = _read(type_, _stats("1.5", "2.5"), _stats("0.0", "2.5"))
    assert found["exact"] == [True, False]
    assert "nan_count" not in found


def test_doubles_beyond_a_float() -> None:
    assert _bounds("float", "-1e39", "1e39") == (None, None)
    assert _bounds("float", "1.0", "3.4028235E38") == (1.0, 3.4028234663852886e38)


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TIMES = st.datetimes(EPOCH.replace(tzinfo=None, year=1, day=2), EPOCH.replace(tzinfo=None, year=9999))


def _micros(value: dt.datetime) -> int:
    return (value.replace(tzinfo=dt.UTC) - EPOCH) // dt.timedelta(microseconds=1)


@settings(deadline=None, max_examples=60)
@given(
    _many(TIMES), st.sampled_from([0, 3, 6, 9]), st.sampled_from(["", "Z", "+05:30", "-08:00", "+00:00"]), st.booleans()
)
def test_times_contain_what_was_cut_off(values: list[dt.datetime], digits: int, zone: str, with_zone: bool) -> None:
    offset = {"+05:30": 330, "-08:00": -480}.get(zone, 0)
    texts = [f'"{_time_text(value, digits)}{zone}"' for value in values]
    found = _read("timestamp" if with_zone else "timestamp_ntz", *(_stats(text, text) for text in texts))
    assert found["exact"] == [False] * len(values)
    for value, low, high in zip(values, found["lower"], found["upper"], strict=True):
        true = _micros(value) - offset * 60_000_000
        assert low <= true <= high
        if digits >= 6 and value.microsecond % 1000:
            assert low == high == true


def _time_text(value: dt.datetime, digits: int) -> str:
    fraction = f"{value.microsecond:06d}000"[:digits]
    clock = value.strftime("%H:%M:%S") + ("." + fraction if digits else "")
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{clock}"


@pytest.mark.parametrize(
    "text,added",
    [("00:00:00Z", 999_999), ("00:00:00.000Z", 999_999), ("00:00:00.120Z", 999), ("00:00:00.123456Z", 0)],
)
def test_the_cut_digits_are_given_back(text: str, added: int) -> None:
    low, high = _bounds("timestamp", f'"1969-12-31T{text}"', f'"1969-12-31T{text}"')
    assert high - low == added


@pytest.mark.parametrize(
    "text", ['"infinity"', '"-infinity"', '"soon"', "5", '"2024-13-01T00:00:00Z"', '""', "null", "{}"]
)
def test_what_is_no_time_is_unknown(text: str) -> None:
    for type_ in ("timestamp", "timestamp_ntz", "date"):
        assert _bounds(type_, text, text) == (None, None)


@settings(deadline=None, max_examples=20)
@given(_many(st.dates()))
def test_dates(values: list[dt.date]) -> None:
    texts = [f'"{value.isoformat()}"' for value in values]
    assert _all_bounds("date", [(text, text) for text in texts]) == [(value, value) for value in values]


@settings(deadline=None, max_examples=60)
@given(st.text(), st.text(), st.booleans(), st.text(min_size=1))
def test_strings_of_any_unicode(one: str, other: str, escaped: bool, name: str) -> None:
    low, high = sorted((one, other), key=lambda text: text.encode("utf-8", "surrogatepass"))
    bounds = {"minValues": {name: low}, "maxValues": {name: high}}
    text = json.dumps(RECORDS | bounds, ensure_ascii=escaped)
    found = _read("string", text, name=name)
    assert (found["lower"], found["upper"], found["exact"]) == ([low], [high], [False])


def test_surrogates() -> None:
    found = _bounds("string", '"\\ud840\\udc00"', '"\\udbff\\udfff"')
    assert found == ("\U00020000", "\U0010ffff")
    assert _bounds("string", '"\\ud840"', '"x"') == (None, None)


@pytest.mark.parametrize("type_", ["boolean", "binary", {"type": "array", "elementType": "long", "containsNull": True}])
def test_types_without_bounds(type_: Any) -> None:
    found = _read(type_, '{"numRecords":3,"minValues":{"c":true},"maxValues":{"c":"x"},"nullCount":{"c":1}}')
    assert found["row_count"] == [3]
    assert "lower" not in found
    assert found.get("null_count", [1]) == [1]


@pytest.mark.parametrize(
    "text", [None, "", "{}", "null", "[]", "5", "{", '{"numRecords":', "\x00", "{'a':1}", '{"numRecords":"x"}']
)
def test_missing_and_malformed_statistics_are_unknown(text: str | None) -> None:
    found = _read("long", text, '{"numRecords":3,"minValues":{"c":1},"nullCount":{"c":2}}')
    assert found["row_count"] == [None, 3]
    assert found["null_count"] == [None, 2]
    assert found["lower"] == [None, 1]
    assert found["upper"] == [None, None]
    assert found["exact"] == [False, True]


@pytest.mark.parametrize(
    "text",
    ['{"numRecords":-1}', '{"numRecords":1e30}', '{"numRecords":3,"nullCount":{"c":4}}', '{"nullCount":{"c":-1}}'],
)
def test_impossible_counts_are_unknown(text: str) -> None:
    found = _read("long", text)
    assert found["row_count"] in ([None], [3])
    assert found["null_count"] == [None]


def test_loose_bounds() -> None:
    loose = '{"numRecords":3,"tightBounds":false,"minValues":{"c":1},"maxValues":{"c":2},"nullCount":{"c":%d}}'
    found = _read("long", *(loose % n for n in range(4)), '{"numRecords":3,"minValues":{"c":1},"nullCount":{"c":1}}')
    assert found["null_count"] == [0, None, None, 3, 1]
    assert found["exact"] == [False] * 4 + [True]
    assert found["lower"] == [1] * 5


def test_bounds_that_cross_are_unknown() -> None:
    for type_, one, two in (("long", "2", "1"), ("string", '"b"', '"a"'), ("decimal(20,1)", "2.5", "1.5")):
        assert _bounds(type_, one, two) == (None, None)


def _nested() -> Schema:
    inner = {
        "type": "struct",
        "fields": [column("a.b", "long"), column("t", {"type": "struct", "fields": [column("d", "decimal(30,3)")]})],
    }
    return read_schema(schema_string(column("s", inner), column("q\"uo'te", "string"), column("f", "float")))


def test_nested_columns_and_odd_names() -> None:
    schema = _nested()
    bounds = {"s": {"a.b": 5, "t": {"d": 1.5}}, "q\"uo'te": "x"}
    texts = [
        json.dumps({"numRecords": 2, "minValues": bounds, "maxValues": bounds, "nullCount": {"s": {"a.b": 0}, "f": 2}}),
        '{"numRecords":2,"minValues":{"s":null},"maxValues":{"s":5},"nullCount":{"s":0}}',
    ]
    found = StatsReader(schema).read(pa.table({"stats": texts}))
    by_name = {leaf.path: found.columns[leaf.field.id] for leaf in schema.leaves}
    assert by_name["s", "a.b"]["lower"].to_pylist() == [5, None]
    assert by_name["s", "a.b"]["null_count"].to_pylist() == [0, None]
    assert by_name["s", "t", "d"]["upper"].to_pylist() == [Decimal("1.500"), None]
    assert by_name["q\"uo'te",]["upper"].to_pylist() == ["x", None]
    assert by_name["f",]["null_count"].to_pylist() == [2, None]


def test_parsed_statistics_say_the_same_as_the_text() -> None:
    types = {"l": "long", "f": "float", "d": "double", "e": "decimal(9,2)", "g": "decimal(30,3)", "day": "date"}
    types |= {"t": "timestamp", "n": "timestamp_ntz", "s": "string", "i": "integer"}
    schema = read_schema(schema_string(*(column(name, type_) for name, type_ in types.items())))
    low: dict[str, Any] = {"l": -(2**60), "f": 0.0, "d": -1.5, "e": Decimal("1.25"), "g": Decimal("-2.5"), "i": 3}
    low |= {
        "day": dt.date(1969, 12, 31),
        "t": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        "n": EPOCH.replace(tzinfo=None, year=1),
        "s": "a",
    }
    arrow = {"l": pa.int64(), "f": pa.float32(), "d": pa.float64(), "e": pa.decimal128(9, 2), "i": pa.int16()}
    arrow |= {"g": pa.decimal128(30, 3), "day": pa.date32(), "t": pa.timestamp("us", "UTC"), "s": pa.large_string()}
    arrow |= {"n": pa.timestamp("us")}
    bounds = pa.struct([(name, arrow[name]) for name in types])
    counts = pa.struct([(name, pa.int64()) for name in types])
    record = pa.struct(
        [("numRecords", pa.int64()), ("minValues", bounds), ("maxValues", bounds), ("nullCount", counts)]
    )
    high = {**low, "d": math.nan, "s": "b"}
    nulls = dict.fromkeys(types, 1)
    parsed = pa.array([{"numRecords": 5, "minValues": low, "maxValues": high, "nullCount": nulls}, None], record)
    found = StatsReader(schema).read(pa.table({"stats_parsed": parsed}))

    def text(values: dict[str, Any]) -> dict[str, Any]:
        return {name: float(v) if isinstance(v, Decimal) else "NaN" if v != v else v for name, v in values.items()}  # noqa: PLR0124

    stats = {"numRecords": 5, "minValues": text(low), "maxValues": text(high), "nullCount": nulls}
    written = json.dumps(stats, default=lambda each: each.isoformat())
    expected = StatsReader(schema).read(pa.table({"stats": pa.array([written, None], pa.string())}))
    assert found.row_count.equals(expected.row_count)
    for leaf in schema.leaves:
        one, other = found.columns[leaf.field.id], expected.columns[leaf.field.id]
        assert {name: values.to_pylist() for name, values in one.items()} == {
            name: values.to_pylist() for name, values in other.items()
        }, leaf.path
    both = pa.table({"stats_parsed": parsed, "stats": pa.array([None, '{"numRecords":7,"minValues":{"l":1}}'])})
    merged = StatsReader(schema).read(both)
    assert merged.row_count.to_pylist() == [5, 7]
    assert merged.columns[1]["lower"].to_pylist() == [-(2**60), 1]


def test_parsed_statistics_of_other_types_are_unknown() -> None:
    schema = read_schema(schema_string(column("l", "long"), column("e", "decimal(5,2)"), column("t", "timestamp")))
    bounds = pa.struct([("l", pa.string()), ("e", pa.decimal128(20, 4)), ("t", pa.timestamp("ns"))])
    record = pa.struct([("numRecords", pa.int32()), ("minValues", bounds), ("maxValues", bounds)])
    low = {"l": "1", "e": Decimal("1.2345"), "t": EPOCH.replace(tzinfo=None, microsecond=5)}
    parsed = pa.array([{"numRecords": 5, "minValues": low, "maxValues": low}], record)
    found = StatsReader(schema).read(pa.table({"stats_parsed": parsed}))
    assert found.row_count.to_pylist() == [5]
    assert found.columns[1]["lower"].to_pylist() == [None]
    assert found.columns[2]["lower"].to_pylist() == [None]
    assert found.columns[3]["lower"].to_pylist() == [EPOCH.replace(microsecond=5)]


def test_names_that_differ_only_in_case() -> None:
    schema = read_schema(schema_string(column("a", "long"), column("A", "long")))
    text = '{"numRecords":1,"minValues":{"A":1,"a":2},"maxValues":{"a":3,"A":4}}'
    found = StatsReader(schema).read(pa.table({"stats": [text]}))
    assert [found.columns[id_]["lower"].to_pylist() for id_ in (1, 2)] == [[2], [1]]
    assert [found.columns[id_]["upper"].to_pylist() for id_ in (1, 2)] == [[3], [4]]


USUAL = [
    *(
        "null",
        "0",
        "-7",
        str(2**63 - 1),
        str(-(2**63)),
        "1.5",
        "-0.0",
        "1e300",
        "12345678901234567890.125",
        '""',
        '"x"',
    ),
    *('"0001-01-01"', '"2024-02-29"', '"9999-12-31"', '"2024-01-01T00:00:00.123Z"', '"2024-01-01 00:00:00"'),
    *('"2024-01-01T23:59:59.999999+05:30"', '"1960-01-01T00:00:00-08:00"', "true", "false"),
]
UNUSUAL = [
    *("{}", "[1]", str(2**64), '"12"', '"NaN"', '"2024-13-01"', '"2024-1-1"', '"24:00"', '"2024-01-01T24:00:00Z"')
]
TYPES = ["integer", "long", "double", "date", "timestamp", "timestamp_ntz", "string", "decimal(9,2)", "decimal(30,3)"]


@given(
    st.lists(st.sampled_from([*TYPES, "boolean", "binary"]), min_size=1, max_size=4),
    st.lists(st.lists(st.sampled_from(USUAL + UNUSUAL), min_size=14, max_size=14), min_size=1, max_size=3),
)
@settings(deadline=None)
def test_a_few_texts_are_read_as_many_are(types: list[str], values: list[list[str]]) -> None:
    schema = read_schema(schema_string(*(column(f"c{n}", type_) for n, type_ in enumerate(types))))

    def side(cells: list[str]) -> str:
        return "{" + ",".join(f'"c{n}":{cell}' for n, cell in enumerate(cells[: len(types)])) + "}"

    texts = [
        f'{{"numRecords":{row[0]},"tightBounds":{row[1]},"minValues":{side(row[2:6])},"maxValues":{side(row[6:10])},'
        f'"nullCount":{side(row[10:])}}}'
        for row in values
    ]
    _check_few(schema, pa.chunked_array([pa.array([*texts, None, "{}"])]))


def test_usual_texts_are_read_as_a_few() -> None:
    schema = read_schema(schema_string(column("a", "long"), column("t", "timestamp"), column("d", "decimal(38,10)")))
    low = {"a": 1, "t": "2024-01-01T00:00:00.000Z", "d": 1.5}
    text = json.dumps({"numRecords": 2, "minValues": low, "maxValues": low, "nullCount": dict.fromkeys("atd", 0)})
    assert _check_few(schema, pa.chunked_array([[text, None, "{}"]]))
    assert not _check_few(schema, pa.chunked_array([["garbage"]]))
    assert not _check_few(schema, pa.chunked_array([[text] * 10_000]))
