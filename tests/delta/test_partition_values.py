"""Partition values are text in the log and typed in the model; the text and the type say the same."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.delta.partitions.values import partition_texts, partition_values, texts_of
from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.model import PRIMITIVE_KINDS, DecimalType, Type, arrow_type
from tests.delta.logs import Table, add, column, metadata, protocol

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
NAIVE = EPOCH.replace(tzinfo=None)


def _type(name: str) -> Type:
    if name.startswith("decimal"):
        precision, scale = name.removeprefix("decimal(").removesuffix(")").split(",")
        return DecimalType(int(precision), int(scale))
    return PRIMITIVE_KINDS[name]


def _values(name: str, *texts: str | None) -> list[Any]:
    paths = pa.array([f"file:///t/{number}" for number in range(len(texts))])
    return partition_values(pa.array(texts, pa.string()), _type(name), "c", paths).to_pylist()


@pytest.mark.parametrize(
    "type_,text,value",
    [
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("byte", "-128", -128),
        ("short", "32767", 32767),
        ("int", "-2147483648", -(2**31)),
        ("long", "9223372036854775807", 2**63 - 1),
        ("float", "0.1", 0.10000000149011612),
        ("float", "1.0E10", 1e10),
        ("double", "-Infinity", -math.inf),
        ("double", "1.7976931348623157E308", 1.7976931348623157e308),
        ("decimal(10,2)", "12.30", Decimal("12.30")),
        ("decimal(10,2)", "12.3000", Decimal("12.30")),
        ("decimal(10,2)", "-1E+3", Decimal("-1000.00")),
        ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
        ("date", "2024-02-29", dt.date(2024, 2, 29)),
        ("date", "0001-01-01", dt.date(1, 1, 1)),
        ("date", "2024-01-05 00:00:00", dt.date(2024, 1, 5)),
        ("timestamptz", "2024-01-02 03:04:05", dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("timestamptz", "2024-01-02 03:04:05.1", dt.datetime(2024, 1, 2, 3, 4, 5, 100_000, tzinfo=UTC)),
        ("timestamptz", "2024-01-02 03:04:05.123456", dt.datetime(2024, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("timestamptz", "2024-01-02T03:04:05.123456Z", dt.datetime(2024, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("timestamptz", "2024-01-02T03:04:05.123456+01:30", dt.datetime(2024, 1, 2, 1, 34, 5, 123_456, tzinfo=UTC)),
        ("timestamptz", "1969-12-31 23:59:59.999999", EPOCH - dt.timedelta(microseconds=1)),
        ("timestamptz", "2024-01-02", dt.datetime(2024, 1, 2, tzinfo=UTC)),
        ("timestamp", "1970-01-01 00:00:01", NAIVE + dt.timedelta(seconds=1)),
        ("string", "a b/ü%20", "a b/ü%20"),
        ("string", "null", "null"),
        ("binary", "abc", b"abc"),
        ("binary", "\x01\x02ü", b"\x01\x02\xc3\xbc"),
    ],
)
def test_texts_that_writers_leave(type_: str, text: str, value: Any) -> None:
    assert _values(type_, text, None, text, "") == [value, None, value, None]


def test_not_a_number() -> None:
    assert math.isnan(_values("double", "NaN")[0])


@pytest.mark.parametrize(
    "type_,text",
    [
        ("boolean", "yes"),
        ("byte", "128"),
        ("int", "1.5"),
        ("long", "9223372036854775808"),
        ("double", "1,5"),
        ("decimal(4,2)", "100.00"),
        ("decimal(4,2)", "1.234"),
        ("decimal(4,2)", "NaN"),
        ("date", "2024-13-01"),
        ("date", "today"),
        ("timestamp", "2024-01-01 25:00:00"),
        ("timestamptz", "2024-01-01T00:00:00+99:00"),
        ("timestamptz", "2024-01-01 00:00:00 Nowhere/Land"),
    ],
)
def test_texts_that_are_no_values(type_: str, text: str) -> None:
    with pytest.raises(CorruptTable) as caught:
        _values(type_, None, text)
    for told in ("'c'", f"'{text}'", "file:///t/1"):
        assert told in caught.value.message


TYPED: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "byte": st.integers(-128, 127),
    "short": st.integers(-(2**15), 2**15 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "decimal(38,10)": st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(n).scaleb(-10, Context(prec=60))),
    "decimal(5,5)": st.integers(-99_999, 99_999).map(lambda n: Decimal(n).scaleb(-5)),
    "date": st.dates(),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes(timezones=st.just(UTC)),
    "string": st.text(min_size=1),
    "binary": st.text(min_size=1).map(str.encode),
}


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(sorted(TYPED)))
def test_values_come_back(data: st.DataObject, name: str) -> None:
    type_ = _type(name)
    values = pa.array(data.draw(st.lists(st.none() | TYPED[name], min_size=1)), arrow_type(type_))
    texts = partition_texts(values, type_, "c")
    assert texts.type == pa.string()
    again = partition_values(texts, type_, "c", pa.array([""] * len(values)))
    assert again.equals(values), (texts, values)


def test_what_has_no_text_is_refused() -> None:
    for type_, value in (("string", ""), ("binary", b""), ("binary", b"\xff"), ("uuid", b"0" * 16)):
        with pytest.raises(UnsupportedTableFeature) as caught:
            partition_texts(pa.array([None, value], arrow_type(_type(type_))), _type(type_), "col")
        assert "'col'" in caught.value.message


def test_times_beyond_the_calendar_are_refused() -> None:
    for type_, value in (("date", 2**31 - 1), ("timestamp", 2**62)):
        values = pa.array([value], pa.int32() if type_ == "date" else pa.int64()).cast(arrow_type(_type(type_)))
        with pytest.raises(UnsupportedTableFeature):
            partition_texts(values, _type(type_), "c")


def test_texts_of_a_map() -> None:
    maps = pa.array(
        [[("a", "1"), ("b", "2")], [("b", "3"), ("a", "4")], [], None, [("a", None)], [("c", "5")]],
        pa.map_(pa.string(), pa.string()),
    )
    assert texts_of(maps, "a").to_pylist() == ["1", "4", None, None, None, None]
    assert texts_of(maps.slice(1, 3), "b").to_pylist() == ["3", None, None]
    assert texts_of(maps.slice(0, 2), "b").to_pylist() == ["2", "3"]
    assert texts_of(maps, "z").to_pylist() == [None] * 6
    assert texts_of(maps.slice(0, 0), "z").to_pylist() == []


def test_partitions_of_a_table_by_their_physical_names(tmp_path: Path) -> None:
    table = Table(tmp_path / "t")
    columns = [
        column("id", "long", **{"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "c1"}),
        column("day", "date", **{"delta.columnMapping.id": 2, "delta.columnMapping.physicalName": "c2"}),
        column("Näme", "string", **{"delta.columnMapping.id": 7, "delta.columnMapping.physicalName": "c3"}),
    ]
    configuration = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "7"}
    stats = {"numRecords": 1, "minValues": {"c1": 4}, "maxValues": {"c1": 5}, "nullCount": {"c1": 0}}
    table.commit(
        0,
        protocol(2, 5),
        metadata(*columns, by=["Näme", "day"], configuration=configuration),
        add("a", partitionValues={"c2": "2024-01-01", "c3": "x"}, stats=stats),
        add("b", partitionValues={"c3": "", "c2": None}),
    )
    snapshot, files = table.read()
    [spec] = snapshot.table.specs
    assert [(field.id, field.source_id, field.name) for field in spec.fields] == [(1000, 7, "Näme"), (1001, 2, "day")]
    assert files["partition"].to_pylist() == [
        {"1000": "x", "1001": dt.date(2024, 1, 1)},
        {"1000": None, "1001": None},
    ]
    stats_1 = files["stats"].to_pylist()[0]["1"]
    assert (stats_1["lower"], stats_1["upper"], stats_1["null_count"]) == (4, 5, 0)
    assert snapshot.table.field_ids == "unknown"


def test_without_column_mapping_its_metadata_mean_nothing(tmp_path: Path) -> None:
    table = Table(tmp_path / "t")
    mapped = column("p", "string", **{"delta.columnMapping.id": 9, "delta.columnMapping.physicalName": "c9"})
    configuration = {"delta.columnMapping.mode": "name"}
    table.commit(
        0,
        protocol(3, 7, []),
        metadata(mapped, by=["p"], configuration=configuration),
        add("a", partitionValues={"p": "x"}),
    )
    snapshot, files = table.read()
    assert files["partition"].to_pylist() == [{"1000": "x"}]
    assert snapshot.table.schema.fields[0].stored_name == "p"
