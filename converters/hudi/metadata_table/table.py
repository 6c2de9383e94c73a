"""A table's metadata table: which files the table has, and statistics of columns in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.metadata_table.file_names import COLUMN_STATS, FILES
from converters.hudi.metadata_table.files import merged_files
from converters.hudi.metadata_table.keys import ALL_PARTITIONS, FileKeys, file_group_of, partition_key
from converters.hudi.metadata_table.single_records import read_records
from converters.hudi.metadata_table.slices import MetadataContent, MetadataSlice, find_slices, read_slice
from converters.hudi.metadata_table.statistics import StatisticsReader
from converters.hudi.table_config import TableConfig, metadata_table_location, read_table_config
from converters.hudi.timeline.active import Timeline, read_timeline
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["MetadataTable"]

_READ = (FILES, COLUMN_STATS)
_MOST_LOOKUPS = 2_000
"""More records than these are found sooner by reading all."""


class MetadataTable(msgspec.Struct, frozen=True, dict=True):
    """The metadata table as it is now; made by ``open``.

    Attributes:
        location: Its directory.
        config: Its properties.
        timeline: Its timeline.
        slices: Of the partitions ``files`` and ``column_stats``, those that may be used, their present file slices:
            one for each file group, ordered by name.
        pending: Times of the instants that are pending in the table's own timeline.
    """

    storage: Storage
    location: str
    config: TableConfig
    timeline: Timeline
    slices: Mapping[str, tuple[MetadataSlice, ...]]
    pending: frozenset[str]

    @classmethod
    def open(
        cls, storage: Storage, table_location: str, config: TableConfig, timeline: Timeline
    ) -> MetadataTable | None:
        """Find the metadata table of a table.

        Args:
            storage: Where it is.
            table_location: The table's directory.
            config: The table's properties, which say which partitions readers may use.
            timeline: The table's timeline.

        Returns:
            None where readers may not use it, or it is not there or has nothing committed.

        Raises:
            CorruptTable: Its properties cannot be read.
        """
        if FILES not in config.metadata_partitions:
            return None
        location = metadata_table_location(table_location)
        own_config = read_table_config(storage, location)
        if own_config is None:
            return None
        own_timeline = read_timeline(storage, location, own_config)
        slices = {
            partition: find_slices(storage, join(location, partition), own_timeline, own_config.version)
            for partition in _READ
            if partition in config.metadata_partitions
        }
        if not slices[FILES] or not own_timeline.writes():
            return None
        pending = frozenset(instant.time for instant in timeline.pending())
        return cls(storage, location, own_config, own_timeline, slices, pending)

    def partitions(self) -> list[str]:
        """The table's partition paths, sorted; ``''`` stands for the table without partitions.

        Raises:
            CorruptTable: A file is damaged.
            UnsupportedTableFeature: A file is of a form that is not supported.
        """
        return self._partitions_and_files[0]

    def files(self) -> pa.Table:
        """The table's files, log files among them.

        Files that were replaced and not yet cleaned are there, and those of commits that are not completed may be.

        Returns:
            ``partition`` (string, ``''`` for the table without partitions), ``name`` (string, as recorded: files that
            Hudi did not write end with ``_<instant>_hudiext``) and ``size`` (int64, bytes), without nulls.

        Raises:
            CorruptTable: A file is damaged.
            UnsupportedTableFeature: A file is of a form that is not supported.
        """
        return self._partitions_and_files[1]

    def files_of(self, partitions: Sequence[str]) -> pa.Table:
        """The files of some partitions, as ``files`` returns those of all.

        Raises:
            CorruptTable: A file is damaged.
            UnsupportedTableFeature: A file is of a form that is not supported.
        """
        if len(partitions) > _MOST_LOOKUPS:
            found = self.files()
        else:
            keys = [ALL_PARTITIONS.encode(), *(partition_key(path).encode() for path in partitions)]
            _, found = merged_files(self._records(FILES, keys), self._where(FILES))
        return found.filter(pc.is_in(found["partition"], value_set=pa.array(partitions, pa.string())))

    def column_stats(self, files: pa.Table, columns: Sequence[str]) -> pa.Table | None:
        """Statistics of columns in files.

        Args:
            files: ``partition`` (string, path or ``''``) and ``name`` (string, as the file is called in its directory).
            columns: Names, with dots where a column is nested.

        Returns:
            For each column a struct, in the files' order, null for a file that has no entry: ``value_count`` (int64,
            nulls counted among the values) and ``null_count`` (int64), each null where it is not known; ``min`` and
            ``max``, bounds typed as the metadata table types them (timestamps may be numbers in the unit of the
            table's schema), null where there are none or their types cannot be told or brought together; and
            ``tight`` (bool): whether values equal to both bounds are known to be there, null where it is not said.
            What Hudi also writes where it knows nothing is not known here, either: bounds of zero of floating-point
            numbers, and that all values are null.
            None where the table has no statistics that may be used.

        Raises:
            CorruptTable: A file is damaged.
            UnsupportedTableFeature: A file is of a form that is not supported.
        """
        if not self.slices.get(COLUMN_STATS):
            return None
        keys = FileKeys(_whole(files["partition"]), _whole(files["name"]))
        reader = self._statistics if len(keys) * len(columns) > _MOST_LOOKUPS else self._statistics_of(keys, columns)
        return pa.table({column: reader.column(keys, column) for column in columns})

    def _statistics_of(self, files: FileKeys, columns: Sequence[str]) -> StatisticsReader:
        """A reader that knows nothing but the statistics of these columns in these files."""
        forms = [form(column) for column in columns for form in (files.keys, files.old_keys)]
        wanted = pa.concat_arrays([pa.array([], pa.binary()), *forms])
        slices = self.slices[COLUMN_STATS]
        groups = file_group_of(wanted, len(slices))
        contents = [
            content
            for number, each in enumerate(slices)
            for content in read_records(
                self.storage,
                each,
                self.timeline,
                self.pending,
                wanted.filter(pa.array(groups == number)).to_pylist(),
                newest_only=True,
            )
        ]
        return StatisticsReader(contents, self._where(COLUMN_STATS))

    @functools.cached_property
    def _statistics(self) -> StatisticsReader:
        return StatisticsReader(self._contents(COLUMN_STATS), self._where(COLUMN_STATS))

    @functools.cached_property
    def _partitions_and_files(self) -> tuple[list[str], pa.Table]:
        return merged_files(self._contents(FILES), self._where(FILES))

    def _contents(self, partition: str) -> list[MetadataContent]:
        return [
            content
            for each in self.slices[partition]
            for content in read_slice(self.storage, each, self.timeline, self.pending)
        ]

    def _records(self, partition: str, keys: Sequence[bytes]) -> list[MetadataContent]:
        return [
            content
            for each in self.slices[partition]
            for content in read_records(self.storage, each, self.timeline, self.pending, keys, newest_only=False)
        ]

    def _where(self, partition: str) -> str:
        return f"The metadata table's partition '{join(self.location, partition)}'"


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
