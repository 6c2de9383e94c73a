"""What a Delta writer noted of some files, before it is made into bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

from converters.delta.statistics.bounds import ColumnKind, column_kind
from converters.model.schema import Leaf

__all__ = ["Column", "Extremes", "columns_of"]


class Column(msgspec.Struct, frozen=True):
    """A column that can have statistics, and how its extremes are read."""

    leaf: Leaf
    kind: ColumnKind


def columns_of(leaves: Sequence[Leaf]) -> tuple[Column, ...]:
    """The columns of a schema's leaves."""
    return tuple(Column(leaf, column_kind(leaf.field.type)) for leaf in leaves)


class Extremes(msgspec.Struct, frozen=True):
    """Statistics as noted: of each file, and of each of some columns, in the columns' order.

    Attributes:
        row_count: Rows of each file, int64.
        tight: Whether the file's extremes occur as values; null means yes.
        lower: Smallest values in the form that ``bounds_of`` takes; None for columns without.
        upper: Largest values, likewise.
        nulls: Null values, int64; None where that is not known of any file.
    """

    row_count: pa.Array
    tight: pa.Array
    lower: Sequence[pa.Array | None]
    upper: Sequence[pa.Array | None]
    nulls: Sequence[pa.Array | None]

    def __iter__(self) -> Iterator[tuple[pa.Array | None, pa.Array | None, pa.Array | None]]:
        return zip(self.lower, self.upper, self.nulls, strict=True)
