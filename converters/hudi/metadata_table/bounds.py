"""Bounds of columns as the metadata table keeps them: wrapped in a record that tells their type."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import BoolArray, chosen_rows, numbers_of, presence
from converters.avro.writer import Cells, RowJoiner, varints
from converters.hudi.metadata_table.schemas import WRAPPERS

__all__ = ["DECIMAL", "add_bound", "indexed"]

DECIMAL = pa.decimal128(30, 15)
"""What decimals are kept as."""

_DECIMAL_BYTES = 16
_BRANCHES = {name: place for place, name in enumerate(WRAPPERS, start=1)}
_ZIGZAG = ("IntWrapper", "LongWrapper", "DateWrapper", "TimeMicrosWrapper", "TimestampMicrosWrapper")
_TEXTS = ("BytesWrapper", "StringWrapper")


def indexed(bounds: pa.Array) -> pa.Array:
    """Bounds in the type that they are kept in, exactly; all null where Hudi keeps none of this type.

    Integers up to 32 bits are int32; times and timestamps are in microseconds; decimals, where fifteen digits before
    and after the point hold them, have fifteen after it.
    """
    kind = bounds.type
    wanted = _kept_as(kind)
    if wanted is None:
        return pa.nulls(len(bounds))
    return bounds if kind == wanted else bounds.cast(wanted)


def add_bound(row: RowJoiner, bounds: pa.Array) -> None:
    """Write a union of null and the wrappers.

    Args:
        row: Where it is written to.
        bounds: As ``indexed`` returns them.
    """
    if bounds.null_count == len(bounds):
        row.add(b"\x00")
        return
    wrapper = _wrapper(bounds.type)
    present = presence(bounds)
    branch = np.uint8(2 * _BRANCHES[wrapper])  # zigzag
    tags = np.full(len(bounds), branch) if present is None else np.where(present, branch, np.uint8(0))
    row.add(tags.reshape(-1, 1))
    if wrapper in _TEXTS:
        whole = bounds.cast(pa.binary())
        row.add(varints(numbers_of(pc.binary_length(whole).fill_null(0)), present=present))
        row.add(whole.fill_null(b""))
    elif wrapper in _ZIGZAG:
        numbers = bounds.cast(pa.int64() if bounds.type.bit_width == 64 else pa.int32())
        row.add(varints(numbers_of(numbers.fill_null(0)), present=present))
    else:
        row.add(_fixed(bounds, wrapper, present))


def _fixed(bounds: pa.Array, wrapper: str, present: BoolArray | None) -> Cells:
    """Bounds that are equally long; nothing where there is none."""
    if wrapper == "BooleanWrapper":
        matrix, prefix = numbers_of(bounds.fill_null(pa.scalar(value=False)).cast(pa.uint8())).reshape(-1, 1), b""
    elif wrapper == "DecimalWrapper":
        data = bounds.buffers()[1]
        little = np.frombuffer(data, np.uint8)[bounds.offset * _DECIMAL_BYTES :][: len(bounds) * _DECIMAL_BYTES]
        matrix, prefix = little.reshape(-1, _DECIMAL_BYTES)[:, ::-1], bytes([2 * _DECIMAL_BYTES])
    else:
        numbers = np.ascontiguousarray(numbers_of(bounds.fill_null(0.0)))
        matrix, prefix = numbers.astype(numbers.dtype.newbyteorder("<")).view(np.uint8).reshape(len(bounds), -1), b""
    everywhere = np.ones(len(bounds), np.bool_) if present is None else present
    return chosen_rows(matrix, everywhere, prefix)


def _wrapper(kind: pa.DataType) -> str:
    names = {
        pa.bool_(): "BooleanWrapper",
        pa.int32(): "IntWrapper",
        pa.int64(): "LongWrapper",
        pa.float32(): "FloatWrapper",
        pa.float64(): "DoubleWrapper",
        pa.binary(): "BytesWrapper",
        pa.string(): "StringWrapper",
        pa.date32(): "DateWrapper",
        DECIMAL: "DecimalWrapper",
        pa.time64("us"): "TimeMicrosWrapper",
        pa.timestamp("us"): "TimestampMicrosWrapper",
    }
    return names[kind]


def _kept_as(kind: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_integer(kind):
        narrow = types.is_signed_integer(kind) and kind.bit_width <= 32
        return pa.int32() if narrow else pa.int64() if kind == pa.int64() else None
    if types.is_decimal(kind):
        fits = 0 <= kind.scale <= DECIMAL.scale and kind.precision - kind.scale <= DECIMAL.precision - DECIMAL.scale
        return DECIMAL if fits else None
    if types.is_timestamp(kind):
        return pa.timestamp("us") if kind.unit != "ns" else None
    if types.is_time(kind):
        return pa.time64("us") if kind.unit != "ns" else None
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return pa.binary()
    if types.is_string(kind) or types.is_large_string(kind):
        return pa.string()
    return kind if kind in (pa.bool_(), pa.float32(), pa.float64(), pa.date32()) else None
