"""The Delta source: a table's state and files from its log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

import msgspec
import pyarrow as pa

from converters.delta.log.listing import LOG_DIRECTORY, list_log
from converters.delta.log.protocol import check_readable
from converters.delta.log.reader import LogReader
from converters.delta.reading.changes import changes_since
from converters.delta.reading.data_files import DataFiles
from converters.delta.reading.snapshots import table_of
from converters.errors import CorruptTable, SourceTableNotFound
from converters.model.change import Change
from converters.model.snapshot import Snapshot
from converters.storage.base import Storage
from converters.sync.state import SyncState

__all__ = ["DeltaSource", "DeltaSourceOptions"]


class DeltaSourceOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``delta.source.``.

    Attributes:
        version: The table version to convert; the newest by default.  Files of an older version may be gone, so they
            are looked for.
    """

    version: int | None = None


class DeltaSource:
    """Reads one Delta table."""

    format_name: ClassVar[str] = "DELTA"
    options_type: ClassVar[type[msgspec.Struct]] = DeltaSourceOptions

    def __init__(self, storage: Storage, location: str, options: DeltaSourceOptions) -> None:
        """Name the table; nothing is read yet."""
        self._storage = storage
        self._location = location
        self._options = options
        self._log: LogReader | None = None
        self._files = DataFiles(storage)

    @classmethod
    def is_table(cls, storage: Storage, location: str) -> bool:
        """Whether ``_delta_log`` has a commit or a checkpoint."""
        return not list_log(storage, location).is_empty

    @classmethod
    def open(cls, storage: Storage, location: str, options: DeltaSourceOptions) -> Self:
        """Name the table to read; see ``Source.open``."""
        return cls(storage, location, options)

    def location(self) -> str:
        """The directory of the table; see ``Source.location``."""
        return self._location

    def data_location(self) -> str:
        """The directory of the table; see ``Source.data_location``."""
        return self._location

    def notes(self) -> list[str]:
        """Nothing; see ``Source.notes``."""
        return []

    def snapshot(self) -> Snapshot:
        """The table's newest version, or the one that the options name; see ``Source.snapshot``.

        Raises:
            SourceTableNotFound: There is no log, or it is empty.
            InvalidOption: The named version is not there.
            CorruptTable: The log has a gap, or a part of it is not understood.
            UnsupportedTableFeature: A reader feature, a type or a type change that we do not know or cannot carry.
        """
        log = LogReader.open(self._storage, self._location, self._options.version)
        if log is None:
            msg = f"No Delta table is at '{self._location}': its {LOG_DIRECTORY} has no commit and no checkpoint."
            raise SourceTableNotFound(msg, hint="Is it the table's directory?")
        state = log.state()
        check_readable(state, self._location)
        table = table_of(self._location, state, self._files.footers(log.some_files()))
        self._log = log
        return Snapshot(
            version=str(log.segment.version),
            committed_at=log.committed_at(state),
            file_count=log.file_count(),
            table=table,
        )

    def data_files(self, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        """Stream the snapshot's files; see ``Source.data_files``.

        Raises:
            CorruptTable: A part of the log, or a data file that had to be read, is missing or unreadable.
            UnsupportedTableFeature: A file's field ids contradict others.
        """
        log = self._log_of(snapshot)
        yield from self._files.batches(
            log.files(), snapshot.table, log.state(), check_present=not log.segment.is_latest
        )

    def changes(self, since: SyncState, until: Snapshot) -> Iterator[Change]:
        """What was committed since a sync, by the JSON commits; see ``Source.changes``.

        Raises:
            FullSyncNeeded: A commit is missing or is another than before, or a commit contradicts itself.
            CorruptTable: A part of the log is missing or not understood.
            UnsupportedTableFeature: A version on the way cannot be read.
        """
        return changes_since(self._log_of(until), self._files, until, since)

    def _log_of(self, snapshot: Snapshot) -> LogReader:
        """The log that a snapshot was read from."""
        log = self._log
        if log is None or str(log.segment.version) != snapshot.version:
            log = LogReader.open(self._storage, self._location, int(snapshot.version))
        if log is None:
            msg = f"The Delta table at '{self._location}' disappeared while it was read."
            raise CorruptTable(msg)
        return log
