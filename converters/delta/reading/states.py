"""The table at each of the versions that a chain of commits goes through."""

from __future__ import annotations

from converters.delta.log.commit_actions import CommitActions
from converters.delta.log.protocol import check_readable, mapping_mode
from converters.delta.log.reader import LogReader
from converters.delta.log.state import TableState
from converters.delta.reading.data_files import DataFiles
from converters.delta.reading.snapshots import table_of
from converters.errors import CorruptTable, FullSyncNeeded, InvalidOption
from converters.model.snapshot import Snapshot, Table

__all__ = ["States", "log_at"]


class States:
    """Folds small actions, commit by commit.

    Where a table does not map its columns, field ids are either made up from the schema alone, as good in one version
    as in another, or those that data files have.  The latter cannot be followed through changes of the schema.
    """

    def __init__(self, before: LogReader, last: LogReader, files: DataFiles, until: Snapshot) -> None:
        """Begin.

        Args:
            before: The version before the first commit.
            last: The version that the last commit makes.
            files: Reads data files.
            until: The snapshot of that version.

        Raises:
            FullSyncNeeded: Field ids are not known to be the same before as in ``until``.
        """
        self._last = last
        self._files = files
        self._until = until
        self.state = before.state()
        self._known: tuple[TableState, Table] = (last.state(), until.table)
        if _has_ids_of_files(last.state(), until.table):
            table = _table(before, self.state, files)
            if table.field_ids != "all" or table.schema != until.table.schema:
                raise _other_ids(until.version)

    def after(self, commit: CommitActions) -> Snapshot:
        """The table after a commit, which is the one after the last that was given.

        Raises:
            FullSyncNeeded: Field ids are not those of the other versions, or the table is another.
            CorruptTable: The schema is not understood.
            UnsupportedTableFeature: The version cannot be read.
        """
        self.state = state = commit.small.applied_to(self.state)
        if commit.version == self._last.segment.version:
            if (state.protocol, state.metadata) != (self._last.state().protocol, self._last.state().metadata):
                raise FullSyncNeeded(f"the commits do not lead to version {commit.version} as the log has it")
            return self._until
        info = commit.small.commit_info
        time = info.in_commit_timestamp if state.has_commit_times and info is not None else None
        return Snapshot(
            version=str(commit.version),
            committed_at=commit.commit.file.modified_at if time is None else time,
            table=self._table(state, commit.version),
        )

    def _table(self, state: TableState, version: int) -> Table:
        known, table = self._known
        if (known.protocol, known.metadata) == (state.protocol, state.metadata):
            return table
        if (state.protocol, state.metadata) == (self._last.state().protocol, self._last.state().metadata):
            table = self._until.table
        else:
            table = self._other_table(state, version)
        self._known = state, table
        return table

    def _other_table(self, state: TableState, version: int) -> Table:
        if state.metadata.id != self._until.table.id:
            raise FullSyncNeeded(f"version {version} is of another table ({state.metadata.id})")
        check_readable(state, self._last.location)
        table = _table(log_at(self._last, version), state, self._files)
        if _has_ids_of_files(state, table) or _has_ids_of_files(self._last.state(), self._until.table):
            raise _other_ids(str(version))
        return table


def log_at(log: LogReader, version: int) -> LogReader:
    """A log at an earlier version.

    Raises:
        FullSyncNeeded: That can no longer be read.
    """
    try:
        return log.at(version)
    except (InvalidOption, CorruptTable) as error:
        raise FullSyncNeeded(f"the log can no longer tell what the table was at version {version}") from error


def _table(log: LogReader, state: TableState, files: DataFiles) -> Table:
    return table_of(log.location, state, files.footers(log.some_files()))


def _has_ids_of_files(state: TableState, table: Table) -> bool:
    return mapping_mode(state) == "none" and table.field_ids == "all"


def _other_ids(version: str) -> FullSyncNeeded:
    return FullSyncNeeded(f"the field ids of version {version} are those of its data files, which all have to be read")
