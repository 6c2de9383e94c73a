"""Extremes from a few statistics texts, without DuckDB, which takes longer to start than they take to read.

What is written in an unusual way is left to DuckDB: here the usual is read as ``TextStats`` would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from converters.delta.statistics.bounds import ColumnKind
from converters.delta.statistics.exact_numbers import ExactReader, Side, decimals
from converters.delta.statistics.extremes import Column, Extremes
from converters.model.types import arrow_type

__all__ = ["few_stats"]

_MOST_CELLS = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
_INSTANT = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?$")


class _UnusualError(Exception):
    """Something is not written in the usual way."""


def few_stats(columns: Sequence[Column], text: pa.ChunkedArray) -> Extremes | None:
    """The statistics of a few files; None where DuckDB is to read them.

    Args:
        columns: What to read.
        text: The texts, null where a file has none.
    """
    if len(text) * (len(columns) + 1) > _MOST_CELLS:
        return None
    try:
        records = [_record(each) for each in text.to_pylist()]
        sides = {name: [_inner(each, name) for each in records] for name in ("minValues", "maxValues", "nullCount")}
        lower, upper = (_bounds(columns, text, sides, side) for side in ("minValues", "maxValues"))
        return Extremes(
            pa.array([_integer(each.get("numRecords")) for each in records], pa.int64()),
            pa.array([_boolean(each.get("tightBounds")) for each in records], pa.bool_()),
            lower,
            upper,
            [_values(sides["nullCount"], each, _integer, pa.int64()) for each in columns],
        )
    except (_UnusualError, msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError):
        return None


def _record(text: str | None) -> dict[str, Any]:
    found: object = {} if text is None else msgspec.json.decode(text)
    if not isinstance(found, dict):
        raise _UnusualError
    return found


def _inner(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _UnusualError
    return found


def _bounds(
    columns: Sequence[Column], text: pa.ChunkedArray, sides: dict[str, list[dict[str, Any]]], side: str
) -> list[pa.Array | None]:
    found: list[pa.Array | None] = []
    for column in columns:
        if column.kind == "large_decimal":
            [texts] = ExactReader([column.leaf.stored_path]).read(text)
            which: Side = "lower" if side == "minValues" else "upper"
            found.append(decimals(texts[which], arrow_type(column.leaf.field.type), which))
        elif column.kind == "none":
            found.append(None)
        else:
            read, type_ = _READERS[column.kind]
            found.append(_values(sides[side], column, read, type_))
    return found


def _values(
    records: Sequence[dict[str, Any]], column: Column, read: Callable[[Any], Any], type_: pa.DataType
) -> pa.Array:
    *outer, name = column.leaf.stored_path
    values: list[Any] = []
    for record in records:
        for each in outer:
            record = _inner(record, each)  # noqa: PLW2901 - going down
        values.append(read(record.get(name)))
    return pa.array(values, type_)


def _integer(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63):
        return value
    raise _UnusualError


def _boolean(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise _UnusualError


def _floating(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _UnusualError


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise _UnusualError


def _date(value: Any) -> date | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _DATE.match(value):
        raise _UnusualError
    return date.fromisoformat(value)


def _instant(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _INSTANT.match(value):
        raise _UnusualError
    found = datetime.fromisoformat(value)
    # Without a zone it is UTC, as for DuckDB, whose zone we set so.
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return (found - _EPOCH) // timedelta(microseconds=1)


_READERS: dict[ColumnKind, tuple[Callable[[Any], Any], pa.DataType]] = {
    "integer": (_integer, pa.int64()),
    "floating": (_floating, pa.float64()),
    "decimal": (_floating, pa.float64()),
    "date": (_date, pa.date32()),
    "instant": (_instant, pa.int64()),
    "text": (_text, pa.string()),
}
