"""Iceberg's default values as Spark SQL, in which Delta has its own."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from converters.model.types import DecimalType, FixedType, PrimitiveType, Type

__all__ = ["sql_literal"]


def sql_literal(value: Any, type_: Type) -> str | None:
    """A value in Iceberg's JSON form (Iceberg spec, "JSON single-value serialization") as an SQL expression.

    None where it is not as simple as a literal.
    """
    match type_:
        case PrimitiveType(kind) if kind in _WRITERS:
            accepted, write = _WRITERS[kind]
        case FixedType():
            accepted, write = _WRITERS["binary"]
        case DecimalType(precision, scale):
            accepted, write = str, lambda text: f"CAST('{Decimal(text):f}' AS DECIMAL({precision},{scale}))"
        case _:
            return None
    if not isinstance(value, accepted) or isinstance(value, bool) != (accepted is bool):
        return None
    try:
        return write(value)
    except (InvalidOperation, ValueError):
        return None


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_Writer = tuple[Any, Callable[[Any], str]]

_INTEGER: _Writer = (int, str)
_FLOATING: _Writer = ((int, float), lambda value: f"{float(value)!r}D")
_WRITERS: dict[str, _Writer] = {
    "boolean": (bool, lambda value: "true" if value else "false"),
    "byte": _INTEGER,
    "short": _INTEGER,
    "int": _INTEGER,
    "long": _INTEGER,
    "float": _FLOATING,
    "double": _FLOATING,
    "string": (str, _quoted),
    "date": (str, lambda text: f"DATE {_quoted(text)}"),
    "timestamp": (str, lambda text: f"TIMESTAMP_NTZ {_quoted(text)}"),
    "timestamptz": (str, lambda text: f"TIMESTAMP {_quoted(text)}"),
    "binary": (str, lambda text: f"X'{base64.b16decode(text, casefold=True).hex().upper()}'"),
}
