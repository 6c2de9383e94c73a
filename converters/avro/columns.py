"""Columns of optional numbers, texts and bytes as Avro has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.writer import ByteArray, RowJoiner, binary_from_lengths, varint, varints

__all__ = ["NULL", "VALUE", "BoolArray", "add_tag", "add_text", "chosen_rows", "numbers_of", "presence"]

BoolArray = npt.NDArray[np.bool_]

NULL, VALUE = varint(0), varint(1)
"""The branches of a union of null and something."""


def numbers_of(values: pa.Array) -> npt.NDArray[Any]:
    """A column of numbers without nulls."""
    numbers: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers


def add_text(row: RowJoiner, values: pa.Array) -> None:
    """Write texts without nulls."""
    row.add(varints(numbers_of(pc.binary_length(values))))
    row.add(values.cast(pa.binary()))


def presence(values: pa.Array) -> BoolArray | None:
    """Which values are known; None when all are."""
    if values.null_count == 0:
        return None
    present: BoolArray = values.is_valid().to_numpy(zero_copy_only=False)
    return present


def add_tag(row: RowJoiner, present: BoolArray | None) -> None:
    """Write the branch of a union of null and something."""
    row.add(VALUE if present is None else np.where(present, np.uint8(2), np.uint8(0)).reshape(-1, 1))


def chosen_rows(matrix: ByteArray, present: BoolArray, prefix: bytes) -> pa.Array:
    """A binary array: the prefix and a row of the matrix where present, nothing elsewhere."""
    kept = matrix[present]
    data = np.empty((len(kept), len(prefix) + kept.shape[1]), np.uint8)
    data[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    data[:, len(prefix) :] = kept
    return binary_from_lengths(present.astype(np.int32) * np.int32(data.shape[1]), data.reshape(-1))
