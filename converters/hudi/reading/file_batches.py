"""From live base files to the model's ``DataFile`` batches."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.partitions.partitioning import Partitioning
from converters.hudi.reading.statistics import StatisticsReader, model_statistics
from converters.model.data_file import data_file_batch, data_file_schema, rows_per_batch
from converters.model.snapshot import Table
from converters.parquet.statistics import FileStatistics

__all__ = ["TableFiles", "file_batches"]


class TableFiles(msgspec.Struct, frozen=True):
    """The live base files, and what is known of each.

    Attributes:
        files: As ``file_names.base_files`` returns them.
        paths: Their locations.
        partitioning: Their partition values.
        statistics: Statistics of all columns, where all were read already.
    """

    files: pa.Table
    paths: pa.Array
    partitioning: Partitioning
    statistics: FileStatistics | None


def file_batches(found: TableFiles, table: Table, reader: StatisticsReader) -> Iterator[pa.RecordBatch]:
    """Make batches.

    Raises:
        CorruptTable: A file that has to be read is missing or unreadable.
    """
    shape = data_file_schema(table.schema, table.specs)
    size = rows_per_batch(table.schema)
    for start in range(0, len(found.files), size):
        files = found.files.slice(start, size)
        paths = found.paths.slice(start, size)
        statistics = _statistics(found, start, files, paths, table, reader)
        statistics = _without_path_columns(statistics, found.partitioning)
        yield data_file_batch(
            shape,
            {
                "path": paths,
                "size": files["size"].combine_chunks(),
                "row_count": statistics.row_count,
                "spec_id": pa.repeat(pa.scalar(found.partitioning.spec.spec_id, pa.int32()), len(files)),
            },
            {id_: values.slice(start, size) for id_, values in found.partitioning.values.items()},
            model_statistics(statistics),
        )


def _statistics(
    found: TableFiles, start: int, files: pa.Table, paths: pa.Array, table: Table, reader: StatisticsReader
) -> FileStatistics:
    if found.statistics is not None:
        return _sliced(found.statistics, start, len(files))
    leaves = table.schema.leaves
    known = reader.indexed(files, leaves)
    return reader.completed(known, pc.is_null(known.row_count), files, paths, leaves)


def _without_path_columns(statistics: FileStatistics, partitioning: Partitioning) -> FileStatistics:
    """Take a partition column that a file lacks for unknown, not for null: its value is in the path."""
    columns = dict(statistics.columns)
    for field in partitioning.spec.fields:
        leaf = columns.get(field.source_id)
        if leaf is not None:
            there = pc.fill_null(leaf.present, fill_value=False)
            null_count = pc.if_else(there, leaf.null_count, pa.scalar(None, pa.int64()))
            columns[field.source_id] = msgspec.structs.replace(leaf, null_count=null_count)
    return msgspec.structs.replace(statistics, columns=columns)


def _sliced(statistics: FileStatistics, start: int, count: int) -> FileStatistics:
    columns = {
        id_: type(leaf)(*(getattr(leaf, name).slice(start, count) for name in leaf.__struct_fields__))
        for id_, leaf in statistics.columns.items()
    }
    return FileStatistics(statistics.row_count.slice(start, count), columns)
