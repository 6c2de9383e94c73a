"""Partition values of manifest entries, typed as the model has them (Iceberg spec, "Partitioning" and appendix A)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable
from converters.iceberg.manifests.avro_schema import partition_column
from converters.iceberg.manifests.reader import Entries
from converters.iceberg.statistics.bounds import decode_bounds
from converters.model.partition import PartitionSpec, result_type
from converters.model.schema import Schema
from converters.model.types import DecimalType, PrimitiveType, Type, arrow_type

__all__ = ["partition_values"]

_MICROS_PER_DAY = 86_400_000_000
_UNITS = {"timestamp": 1, "timestamptz": 1, "timestamp_ns": 1000, "timestamptz_ns": 1000}


def partition_values(entries: Entries, spec: PartitionSpec, schema: Schema) -> dict[int, pa.Array]:
    """The entries' partition values by partition field id.

    Fields whose source column is not in the schema are left out.

    Raises:
        CorruptTable: A field is missing, or of a type that the column cannot have had.
    """
    found: dict[int, pa.Array] = {}
    for field in spec.fields:
        node = schema.by_id.get(field.source_id)
        if node is None or field.transform.kind == "void":
            continue
        column = partition_column(entries.schema, field.id, field.name)
        if column is None:
            raise CorruptTable(f"A manifest of spec {spec.spec_id} lacks the partition field '{field.name}'.")
        values = entries.table.column(column.name).chunk(0)
        try:
            found[field.id] = _typed(values, result_type(field.transform, node.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise CorruptTable(
                f"The partition field '{field.name}' of spec {spec.spec_id} has values that the column "
                f"'{node.dotted}' cannot have: {error}."
            ) from error
    return found


def _typed(values: pa.Array, type_: Type) -> pa.Array:
    wanted = arrow_type(type_)
    kind = type_.kind if isinstance(type_, PrimitiveType) else ""
    if isinstance(type_, DecimalType) or kind == "uuid":
        # Avro writes these two as bounds are written.
        decoded = decode_bounds(type_, values)
        if decoded.null_count != values.null_count:
            raise pa.ArrowInvalid("one is out of range")
        return decoded
    if kind in _UNITS and pa.types.is_int32(values.type):
        # A column that was a date when the manifest was written (format version 3).
        return pc.multiply(values.cast(pa.int64()), _MICROS_PER_DAY * _UNITS[kind]).cast(wanted)
    if kind == "string":
        return values.cast(pa.binary()).cast(wanted) if pa.types.is_large_binary(values.type) else values.cast(wanted)
    return values.cast(wanted)
