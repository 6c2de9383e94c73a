"""How Parquet files store values, and what raw values of statistics mean (parquet-format, ``LogicalTypes.md``)."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.model.types import DecimalType, FixedType, PrimitiveType, Type, arrow_type

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["StoredType", "bounds_of", "stored_type"]

_INTEGERS = ("INT32", "INT64")
_BYTES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_UUID_BYTES = 16
_TEXTS = ("String", "Enum", "JSON", "None")
_EXACTLY = decimal.Context(prec=80)

_Side = Literal["lower", "upper"]

_Convert = Callable[[Sequence[Any], _Side], pa.Array]
"""Makes typed bounds of raw ones."""


class StoredType(msgspec.Struct, frozen=True):
    """A leaf's type in a file.

    Attributes:
        physical: ``INT32``, ``INT64``, ``INT96``, ``FLOAT``, ``DOUBLE``, ``BOOLEAN``, ``BYTE_ARRAY`` or
            ``FIXED_LEN_BYTE_ARRAY``.
        logical: ``Timestamp``, ``Date``, ``Decimal``, ``String``, ``Int`` …; ``None`` where there is none.
        unit: ``milliseconds``, ``microseconds`` or ``nanoseconds`` of a time; else empty.
        precision: Digits of a decimal.
        scale: Digits of a decimal after the point.
        signed: Whether an integer has a sign.
        length: Bytes of a fixed-length array.
    """

    physical: str
    logical: str = "None"
    unit: str = ""
    precision: int = 0
    scale: int = 0
    signed: bool = True
    length: int = 0

    def __str__(self) -> str:
        """The type as a person reads it."""
        match self.logical:
            case "None":
                return self.physical
            case "Decimal":
                return f"{self.physical} (decimal({self.precision},{self.scale}))"
            case _:
                return f"{self.physical} ({' '.join(filter(None, (self.logical.lower(), self.unit)))})"


def stored_type(column: pq.ColumnSchema) -> StoredType:
    """The type of a leaf of a file's schema."""
    logical: dict[str, Any] = json.loads(column.logical_type.to_json())
    return StoredType(
        physical=column.physical_type,
        logical=logical["Type"],
        unit=logical.get("timeUnit", ""),
        precision=logical.get("precision", 0),
        scale=logical.get("scale", 0),
        signed=logical.get("isSigned", True),
        length=column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0,
    )


def bounds_of(
    lower: Sequence[Any], upper: Sequence[Any], stored: StoredType, type_: Type
) -> tuple[pa.Array, pa.Array] | None:
    """Bounds of a column's values, of the column's type now, from raw ones of the type in the files.

    A lower zero of a floating type is -0.0 and an upper one +0.0; a bound that is NaN is unknown.

    Args:
        lower: Raw lower bounds: int (a decimal's without its point, too), float, bool or bytes; None = unknown.
        upper: As many upper bounds.
        stored: The type in the files.
        type_: The column's type.

    Returns:
        Lower and upper bounds; None where values of the stored type are not compared as those of the column's are.
    """
    convert = _number_bounds(stored, type_) or _time_bounds(stored, type_) or _byte_bounds(stored, type_)
    return None if convert is None else (convert(lower, "lower"), convert(upper, "upper"))


def _number_bounds(stored: StoredType, type_: Type) -> _Convert | None:
    target = arrow_type(type_)
    match type_:
        case PrimitiveType("boolean") if stored.physical == "BOOLEAN":
            return _plain(pa.bool_())
        case PrimitiveType("byte" | "short" | "int" | "long") if _is_integer(stored):
            return lambda values, _: _integers(values, target)
        case PrimitiveType("float") if stored.physical == "FLOAT":
            return lambda values, side: _floats(values, target, side=side)
        case PrimitiveType("double") if stored.physical in {"FLOAT", "DOUBLE"}:
            return lambda values, side: _floats(values, target, side=side)
        case DecimalType(precision, scale) if stored.logical == "Decimal" and stored.scale == scale:
            return (lambda values, _: _decimals(values, type_)) if stored.precision <= precision else None
        case _:
            return None


