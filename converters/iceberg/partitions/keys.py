"""Which partition a file is in, as one value that can be compared: deletes apply to files of their own partition."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.manifests.avro_schema import partition_column
from converters.iceberg.manifests.reader import Entries
from converters.iceberg.metadata.structs import TableMetadata
from converters.iceberg.partitions.json_form import spec_from_json
from converters.iceberg.partitions.values import partition_values
from converters.model.partition import PartitionSpec
from converters.model.schema import Schema

__all__ = ["PartitionKeys"]

_NOTHING = pa.scalar(b"", pa.binary())


class PartitionKeys:
    """Keys of partitions: equal where the spec and all partition values are (spec, "Scan Planning")."""

    def __init__(self, metadata: TableMetadata, schema: Schema) -> None:
        """Name the table.

        Args:
            metadata: It has all specs.
            schema: The columns that values are typed by; those of dropped columns are taken as they are written.
        """
        self._schema = schema
        self.spec = lru_cache(maxsize=None)(lambda spec_id: spec_from_json(metadata.spec_of(spec_id)))

    def is_everywhere(self, spec_id: int) -> bool:
        """Whether equality deletes of this spec apply to the files of all specs."""
        spec: PartitionSpec = self.spec(spec_id)
        return spec.is_unpartitioned

    def of(self, entries: Entries) -> pa.Array:
        """The key of each entry, binary.

        Raises:
            CorruptTable: A partition field is missing, or of a type that its column cannot have had.
            UnsupportedTableFeature: The spec uses an unknown transform.
        """
        spec: PartitionSpec = self.spec(entries.spec_id)
        typed = partition_values(entries, spec, self._schema)
        pieces: list[pa.Array | pa.Scalar] = [
            pa.repeat(pa.scalar(b"%d|" % spec.spec_id, pa.binary()), len(entries.table))
        ]
        for field in spec.fields:
            if field.transform.kind == "void":
                continue
            values = typed.get(field.id)
            if values is None:
                column = partition_column(entries.schema, field.id, field.name)
                if column is None:
                    continue
                values = entries.table.column(column.name).chunk(0)
            pieces.append(_piece(values))
        return pc.binary_join_element_wise(*pieces, _NOTHING)


def _piece(values: pa.Array) -> pa.Array:
    """Values as bytes that no other value has, also when more bytes follow."""
    type_ = values.type
    if pa.types.is_floating(type_):
        values = _bits(values)
    elif pa.types.is_decimal(type_):
        values = values.cast(pa.string())
    elif pa.types.is_boolean(type_):
        values = values.cast(pa.int8())
    elif pa.types.is_temporal(type_):
        values = values.view(pa.int32() if type_.bit_width == 32 else pa.int64())
    if pa.types.is_integer(values.type):
        values = values.cast(pa.string())
    values = values.cast(pa.binary())
    lengths = pc.binary_length(values).cast(pa.string()).cast(pa.binary())
    known = pc.binary_join_element_wise(lengths, values, pa.scalar(b":", pa.binary()))
    return pc.fill_null(known, pa.scalar(b"-", pa.binary()))


def _bits(values: pa.Array) -> pa.Array:
    """Floating-point numbers by their bits, as Java compares them: zeros differ, and NaN is NaN."""
    numbers = values.cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False).copy()
    numbers[np.isnan(numbers)] = np.nan
    return pc.if_else(values.is_valid(), pa.array(numbers.view(np.int64)), pa.scalar(None, pa.int64()))
