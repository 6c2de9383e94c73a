"""How a Hudi table is partitioned, as the common model has it, and each file's partition values.

What was written is the truth.  A value that a partition's path says is checked against the statistics of the files,
which say what is in them: where every value of a column in a file is one and the same, that is the file's partition
value; where any file contradicts, the table is not partitioned by the column, which its files hold anyway.  Where
files lack the column (``hoodie.datasource.write.drop.partition.columns``, or files of Delta tables), the path is all
there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import InvalidOption, UnsupportedTableFeature
from converters.hudi.partitions.key_generators import PathField
from converters.hudi.partitions.values import PathStyle, PathValues, path_values
from converters.model.partition import (
    FIRST_PARTITION_FIELD_ID,
    IDENTITY,
    UNPARTITIONED,
    PartitionField,
    PartitionSpec,
    Transform,
)
from converters.model.schema import Leaf, Schema
from converters.model.types import PRIMITIVE_KINDS, PrimitiveType, Type, is_nested, type_name
from converters.parquet.statistics import FileStatistics, LeafStatistics

__all__ = ["Partitioning", "partition_leaves", "partitioning", "unsettled"]

_TIMES = ("date", "timestamp", "timestamptz")
_FLOATING = ("float", "double")


class Partitioning(msgspec.Struct, frozen=True):
    """How a table is partitioned.

    Attributes:
        spec: The one spec of its files.
        values: The values of each partition field, one a file, by the field's id.
        notes: What a person should know of it.
    """

    spec: PartitionSpec = UNPARTITIONED
    values: Mapping[int, pa.Array] = {}
    notes: tuple[str, ...] = ()


def partition_leaves(schema: Schema, fields: Sequence[PathField]) -> list[Leaf]:
    """The columns whose statistics ``partitioning`` needs."""
    wanted = {field.column for field in fields}
    return [leaf for leaf in schema.leaves if leaf.path[0] in wanted and len(leaf.path) == 1]


def partitioning(
    schema: Schema,
    fields: Sequence[PathField],
    style: PathStyle,
    files: pa.Table,
    statistics: FileStatistics,
    *,
    asked: bool,
) -> Partitioning:
    """Decide how the table is partitioned.

    Args:
        schema: The table's.
        fields: What partition paths consist of.
        style: How the paths are written.
        files: Every live file: ``partition`` (its path) and ``name``.
        statistics: Of the columns of ``partition_leaves``, of the same files.
        asked: Whether a caller said what the fields are, not the table.

    Raises:
        InvalidOption: The caller named a column that is not there.
        UnsupportedTableFeature: Files lack a column, and their paths do not say its values.
    """
    if not fields:
        return Partitioning()
    columns = [schema.field(field.column) for field in fields]
    for field, column in zip(fields, columns, strict=True):
        if column is None and asked:
            raise InvalidOption(f"The partition spec names the column '{field.column}', which the table has not.")
    paths = files["partition"].combine_chunks().dictionary_encode()
    string = PRIMITIVE_KINDS["string"]
    types = [column.type if column is not None and not is_nested(column.type) else string for column in columns]
    said = path_values(paths.dictionary.to_pylist(), fields, types, style)
    found: list[PartitionField] = []
    values: dict[int, pa.Array] = {}
    notes: list[str] = []
    for field, column, in_path in zip(fields, columns, said, strict=True):
        if column is None or column.id not in statistics.columns:
            notes.append(_note(field.column, "it is no plain column of the table's schema"))
            continue
        check = _Check(field, column.type, statistics.row_count, statistics.columns[column.id])
        in_files = PathValues(*(each.take(paths.indices) for each in (in_path.values, in_path.readable, in_path.null)))
        result = check.values(in_files)
        if isinstance(result, str):
            check.refuse_absent(files)
            notes.append(_note(field.column, result))
            continue
        id_ = FIRST_PARTITION_FIELD_ID + len(found)
        name = column.name if check.transform == IDENTITY else f"{column.name}_{check.transform.kind}"
        found.append(PartitionField(id=id_, source_id=column.id, name=name, transform=check.transform))
        values[id_] = result
    return Partitioning(PartitionSpec(0, tuple(found)) if found else UNPARTITIONED, values, tuple(notes))


def unsettled(statistics: FileStatistics) -> pa.Array:
    """A mask of the files of which it is not known whether a column has one value only."""
    mask = pa.repeat(pa.scalar(value=False), len(statistics.row_count))
    for leaf in statistics.columns.values():
        open_ = pc.or_kleene(pc.is_null(leaf.null_count), _lacks_bounds(leaf, statistics.row_count))
        mask = pc.or_(mask, pc.and_(pc.fill_null(leaf.present, fill_value=True), pc.fill_null(open_, fill_value=True)))
    return mask


def _lacks_bounds(leaf: LeafStatistics, row_count: pa.Array) -> pa.Array:
    return pc.and_(pc.is_null(leaf.lower), pc.less(leaf.null_count, row_count))


class _Check:
    """One partition field against the statistics of its column."""

    def __init__(self, field: PathField, type_: Type, row_count: pa.Array, leaf: LeafStatistics) -> None:
        self._field = field
        self._type = type_
        self._leaf = leaf
        self._is_empty = pc.fill_null(pc.equal(row_count, 0), fill_value=False)
        self._is_absent = pc.and_(pc.invert(pc.fill_null(leaf.present, fill_value=True)), pc.invert(self._is_empty))
        self._has_nulls_only = pc.equal(leaf.null_count, row_count)
        kind = cast("Literal['year', 'month', 'day', 'hour']", field.kind)
        self.transform = IDENTITY if field.kind == "value" else Transform(kind)

    def values(self, in_path: PathValues) -> pa.Array | str:
        """The values of all files, or why there are none."""
        kind = self._type.kind if isinstance(self._type, PrimitiveType) else ""
        if self._field.kind == "unknown":
            return "the table does not say how its values were made from the column"
        if self._field.kind == "value":
            return self._identity(in_path, is_floating=kind in _FLOATING)
        if kind not in _TIMES or (kind == "date" and self._field.kind == "hour"):
            return f"it is derived from a column that is no date or timestamp but a {type_name(self._type)}"
        return self._time()

    def refuse_absent(self, files: pa.Table) -> None:
        """Refuse files that lack the column.

        Raises:
            UnsupportedTableFeature: There is one.
        """
        if pc.any(self._is_absent).as_py():
            file = files.filter(self._is_absent).slice(0, 1).to_pylist()[0]
            raise UnsupportedTableFeature(
                f"The data file '{file['partition']}/{file['name']}' lacks the partition column "
                f"'{self._field.column}', and its path does not say the column's values.",
                hint="Rewrite the table with hoodie.datasource.write.drop.partition.columns=false.",
            )

    def _identity(self, in_path: PathValues, *, is_floating: bool) -> pa.Array | str:
        lower, upper = self._leaf.lower, self._leaf.upper
        one = pc.and_kleene(pc.equal(self._leaf.null_count, 0), pc.equal(lower, upper))
        if is_floating:
            one = pa.array([False] * len(lower))  # a bound says nothing of NaN, and not which zero
        agrees = pc.if_else(in_path.null, _is_nothing(lower), pc.equal(lower, in_path.values))
        proved = pc.and_kleene(in_path.readable, pc.and_kleene(one, agrees))
        null = pc.and_kleene(self._has_nulls_only, pc.and_(in_path.readable, in_path.null))
        by_path = pc.or_(self._is_empty, pc.and_(self._is_absent, in_path.readable))
        if not _all(pc.or_kleene(pc.or_kleene(proved, null), by_path)):
            return "its values in the data files are not always those that the partition paths say"
        return pc.if_else(by_path, in_path.values, pc.if_else(pc.fill_null(null, fill_value=False), None, lower))

    def _time(self) -> pa.Array | str:
        lower, upper = (_transformed(bound, self.transform) for bound in (self._leaf.lower, self._leaf.upper))
        one = pc.and_kleene(pc.equal(self._leaf.null_count, 0), pc.equal(lower, upper))
        nothing = pc.or_kleene(self._is_empty, pc.and_kleene(self._has_nulls_only, pc.invert(self._is_absent)))
        if not _all(pc.or_kleene(one, nothing)):
            return f"its values in the data files are not always of one {self.transform.kind} in UTC"
        return pc.if_else(pc.fill_null(one, fill_value=False), lower, None)


def _is_nothing(values: pa.Array) -> pa.Array:
    """Whether a value is the empty text, which Hudi's paths do not tell from null."""
    if pa.types.is_string(values.type):
        return pc.equal(values, "")
    return pa.array([False] * len(values), pa.bool_())


def _all(mask: pa.Array) -> bool:
    return bool(pc.all(pc.fill_null(mask, fill_value=False), min_count=0).as_py())


def _transformed(bounds: pa.Array, transform: Transform) -> pa.Array:
    """A transform's results (Iceberg spec, "Partition Transforms"): units since the epoch, a day as a date."""
    match transform.kind:
        case "day":
            return pc.floor_temporal(bounds, unit="day").cast(pa.timestamp("us")).cast(pa.date32())
        case "hour":
            hours = pc.floor_temporal(bounds, unit="hour").cast(pa.timestamp("us")).cast(pa.int64())
            return pc.divide(hours, 3_600_000_000).cast(pa.int32())
        case "month":
            return pc.add(pc.multiply(pc.subtract(pc.year(bounds), 1970), 12), pc.subtract(pc.month(bounds), 1)).cast(
                pa.int32()
            )
        case _:
            return pc.subtract(pc.year(bounds), 1970).cast(pa.int32())


def _note(column: str, why: str) -> str:
    return f"The partition field '{column}' is not carried over: {why}. Rows are the same without it."
