"""``DataFile`` batches: the live files of a table as Arrow record batches, one row a file.

Columns, in order:

=============== ============ ==========================================================================
``path``        string       absolute location, not percent-encoded: ``file:///a/b c.parquet``, ``s3://b/k``
``size``        int64        bytes
``row_count``   int64        rows; null = unknown (never 0 for unknown)
``modified_at`` int64        milliseconds since the epoch; null = unknown
``file_format`` string       ``PARQUET``, ``ORC`` or ``AVRO``
``spec_id``     int32        the partition spec that the file was written under
``partition``   struct       one member a partition field, over all specs, named by the field's id in decimal
``stats``       struct       one member a leaf column (``Schema.leaves``), named by its field id in decimal
``deletion_vector``          which rows are deleted, see ``converters.model.deletion_vector``; null = none is
=============== ============ ==========================================================================

A ``stats`` member is a struct:

=============== ============ ==========================================================================
``null_count``  int64        null values; null = unknown
``nan_count``   int64        NaN values of a float or double; null = unknown or not a floating type
``lower``       column type  no value is less (NaN aside); null = unknown
``upper``       column type  no value is greater (NaN aside); null = unknown
``exact``       bool         both bounds, where known, occur as values; null or false = maybe not
=============== ============ ==========================================================================

Bounds are bounds: whoever writes one may only widen it.  For ``float`` and ``double`` a bound never is NaN, a
lower zero is -0.0 and an upper zero is +0.0.  Everything that is unknown is null, everything that is known is true.
A value count is the file's row count (leaves are never below a list or map).  Row count and statistics are of all
rows in the file, also the deleted ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature
from converters.model.deletion_vector import DELETION_VECTOR
from converters.model.partition import PartitionSpec, partition_arrow_type
from converters.model.schema import Schema
from converters.model.types import arrow_type

__all__ = [
    "STAT_NAMES",
    "data_file_batch",
    "data_file_schema",
    "partition_type",
    "refuse_other_formats",
    "rows_per_batch",
    "stat",
    "stats_type",
]

STAT_NAMES = ("null_count", "nan_count", "lower", "upper", "exact")

_CELLS_PER_BATCH = 1_000_000
_MOST_ROWS = 50_000
_FEWEST_ROWS = 500


def rows_per_batch(schema: Schema) -> int:
    """How many files a batch should hold, so that a table with many columns needs no more memory than one with few."""
    return max(_FEWEST_ROWS, min(_MOST_ROWS, _CELLS_PER_BATCH // max(1, len(schema.leaves))))


def partition_type(schema: Schema, specs: Iterable[PartitionSpec]) -> pa.StructType:
    """Type of the ``partition`` column: the union of all specs' fields, by field id.

    A field whose source column is no longer in the schema must be given with the void transform's null type by the
    source; here it is left out of the struct.
    """
    members: dict[int, pa.DataType] = {}
    for spec in specs:
        for field in spec.fields:
            node = schema.by_id.get(field.source_id)
            if node is not None and field.id not in members:
                members[field.id] = partition_arrow_type(field.transform, node.type)
    return pa.struct([pa.field(str(id_), type_) for id_, type_ in members.items()])


def stats_type(schema: Schema) -> pa.StructType:
    """Type of the ``stats`` column."""
    return pa.struct(
        [
            pa.field(
                str(leaf.field.id),
                pa.struct(
                    [
                        pa.field("null_count", pa.int64()),
                        pa.field("nan_count", pa.int64()),
                        pa.field("lower", arrow_type(leaf.field.type)),
                        pa.field("upper", arrow_type(leaf.field.type)),
                        pa.field("exact", pa.bool_()),
                    ],
                ),
            )
            for leaf in schema.leaves
        ],
    )


def data_file_schema(schema: Schema, specs: Iterable[PartitionSpec]) -> pa.Schema:
    """The Arrow schema that every batch of one snapshot has."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("row_count", pa.int64()),
            pa.field("modified_at", pa.int64()),
            pa.field("file_format", pa.string(), nullable=False),
            pa.field("spec_id", pa.int32(), nullable=False),
            pa.field("partition", partition_type(schema, specs), nullable=False),
            pa.field("stats", stats_type(schema), nullable=False),
            pa.field("deletion_vector", DELETION_VECTOR),
        ],
    )


def data_file_batch(
    shape: pa.Schema,
    columns: Mapping[str, pa.Array],
    partition: Mapping[int, pa.Array],
    stats: Mapping[int, Mapping[str, pa.Array]],
) -> pa.RecordBatch:
    """Assemble a batch; whatever is not given is unknown (null).

    Args:
        shape: What ``data_file_schema`` returned for this snapshot.
        columns: ``path``, ``size``, ``spec_id`` and whichever of the other columns are known.
            ``file_format`` defaults to ``PARQUET``, ``deletion_vector`` to none.
        partition: Values by partition field id.
        stats: By field id, then by statistic name.
    """
    rows = len(columns["path"])
    scalars: list[pa.Array] = []
    for field in list(shape)[:6]:
        if field.name in columns:
            scalars.append(columns[field.name].cast(field.type))
        elif field.name == "file_format":
            scalars.append(pa.repeat(pa.scalar("PARQUET"), rows))
        else:
            scalars.append(pa.nulls(rows, field.type))
    partition_struct = shape.field("partition").type
    stats_struct = shape.field("stats").type
    vectors = columns.get("deletion_vector")
    return pa.record_batch(
        [
            *scalars,
            _struct(
                partition_struct, [_typed(partition.get(int(f.name)), f.type, rows) for f in partition_struct], rows
            ),
            _struct(stats_struct, [_stat_struct(stats.get(int(f.name), {}), f.type, rows) for f in stats_struct], rows),
            vectors if vectors is not None else pa.nulls(rows, DELETION_VECTOR),
        ],
        schema=shape,
    )


def refuse_other_formats(batch: pa.RecordBatch, target: str) -> None:
    """Refuse files that are not Parquet.

    Args:
        batch: Of ``DataFile`` rows.
        target: The format that cannot have others, for the message: ``Delta``.

    Raises:
        UnsupportedTableFeature: Names a file and its format.
    """
    other = batch.filter(pc.not_equal(batch.column("file_format"), "PARQUET"))
    if len(other):
        raise UnsupportedTableFeature(
            f"The data file '{other.column('path')[0]}' is in the format {other.column('file_format')[0]}; {target} "
            "tables have Parquet files only.",
            hint="Rewrite such files as Parquet.",
        )


def stat(batch: pa.RecordBatch, field_id: int, name: str) -> pa.Array:
    """One statistic of one column: an array as long as the batch, all null where it is unknown."""
    stats = batch.column("stats")
    index = stats.type.get_field_index(str(field_id))
    if index < 0:
        return pa.nulls(len(batch), pa.int64())
    return stats.field(index).field(STAT_NAMES.index(name))


def _typed(values: pa.Array | None, type_: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, type_)
    return values if values.type == type_ else values.cast(type_)


def _stat_struct(given: Mapping[str, pa.Array], type_: pa.StructType, rows: int) -> pa.Array:
    return _struct(type_, [_typed(given.get(f.name), f.type, rows) for f in type_], rows)


def _struct(type_: pa.StructType, children: list[pa.Array], rows: int) -> pa.Array:
    if not children:
        return pa.array([{}] * rows, type_)
    return pa.StructArray.from_arrays(children, fields=list(type_))
