"""Files in the order of their partitions, and what a manifest list says of a run of them.

Source: Iceberg spec, "Manifest Lists", ``field_summary``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.writer import Cells
from converters.iceberg.statistics.bounds_encoding import encode_values
from converters.model.types import Type

__all__ = ["PartitionRanks", "PartitionSummary"]

RankArray = npt.NDArray[np.int32]

_NULL_RANK = -1


class PartitionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one partition field over all entries of a manifest; bounds as single values in binary."""

    contains_null: bool
    contains_nan: bool | None
    lower: bytes | None
    upper: bytes | None


class _Column(msgspec.Struct, frozen=True):
    """One partition field: its distinct values in order, encoded, and each file's place among them.

    ``lower`` and ``upper`` differ in the sign of zero alone.  From ``nan_rank`` on a value is NaN.
    """

    ranks: RankArray
    nan_rank: int
    lower: Cells
    upper: Cells


class PartitionRanks:
    """The partition tuples of some files, comparable as integers."""

    def __init__(self, partition: pa.Table, types: Sequence[Type]) -> None:
        """Rank the values of each column of ``partition``; ``types`` has a type for each."""
        self._columns = [_ranked(column, type_) for column, type_ in zip(partition.columns, types, strict=True)]

    def order(self) -> npt.NDArray[np.int64] | None:
        """The places of the files in the order of their partitions, nulls first; None if they are in order."""
        if not self._columns:
            return None
        keys = [column.ranks for column in reversed(self._columns)]
        order = np.lexsort(keys)
        in_order = bool((order[1:] > order[:-1]).all())
        return None if in_order else order

    def summaries(self, chosen: npt.NDArray[np.bool_]) -> tuple[PartitionSummary, ...]:
        """Summarise some of the files, at least one."""
        return tuple(_summary(column, column.ranks[chosen]) for column in self._columns)


def _ranked(values: pa.ChunkedArray, type_: Type) -> _Column:
    encoded = values.combine_chunks().dictionary_encode()
    dictionary, indices = encoded.dictionary, encoded.indices
    order = pc.sort_indices(dictionary)  # NaN comes last
    rank_of = np.empty(len(dictionary) + 1, np.int32)
    rank_of[order.to_numpy()] = np.arange(len(dictionary), dtype=np.int32)
    rank_of[-1] = _NULL_RANK
    ranks = rank_of[pc.fill_null(indices, len(dictionary)).to_numpy(zero_copy_only=False)]
    distinct = dictionary.take(order)
    if not pa.types.is_floating(distinct.type):
        encoded_values = encode_values(distinct, type_)
        return _Column(ranks, len(distinct), encoded_values, encoded_values)
    nan_rank = len(distinct) - (pc.sum(pc.is_nan(distinct)).as_py() or 0)
    zero = pc.equal(distinct, pa.scalar(0.0, distinct.type))
    lower = pc.if_else(zero, pa.scalar(-0.0, distinct.type), distinct)
    upper = pc.if_else(zero, pa.scalar(0.0, distinct.type), distinct)
    return _Column(ranks, nan_rank, encode_values(lower, type_), encode_values(upper, type_))


def _summary(column: _Column, ranks: RankArray) -> PartitionSummary:
    known = ranks[(ranks != _NULL_RANK) & (ranks < column.nan_rank)]
    return PartitionSummary(
        contains_null=bool((ranks == _NULL_RANK).any()),
        contains_nan=bool((ranks >= column.nan_rank).any()),
        lower=_value(column.lower, int(known.min())) if len(known) else None,
        upper=_value(column.upper, int(known.max())) if len(known) else None,
    )


def _value(encoded: Cells, place: int) -> bytes:
    return encoded[place].tobytes() if isinstance(encoded, np.ndarray) else bytes(encoded[place].as_py())
