"""Partition values: text in the log, typed in the model, both ways (Delta protocol, "Partition Value Serialization").

There are few distinct values in many files, so each distinct text is read once.
"""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.model.types import DecimalType, PrimitiveType, Type, arrow_type, type_name

__all__ = ["partition_texts", "partition_values", "texts_of"]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock arithmetic
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = re.compile(r"^(\d{4,})-(\d{1,2})-(\d{1,2})$")
_TIME = re.compile(
    r"^(\d{4,}-\d{1,2}-\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?"
    r"\s*(Z|UTC|[+-]\d{1,2}(?::?\d{2}(?::?\d{2})?)?)?$"
)
_EXACTLY = decimal.Context(prec=80, traps=[decimal.InvalidOperation, decimal.Inexact])
_INTEGER = re.compile(r"^[+-]?\d+$")
_RANGES = {"byte": 2**7, "short": 2**15, "int": 2**31, "long": 2**63}
_SPECIAL = {"nan": math.nan, "infinity": math.inf, "inf": math.inf, "-infinity": -math.inf, "-inf": -math.inf}


def texts_of(values: pa.Array, name: str) -> pa.Array:
    """The texts of one partition column, from a column of ``partitionValues`` maps; null where it has none."""
    rows = len(values)
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    lengths = np.asarray(pc.fill_null(pc.list_value_length(_as_list(values)), 0)).astype(np.int64)
    entries = pc.list_flatten(_as_list(values))
    keys, items = pc.struct_field(entries, [0]).cast(pa.string()), pc.struct_field(entries, [1]).cast(pa.string())
    parents = np.repeat(np.arange(rows), lengths)
    hits = np.flatnonzero(np.asarray(pc.equal(keys, name)))
    if len(hits) == rows and (parents[hits] == np.arange(rows)).all():
        return items if len(hits) == len(items) else items.take(pa.array(hits))
    places = np.full(rows, -1, np.int64)
    places[parents[hits]] = hits
    return items.take(pa.array(places, mask=places < 0))


def _as_list(values: pa.MapArray) -> pa.ListArray:
    entry = pa.struct([pa.field("key", values.type.key_type, nullable=False), pa.field("value", values.type.item_type)])
    return values.cast(pa.list_(pa.field("entries", entry, nullable=False)))


def partition_values(texts: pa.Array, type_: Type, column: str, paths: pa.Array) -> pa.Array:
    """Read the values of one partition column.

    Null and the empty text are null for every type.  A timestamp without a zone is taken to be UTC: the zone that its
    writer ran in is nowhere noted.

    Args:
        texts: As the log has them.
        type_: The column's type.
        column: Its name, for messages.
        paths: The files, for messages.

    Raises:
        CorruptTable: A text is no value of the type.
        UnsupportedTableFeature: The type cannot partition a table.
    """
    read = _reader(type_, column)
    encoded = pc.dictionary_encode(texts)
    typed: list[Any] = []
    for text in encoded.dictionary.to_pylist():
        try:
            typed.append(read(text) if text else None)
        except (ValueError, OverflowError, decimal.DecimalException) as error:
            path = paths[pc.index(texts, text).as_py()].as_py()
            msg = f"The partition value '{text[:128]}' of the column '{column}' is no {type_name(type_)}: '{path}'."
            raise CorruptTable(msg) from error
    return pa.array(typed, _plain(type_)).take(encoded.indices).cast(arrow_type(type_))


def _plain(type_: Type) -> pa.DataType:
    """The type that readers give values in: times count microseconds."""
    target = arrow_type(type_)
    return pa.int64() if pa.types.is_timestamp(target) else target


def _reader(type_: Type, column: str) -> Callable[[str], Any]:
    match type_:
        case PrimitiveType("byte" | "short" | "int" | "long" as kind):
            return lambda text: _integer(text, _RANGES[kind])
        case PrimitiveType(kind) if kind in _READERS:
            return _READERS[kind]
        case DecimalType(precision, scale):
            return lambda text: _decimal(text, precision, scale)
        case _:
            msg = f"The table is partitioned by the column '{column}' of the type {type_name(type_)}."
            raise UnsupportedTableFeature(msg)


def _integer(text: str, limit: int) -> int:
    text = text.strip()
    if not _INTEGER.match(text) or not -limit <= int(text) < limit:
        raise ValueError(text)
    return int(text)


