"""Statistics from the metadata table's partition ``column_stats``, as far as they are true.

Hudi takes them from the footers of the files that it writes (``ParquetUtils.readColumnStatsFromMetadata``), a row
group after the other, and they are not always what they seem:

* Parquet's Java writer leaves statistics out where a text is long (4 kB for both bounds together), and for INT96.  Hudi
  counts every value of such a row group as null, and the bounds are those of the other row groups.
* Where a row group has a NaN, Parquet's Java reader has no bounds, and Hudi writes 0 for both.
* Where it has nulls only, Hudi 1.1 and later write 0 for both bounds of a number, too.

So bounds of floating types are never believed, texts and bytes only where nothing is counted as null, and bounds of
columns with nulls may be wide.  What Hudi writes of their tightness says nothing of base files.

Files that Hudi did not write have the statistics that another table said.  Java XTable cuts their timestamps to
milliseconds.  Where a table says which columns are indexed, what there is of others counts for nothing:
``writing.column_fillers`` makes up bounds and null counts that only keep readers from skipping files.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.metadata_table.file_names import COLUMN_STATS
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.reading.stored_columns import times_are_as_said
from converters.hudi.schema.reader import TableSchema
from converters.model.schema import Leaf, Schema
from converters.model.types import FixedType, PrimitiveType, Type, arrow_type
from converters.parquet.statistics import FileStatistics, LeafStatistics, Shape

__all__ = ["IndexedStatistics", "statistics_index"]

_LEFT_OUT = ("string", "binary", "uuid")
_TIMES = ("timestamp", "timestamptz")
_FLOATING = ("float", "double")
_MILLISECOND = 1000


class IndexedStatistics:
    """Reads statistics from a metadata table."""

    def __init__(
        self, metadata_table: MetadataTable, in_millis: frozenset[int], indexed_columns: Collection[str] | None
    ) -> None:
        """Prepare.

        Args:
            metadata_table: Where they are.
            in_millis: Field ids of the columns whose times are in milliseconds.
            indexed_columns: Names of the columns that have statistics; None where the table does not say.
        """
        self._table = metadata_table
        self._in_millis = in_millis
        self._indexed_columns = indexed_columns

    def read(self, files: pa.Table, leaves: Sequence[Leaf]) -> FileStatistics | None:
        """What is known of some files.

        Args:
            files: As ``file_names.base_files`` returns them.
            leaves: The columns.

        Returns:
            None where the metadata table has no statistics.

        Raises:
            CorruptTable: The metadata table cannot be read.
        """
        all_names = {leaf.field.id: ".".join(leaf.stored_path) for leaf in leaves}
        names = {id_: name for id_, name in all_names.items() if self._is_indexed(name)}
        found = self._table.column_stats(files, list(names.values()))
        if found is None:
            return None
        external = files["external"].combine_chunks()
        columns = {
            leaf.field.id: self._leaf(found[names[leaf.field.id]], leaf, external)
            if leaf.field.id in names
            else LeafStatistics.unknown(leaf.field.type, len(files))
            for leaf in leaves
        }
        counts = [pc.struct_field(found[name], "value_count") for name in names.values()]
        return FileStatistics(_agreed(counts, external), columns)

    def _is_indexed(self, name: str) -> bool:
        return self._indexed_columns is None or name in self._indexed_columns

    def _leaf(self, entries: pa.ChunkedArray, leaf: Leaf, external: pa.Array) -> LeafStatistics:
        record = entries.combine_chunks()
        type_ = leaf.field.type
        values, nulls = pc.struct_field(record, "value_count"), pc.struct_field(record, "null_count")
        nulls = _where(pc.and_(pc.greater_equal(nulls, 0), pc.less_equal(nulls, values)), nulls)
        in_millis = leaf.field.id in self._in_millis
        lower = typed(pc.struct_field(record, "min"), type_, in_millis=in_millis)
        upper = typed(pc.struct_field(record, "max"), type_, in_millis=in_millis)
        if _kind(type_) in _TIMES:
            upper = pc.if_else(external, _to_the_end_of(upper), upper)
        lower, upper = _signed(lower, upper, type_)
        trusted = pc.or_kleene(external, _is_told_right(type_, values, nulls))
        known = pc.and_(pc.and_(pc.is_valid(lower), pc.is_valid(upper)), pc.less(nulls, values))
        known = pc.and_kleene(trusted, known)
        if _kind(type_) in _FLOATING:
            known = pc.and_kleene(external, known)
        return LeafStatistics(
            present=pc.if_else(pc.is_valid(record), pa.scalar(value=True), pa.scalar(None, pa.bool_())),
            null_count=_where(trusted, nulls),
            lower=_where(known, lower),
            upper=_where(known, upper),
            exact=pc.fill_null(
                pc.and_kleene(pc.and_kleene(known, pc.equal(nulls, 0)), pc.invert(external)), fill_value=False
            ),
        )


def statistics_index(
    table: MetadataTable | None,
    parsed: TableSchema,
    schema: Schema,
    shapes: Sequence[Shape],
    indexed_columns: Collection[str] | None,
) -> IndexedStatistics | None:
    """The statistics of a table's metadata table; None where there are none that may be used.

    Args:
        table: The metadata table, if there is one.
        parsed: The table's schema as it is written.
        schema: The same, with other ids perhaps.
        shapes: The different schemas of the table's files.
        indexed_columns: As ``IndexedStatistics`` takes them.
    """
    if table is None or COLUMN_STATS not in table.slices:
        return None
    # The ids may have been changed since the schema was read.
    paths = {parsed.schema.by_id[id_].path for id_ in parsed.in_millis}
    in_millis = frozenset(node.id for node in schema.nodes if node.path in paths)
    if not times_are_as_said(schema, in_millis, shapes):
        return None
    return IndexedStatistics(table, in_millis, indexed_columns)


def typed(bounds: pa.Array, type_: Type, *, in_millis: bool) -> pa.Array:
    """Bounds in a column's type; null where they are not to be had in it."""
    target = arrow_type(type_)
    if bounds.type == target:
        return bounds
    nothing = pa.nulls(len(bounds), target)
    try:
        if pa.types.is_timestamp(target) or pa.types.is_time(target):
            return _times(bounds, target, in_millis=in_millis)
        if pa.types.is_integer(target) or pa.types.is_floating(target):
            return bounds.cast(target) if _is_number(bounds.type) else nothing
        return bounds.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return nothing


