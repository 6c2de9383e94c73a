"""Values of partition columns as partition paths say them.

Hudi writes a value as its text in Java, null and the empty text as ``__HIVE_DEFAULT_PARTITION__``; what it writes for
bytes and for timestamps depends on the writer, so that such text says nothing.  Paths are hints: what the data files
hold is the truth, where they hold the column (see ``partitioning``).
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from converters.hudi.partitions.key_generators import PathField
from converters.hudi.partitions.path_escapes import unescaped
from converters.model.types import DecimalType, PrimitiveType, Type, arrow_type

__all__ = ["PathStyle", "PathValues", "path_values"]

_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"^-?[0-9]{1,19}$")
_RANGES = {"byte": 2**7, "short": 2**15, "int": 2**31, "long": 2**63}
_DATE = re.compile(r"^([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})$")
_FLOAT = re.compile(r"^-?[0-9]+(\.[0-9]+)?(E-?[0-9]+)?$")
_ZONED = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})$")
_EPOCH = dt.date(1970, 1, 1)
_EXACTLY = decimal.Context(prec=80, traps=[decimal.InvalidOperation, decimal.Inexact])


class PathStyle(msgspec.Struct, frozen=True):
    """How paths are written.

    Attributes:
        hive: Whether parts are ``name=value``; None where both may be.
        escaped: Whether values have escapes.
        slashed_dates: Whether dates are written as ``2024/01/31``.
    """

    hive: bool | None
    escaped: bool
    slashed_dates: bool = False


class PathValues(msgspec.Struct, frozen=True):
    """What paths say of one field; one entry a path.

    Attributes:
        values: The values, of the column's type; null where it is null and where the path says nothing.
        readable: Whether the path says a value, or null.
        null: Whether it says null, or, of a text, that it is empty.
    """

    values: pa.Array
    readable: pa.Array
    null: pa.Array


def path_values(
    paths: Sequence[str], fields: Sequence[PathField], types: Sequence[Type], style: PathStyle
) -> list[PathValues]:
    """Read partition paths.

    Args:
        paths: The different paths.
        fields: What they consist of.
        types: The fields' columns' types.
        style: How they are written.

    Returns:
        One for each field; a field that is no value is never readable.
    """
    split = [_parts(path, fields) for path in paths]
    return [
        _values([None if parts is None else parts[number] for parts in split], field, type_, style)
        for number, (field, type_) in enumerate(zip(fields, types, strict=True))
    ]


def _parts(path: str, fields: Sequence[PathField]) -> list[str] | None:
    """The text of each field; None where the path has another number of parts."""
    if any(field.parts == 0 for field in fields):
        return [path] if len(fields) == 1 else None
    parts = path.split("/")
    if len(parts) != sum(field.parts for field in fields):
        return None
    texts: list[str] = []
    for field in fields:
        texts.append("/".join(parts[: field.parts]))
        parts = parts[field.parts :]
    return texts


def _values(texts: Sequence[str | None], field: PathField, type_: Type, style: PathStyle) -> PathValues:
    read = _reader(type_, style) if field.kind == "value" else None
    values: list[Any] = []
    readable: list[bool] = []
    null: list[bool] = []
    for text in texts:
        plain = None if text is None or read is None else _plain(text, field.column, style)
        is_null = plain == _NULL
        value = None if plain is None or read is None or is_null else _read(read, plain)
        values.append(value)
        readable.append(is_null or value is not None)
        null.append(is_null)
    return PathValues(pa.array(values, arrow_type(type_)), pa.array(readable, pa.bool_()), pa.array(null, pa.bool_()))


def _plain(text: str, column: str, style: PathStyle) -> str | None:
    prefix = f"{column}="
    if style.hive is not False and text.startswith(prefix):
        text = text.removeprefix(prefix)
    elif style.hive:
        return None
    return unescaped(text) if style.escaped else text


def _read(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except (ValueError, OverflowError, decimal.DecimalException):
        return None


def _reader(type_: Type, style: PathStyle) -> Callable[[str], Any] | None:
    match type_:
        case PrimitiveType("string"):
            return _slashed_date if style.slashed_dates else str
        case PrimitiveType("byte" | "short" | "int" | "long" as kind):
            return lambda text: _integer(text, _RANGES[kind])
        case PrimitiveType("boolean"):
            return {"true": True, "false": False}.get
        case PrimitiveType("date"):
            return _date
        case PrimitiveType("float" | "double"):
            return _float
        case PrimitiveType("timestamptz"):
            return _instant
        case DecimalType(precision, scale):
            return lambda text: _decimal(text, precision, scale)
        case _:
            return None


def _slashed_date(text: str) -> str:
    return text.replace("/", "-") if _DATE.match(text) else text


def _integer(text: str, limit: int) -> int:
    if not _INTEGER.match(text) or not -limit <= int(text) < limit:
        raise ValueError(text)
    return int(text)


def _date(text: str) -> dt.date:
    match = _DATE.match(text)
    if match is not None:
        return dt.date(int(match[1]), int(match[2]), int(match[3]))
    return _EPOCH + dt.timedelta(days=_integer(text, 2**31))


def _instant(text: str) -> dt.datetime:
    """Only with its zone: Hudi's own writers leave it out."""
    if not _ZONED.match(text):
        raise ValueError(text)
    return dt.datetime.fromisoformat(text)


def _float(text: str) -> float:
    if not _FLOAT.match(text):
        raise ValueError(text)
    return float(text)


def _decimal(text: str, precision: int, scale: int) -> decimal.Decimal:
    value = decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale), context=_EXACTLY)
    if not value.is_zero() and value.adjusted() >= precision - scale:
        raise ValueError(text)
    return value
