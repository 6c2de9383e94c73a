"""Single values in binary, a column at a time (Iceberg spec, appendix D, "Binary single-value serialization").

Long strings and byte strings are cut on the way: a lower bound downwards, an upper bound upwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.writer import Cells, binary_from_lengths
from converters.model.types import DecimalType, FixedType, PrimitiveType, Type

__all__ = ["LONGEST_BINARY", "LONGEST_STRING", "cut", "encode_values"]

LONGEST_STRING = 32
"""Code points of a string bound that are kept."""

LONGEST_BINARY = 16
"""Bytes of a binary bound that are kept."""

Side = Literal["lower", "upper"]

_Successor = Callable[[Any], str | bytes | None]

_FIXED_WIDTH: dict[str, tuple[pa.DataType, str]] = {
    "byte": (pa.int32(), "<i4"),
    "short": (pa.int32(), "<i4"),
    "int": (pa.int32(), "<i4"),
    "long": (pa.int64(), "<i8"),
    "float": (pa.float32(), "<f4"),
    "double": (pa.float64(), "<f8"),
    "date": (pa.int32(), "<i4"),
    "time": (pa.int64(), "<i8"),
    "timestamp": (pa.int64(), "<i8"),
    "timestamptz": (pa.int64(), "<i8"),
    "timestamp_ns": (pa.int64(), "<i8"),
    "timestamptz_ns": (pa.int64(), "<i8"),
}
_UUID_BYTES = 16
_SURROGATES = range(0xD800, 0xE000)


def encode_values(values: pa.Array, type_: Type) -> Cells:
    """Serialise a column of values of one primitive type, bounds already cut (see ``cut``).

    Where the column is null, a binary array has an empty value; what a matrix has there means nothing.
    """
    match type_:
        case DecimalType():
            return _decimals(values)
        case PrimitiveType("string"):
            return pc.fill_null(values, "").cast(pa.binary())
        case PrimitiveType("binary") | FixedType():
            return pc.fill_null(values, b"")
        case PrimitiveType("uuid"):
            filled = pc.fill_null(values, pa.scalar(bytes(_UUID_BYTES), pa.binary(_UUID_BYTES)))
            return _rows(filled, _UUID_BYTES)
        case PrimitiveType("boolean"):
            bits = pc.fill_null(values, fill_value=False).to_numpy(zero_copy_only=False)
            return bits.astype(np.uint8).reshape(-1, 1)
        case PrimitiveType(kind):
            physical, dtype = _FIXED_WIDTH[kind]
            return _little_endian(values.view(physical), np.dtype(dtype))
        case _:
            msg = "nested columns have no bounds"
            raise TypeError(msg)


def _little_endian(values: pa.Array, dtype: np.dtype[np.generic]) -> npt.NDArray[np.uint8]:
    if values.null_count:
        values = pc.fill_null(values, 0)
    numbers = values.to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(numbers, dtype=dtype).view(np.uint8).reshape(len(values), dtype.itemsize)


def _rows(values: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    flat = np.frombuffer(values.buffers()[1], np.uint8)
    return flat[values.offset * width : (values.offset + len(values)) * width].reshape(len(values), width)


def _decimals(values: pa.Array) -> pa.Array:
    """Unscaled values as the shortest big-endian two's complement, for 128 bits."""
    rows = len(values)
    if rows == 0:
        return pa.array([], pa.binary())
    halves = np.frombuffer(values.buffers()[1], "<i8").reshape(-1, 2)[values.offset : values.offset + rows]
    present = None
    if values.null_count:  # what lies under a null may be anything
        present = values.is_valid().to_numpy(zero_copy_only=False)
        halves = np.where(present[:, None], halves, 0)
    low, high = halves[:, 0], halves[:, 1]
    if bool((high == low >> 63).all()):
        digits = low.astype(">i8").view(np.uint8).reshape(rows, 8)
        negative = low < 0
    else:
        digits = np.ascontiguousarray(halves[:, ::-1]).astype(">i8").view(np.uint8).reshape(rows, 16)
        negative = high < 0
    width = digits.shape[1]
    fill = np.where(negative, np.uint8(0xFF), np.uint8(0))
    # A leading byte is spare when it only repeats the sign, and so does the first bit of the byte after it.
    spare = np.zeros(rows, np.int32)
    still = np.ones(rows, np.bool_)
    for place in range(width - 1):
        still &= (digits[:, place] == fill) & ((digits[:, place + 1] ^ fill) < 0x80)
        if not still.any():
            break
        spare += still
    if present is not None:
        spare[~present] = width
    data = digits[np.arange(width) >= spare[:, None]]
    return binary_from_lengths(np.int32(width) - spare, data)


def cut(values: pa.Array, type_: Type, side: Side) -> tuple[pa.Array, bool]:
    """Shorten long bounds, outwards only.

    An upper bound that cannot be rounded up (all of its kept characters are the highest there are) becomes null.

    Returns:
        The bounds, and whether any was changed.
    """
    match type_:
        case PrimitiveType("string"):
            longest, length, part, successor = LONGEST_STRING, pc.utf8_length, pc.utf8_slice_codeunits, _NEXT_TEXT
        case PrimitiveType("binary") | FixedType():
            longest, length, part, successor = LONGEST_BINARY, pc.binary_length, pc.binary_slice, _NEXT_BYTES
        case _:
            return values, False
    if not _any_longer(values, longest):
        return values, False
    long = pc.fill_null(pc.greater(length(values), longest), fill_value=False)
    if not pc.any(long).as_py():
        return values, False
    if side == "lower":
        return part(values, 0, longest), True
    return pc.replace_with_mask(values, long, _raised(values.filter(long), longest, part, successor)), True


def _any_longer(values: pa.Array, longest: int) -> bool:
    most = pc.max(pc.binary_length(values)).as_py()
    return most is not None and most > longest


def _raised(
    values: pa.Array,
    longest: int,
    part: Callable[[pa.Array, int, int], pa.Array],
    successor: _Successor,
) -> pa.Array:
    # There are few different last characters: each is raised once.
    last = part(values, longest - 1, longest).dictionary_encode()
    raised = pa.array([successor(each) for each in last.dictionary.to_pylist()], values.type)
    result = pc.binary_join_element_wise(part(values, 0, longest - 1), raised.take(last.indices), _nothing(values))
    if result.null_count == 0:
        return result
    stuck = pc.is_null(result)
    redone = [successor(each) for each in part(values.filter(stuck), 0, longest).to_pylist()]
    return pc.replace_with_mask(result, stuck, pa.array(redone, values.type))


def _nothing(values: pa.Array) -> pa.Scalar:
    return pa.scalar("" if pa.types.is_string(values.type) else b"", values.type)


def _next_text(text: str) -> str | None:
    """The first text after all that start with ``text``; None where there is none."""
    for end in range(len(text), 0, -1):
        code = ord(text[end - 1]) + 1
        if code in _SURROGATES:
            code = _SURROGATES.stop
        if code <= sys.maxunicode:
            return text[: end - 1] + chr(code)
    return None


def _next_bytes(data: bytes) -> bytes | None:
    """As ``_next_text``, for bytes."""
    kept = data.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


_NEXT_TEXT: _Successor = _next_text
_NEXT_BYTES: _Successor = _next_bytes
