"""Which columns of a target have statistics, and which files: all of those columns' or none.

Spark with Hudi takes a column that it believes indexed, and that has no statistics in a file where another column has
some, for null in the whole file, and a column with statistics but without bounds likewise
(``ColumnStatsIndexSupport.transpose``): a filter would lose that file's rows.  A file without any statistics is never
skipped.  So a file gets statistics when all indexed columns' are known, and none otherwise.

Hudi 1.x is told which columns are indexed.  Hudi 0.15 believes that all of the table are, unless its reader is told; so
the other columns get bounds that exclude nothing (``column_fillers``).  A table with more than ``MOST_COLUMNS`` columns
gets no statistics, as those would be many, and of no use.

Hudi looks for ``LIKE 'abc%'`` in files whose bounds are around ``abc`` itself (``DataSkippingUtils``), not in one whose
least value is ``abcd``; so a lower bound of texts is the first character alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.metadata_table.keys import column_key
from converters.hudi.metadata_table.records import ColumnStatistics
from converters.hudi.writing.column_fillers import can_be_filled, filler, fits
from converters.model.data_file import stat
from converters.model.schema import Schema
from converters.model.types import DecimalType, Field, PrimitiveType

__all__ = ["MOST_COLUMNS", "ColumnIndex", "candidates", "choose"]

MOST_COLUMNS = 100
"""How many columns, partition columns aside, a table with statistics may have."""

_KINDS = {"boolean", "byte", "short", "int", "long", "float", "double", "date", "timestamptz", "string"}
_FLOATS = {"float", "double"}
_ENOUGH = 0.9

BoolArray = npt.NDArray[np.bool_]


def candidates(schema: Schema, partition_columns: Iterable[str]) -> tuple[Field, ...]:
    """The columns that may have statistics: top-level ones, of types whose bounds all readers understand.

    Values of partition columns are in the directories already.
    """
    left_out = set(partition_columns)
    return tuple(field for field in schema.fields if field.name not in left_out and _is_indexable(field))


def choose(columns: Sequence[Field], batches: Iterable[pa.RecordBatch], most: int) -> tuple[Field, ...]:
    """Choose columns: those whose statistics are known in nearly all files that have any.

    Args:
        columns: The candidates, in order of preference.
        batches: All files of the table, as ``DataFile`` rows.
        most: How many columns to take.
    """
    known = np.zeros(len(columns), np.int64)
    files = 0
    for batch in batches:
        masks = [_known(batch, column) for column in columns]
        if masks:
            known += [int(mask.sum()) for mask in masks]
            files += int(np.logical_or.reduce(masks).sum())
    enough = max(1, math.ceil(files * _ENOUGH)) if files else 0
    return tuple(column for column, count in zip(columns, known.tolist(), strict=True) if count >= enough)[:most]


class ColumnIndex(msgspec.Struct, frozen=True):
    """The columns that have statistics.

    Attributes:
        columns: In the order of the schema; those that the schema still has.
        usable: Whether files can have statistics at all: False when a column is of a type without bounds, or there are
            too many columns.
        filled: Further columns, which get bounds that exclude nothing.
    """

    columns: tuple[Field, ...]
    usable: bool = True
    filled: tuple[Field, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str], schema: Schema, partition_columns: Iterable[str]) -> ColumnIndex:
        """Find the columns of these names; those that are gone matter no more.

        Args:
            names: Of the indexed columns.
            schema: The table's.
            partition_columns: Those whose values are in the directories.
        """
        found = tuple(field for name in names if (field := schema.field(name)) is not None)
        left_out = {*names, *partition_columns}
        others = tuple(field for field in schema.fields if field.name not in left_out)
        filled = others if found else ()
        usable = (
            len(found) + len(filled) <= MOST_COLUMNS
            and all(_is_indexable(field) for field in found)
            and all(fits(field.type) for field in filled)
        )
        return cls(found, usable, filled)

    def complete(self, batch: pa.RecordBatch) -> BoolArray:
        """Which files of a batch have all columns' statistics."""
        if not self.usable or not self.columns:
            return np.zeros(len(batch), np.bool_)
        masks = [_known(batch, column) for column in self.columns]
        if self.filled:
            masks.append(can_be_filled(batch.column("row_count")))
        return np.asarray(np.logical_and.reduce(masks), np.bool_)

    def only(self, names: Sequence[str]) -> ColumnIndex:
        """The same without the columns that are not named."""
        columns, filled = (
            tuple(column for column in each if column.name in names) for each in (self.columns, self.filled)
        )
        return ColumnIndex(columns, self.usable, filled)

    def in_key_order(self) -> tuple[Field, ...]:
        """The columns as their keys follow each other."""
        return tuple(sorted((*self.columns, *self.filled), key=_key))

    def of_column(self, batch: pa.RecordBatch, column: Field) -> ColumnStatistics:
        """A column's statistics in files that have all columns'; others' mean nothing."""
        return filler(batch, column) if column in self.filled else _statistics(batch, column)


def _key(column: Field) -> bytes:
    return column_key(column.name)


def _is_indexable(field: Field) -> bool:
    match field.type:
        case PrimitiveType(kind):
            return kind in _KINDS
        case DecimalType():
            return fits(field.type)
        case _:
            return False


def _known(batch: pa.RecordBatch, column: Field) -> BoolArray:
    """Where both bounds and the null count are known, or all values are null."""
    nulls = stat(batch, column.id, "null_count")
    all_null = pc.fill_null(pc.equal(nulls, batch.column("row_count")), fill_value=False)
    bounded = pc.and_(stat(batch, column.id, "lower").is_valid(), stat(batch, column.id, "upper").is_valid())
    if isinstance(column.type, PrimitiveType) and column.type.kind in _FLOATS:
        # To Spark, NaN is larger than all other values; as a bound Hudi does not understand it.
        bounded = pc.and_(bounded, pc.fill_null(pc.equal(stat(batch, column.id, "nan_count"), 0), fill_value=False))
    known = pc.or_(all_null, pc.and_(bounded, nulls.is_valid()))
    mask: BoolArray = known.to_numpy(zero_copy_only=False)
    return mask


def _statistics(batch: pa.RecordBatch, column: Field) -> ColumnStatistics:
    lower, upper = stat(batch, column.id, "lower"), stat(batch, column.id, "upper")
    nulls, rows = stat(batch, column.id, "null_count"), batch.column("row_count")
    if pa.types.is_string(lower.type):
        lower = pc.utf8_slice_codeunits(lower, 0, 1)
    all_null = pc.fill_null(pc.equal(nulls, rows), fill_value=False)
    if pc.any(all_null).as_py():
        nothing = pa.scalar(None, lower.type)
        lower, upper = pc.if_else(all_null, nothing, lower), pc.if_else(all_null, nothing, upper)
    return ColumnStatistics(column.name, rows, nulls, lower, upper)
