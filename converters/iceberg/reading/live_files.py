"""The live data files of a snapshot as ``DataFile`` batches, with what is deleted from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from converters.iceberg.manifests.list_reader import ManifestFile
from converters.iceberg.manifests.path_filter import PathFilter
from converters.iceberg.manifests.reader import Entries, read_entries
from converters.iceberg.metadata.view import View
from converters.iceberg.partitions.keys import PartitionKeys
from converters.iceberg.reading.file_batches import file_batch
from converters.model.data_file import data_file_schema, rows_per_batch
from converters.model.snapshot import Table
from converters.storage.base import Storage

if TYPE_CHECKING:
    from converters.iceberg.row_deletes.vectors import RowDeletes

__all__ = ["live_files", "partition_keys", "row_deletes", "with_vectors"]


def live_files(
    storage: Storage, manifests: Sequence[ManifestFile], table: Table, only: PathFilter | None = None
) -> Iterator[tuple[Entries, pa.RecordBatch]]:
    """Stream the files of data manifests, as entries and as ``DataFile`` batches without deletion vectors.

    Args:
        storage: Where the manifests are.
        manifests: Which to read, in order.
        table: The table that the files are of.
        only: Which files; all when None.

    Raises:
        CorruptTable: A manifest is missing, unreadable, or contradicts the table's metadata.
        UnsupportedTableFeature: A file is encrypted, or a manifest of an unknown kind.
    """
    shape = data_file_schema(table.schema, table.specs)
    for entries in read_entries(storage, manifests, rows_per_batch(table.schema), only=only):
        yield entries, file_batch(entries, table, shape)


def with_vectors(entries: Entries, batch: pa.RecordBatch, deletes: RowDeletes | None) -> pa.RecordBatch:
    """A batch of ``live_files`` with its deletion vectors."""
    if deletes is None:
        return batch
    place = batch.schema.get_field_index("deletion_vector")
    return batch.set_column(place, batch.schema.field(place), deletes.vectors(entries, batch))


def partition_keys(view: View) -> PartitionKeys:
    """The keys of the table's partitions."""
    return PartitionKeys(view.loaded.metadata, view.schema)


def row_deletes(storage: Storage, view: View, *, may_read_data: bool) -> RowDeletes | None:
    """The deletes of a snapshot; None where there are none.

    Args:
        storage: Where its files are.
        view: The snapshot.
        may_read_data: Whether data files may be read, to resolve equality deletes.

    Raises:
        CorruptTable: A delete manifest is missing or unreadable.
        UnsupportedTableFeature: There are deletes that cannot be resolved.
    """
    if not view.deletes:
        return None
    from converters.iceberg.row_deletes.delete_files import read_delete_files  # noqa: PLC0415 - only where there are any
    from converters.iceberg.row_deletes.key_columns import KeyColumns  # noqa: PLC0415
    from converters.iceberg.row_deletes.vectors import RowDeletes  # noqa: PLC0415

    keys = partition_keys(view)
    files = read_delete_files(storage, view.deletes, keys)
    if not len(files):
        return None
    columns = KeyColumns(storage, view.loaded.metadata, view.schema) if may_read_data else None
    return RowDeletes(storage, files, keys, columns)
