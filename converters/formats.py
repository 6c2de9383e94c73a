"""What a table format must offer to be read from or written to; ``converters.registry`` finds who offers it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import msgspec
import pyarrow as pa

from converters.model.change import Change
from converters.model.snapshot import Snapshot
from converters.storage.base import Storage
from converters.sync.state import SyncState

if TYPE_CHECKING:
    pass

__all__ = [
    "Commit",
    "Remembering",
    "Source",
    "Target",
    "TargetTable",
]


class Source(Protocol):
    """Reads one table's metadata.

    ``options_type`` is a frozen ``msgspec.Struct`` with ``rename="kebab"`` and ``forbid_unknown_fields=True``, all of
    whose fields have defaults and are of type str, int, bool or an optional of these.
    """

    format_name: ClassVar[str]
    options_type: ClassVar[type[msgspec.Struct]]

    @classmethod
    def is_table(cls, storage: Storage, location: str) -> bool:
        """Whether a table of this format seems to be at the location; cheap, never raises for a missing table."""
        ...

    @classmethod
    def open(cls, storage: Storage, location: str, options: Any) -> Self:
        """Name the table to read; ``options`` is of ``options_type``.  Reads nothing yet."""
        ...

    def location(self) -> str:
        """The directory of the table, canonical; reads no more than it takes to know it.

        Raises:
            SourceTableNotFound: No table is there.
            CorruptTable: Its metadata cannot be read.
        """
        ...

    def data_location(self) -> str:
        """The directory that the data files lie under, canonical; ``location()`` where the format has no other.

        Raises:
            SourceTableNotFound: No table is there.
            CorruptTable: Its metadata cannot be read.
        """
        ...

    def notes(self) -> list[str]:
        """What a person should know of how the options make the table be read (part of it left out, for example)."""
        ...

    def snapshot(self) -> Snapshot:
        """Read the table's current state, or the one that the options ask for, without its files.

        Raises:
            SourceTableNotFound: No table is there.
            CorruptTable: Its metadata cannot be read.
            UnsupportedTableFeature: It uses a feature we do not know.
        """
        ...

    def data_files(self, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        """Stream the live files of a snapshot as ``DataFile`` batches (see ``converters.model.data_file``).

        Row counts are known in what is yielded.  Every path is canonical.

        Raises:
            CorruptTable: A part of the metadata is missing or unreadable.
            UnsupportedTableFeature: A file has deletes that no deletion vector says, or anything else that a batch
                cannot say.
        """
        ...

    def changes(self, since: SyncState, until: Snapshot) -> Iterator[Change]:
        """Tell what was committed after the last sync, one change a commit, oldest first.

        Costs what the changes cost, not what the table does.  Commits that changed neither files nor schema may be
        left out.  The changes together lead from the files that the table had at ``since`` to those of ``until``, and
        each one's snapshot is the table as its commit left it.  ``since.version`` may be of a line of history that
        was given up (a rollback): then the first change leads away from it.

        Args:
            since: What the last sync of a target left there, of this same table and with the same options.
            until: What ``snapshot`` gave.

        Raises:
            FullSyncNeeded: The history does not reach back to ``since`` whole, or something in it cannot be told
                apart; also in the middle of the iteration, before the change that it concerns.
            CorruptTable: A part of the metadata is missing or unreadable.
            UnsupportedTableFeature: As for ``data_files``.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """A source that saves reading where it is told what it said at former syncs."""

    def recall(self, known: Sequence[SyncState]) -> None:
        """Take note of what former syncs left in targets, before ``snapshot``.

        The source has to make sure that they are of the same table, read with the same options.

        Args:
            known: States of syncs, of this table as far as is known; ``mark.memory`` is the ``Snapshot.memory``.
        """
        ...


class TargetTable(msgspec.Struct, frozen=True, kw_only=True):
    """What is at a target before a sync.

    Attributes:
        version: Its current version, in the format's own terms.
        state: What the last sync left there; None when no sync ever wrote it.
        changed: What somebody else did to it since the last sync, for people; None when nothing.
        damaged: What of it is gone that its readers need, for people; None when nothing is known to be.
        metadata_path: As ``Table.metadata_path``.
        schema_text: As ``Table.schema_text``.
        handle: What the format's target needs to go on from here; opaque to everybody else.
    """

    version: str
    state: SyncState | None
    changed: str | None
    damaged: str | None = None
    metadata_path: str
    schema_text: str
    handle: Any = None


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What one sync wrote.

    Attributes:
        version: The target's version that it made.
        metadata_path: As ``Table.metadata_path``, after the commit.
        schema_text: As ``Table.schema_text``, after the commit.
        files_added: Data files that the target lists now and did not before.
        files_removed: Data files that the target listed before and does not now.
    """

    version: str
    metadata_path: str
    schema_text: str
    files_added: int
    files_removed: int


class Target(Protocol):
    """Writes one table's metadata.  ``options_type`` as for ``Source``.

    ``lies_with_data`` says that the metadata has to be in the directory that the data files lie under, because the
    format can only name files below it.
    """

    format_name: ClassVar[str]
    options_type: ClassVar[type[msgspec.Struct]]
    lies_with_data: ClassVar[bool]

    @classmethod
    def open(cls, storage: Storage, location: str, options: Any) -> Self:
        """Name the table to write: the directory that its metadata lies under.  Reads and writes nothing yet."""
        ...

    def current(self) -> TargetTable | None:
        """Read what is at the target now; None where there is no table of this format.

        Raises:
            CorruptTable: What is there cannot be read.
        """
        ...

    def check(self, snapshot: Snapshot) -> list[str]:
        """Refuse what the format cannot carry, as far as the snapshot without its files tells.

        Returns:
            What a person should know about the conversion although it is right (a lost hint, a default not kept).

        Raises:
            UnsupportedTableFeature: Names the feature and the column.
        """
        ...

    def replace(
        self,
        snapshot: Snapshot,
        files: Iterator[pa.RecordBatch],
        state: SyncState,
        base: TargetTable | None,
    ) -> Commit:
        """Make the target equal to the snapshot, in one atomic commit that carries ``state``.

        Nothing is written to the storage before ``files`` is exhausted, so a refusal leaves no trace; what was
        written for a commit that then failed is deleted again as far as the storage allows.

        Args:
            snapshot: The source's state.
            files: Its live files.
            state: Goes into the commit.
            base: What ``current`` returned; the commit builds on it or fails.

        Raises:
            UnsupportedTableFeature: A file cannot be carried; nothing was written.
            CommitConflict: Somebody committed after ``base`` was read; nothing of ours is visible.
        """
        ...

    def advance(self, change: Change, state: SyncState, base: TargetTable) -> Commit:
        """Apply one change to the target, in one atomic commit that carries ``state``.

        Costs what the change costs, not what the table does.  Otherwise as ``replace``: nothing is written before all
        is known, and a refusal leaves no trace.  A change without files still commits (a new schema, a new state).

        Args:
            change: From the source's state that ``base`` equals to its next.
            state: Goes into the commit.
            base: What ``current`` returned; the commit builds on it or fails.

        Raises:
            FullSyncNeeded: The target cannot take this change by itself (a removed file that it does not list, a new
                schema that concerns the entries of all files): all files have to be compared.
            UnsupportedTableFeature: The change cannot be carried; nothing was written.
            CommitConflict: Somebody committed after ``base`` was read; nothing of ours is visible.
        """
        ...
