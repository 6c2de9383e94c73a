"""Default values of columns, as table metadata has them in JSON (Iceberg spec, appendix C, "JSON single-value")."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from converters.model.types import DecimalType, FixedType, PrimitiveType, Type, arrow_type

__all__ = ["default_scalar"]


def default_scalar(value: Any, type_: Type) -> pa.Scalar:
    """The value as Arrow has it; None is null.

    Raises:
        ValueError: It is not understood.
    """
    wanted = arrow_type(type_)
    if value is None:
        return pa.scalar(None, wanted)
    try:
        return pa.scalar(_parsed(value, type_), wanted)
    except (pa.ArrowException, TypeError, ArithmeticError) as error:
        raise ValueError(str(error)) from error


def _parsed(value: Any, type_: Type) -> Any:
    match type_:
        case DecimalType():
            return Decimal(value)
        case FixedType() | PrimitiveType("binary"):
            return bytes.fromhex(value)
        case PrimitiveType("uuid"):
            return uuid.UUID(value).bytes
        case PrimitiveType("date"):
            return date.fromisoformat(value)
        case PrimitiveType("time"):
            return time.fromisoformat(value)
        case PrimitiveType("timestamp" | "timestamptz"):
            return datetime.fromisoformat(value)
        case PrimitiveType("timestamp_ns" | "timestamptz_ns"):
            return pa.scalar(value.removesuffix("+00:00")).cast(pa.timestamp("ns")).cast(pa.int64()).as_py()
        case _:
            return value
