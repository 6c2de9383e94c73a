"""Decoding bounds: Iceberg's binary single-value serialisation (spec, appendix D), a column at a time.

A value may have been written before its column was widened, so the length of a value, not its column's current type,
says what it is.  Whatever does not fit the type is unknown, because a wrong bound loses rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from converters.model.types import DecimalType, FixedType, PrimitiveType, Type, arrow_type

__all__ = ["decode_bounds", "from_numpy"]

_INT32_KINDS = ("byte", "short", "int", "date")
_DAY = {"timestamp": 86_400_000_000, "timestamptz": 86_400_000_000}
_DAY_NS = 86_400_000_000_000
_HIGHEST_INT64 = 2**63 - 1
_DECIMAL_WIDTH = 16
_UUID_WIDTH = 16

_Bytes = npt.NDArray[np.uint8]
_Mask = npt.NDArray[np.bool_]
_Lengths = npt.NDArray[np.int64]


def decode_bounds(type_: Type, values: pa.Array) -> pa.Array:
    """Decode the bounds of one column.

    Args:
        type_: The column's current type, which is primitive.
        values: Serialised values (binary or large_binary); null where there is none.

    Returns:
        An array of ``arrow_type(type_)`` as long as ``values``; null where the value is unknown.
    """
    match type_:
        case PrimitiveType("string"):
            return _strings(values)
        case PrimitiveType("binary") | FixedType():
            return values.cast(pa.binary())
        case DecimalType():
            return _decimals(type_, _Raw(values))
        case PrimitiveType(kind):
            return _numbers(kind, arrow_type(type_), _Raw(values))
        case _:
            msg = "nested columns have no bounds"
            raise TypeError(msg)


def from_numpy(type_: pa.DataType, values: npt.NDArray[Any], known: _Mask) -> pa.Array:
    """An Arrow array of a fixed-width type over numpy's memory; null where not ``known``."""
    validity = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(type_, len(known), [validity, pa.py_buffer(np.ascontiguousarray(values))])


class _Raw:
    """The memory of a binary array."""

    def __init__(self, values: pa.Array) -> None:
        if not pa.types.is_large_binary(values.type):
            values = values.cast(pa.large_binary())
        _, offsets, data = values.buffers()
        self.count = len(values)
        self._offsets = (
            np.frombuffer(offsets, np.int64, self.count + 1, values.offset * 8) if self.count else np.zeros(1, np.int64)
        )
        self._data: _Bytes = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        self.lengths: _Lengths = np.diff(self._offsets)
        if values.null_count:
            self.lengths = np.where(values.is_valid().to_numpy(zero_copy_only=False), self.lengths, -1)

    def rows(self, width: int, where: _Mask) -> _Bytes:
        """The values at ``where``, all of which are ``width`` long, as the rows of a matrix."""
        if where.all():
            return self._data[self._offsets[0] : self._offsets[-1]].reshape(self.count, width)
        places: npt.NDArray[np.int64] = self._offsets[:-1][where][:, None] + np.arange(width)
        return self._data[places]

    def fixed(self, dtype: str) -> tuple[npt.NDArray[Any], _Mask]:
        """Values of the width of ``dtype`` (zero elsewhere), and where they are."""
        width = np.dtype(dtype).itemsize
        where = self.lengths == width
        out: npt.NDArray[Any] = np.zeros(self.count, dtype)
        out[where] = np.ascontiguousarray(self.rows(width, where)).view(dtype).reshape(-1)
        return out, where


def _numbers(kind: str, type_: pa.DataType, raw: _Raw) -> pa.Array:
    if kind in _INT32_KINDS:
        return from_numpy(type_, *raw.fixed("<i4"))
    match kind:
        case "boolean":
            values, known = raw.fixed("<u1")
            return pa.array(values != 0, pa.bool_(), mask=~known)
        case "float":
            values, known = raw.fixed("<f4")
            return from_numpy(type_, values, known & ~np.isnan(values))
        case "double":
            values, known = _widened(raw, "<f8", "<f4", 1, np.inf)
            return from_numpy(type_, values, known & ~np.isnan(values))
        case "uuid":
            where = raw.lengths == _UUID_WIDTH
            matrix = np.zeros((raw.count, _UUID_WIDTH), np.uint8)
            matrix[where] = raw.rows(_UUID_WIDTH, where)
            return from_numpy(type_, matrix, where)
        case "long":
            return from_numpy(type_, *_widened(raw, "<i8", "<i4", 1, np.inf))
        case "time":
            values, known = raw.fixed("<i8")
            return from_numpy(type_, values, known & (values >= 0) & (values < _DAY["timestamp"]))
        case _:
            # A date that was widened to a timestamp (format version 3) is its midnight.
            unit = _DAY.get(kind, _DAY_NS)
            return from_numpy(type_, *_widened(raw, "<i8", "<i4", unit, _HIGHEST_INT64 // unit))


def _widened(raw: _Raw, dtype: str, before: str, unit: int, highest: float) -> tuple[npt.NDArray[Any], _Mask]:
    """Values of ``dtype``, or of the narrower type that the column had before (times ``unit``)."""
    values, known = raw.fixed(dtype)
    if known.all():
        return values, known
    narrow, narrow_known = raw.fixed(before)
    narrow_known &= np.abs(narrow.astype(np.float64)) <= highest
    values[narrow_known] = narrow[narrow_known].astype(dtype) * np.dtype(dtype).type(unit)
    return values, known | narrow_known


def _decimals(type_: DecimalType, raw: _Raw) -> pa.Array:
    """Big-endian two's complement of any length up to 16, to little-endian 16."""
    known = (raw.lengths >= 1) & (raw.lengths <= _DECIMAL_WIDTH)
    matrix = np.zeros((raw.count, _DECIMAL_WIDTH), np.uint8)
    for length in np.unique(raw.lengths[known]).tolist():
        where = raw.lengths == length
        rows = raw.rows(length, where)
        wide = np.empty((len(rows), _DECIMAL_WIDTH), np.uint8)
        wide[:, :length] = rows[:, ::-1]
        wide[:, length:] = np.where(rows[:, :1] >= 0x80, 0xFF, 0)
        matrix[where] = wide
    high, low = matrix.view("<i8")[:, 1], matrix.view("<u8")[:, 0]
    most = 10**type_.precision - 1
    known &= ~_above(high, low, most) & _above(high, low, -most - 1)
    return from_numpy(pa.decimal128(type_.precision, type_.scale), matrix, known)


def _above(high: npt.NDArray[np.int64], low: npt.NDArray[np.uint64], limit: int) -> _Mask:
    limit_high, limit_low = np.int64(limit >> 64), np.uint64(limit & (2**64 - 1))
    above: _Mask = (high > limit_high) | ((high == limit_high) & (low > limit_low))
    return above


def _strings(values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(value) for value in values.to_pylist()], pa.string())


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
