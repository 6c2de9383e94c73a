"""Finds out how a table is partitioned, reading of its files no more than it takes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature
from converters.hudi.partitions.key_generators import PathField
from converters.hudi.partitions.partitioning import Partitioning, partition_leaves, partitioning, unsettled
from converters.hudi.partitions.values import PathStyle
from converters.hudi.reading.statistics import StatisticsReader
from converters.model.schema import Schema
from converters.parquet.statistics import FileStatistics, Shape

__all__ = ["PartitionReader", "PartitionedFiles"]


class PartitionedFiles(msgspec.Struct, frozen=True):
    """How a table is partitioned.

    Attributes:
        partitioning: That.
        statistics: Statistics of all columns, where the files had to be read anyway.
    """

    partitioning: Partitioning
    statistics: FileStatistics | None = None

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The different schemas of the files that were read."""
        return () if self.statistics is None else self.statistics.shapes


class PartitionReader:
    """Reads how the files of one table are partitioned."""

    def __init__(self, reader: StatisticsReader, files: pa.Table, paths: pa.Array) -> None:
        """Take the live files and their locations."""
        self._reader = reader
        self._files = files
        self._paths = paths

    def read(
        self, schema: Schema, fields: Sequence[PathField], style: PathStyle, *, asked: bool, dropped: bool
    ) -> PartitionedFiles:
        """Find out how they are partitioned.

        Args:
            schema: The table's.
            fields: What partition paths consist of.
            style: How they are written.
            asked: As ``partitioning`` has it.
            dropped: Whether the table says that its files lack the partition columns.

        Raises:
            InvalidOption: As ``partitioning``.
            CorruptTable: A file that has to be read is missing or unreadable.
            UnsupportedTableFeature: As ``partitioning``.
        """
        if not fields:
            return PartitionedFiles(Partitioning())
        leaves = partition_leaves(schema, fields)
        known = self._reader.indexed(self._files, leaves)
        # Whoever registers another system's files sees to it that directories say their partition values.
        by_path = (
            pa.repeat(pa.scalar(value=True), len(self._files)) if dropped else self._files["external"].combine_chunks()
        )
        assumed = _assumed(known, by_path)
        open_ = unsettled(assumed)
        if not pc.any(open_).as_py():
            try:
                found = partitioning(schema, fields, style, self._files, assumed, asked=asked)
                if not found.notes or not pc.any(by_path).as_py():
                    return PartitionedFiles(found)
            except UnsupportedTableFeature:
                pass
            open_ = unsettled(known)
        whole = self._reader.has_no_index
        if whole:
            leaves = list(schema.leaves)
            known = self._reader.indexed(self._files, leaves)
            open_ = pa.repeat(pa.scalar(value=True), len(self._files))
        complete = self._reader.completed(known, open_, self._files, self._paths, leaves)
        found = partitioning(schema, fields, style, self._files, complete, asked=asked)
        return PartitionedFiles(found, complete if whole else None)


def _assumed(statistics: FileStatistics, by_path: pa.Array) -> FileStatistics:
    """Statistics in which files are taken to lack columns of which nothing is known."""
    columns = {
        id_: msgspec.structs.replace(
            leaf, present=pc.if_else(pc.and_(by_path, pc.is_null(leaf.present)), pa.scalar(value=False), leaf.present)
        )
        for id_, leaf in statistics.columns.items()
    }
    return msgspec.structs.replace(statistics, columns=columns)
