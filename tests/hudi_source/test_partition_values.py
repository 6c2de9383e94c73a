"""Partition paths say values of columns, as far as their text is the value's in every writer."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.hudi.partitions.key_generators import PathField
from converters.hudi.partitions.values import PathStyle, path_values
from converters.model.types import PRIMITIVE_KINDS, DecimalType, Type

HIVE = PathStyle(hive=True, escaped=False)
PLAIN = PathStyle(hive=False, escaped=False)
ESCAPED = PathStyle(hive=True, escaped=True)
EITHER = PathStyle(hive=None, escaped=False)
WHOLE = PathField("p", "value", 0)
UNREADABLE = object()
NULL = object()

SPECIAL = "\"#%'*/:=?\\\x7f{[]^" + "".join(map(chr, range(1, 32)))


def _type(name: str) -> Type:
    return DecimalType(10, 2) if name == "decimal" else PRIMITIVE_KINDS[name]


def _value(path: str, kind: str = "string", style: PathStyle = HIVE) -> Any:
    (found,) = path_values([path], [WHOLE], [_type(kind)], style)
    if found.null[0].as_py():
        assert found.readable[0].as_py()
        return NULL
    return found.values[0].as_py() if found.readable[0].as_py() else UNREADABLE


@pytest.mark.parametrize(
    "kind,text,value",
    [
        ("string", "x", "x"),
        ("string", "2024/01/01", "2024/01/01"),
        ("string", "default", "default"),
        ("boolean", "true", True),
        ("int", "-5", -5),
        ("long", "9223372036854775807", 2**63 - 1),
        ("date", "2024-02-29", dt.date(2024, 2, 29)),
        ("date", "2024/02/29", dt.date(2024, 2, 29)),
        ("date", "19782", dt.date(2024, 2, 29)),
        ("date", "-1", dt.date(1969, 12, 31)),
        ("decimal", "1.5", Decimal("1.50")),
        ("double", "1.0E10", 1e10),
        ("timestamptz", "2024-01-02 03:04:05Z", dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    ],
)
def test_a_value_by_its_text(kind: str, text: str, value: object) -> None:
    assert _value(f"p={text}", kind) == value


@pytest.mark.parametrize(
    "kind,text",
    [
        ("int", "2147483648"),
        ("int", "x"),
        ("int", ""),
        ("boolean", "1"),
        ("date", "2024-02-30"),
        ("date", "999999999"),
        ("decimal", "1.234"),
        ("decimal", "123456789.00"),
        ("double", "x"),
        ("binary", "616263"),
        ("timestamp", "2024-01-02 03:04:05.0"),
        ("timestamptz", "2024-01-02 03:04:05.0"),
        ("timestamptz", "1706745600000000"),
        ("uuid", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_text_that_says_no_value_is_unreadable(kind: str, text: str) -> None:
    assert _value(f"p={text}", kind) is UNREADABLE


@pytest.mark.parametrize("kind", ["string", "int", "date"])
def test_null_has_a_text_of_its_own(kind: str) -> None:
    assert _value("p=__HIVE_DEFAULT_PARTITION__", kind) is NULL


def test_hive_style_has_names() -> None:
    assert _value("x", style=HIVE) is UNREADABLE
    assert _value("q=x", style=HIVE) is UNREADABLE
    assert _value("p=x", style=PLAIN) == "p=x"
    assert _value("p=x", style=EITHER) == "x"
    assert _value("x", style=EITHER) == "x"


def test_escapes_are_undone_only_where_the_table_escapes() -> None:
    assert _value("p=a%2Fb%2520", style=ESCAPED) == "a/b%20"
    assert _value("p=a%2Fb", style=HIVE) == "a%2Fb"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_what_hive_escapes_comes_back(text: str) -> None:
    written = "".join(f"%{ord(each):02X}" if each in SPECIAL else each for each in text)
    assert _value(f"p={written}", style=ESCAPED) == (NULL if text == "__HIVE_DEFAULT_PARTITION__" else text)


def test_slashed_dates_are_dates_again() -> None:
    style = PathStyle(hive=False, escaped=False, slashed_dates=True)
    assert _value("2024/01/31", style=style) == "2024-01-31"
    assert _value("a/b", style=style) == "a/b"


def test_several_fields_share_a_path() -> None:
    fields = [PathField("p", "value"), PathField("ts", "day", 3), PathField("q", "value")]
    types = [PRIMITIVE_KINDS["string"], PRIMITIVE_KINDS["timestamptz"], PRIMITIVE_KINDS["int"]]
    p, ts, q = path_values(["a/2024/01/02/7", "a/2024/01/7", "b/1/2/3/x"], fields, types, PLAIN)
    assert (p.values.to_pylist(), p.readable.to_pylist()) == (["a", None, "b"], [True, False, True])
    assert ts.readable.to_pylist() == [False, False, False]
    assert (q.values.to_pylist(), q.readable.to_pylist()) == ([7, None, None], [True, False, False])
