"""Statistics that exclude nothing, for columns about which nothing is known.

For readers that take a column without statistics for null in the whole file (see ``column_index``).  Nested columns,
and others that Hudi has no bounds for, are only said to have a null and something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.metadata_table.bounds import DECIMAL
from converters.hudi.metadata_table.records import ColumnStatistics
from converters.model.types import DecimalType, Field, FixedType, PrimitiveType, Type

__all__ = ["can_be_filled", "filler", "fits", "is_filled_alike"]

_LEAST_ROWS = 2
_HIGHEST_TEXT = "\U0010ffff" * 8
_HIGHEST_BYTES = b"\xff" * 16
_INT = (-(2**31), 2**31 - 1)
_EXTREMES: Mapping[str, tuple[Any, Any, pa.DataType]] = {
    "boolean": (False, True, pa.bool_()),
    "byte": (*_INT, pa.int32()),
    "short": (*_INT, pa.int32()),
    "int": (*_INT, pa.int32()),
    "long": (-(2**63), 2**63 - 1, pa.int64()),
    "float": (-math.inf, math.inf, pa.float32()),
    "double": (-math.inf, math.inf, pa.float64()),
    "date": (*_INT, pa.date32()),
    "timestamptz": (-(2**62), 2**62, pa.timestamp("us", "UTC")),
    "string": ("", _HIGHEST_TEXT, pa.string()),
    "binary": (b"", _HIGHEST_BYTES, pa.binary()),
}


def can_be_filled(row_counts: pa.Array) -> npt.NDArray[np.bool_]:
    """Which files have so many rows that one may be null and another one not."""
    mask: npt.NDArray[np.bool_] = pc.greater_equal(row_counts, _LEAST_ROWS).to_numpy(zero_copy_only=False)
    return mask


def fits(type_: Type) -> bool:
    """Whether there are such bounds for a type; Hudi keeps fifteen digits of a decimal before and after the point."""
    if not isinstance(type_, DecimalType):
        return True
    whole = type_.precision - type_.scale
    most = DECIMAL.precision - DECIMAL.scale
    return bool(0 <= type_.scale <= most and 0 <= whole <= most)


def is_filled_alike(column: Field, other: Field) -> bool:
    """Whether what ``filler`` says of a column is also right when it becomes another."""
    return _bounds(column) == _bounds(other)


def filler(batch: pa.RecordBatch, column: Field) -> ColumnStatistics:
    """Statistics of a column that fit whatever is in the files of a batch."""
    rows = batch.column("row_count")
    lower, upper = _bounds(column)
    nulls = pa.array(np.ones(len(batch), np.int64))
    return ColumnStatistics(column.name, rows, nulls, pa.repeat(lower, len(batch)), pa.repeat(upper, len(batch)))


def _bounds(column: Field) -> tuple[pa.Scalar, pa.Scalar]:
    match column.type:
        case PrimitiveType(kind) if kind in _EXTREMES:
            lower, upper, type_ = _EXTREMES[kind]
            if pa.types.is_date(type_):
                return pa.scalar(lower, pa.int32()).cast(type_), pa.scalar(upper, pa.int32()).cast(type_)
            return pa.scalar(lower, type_), pa.scalar(upper, type_)
        case FixedType():
            return pa.scalar(b"", pa.binary()), pa.scalar(_HIGHEST_BYTES, pa.binary())
        case DecimalType(precision, scale):
            # Not more digits than the column has: readers would make null of what does not fit it.
            most = "9" * (precision - scale) + "." + "9" * scale
            return pa.scalar(Decimal(f"-{most}"), DECIMAL), pa.scalar(Decimal(most), DECIMAL)
        case _:
            return pa.scalar(None, pa.int32()), pa.scalar(None, pa.int32())
