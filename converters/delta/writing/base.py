"""What is at a Delta target before a sync: its state, its live files, and whether somebody else changed it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.entry_search import ENTRY, as_entries
from converters.delta.log.listing import CommitFile, Segment
from converters.delta.log.reader import LogReader
from converters.delta.log.state import TableState
from converters.errors import CorruptTable
from converters.storage.base import ObjectMeta, Storage
from converters.sync.state import XTABLE_KEY

__all__ = ["Base", "read_base"]

_HEAD = 64 * 2**10
_CHANGES = frozenset({"add", "remove", "cdc", "metaData", "protocol"})


class Base:
    """A Delta table that a sync builds on."""

    def __init__(self, storage: Storage, log: LogReader, state: TableState | None = None) -> None:
        """Read its state, unless it is known.

        Raises:
            CorruptTable: The log cannot be read.
        """
        self._storage = storage
        self._log = log
        self.segment: Segment = log.segment
        self.state: TableState = state or log.state()

    def followed_by(self, commit: ObjectMeta, state: TableState) -> Base:
        """The table one version later, without listing or reading its log again.

        Args:
            commit: The commit that made this version.
            state: The table's state as of it.
        """
        return Base(self._storage, self._log.followed_by(commit), state)

    @property
    def version(self) -> int:
        """Its newest version."""
        return self.segment.version

    @property
    def log_directory(self) -> str:
        """Where its log is."""
        return self._log.listing.directory

    def small_actions(self) -> TableState:
        """Its state with all transactions and domains, for which the whole log must be searched."""
        return self._log.state(everything=True)

    def files(self) -> Iterator[pa.Table]:
        """Stream all that the log says of its files; see ``LogReader.files``."""
        return self._log.files()

    def live(self) -> pa.Table:
        """Its files, as ``ENTRY`` and with ``rows``: the row counts in the statistics, null where there are none.

        Raises:
            CorruptTable: A part of the log is missing or not understood.
        """
        found = [as_entries(files).append_column("rows", _row_counts(files)) for files in self._log.files()]
        return pa.concat_tables(found) if found else _NO_FILES

    def search(self, locations: pa.Array) -> pa.Table:
        """Those of its files that are at some canonical locations, as ``ENTRY``; the others are not read.

        Raises:
            CorruptTable: A part of the log is missing or not understood.
        """
        return self._log.search(locations)

    def last_commit_time(self) -> int | None:
        """The newest commit's in-commit timestamp, if it has one."""
        commit = self.segment.commit
        info = self._commit_info(commit) if commit is not None else None
        found = info.get("inCommitTimestamp") if info is not None else None
        return found if isinstance(found, int) else None

    def changed(self) -> str | None:
        """What was done to the table since the commit that carries its sync state, for people; None if nothing.

        Commits that change neither files nor schema (vacuum, transactions) do not count.
        """
        state = self.state.metadata.properties.get(XTABLE_KEY)
        if state is None:
            return None
        for version in range(self.version, -1, -1):
            commit = self._log.listing.commits.get(version)
            if commit is None:
                return "the commit of the last sync is no longer in its log"
            info = self._commit_info(commit)
            if info is not None and _tag(info) == state:
                return None
            if self._changes_something(commit):
                operation = (info or {}).get("operation", "an unnamed operation")
                return f"version {version} was written by somebody else ({str(operation)[:64]})"
        return None

    def _commit_info(self, commit: CommitFile) -> dict[str, object] | None:
        """The ``commitInfo`` of a commit, which its writers put first or among few lines."""
        path = commit.file.path
        data = self._storage.get_range(path, 0, _HEAD)
        if len(data) == _HEAD and b"\n" not in data:
            data = self._storage.get(path)
        lines = data.split(b"\n")
        whole = lines if len(data) < _HEAD else lines[:-1]
        for line in whole:
            if b'"commitInfo"' in line:
                action = _decoded(line, path)
                info = action.get("commitInfo")
                if isinstance(info, dict):
                    return info
        if len(data) < _HEAD:
            return None
        return self._late_commit_info(path)

    def _late_commit_info(self, path: str) -> dict[str, object] | None:
        for line in self._storage.get(path).split(b"\n"):
            if line.startswith(b'{"commitInfo"'):
                info = _decoded(line, path).get("commitInfo")
                return info if isinstance(info, dict) else None
        return None

    def _changes_something(self, commit: CommitFile) -> bool:
        path = commit.file.path
        lines = self._storage.get(path).split(b"\n")
        return any(not _CHANGES.isdisjoint(_decoded(line, path)) for line in lines if line.strip())


_NO_FILES = pa.schema([*ENTRY, pa.field("rows", pa.int64())]).empty_table()


def read_base(storage: Storage, location: str) -> Base | None:
    """Read what is at a target; None where there is no Delta table.

    Raises:
        CorruptTable: What is there cannot be read.
    """
    log = LogReader.open(storage, location)
    return None if log is None else Base(storage, log)


def _tag(info: dict[str, object]) -> str | None:
    tags = info.get("tags")
    found = tags.get(XTABLE_KEY) if isinstance(tags, dict) else None
    return found if isinstance(found, str) else None


def _decoded(line: bytes, path: str) -> dict[str, object]:
    try:
        found: object = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CorruptTable(f"'{path}' is not understood: a line is no JSON ({error}).") from error
    if not isinstance(found, dict):
        raise CorruptTable(f"'{path}' is not understood: a line is no JSON object.")
    return found


def _row_counts(files: pa.Table) -> pa.ChunkedArray:
    """The row counts in the statistics' text; null where it has none."""
    if "stats" not in files.column_names:
        return pa.chunked_array([pa.nulls(len(files), pa.int64())])
    found = pc.extract_regex(files["stats"], r'"numRecords"\s*:\s*(?P<rows>\d{1,18})')
    return pc.struct_field(found, "rows").cast(pa.int64())
