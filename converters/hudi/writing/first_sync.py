"""Making a Hudi table where there is none.

Everything is written first and ``hoodie.properties`` last, without which no reader takes the directory for a table.  So
a table of many files may come into being by several commits, none of them too large for a reader; the newest one,
which all readers decode for the schema, is small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from converters.hudi.metadata_table.content import StatisticsOfFiles, files_entries, files_records
from converters.hudi.metadata_table.file_names import COLUMN_STATS, FILES
from converters.hudi.metadata_table.writer import MetadataCommit, group_name
from converters.hudi.table_config import (
    PROPERTIES_FILE,
    TableConfig,
    hoodie_directory,
    metadata_table_location,
    properties_text,
)
from converters.hudi.timeline.active import read_timeline
from converters.hudi.timeline.instant_files import InstantFiles
from converters.hudi.timeline.instants import instant_millis, instant_time, next_instant
from converters.hudi.writing.claim import Claim
from converters.hudi.writing.column_index import ColumnIndex
from converters.hudi.writing.commit_content import CommitContent
from converters.hudi.writing.commit_files import json_bytes_of
from converters.hudi.writing.layout import Layout
from converters.hudi.writing.put_new import put_new
from converters.hudi.writing.source_files import partition_runs
from converters.hudi.writing.table_properties import (
    INDEX_DEFINITIONS,
    index_definitions,
    metadata_table_config,
    table_config,
)
from converters.staging import Spool, no_room
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["FirstSync", "divided"]

_BYTES_OF_ONE_COMMIT = 4 * 2**20
_BYTES_OF_A_COMMIT = 40 * 2**20
_FILES_OF_THE_LAST = 1_000
_RECORDS_OF_A_GROUP = 500_000


class FirstSync:
    """One attempt."""

    def __init__(
        self, storage: Storage, location: str, name: str, version: int, layout: Layout, index: ColumnIndex | None
    ) -> None:
        """Name the parts; nothing is read or written yet.

        Args:
            storage: Where the table is to be.
            location: Its directory.
            name: Its name.
            version: Its table version.
            layout: What it will be.
            index: Its columns with statistics; None where it is to have no partition ``column_stats``.
        """
        self._storage = storage
        self._location = location
        self._index = index
        self._config = table_config(
            name,
            version,
            partition_columns=layout.partition_columns,
            record_key=layout.record_key,
            hive_style=bool(layout.partition_columns) and layout.forms.hive_style,
            escaped=not layout.forms.plain,
            indexed_columns=None if index is None else [column.name for column in index.columns],
        )
        self._metadata_config = metadata_table_config(name, version)

    def run(
        self, files: pa.Table, batches: Sequence[pa.RecordBatch], extra: Mapping[str, str], committed_at: int
    ) -> str:
        """Write the table.

        Args:
            files: All files, of ``SOURCE_FILES``.
            batches: The same with their statistics.
            extra: What the commits note.
            committed_at: When the source's version was committed, milliseconds since the epoch.

        Returns:
            The newest instant.

        Raises:
            CommitConflict: Somebody else has made a table there.
        """
        ordered, _ = partition_runs(files)
        parts = divided(ordered)
        times = self._times(len(parts), committed_at)
        claim = Claim(self._storage, self._location, self._config, times[0])
        claim.take(None)
        try:
            instants = [claim.files, *(claim.announce(each) for each in times[1:])]
            for each in instants:
                put_new(self._storage, each.inflight, b"")
            self._write_metadata_table(files, batches, parts, instants)
            for part, each in zip(parts, instants, strict=True):
                self._write_commit(part, each, extra)
            claim.check()
            self._put_properties(self._location, self._config)
        except BaseException:
            claim.undo()
            raise
        claim.release()
        return times[-1]

    def _times(self, count: int, committed_at: int) -> list[str]:
        """Times that follow each other, the last one the source's if nothing is later; none may be in use."""
        used = [
            read_timeline(self._storage, each, self._config).last_time
            for each in (self._location, metadata_table_location(self._location))
        ]
        first = next_instant(max(used), committed_at - count + 1)
        start = instant_millis(first)
        return [instant_time(start + number) for number in range(count)]

    def _write_commit(self, files: pa.Table, instant: InstantFiles, extra: Mapping[str, str]) -> None:
        with Spool() as spool:
            with no_room():
                CommitContent(self._config.version).write(spool, instant.time, extra, files, {})
            put_new(self._storage, instant.completed, spool.content())

    def _write_metadata_table(
        self,
        files: pa.Table,
        batches: Sequence[pa.RecordBatch],
        parts: Sequence[pa.Table],
        instants: Sequence[InstantFiles],
    ) -> None:
        location = metadata_table_location(self._location)
        commit = MetadataCommit(self._storage, location, self._metadata_config, instants[-1].time)
        entries = files_entries(parts, [each.time for each in instants])
        commit.base_files(FILES, [group_name(FILES, 0)], files_records(entries))
        if self._index is not None:
            statistics = StatisticsOfFiles(self._index, files, batches)
            records = int(statistics.complete.sum()) * len(self._index.in_key_order())
            names = [group_name(COLUMN_STATS, n) for n in range(max(1, math.ceil(records / _RECORDS_OF_A_GROUP)))]
            commit.base_files(COLUMN_STATS, names, statistics.records())
            columns = [column.name for column in self._index.columns]
            put_new(
                self._storage, join(hoodie_directory(self._location), INDEX_DEFINITIONS), index_definitions(columns)
            )
        commit.complete(CommitContent(self._config.version).delta_commit)
        self._put_properties(location, self._metadata_config)

    def _put_properties(self, location: str, config: TableConfig) -> None:
        text = properties_text(config.properties, "Written by Tablecast")
        put_new(self._storage, join(hoodie_directory(location), PROPERTIES_FILE), text)


def divided(files: pa.Table) -> list[pa.Table]:
    """Divide files, ordered by partition, into commits, of which none is too large and the last one is small."""
    ends = np.cumsum(json_bytes_of(files).to_numpy()) if len(files) else np.zeros(0, np.int64)
    if not len(files) or int(ends[-1]) <= _BYTES_OF_ONE_COMMIT:
        return [files]
    last = min(_FILES_OF_THE_LAST, len(files) - 1)
    rest = len(files) - last
    cuts = [0]
    while cuts[-1] < rest:
        before = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        cut = int(np.searchsorted(ends, before + _BYTES_OF_A_COMMIT, side="right"))
        cuts.append(min(max(cut, cuts[-1] + 1), rest))
    return [files.slice(start, end - start) for start, end in zip(cuts, [*cuts[1:], len(files)], strict=True)]
