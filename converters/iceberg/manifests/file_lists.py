"""Which data files manifests list, without their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from converters.iceberg.manifests.list_reader import ManifestFile
from converters.iceberg.manifests.reader import FILE_COLUMNS, PATH, ROWS, SEQUENCE, SIZE, read_entries
from converters.iceberg.partitions.keys import PartitionKeys
from converters.storage.base import Storage
from converters.storage.location import canonical_all

if TYPE_CHECKING:
    import polars as pl

__all__ = ["IDENTITY", "listed_files"]

IDENTITY = ["path", "size", "row_count", "sequence", "spec_id"]
"""A data file is another one where any of these differs."""

_ENTRIES = 50_000
_SHAPE = pa.schema(
    [
        pa.field("path", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("row_count", pa.int64()),
        pa.field("sequence", pa.int64()),
        pa.field("spec_id", pa.int32()),
    ]
)


def listed_files(
    storage: Storage, manifests: Sequence[ManifestFile], keys: PartitionKeys | None = None
) -> pl.DataFrame:
    """The live data files of some manifests: ``IDENTITY``, and their ``partition`` keys where ``keys`` are given.

    Raises:
        CorruptTable: A manifest is missing or unreadable.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    shape = _SHAPE if keys is None else _SHAPE.append(pa.field("partition", pa.binary()))
    parts = [shape.empty_table()]
    for entries in read_entries(storage, manifests, _ENTRIES, FILE_COLUMNS):
        table = entries.table
        columns: list[pa.Array] = [
            canonical_all(table.column(PATH).combine_chunks().cast(pa.string())),
            *(table.column(name).combine_chunks() for name in (SIZE, ROWS, SEQUENCE)),
            pa.repeat(pa.scalar(entries.spec_id, pa.int32()), len(table)),
        ]
        if keys is not None:
            columns.append(keys.of(entries))
        parts.append(pa.table(columns, schema=shape))
    return pl.DataFrame(pa.concat_tables(parts))
