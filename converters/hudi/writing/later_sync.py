"""Making a Hudi table that is there equal to a snapshot, by one replace commit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from converters.errors import CommitConflict
from converters.hudi.metadata_table.content import StatisticsOfFiles, statistics_records
from converters.hudi.metadata_table.records import column_stats_tombstones, sorted_records
from converters.hudi.metadata_table.table import COLUMN_STATS, MetadataTable
from converters.hudi.schema.reader import read_schema
from converters.hudi.timeline.instants import instant_time
from converters.hudi.writing.base import Base
from converters.hudi.writing.column_index import ColumnIndex
from converters.hudi.writing.continuable import check_continuable
from converters.hudi.writing.layout import Layout
from converters.hudi.writing.target_files import Difference, compare, read_target_files
from converters.hudi.writing.update import Changes, Update
from converters.storage.base import Storage
from converters.sync.state import SOURCE_KEY, XTABLE_KEY

__all__ = ["LaterSync", "Synced", "indexed_columns"]

BoolArray = npt.NDArray[np.bool_]

_LOGS_OF_STATISTICS = 10
_MOST_LOGS_OF_STATISTICS = 50
_LARGE_LOGS = 0.25
_SMALL = 4 * 2**20
_HOUR = 3_600_000


class Synced(msgspec.Struct, frozen=True):
    """What a sync did.

    Attributes:
        version: The instant that it made.
        files_added: Files that the target lists now and did not before.
        files_removed: The reverse.
    """

    version: str
    files_added: int
    files_removed: int


class LaterSync:
    """One attempt."""

    def __init__(self, storage: Storage, location: str, base: Base, layout: Layout, retention_hours: int) -> None:
        """Name the parts; nothing is written yet.

        Args:
            storage: Where the table is.
            location: Its directory.
            base: The table as it is.
            layout: What it is to be.
            retention_hours: How old a commit may become.

        Raises:
            UnsupportedTableFeature: The table cannot be continued.
        """
        check_continuable(base.config, location, layout)
        self._storage = storage
        self._location = location
        self._base = base
        self._layout = layout
        self._keep_from = instant_time(max(0, int(time.time() * 1000) - retention_hours * _HOUR))
        self._index = ColumnIndex.of(indexed_columns(base) or (), layout.schema, layout.partition_columns)

    def run(
        self, files: pa.Table, batches: Sequence[pa.RecordBatch], extra: Mapping[str, str], committed_at: int
    ) -> Synced:
        """Write the commit.

        A file that comes back after it was removed takes a commit before, which changes nothing but gives up the
        instants up to the one that removed it: that one would hide the file for ever.

        Args:
            files: All files of the source, of ``SOURCE_FILES``.
            batches: The same with their statistics, where there are indexed columns.
            extra: What the commit notes.
            committed_at: When the source's version was committed, milliseconds since the epoch.

        Raises:
            CommitConflict: Somebody else is writing, or has written since the base was read.
        """
        statistics = StatisticsOfFiles(self._index, files, batches)
        for _ in range(2):
            with Update(self._storage, self._location, self._base, committed_at) as update:
                target = read_target_files(self._base, update.metadata_table.files())
                difference = compare(files, target)
                if not difference.returning:
                    update.commit(target, self._changes(update, statistics, files, difference, extra))
                    added = int(difference.added.sum()) - int(difference.rewritten.sum())
                    return Synced(update.time, added, difference.files_removed)
                update.commit(target, self._forgetting(update, statistics, files, difference.returning))
            self._base = Base(self._storage, self._location, self._base.config)
        raise CommitConflict(f"Files come and go in the Hudi table at '{self._location}'.")

    def _changes(
        self,
        update: Update,
        statistics: StatisticsOfFiles,
        files: pa.Table,
        difference: Difference,
        extra: Mapping[str, str],
    ) -> Changes:
        whole = self._rewrites_statistics(update.metadata_table)
        return Changes(
            added=files.filter(pa.array(difference.added)),
            removed=difference.removed,
            extra=extra,
            statistics=None if whole else self._statistics(statistics, files, difference),
            all_statistics=statistics.records() if whole else None,
            keep_from=self._keep_from,
        )

    def _forgetting(self, update: Update, statistics: StatisticsOfFiles, files: pa.Table, returning: str) -> Changes:
        """A commit that leaves the table as it is."""
        noted = {key: value for key, value in self._base.noted.items() if key in {XTABLE_KEY, SOURCE_KEY}}
        later = [each.time for each in self._base.writes if each.time > returning]
        has_statistics = COLUMN_STATS in update.metadata_table.slices
        records = () if self._retyped() or not self._index.usable else statistics.records()
        return Changes(
            added=files.slice(0, 0),
            removed={},
            extra={"schema": self._base.schema_text, **({} if self._base.changed else noted)},
            all_statistics=records if has_statistics else None,
            keep_from=self._keep_from,
            forget_before=min(later, default=update.time),
        )

    def _rewrites_statistics(self, table: MetadataTable) -> bool:
        """Whether the statistics' log files have become so many that new base files pay."""
        slices = table.slices.get(COLUMN_STATS, ())
        if indexed_columns(self._base) is None or self._retyped():
            return False
        most = max((len(each.logs) for each in slices), default=0)
        logs = sum(log.file.size for each in slices for log in each.logs)
        bases = sum(each.base.size for each in slices if each.base is not None)
        pays = logs > bases * _LARGE_LOGS or logs + bases < _SMALL
        return most >= _MOST_LOGS_OF_STATISTICS or (most >= _LOGS_OF_STATISTICS and pays)

    def _statistics(
        self, statistics: StatisticsOfFiles, files: pa.Table, difference: Difference
    ) -> tuple[pa.Array, pa.Array]:
        """What the log files have to say: of new files everything, of the others what is no longer right."""
        parts = list(statistics.records(difference.added))
        incomplete = ~statistics.complete
        wrong = difference.rewritten & incomplete
        if retyped := self._retyped():
            parts += statistics.records(~difference.added, retyped)
            wrong = wrong | (~difference.added & incomplete)
        parts += self._tombstones(files, wrong)
        return sorted_records(*statistics_records(parts))

    def _tombstones(self, files: pa.Table, wrong: BoolArray) -> Iterator[tuple[pa.Array, pa.Array]]:
        if not wrong.any():
            return
        chosen = files.filter(pa.array(wrong))
        partition = chosen["partition"].combine_chunks()
        known = indexed_columns(self._base)
        names = [field.name for field in self._layout.schema.fields] if known is None else known
        yield from column_stats_tombstones(
            partition.dictionary.take(partition.indices), chosen["name"].combine_chunks(), names
        )

    def _retyped(self) -> list[str]:
        """Indexed columns that are of another type than before: Hudi does not read the old bounds as the new type."""
        text = self._base.schema_text
        if not text or not self._index.columns:
            return []
        before = read_schema(text, keep_meta_columns=True)
        now = read_schema(self._layout.schema_text, keep_meta_columns=True)
        return [
            column.name
            for column in (*self._index.columns, *self._index.filled)
            if (old := before.field(column.name)) is not None
            and (new := now.field(column.name)) is not None
            and old.type != new.type
        ]


def indexed_columns(base: Base) -> tuple[str, ...] | None:
    """The columns whose statistics a sync keeps up; None where it keeps up none."""
    return base.config.indexed_columns if COLUMN_STATS in base.config.metadata_partitions else None
