"""Bounds in the metadata table as typed values.

A bound stands in a wrapper record, one for each primitive type.  In statistics of version 1 the wrapper is all that is
known: timestamps may be bare numbers, in the unit that the table's schema has.  Version 2 (Hudi 1.1 and later, table
version 9) says the type beside it (``HoodieValueTypeInfo``, whose numbers are the places in Hudi's enum ``ValueType``).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from converters.avro.lockstep import DamagedRecordsError
from converters.avro.shapes import Shape

__all__ = ["DECIMAL", "VERSION_1", "one_type", "typed_bounds"]

VERSION_1 = 0
"""Number of the type where there is none: statistics of version 1."""

DECIMAL = 10
"""Number of decimals; precision and scale stand beside it."""

_LOCAL, _UTC = None, "UTC"
_DECIMAL_BYTES = 16

_OF_WRAPPER: dict[str, pa.DataType] = {
    "BooleanWrapper": pa.bool_(),
    "IntWrapper": pa.int32(),
    "LongWrapper": pa.int64(),
    "FloatWrapper": pa.float32(),
    "DoubleWrapper": pa.float64(),
    "BytesWrapper": pa.binary(),
    "StringWrapper": pa.string(),
    "DateWrapper": pa.date32(),
    "LocalDateWrapper": pa.date32(),
    "TimeMicrosWrapper": pa.time64("us"),
    "TimestampMicrosWrapper": pa.timestamp("us", _UTC),
}

_OF_NUMBER: dict[int, pa.DataType] = {
    2: pa.bool_(),
    3: pa.int32(),
    4: pa.int64(),
    5: pa.float32(),
    6: pa.float64(),
    7: pa.string(),
    8: pa.binary(),
    9: pa.binary(),  # fixed
    11: pa.string(),  # UUID
    12: pa.date32(),
    13: pa.time32("ms"),
    14: pa.time64("us"),
    15: pa.timestamp("ms", _UTC),
    16: pa.timestamp("us", _UTC),
    17: pa.timestamp("ns", _UTC),
    18: pa.timestamp("ms", _LOCAL),
    19: pa.timestamp("us", _LOCAL),
    20: pa.timestamp("ns", _LOCAL),
}


def typed_bounds(raw: pa.Array, wrapper: Shape, number: int, details: str) -> pa.Array | None:
    """Give bounds their type.

    Args:
        raw: As they are written: bool, int64, float32, float64 or large binary, without nulls.
        wrapper: The record that they stand in.
        number: Of the type; ``VERSION_1`` where the wrapper says it.
        details: Of a decimal's type, ``precision,scale``.

    Returns:
        The values, or None where the type is not known.

    Raises:
        DamagedRecordsError: A value is none of its type.
    """
    if number == DECIMAL or (number == VERSION_1 and wrapper.name == "DecimalWrapper"):
        kind = _decimal(wrapper.members[0].annotations if number == VERSION_1 else _split(details))
    else:
        kind = _OF_WRAPPER.get(wrapper.name) if number == VERSION_1 else _OF_NUMBER.get(number)
    if kind is None or _form(kind) != raw.type:
        return None
    try:
        if pa.types.is_decimal(kind):
            return _decimals(raw, kind)
        if pa.types.is_temporal(kind) and kind.bit_width == 32:
            raw = raw.cast(pa.int32())
        return raw.cast(kind)
    except pa.ArrowInvalid as error:
        raise DamagedRecordsError(f"a bound is no {kind}") from error


def one_type(kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    """The type that bounds of all these types have without loss: of a column whose type was widened.

    Returns:
        None where there is none, as for no types at all.
    """
    wanted = set(kinds)
    if len(wanted) == 1:
        return wanted.pop()
    if wanted and wanted <= {pa.int32(), pa.int64()}:
        return pa.int64()
    if wanted and wanted <= {pa.int32(), pa.float32(), pa.float64()}:
        return pa.float64()
    return None


def _form(kind: pa.DataType) -> pa.DataType:
    """The type that bounds of a type are written in."""
    if kind in (pa.bool_(), pa.float32(), pa.float64()):
        return kind
    return pa.large_binary() if kind in (pa.string(), pa.binary()) or pa.types.is_decimal(kind) else pa.int64()


def _split(details: str) -> dict[str, int]:
    precision, _, scale = details.partition(",")
    return {"precision": _number(precision), "scale": _number(scale)}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else -1


def _decimal(annotations: object) -> pa.DataType | None:
    match annotations:
        case {"precision": int(precision), "scale": int(scale)} if 0 <= scale <= precision and 0 < precision <= 38:
            return pa.decimal128(precision, scale)
        case _:
            return None


def _decimals(raw: pa.Array, kind: pa.DataType) -> pa.Array:
    """Decimals from whole numbers of any length, big endian."""
    _, offsets, data = raw.buffers()
    ends = np.frombuffer(offsets, np.int64)[raw.offset : raw.offset + len(raw) + 1]
    lengths = np.diff(ends)
    if len(raw) and not 1 <= int(lengths.min()) <= int(lengths.max()) <= _DECIMAL_BYTES:
        raise DamagedRecordsError("a decimal has an impossible length")
    content: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    matrix = np.empty((len(raw), _DECIMAL_BYTES), np.uint8)
    if len(raw):
        sign = np.where(content[ends[:-1]] & 0x80, np.uint8(0xFF), np.uint8(0))
        for place in range(_DECIMAL_BYTES):
            there = place < lengths
            matrix[:, place] = np.where(there, content[np.where(there, ends[1:] - 1 - place, 0)], sign)
    decimals = pa.Array.from_buffers(kind, len(raw), [None, pa.py_buffer(matrix)])
    decimals.validate(full=True)
    return decimals