def _time_bounds(stored: StoredType, type_: Type) -> _Convert | None:
    match type_:
        case PrimitiveType("date") if (stored.physical, stored.logical) == ("INT32", "Date"):
            return lambda values, _: pa.array(values, pa.int32()).cast(pa.date32())
        case PrimitiveType("time") if stored.logical == "Time" and stored.unit:
            return lambda values, side: _micros(values, stored.unit, side=side).cast(pa.time64("us"))
        case PrimitiveType("timestamp" | "timestamptz") if stored.logical == "Timestamp" and stored.unit:
            target = arrow_type(type_)
            return lambda values, side: _micros(values, stored.unit, side=side).cast(target)
        case _:
            return None


def _byte_bounds(stored: StoredType, type_: Type) -> _Convert | None:
    match type_:
        case PrimitiveType("string") if stored.physical == "BYTE_ARRAY" and stored.logical in _TEXTS:
            return lambda values, _: _texts(values)
        case PrimitiveType("binary") | FixedType() if stored.physical in _BYTES and stored.logical in _TEXTS:
            return _plain(pa.binary())
        case PrimitiveType("uuid") if stored.physical == "FIXED_LEN_BYTE_ARRAY" and stored.length == _UUID_BYTES:
            return _plain(pa.binary(_UUID_BYTES))
        case _:
            return None


def _plain(target: pa.DataType) -> _Convert:
    return lambda values, _: pa.array(values, target)


def _is_integer(stored: StoredType) -> bool:
    return stored.physical in _INTEGERS and stored.logical in {"None", "Int"} and stored.signed


def _integers(values: Sequence[Any], target: pa.DataType) -> pa.Array:
    numbers = pa.array(values, pa.int64())
    if target == pa.int64():
        return numbers
    fits = pc.and_(pc.greater_equal(numbers, -(2**31)), pc.less(numbers, 2**31))
    return pc.if_else(fits, numbers, pa.scalar(None, pa.int64())).cast(target)


def _floats(values: Sequence[Any], target: pa.DataType, *, side: _Side) -> pa.Array:
    numbers = pa.array(values, pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    zero = 0.0 if side == "upper" else -0.0
    return pc.if_else(pc.equal(numbers, 0.0), pa.scalar(zero, pa.float64()), numbers).cast(target)


def _micros(values: Sequence[Any], unit: str, *, side: _Side) -> pa.Array:
    """Times as microseconds; milliseconds that do not fit are unknown, nanoseconds are rounded outwards."""
    numbers = pa.array(values, pa.int64())
    match unit:
        case "milliseconds":
            fits = pc.and_(pc.greater_equal(numbers, -(2**63) // 1000 + 1), pc.less(numbers, 2**63 // 1000))
            return pc.multiply(pc.if_else(fits, numbers, pa.scalar(None, pa.int64())), 1000)
        case "nanoseconds":
            valid = np.asarray(pc.is_valid(numbers))
            nanos: npt.NDArray[np.int64] = pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False)
            micros = nanos // 1000 + (nanos % 1000 > 0 if side == "upper" else 0)
            return pa.array(micros, pa.int64(), mask=~valid)
        case _:
            return numbers


def _texts(values: Sequence[Any]) -> pa.Array:
    raw = pa.array(values, pa.binary())
    try:
        return raw.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _decimals(values: Sequence[Any], type_: DecimalType) -> pa.Array:
    def typed(unscaled: int | None) -> decimal.Decimal | None:
        if unscaled is None or abs(unscaled) >= 10**type_.precision:
            return None
        return decimal.Decimal(unscaled).scaleb(-type_.scale, _EXACTLY)

    return pa.array([typed(value) for value in values], arrow_type(type_))