def _times(bounds: pa.Array, target: pa.DataType, *, in_millis: bool) -> pa.Array:
    if pa.types.is_integer(bounds.type):
        numbers = bounds.cast(pa.int64())
        return (pc.multiply_checked(numbers, _MILLISECOND) if in_millis else numbers).cast(target)
    return bounds.cast(target)


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _kind(type_: Type) -> str:
    return type_.kind if isinstance(type_, PrimitiveType) else ""


def _is_told_right(type_: Type, values: pa.Array, nulls: pa.Array) -> pa.Array:
    """Whether the null count that Hudi says of a column of a file that it wrote is what is in the file."""
    kind = _kind(type_)
    if kind in _LEFT_OUT or isinstance(type_, FixedType):
        return pc.equal(nulls, 0)
    if kind in _TIMES:
        return pc.less(nulls, values)
    return pc.is_valid(nulls)


def _to_the_end_of(upper: pa.Array) -> pa.Array:
    """The last microsecond of each bound's millisecond."""
    numbers = upper.cast(pa.int64())
    is_whole = pc.equal(pc.multiply(pc.divide(numbers, _MILLISECOND), _MILLISECOND), numbers)
    return pc.if_else(is_whole, pc.add(numbers, _MILLISECOND - 1), numbers).cast(upper.type)


def _signed(lower: pa.Array, upper: pa.Array, type_: Type) -> tuple[pa.Array, pa.Array]:
    """Bounds of floating types that are no NaN, a lower zero being -0.0 and an upper one +0.0."""
    if _kind(type_) not in _FLOATING:
        return lower, upper
    lower, upper = (_where(pc.invert(pc.is_nan(bound)), bound) for bound in (lower, upper))
    return (
        pc.if_else(pc.equal(lower, 0), pa.scalar(-0.0, lower.type), lower),
        pc.if_else(pc.equal(upper, 0), pa.scalar(0.0, upper.type), upper),
    )


def _agreed(counts: Sequence[pa.ChunkedArray], external: pa.Array) -> pa.Array:
    """The number of rows, where all columns have as many values; another system's zero may be for unknown."""
    if not counts:
        return pa.nulls(len(external), pa.int64())
    whole = [count.combine_chunks() for count in counts]
    least, most = pc.min_element_wise(*whole), pc.max_element_wise(*whole)
    is_count = pc.and_(pc.equal(least, most), pc.greater_equal(least, pc.if_else(external, 1, 0)))
    return _where(is_count, least)


def _where(mask: pa.Array, values: pa.Array) -> pa.Array:
    """The values where the mask is true, null elsewhere."""
    return pc.if_else(pc.fill_null(mask, fill_value=False), values, pa.scalar(None, values.type))
