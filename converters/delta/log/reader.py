"""One version of a table's log, opened for reading: what the source and the target both start from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import pyarrow as pa

from converters.delta.log.checkpoints import CheckpointReader
from converters.delta.log.commits import CommitReader
from converters.delta.log.entry_search import search
from converters.delta.log.file_actions import first_adds
from converters.delta.log.listing import CommitFile, Listing, Segment, find_segment, list_log
from converters.delta.log.paths import locations
from converters.delta.log.replay import live_files
from converters.delta.log.state import CommitInfo, TableState, read_commit_info, read_state
from converters.errors import LimitExceeded, StorageError
from converters.storage.base import ObjectMeta, Storage

__all__ = ["LogReader"]

_COUNTED_BYTES = 8 * 2**20
_SAMPLED_ROWS = 256


class _LastCheckpoint(msgspec.Struct, rename="camel"):
    version: int
    num_of_add_files: int | None = None


class LogReader:
    """Reads a version of a table; what is small is kept between calls.

    Attributes:
        location: The table's directory.
        listing: What is in its log.
        segment: What makes up the version.
    """

    def __init__(self, storage: Storage, location: str, listing: Listing, segment: Segment) -> None:
        """Take what was found; ``open`` finds it."""
        self.location = location
        self.listing = listing
        self.segment = segment
        self._storage = storage
        self._state: TableState | None = None
        self._commits = CommitReader(storage, [each.file for each in segment.commits])
        self._checkpoint = CheckpointReader(storage, segment.checkpoint) if segment.checkpoint is not None else None

    @classmethod
    def open(cls, storage: Storage, location: str, version: int | None = None) -> LogReader | None:
        """List the log and choose a version, the newest by default; None where there is no log or it is empty.

        Raises:
            InvalidOption: The version is not, or no longer, there.
            CorruptTable: A commit that is needed is missing.
        """
        listing = list_log(storage, location)
        if listing.is_empty:
            return None
        return cls(storage, location, listing, find_segment(listing, version))

    def at(self, version: int) -> LogReader:
        """The same log as it was found, at another version; what is small is read once for both.

        Raises:
            InvalidOption: The version is not, or no longer, there.
            CorruptTable: A commit that is needed is missing.
        """
        other = LogReader(self._storage, self.location, self.listing, find_segment(self.listing, version))
        other._commits = self.commits(each.file for each in other.segment.commits)
        if other.segment.checkpoint == self.segment.checkpoint:
            other._checkpoint = self._checkpoint
        return other

    def followed_by(self, commit: ObjectMeta) -> LogReader:
        """The same log with one commit more, without listing it again; what is small is read once for both."""
        version = self.segment.version + 1
        file = CommitFile(version, version, commit)
        listing = msgspec.structs.replace(self.listing, commits={**self.listing.commits, version: file})
        commits = (*self.segment.commits, file)
        segment = msgspec.structs.replace(self.segment, version=version, commits=commits, commit=file)
        other = LogReader(self._storage, self.location, listing, segment)
        other._commits = self.commits(each.file for each in commits)
        other._checkpoint = self._checkpoint
        return other

    def commits(self, files: Iterable[ObjectMeta]) -> CommitReader:
        """A reader of some of the log's commits, in ascending order."""
        return self._commits.of(list(files))

    def state(self, *, everything: bool = False) -> TableState:
        """Protocol and metadata; with ``everything`` also transactions and domains; see ``read_state``."""
        if everything:
            return read_state(self._commits, self._checkpoint, everything=True)
        if self._state is None:
            self._state = read_state(self._commits, self._checkpoint)
        return self._state

    def committed_at(self, state: TableState) -> int:
        """When the version was committed, milliseconds since the epoch.

        The in-commit timestamp where the table keeps them (Delta protocol, "In-Commit Timestamps"), else the time of
        the commit file.

        Raises:
            CorruptTable: The commit is not understood.
        """
        if state.has_commit_times:
            info = self.commit_info()
            if info is not None and info.in_commit_timestamp is not None:
                return info.in_commit_timestamp
        return self.segment.modified_at

    def commit_info(self) -> CommitInfo | None:
        """What is said of the version's own commit; None where nothing is, or where the commit is no longer there.

        Raises:
            CorruptTable: The commit is not understood.
        """
        commit = self.segment.commit
        return read_commit_info(self.commits([commit.file])) if commit is not None else None

    def file_count(self) -> int | None:
        """The number of live files, where the checkpoint's hint says it and later commits only added; else None."""
        checkpoint, hint = self.segment.checkpoint, self.listing.hint
        before = 0 if checkpoint is None else self._count_in_hint(checkpoint.version, hint)
        if before is None or sum(each.file.size for each in self.segment.commits) > _COUNTED_BYTES:
            return None
        after = 0
        for lines in self._commits.newest_first():
            data = b"\n" + lines.data
            if b'\n{"remove"' in data:
                return None
            after += data.count(b'\n{"add"')
        return before + after

    def _count_in_hint(self, version: int, hint: ObjectMeta | None) -> int | None:
        if hint is None:
            return None
        try:
            found = msgspec.json.decode(self._storage.get(hint.path, limit=_COUNTED_BYTES), type=_LastCheckpoint)
        except (msgspec.DecodeError, UnicodeError, RecursionError, StorageError, LimitExceeded):
            return None
        return found.num_of_add_files if found.version == version else None

    def some_files(self) -> list[tuple[str, int]]:
        """A few files that are or were in the table, new and old ones, with their sizes; cheap.

        Raises:
            CorruptTable: A part of the log is missing or not understood.
        """
        found = first_adds(next(self._commits.newest_first(), None))
        if self._checkpoint is not None:
            adds = next(self._checkpoint.adds(content=False, most=_SAMPLED_ROWS), None)
            found += [] if adds is None else [(adds["path"][0].as_py(), adds["size"][0].as_py())]
        paths = locations(pa.array([path for path, _ in found], pa.string()), self.location)
        return [(path, size) for path, (_, size) in zip(paths.to_pylist(), found, strict=True)]

    def files(self, *, content: bool = True) -> Iterator[pa.Table]:
        """Stream the live files; see ``live_files``."""
        return live_files(self._commits, self._checkpoint, self.location, content=content)

    def search(self, wanted: pa.Array) -> pa.Table:
        """The live files at some canonical locations; see ``entry_search.search``."""
        return search(self._commits, self._checkpoint, self.location, wanted)

    def paths(self) -> Iterator[pa.Array]:
        """Stream only the canonical locations of the live files.

        Raises:
            CorruptTable: A part of the log is missing or not understood.
        """
        for table in self.files(content=False):
            yield table["path"].combine_chunks()
