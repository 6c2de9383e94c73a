"""Making a Hudi table that is there equal to a snapshot, by one replace commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa

from converters.errors import CommitConflict
from converters.hudi.metadata_table.content import StatisticsOfFiles
from converters.hudi.metadata_table.writer import Records
from converters.hudi.writing.base import Base
from converters.hudi.writing.continuable import check_continuable
from converters.hudi.writing.indexed_columns import IndexedColumns
from converters.hudi.writing.layout import Layout
from converters.hudi.writing.retention import keep_from
from converters.hudi.writing.target_files import Difference, compare, read_target_files
from converters.hudi.writing.update import Changes, Update
from converters.storage.base import Storage
from converters.sync.state import SOURCE_KEY, XTABLE_KEY

__all__ = ["LaterSync", "Synced"]


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
        self._keep_from = keep_from(retention_hours)
        self._indexed = IndexedColumns(base, layout)

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
        statistics = StatisticsOfFiles(self._indexed.index, files, batches)
        for _ in range(2):
            with Update(self._storage, self._location, self._base, committed_at) as update:
                target = read_target_files(self._base, update.metadata_table.files())
                difference = compare(files, target)
                if not difference.returning:
                    update.commit(self._changes(statistics, files, difference, extra), target)
                    added = int(difference.added.sum()) - int(difference.rewritten.sum())
                    return Synced(update.time, added, difference.files_removed)
                update.commit(self._forgetting(update, statistics, files, difference.returning), target)
            self._base = Base(self._storage, self._location, self._base.config)
        raise CommitConflict(f"Files come and go in the Hudi table at '{self._location}'.")

    def _changes(
        self, statistics: StatisticsOfFiles, files: pa.Table, difference: Difference, extra: Mapping[str, str]
    ) -> Changes:
        return Changes(
            added=files.filter(pa.array(difference.added)),
            removed=difference.removed,
            extra=extra,
            statistics=self._statistics(statistics, files, difference),
            all_statistics=statistics.records(),
            statistics_switch=bool(self._indexed.retyped),
            keep_from=self._keep_from,
        )

    def _forgetting(self, update: Update, statistics: StatisticsOfFiles, files: pa.Table, returning: str) -> Changes:
        """A commit that leaves the table as it is."""
        noted = {key: value for key, value in self._base.noted.items() if key in {XTABLE_KEY, SOURCE_KEY}}
        later = [each.time for each in self._base.writes if each.time > returning]
        records = () if self._indexed.retyped or not self._indexed.index.usable else statistics.records()
        return Changes(
            added=files.slice(0, 0),
            removed={},
            extra={"schema": self._base.schema_text, **({} if self._base.changed else noted)},
            all_statistics=records,
            keep_from=self._keep_from,
            forget_before=min(later, default=update.time),
        )

    def _statistics(self, statistics: StatisticsOfFiles, files: pa.Table, difference: Difference) -> Records:
        """What the log files have to say: of new files everything, of the others what is no longer right."""
        incomplete = ~statistics.complete
        wrong = difference.rewritten & incomplete
        yield from statistics.records(difference.added)
        if retyped := self._indexed.retyped:
            yield from statistics.records(~difference.added, retyped)
            wrong = wrong | (~difference.added & incomplete)
        yield from self._indexed.tombstones(files.filter(pa.array(wrong)))
