"""The files that a write added, as ``DataFile`` batches of the table as it was then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import FullSyncNeeded
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.partitions.partitioning import Partitioning
from converters.hudi.partitions.reader import PartitionReader
from converters.hudi.reading.columns import TableColumns
from converters.hudi.reading.file_batches import TableFiles
from converters.hudi.reading.indexed_statistics import statistics_index
from converters.hudi.reading.samples import sample_files
from converters.hudi.reading.statistics import ReadStatistics, StatisticsReader
from converters.hudi.reading.whole_table import PartitionPaths
from converters.hudi.table_config import TableConfig
from converters.model.partition import FIRST_PARTITION_FIELD_ID, PartitionField, PartitionSpec, Transform
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.parquet.field_ids import Samples
from converters.parquet.statistics import FileStatistics, Shape, read_statistics
from converters.storage.base import Storage

__all__ = ["AddedFiles", "AddedFilesReader", "PartitionColumn", "partition_columns", "restricted"]

_FEW = 256
"""Of so many files that Hudi wrote the footers are read: they say more than its index, and cost no more."""


class PartitionColumn(msgspec.Struct, frozen=True):
    """What a table is partitioned by, whichever ids its columns have."""

    column: str
    transform: Transform
    name: str


class AddedFiles(msgspec.Struct, frozen=True):
    """Files that were added, with what is known of them.

    Attributes:
        files: They, and their partition values.
        reader: Of their statistics.
        shapes: The different schemas that they have, as far as is known.
    """

    files: TableFiles
    reader: StatisticsReader
    shapes: tuple[Shape, ...]


def partition_columns(table: Table) -> tuple[PartitionColumn, ...]:
    """What a table's only spec says."""
    by_id = table.schema.by_id
    return tuple(
        PartitionColumn(by_id[field.source_id].dotted, field.transform, field.name)
        for field in table.default_spec.fields
    )


class AddedFilesReader:
    """Reads what is known of added files."""

    def __init__(
        self,
        storage: Storage,
        metadata_table: Callable[[], MetadataTable | None],
        config: TableConfig,
        paths: PartitionPaths,
    ) -> None:
        """Take what the table says of its files.

        Args:
            storage: Where the files are.
            metadata_table: Opens the table's metadata table, if it has one to be used.
            config: The table's properties.
            paths: What its partition paths are.
        """
        self._storage = storage
        self._samples = Samples(storage)
        self._metadata_table = metadata_table
        self._config = config
        self._partition_paths = paths

    def read(
        self,
        files: pa.Table,
        paths: pa.Array,
        columns: TableColumns,
        schema: Schema,
        partitioned_by: Sequence[PartitionColumn],
    ) -> AddedFiles:
        """Read it.

        Args:
            files: As ``file_names.base_files`` returns them.
            paths: Their locations.
            columns: The table's then.
            schema: The same with the ids that data files have.
            partitioned_by: What the table is partitioned by.

        Raises:
            FullSyncNeeded: The files are not partitioned so.
            CorruptTable: A file is missing or cannot be read.
            UnsupportedTableFeature: A file cannot be carried.
        """
        reader, statistics, shapes = self._statistics(files, paths, columns, schema)
        partitioning = Partitioning()
        said = self._partition_paths
        if said.fields and all(schema.field(each.column) is not None for each in partitioned_by):
            dropped = self._config.drops_partition_columns
            found = PartitionReader(reader, files, paths)
            partitioning = found.read(schema, said.fields, said.style, asked=said.asked, dropped=dropped).partitioning
        kept = restricted(partitioning, schema, partitioned_by)
        return AddedFiles(TableFiles(files, paths, kept, statistics), reader, shapes)

    def _statistics(
        self, files: pa.Table, paths: pa.Array, columns: TableColumns, schema: Schema
    ) -> tuple[StatisticsReader, FileStatistics | None, tuple[Shape, ...]]:
        if len(files) > _FEW or pc.any(files["external"]).as_py():
            shapes = sample_files(self._storage, self._samples, files, paths).shapes
            index = statistics_index(
                self._metadata_table(), columns.parsed, schema, shapes, self._config.indexed_columns
            )
            if index is not None:
                return StatisticsReader(self._storage, index), None, shapes
        read = read_statistics(self._storage, paths.to_pylist(), files["size"].to_pylist(), schema.leaves)
        return StatisticsReader(self._storage, ReadStatistics(read)), read, read.shapes


def restricted(found: Partitioning, schema: Schema, partitioned_by: Sequence[PartitionColumn]) -> Partitioning:
    """The partitioning by these columns alone.

    Raises:
        FullSyncNeeded: The files are not partitioned by one of them.
    """
    fields: list[PartitionField] = []
    values: dict[int, pa.Array] = {}
    for number, wanted in enumerate(partitioned_by):
        field = next(
            (
                each
                for each in found.spec.fields
                if schema.by_id[each.source_id].dotted == wanted.column and each.transform == wanted.transform
            ),
            None,
        )
        if field is None:
            raise FullSyncNeeded(f"new files are not partitioned by the column '{wanted.column}' as the others are")
        id_ = FIRST_PARTITION_FIELD_ID + number
        fields.append(PartitionField(id=id_, source_id=field.source_id, name=wanted.name, transform=field.transform))
        values[id_] = found.values[field.id]
    return Partitioning(PartitionSpec(0, tuple(fields)), values) if fields else Partitioning()