def _float(text: str) -> float:
    text = text.strip()
    special = _SPECIAL.get(text.lower().lstrip("+"))
    if special is not None:
        return special
    if not re.match(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?$", text):
        raise ValueError(text)
    return float(text.rstrip("dDfF"))


def _decimal(text: str, precision: int, scale: int) -> decimal.Decimal:
    value = decimal.Decimal(text.strip())
    if not value.is_finite():
        raise ValueError(text)
    with decimal.localcontext(_EXACTLY):
        exact = value.quantize(decimal.Decimal(1).scaleb(-scale))
    if not exact.is_zero() and exact.adjusted() >= precision - scale:
        raise ValueError(text)
    return exact


def _boolean(text: str) -> bool:
    match text.strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise ValueError(text)


def _date(text: str) -> date:
    match = _DATE.match(text.strip())
    if match is None:
        # What a cast of a timestamp to text leaves.
        return (_EPOCH + timedelta(microseconds=_instant(text))).date()
    return date(int(match[1]), int(match[2]), int(match[3]))


def _instant(text: str) -> int:
    match = _TIME.match(text.strip())
    day = _DATE.match(match[1]) if match else None
    if match is None or day is None:
        raise ValueError(text)
    hour, minute, second = (int(match[n] or 0) for n in (2, 3, 4))
    when = datetime(int(day[1]), int(day[2]), int(day[3]), hour, minute, second)  # noqa: DTZ001 - the zone follows
    micros = int((match[5] or "0").ljust(6, "0")[:6])
    return (when - _EPOCH) // timedelta(microseconds=1) + micros - _offset(match[6])


def _offset(zone: str | None) -> int:
    if zone in {None, "Z", "UTC"}:
        return 0
    assert zone is not None
    digits = zone[1:].replace(":", "").ljust(2, "0")
    digits = digits if len(digits) % 2 == 0 else "0" + digits
    parts = [int(digits[n : n + 2]) for n in range(0, len(digits), 2)] + [0, 0]
    seconds = parts[0] * 3600 + parts[1] * 60 + parts[2]
    if parts[0] > 18 or parts[1] > 59:
        raise ValueError(zone)
    return (-seconds if zone[0] == "-" else seconds) * 1_000_000


_READERS: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "float": _float,
    "double": _float,
    "date": _date,
    "timestamp": _instant,
    "timestamptz": _instant,
    "string": str,
    # Spark casts the text to bytes, and back.
    "binary": str.encode,
}


def partition_texts(values: pa.Array, type_: Type, column: str) -> pa.Array:
    """Write the values of one partition column as the log has them; the inverse of ``partitions.values``.

    Instants are written in UTC with a ``Z``, so that no reader's zone matters.

    Raises:
        UnsupportedTableFeature: A value has no text, as bytes that are not UTF-8 or an empty string (which the log
            takes for null).
    """
    write = _writer(type_, column)
    encoded = pc.dictionary_encode(_countable(values, type_))
    written = [None if value is None else write(value) for value in encoded.dictionary.to_pylist()]
    if "" in written:
        msg = f"A partition value of the column '{column}' is an empty {type_name(type_)}."
        raise UnsupportedTableFeature(msg, hint="Delta does not tell it from null in a partition column.")
    return pa.array(written, pa.string()).take(encoded.indices)


def _countable(values: pa.Array, type_: Type) -> pa.Array:
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    target = _plain(type_)
    if pa.types.is_date32(values.type):
        return values.cast(pa.int32())
    return values if values.type == target else values.cast(target)


def _writer(type_: Type, column: str) -> Callable[[Any], str]:
    match type_:
        case PrimitiveType(kind) if kind in _WRITERS:
            return _WRITERS[kind]
        case PrimitiveType("binary"):
            return lambda value: _bytes_text(value, column)
        case DecimalType():
            return lambda value: format(value, "f")
        case _:
            msg = f"Delta cannot partition by the column '{column}' of the type {type_name(type_)}."
            raise UnsupportedTableFeature(msg)


def _double_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _float_text(value: float) -> str:
    return str(np.float32(value)) if math.isfinite(value) else _double_text(value)


def _date_text(days: int) -> str:
    try:
        return date.fromordinal(days + _EPOCH_DAY).isoformat()
    except (ValueError, OverflowError) as error:
        msg = f"A partition value is a date outside the years 1 to 9999 ({days} days since 1970)."
        raise UnsupportedTableFeature(msg) from error


def _time_text(micros: int, between: str) -> str:
    try:
        when = _EPOCH + timedelta(microseconds=micros)
    except OverflowError as error:
        msg = f"A partition value is a time outside the years 1 to 9999 ({micros} microseconds since 1970)."
        raise UnsupportedTableFeature(msg) from error
    return when.isoformat(between, "microseconds" if when.microsecond else "seconds")


def _bytes_text(value: bytes, column: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        msg = f"A partition value of the column '{column}' has bytes that are not UTF-8 text."
        raise UnsupportedTableFeature(msg, hint="The Delta log keeps partition values as text.") from error


_WRITERS: dict[str, Callable[[Any], str]] = {
    "boolean": lambda value: "true" if value else "false",
    "byte": str,
    "short": str,
    "int": str,
    "long": str,
    "string": str,
    "float": _float_text,
    "double": _double_text,
    "date": _date_text,
    "timestamp": lambda micros: _time_text(micros, " "),
    "timestamptz": lambda micros: _time_text(micros, "T") + "Z",
}
