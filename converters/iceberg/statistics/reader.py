"""From a manifest's maps by field id to ``DataFile`` statistics, a column at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.statistics.bounds import decode_bounds, from_numpy
from converters.model.schema import Leaf, Schema
from converters.model.types import DecimalType, PrimitiveType

__all__ = ["BoundTrust", "IdMap", "leaf_statistics"]

_NAN_COUNTS, _NULL_COUNTS, _LOWER, _UPPER = "f137", "f110", "f125", "f128"
_FLOATING = ("float", "double")
_TRUNCATED = ("string", "binary")
_SMALL_KEYS = 2**15


class BoundTrust(msgspec.Struct, frozen=True, kw_only=True):
    """How far a table's bounds can be trusted.

    Attributes:
        exact: Bounds of types that writers do not truncate occur as values.
        timestamps: Bounds of timestamps hold.
    """

    exact: bool = True
    timestamps: bool = True


def leaf_statistics(
    schema: Schema, table: pa.Table, row_counts: npt.NDArray[np.int64], trust: BoundTrust
) -> dict[int, dict[str, pa.Array]]:
    """The statistics of every leaf column, as ``data_file_batch`` takes them.

    Args:
        schema: The columns wanted.
        table: Entries of manifests with flat column names; maps that are missing mean unknown.
        row_counts: Rows of each file.
        trust: What of the bounds to believe.
    """
    maps = {
        name: IdMap(table.column(name))
        for name in (_NULL_COUNTS, _NAN_COUNTS, _LOWER, _UPPER)
        if name in table.column_names
    }
    return {leaf.field.id: _one(leaf, maps, row_counts, trust) for leaf in schema.leaves}


class IdMap:
    """A column of maps from field id to value, written as lists of pairs."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        lists = column.chunk(0)
        self._rows = len(lists)
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        pairs = lists.flatten()
        self._keys: npt.NDArray[Any] = pairs.field("key").to_numpy(zero_copy_only=False)
        self._values = pairs.field("value")
        self._regular: dict[int, int] | None = None
        width = int(lengths[0]) if self._rows else 0
        if width and len(self._keys) == width * self._rows and bool((lengths == width).all()):
            first = self._keys[:width]
            if bool((self._keys.reshape(self._rows, width) == first).all()):
                self._regular = {int(key): place for place, key in enumerate(first)}
        if self._regular is None:
            self._index(lengths)

    def get(self, key: int) -> pa.Array | None:
        """The values under this key, null where a map lacks it; None where all do."""
        if self._regular is not None:
            place = self._regular.get(key)
            if place is None:
                return None
            width = len(self._keys) // self._rows
            return self._values.take(pa.array(np.arange(place, len(self._keys), width)))
        begin, end = np.searchsorted(self._sorted, [key, key + 1])
        if begin == end:
            return None
        places = np.zeros(self._rows, np.int64)
        missing = np.ones(self._rows, np.bool_)
        found = self._order[begin:end]
        places[self._owners[found]] = found
        missing[self._owners[found]] = False
        return self._values.take(pa.array(places, mask=missing))

    def _index(self, lengths: npt.NDArray[np.int64]) -> None:
        keys = self._keys
        if len(keys) and keys.min() >= 0 and keys.max() < _SMALL_KEYS:
            keys = keys.astype(np.int16)  # numpy sorts 16-bit keys in linear time
        self._owners = np.repeat(np.arange(self._rows), lengths)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = self._keys[self._order]


def _one(
    leaf: Leaf, maps: Mapping[str, IdMap], row_counts: npt.NDArray[np.int64], trust: BoundTrust
) -> dict[str, pa.Array]:
    type_, id_ = leaf.field.type, leaf.field.id
    found: dict[str, pa.Array] = {}
    names = [("null_count", _NULL_COUNTS)]
    if isinstance(type_, PrimitiveType) and type_.kind in _FLOATING:
        names.append(("nan_count", _NAN_COUNTS))
    for name, column in names:
        counts = maps[column].get(id_) if column in maps else None
        if counts is not None:
            found[name] = _possible(counts, row_counts)
    if trust.timestamps or not _is_timestamp(leaf):
        for name, column in (("lower", _LOWER), ("upper", _UPPER)):
            bounds = maps[column].get(id_) if column in maps else None
            if bounds is not None:
                found[name] = decode_bounds(type_, bounds)
        _reconcile(found)
    if isinstance(type_, PrimitiveType) and type_.kind in _FLOATING:
        _sign_zeros(found)
    if trust.exact and ("lower" in found or "upper" in found) and _never_truncated(leaf):
        found["exact"] = pa.repeat(pa.scalar(value=True), len(row_counts))
    return found


def _possible(counts: pa.Array, row_counts: npt.NDArray[np.int64]) -> pa.Array:
    """Counts between none and all of the rows; others are unknown."""
    values = pc.fill_null(counts, -1).to_numpy(zero_copy_only=False)
    return from_numpy(pa.int64(), values, (values >= 0) & (values <= row_counts))


def _reconcile(found: dict[str, pa.Array]) -> None:
    """Forget both bounds where the lower is above the upper: at least one of them is wrong."""
    lower, upper = found.get("lower"), found.get("upper")
    if lower is None or upper is None:
        return
    crossed = pc.fill_null(pc.greater(lower, upper), fill_value=False)
    if pc.any(crossed).as_py():
        nothing = pa.scalar(None, lower.type)
        found["lower"] = pc.if_else(crossed, nothing, lower)
        found["upper"] = pc.if_else(crossed, nothing, upper)


def _sign_zeros(found: dict[str, pa.Array]) -> None:
    """A lower zero covers -0.0 and an upper zero +0.0, whichever sign was written."""
    for name, zero in (("lower", -0.0), ("upper", 0.0)):
        bound = found.get(name)
        if bound is not None:
            found[name] = pc.if_else(pc.equal(bound, 0), pa.scalar(zero, bound.type), bound)


def _is_timestamp(leaf: Leaf) -> bool:
    return isinstance(leaf.field.type, PrimitiveType) and leaf.field.type.kind.startswith("timestamp")


def _never_truncated(leaf: Leaf) -> bool:
    type_ = leaf.field.type
    return isinstance(type_, DecimalType) or (isinstance(type_, PrimitiveType) and type_.kind not in _TRUNCATED)
