"""The Delta target: writes a table's log so that it lists another table's files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import msgspec
import pyarrow as pa

from converters.delta.log.state import TableState
from converters.delta.writing.advancement import Advancement
from converters.delta.writing.base import Base, read_base
from converters.delta.writing.layout import LayoutPlan
from converters.delta.writing.replacement import Replacement
from converters.formats import Commit, TargetTable
from converters.model.change import Change
from converters.model.snapshot import Snapshot
from converters.storage.base import Storage
from converters.storage.location import canonical, join, relative_to
from converters.sync.state import SyncState

__all__ = ["DeltaTarget", "DeltaTargetOptions"]


class DeltaTargetOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``delta.target.``.

    Attributes:
        generated_columns: Make XTable's generated partition columns for year, month, day and hour transforms.  Readers
            then see columns that the source does not have.
        uuid_as_binary: Carry uuid columns as XTable does: readers then see 16 bytes.
    """

    generated_columns: bool = False
    uuid_as_binary: bool = False


class DeltaTarget:
    """Writes one Delta table."""

    format_name: ClassVar[str] = "DELTA"
    options_type: ClassVar[type[msgspec.Struct]] = DeltaTargetOptions
    lies_with_data: ClassVar[bool] = False

    def __init__(self, storage: Storage, location: str, options: DeltaTargetOptions) -> None:
        """Name the table; nothing is read yet."""
        self._storage = storage
        self._location = canonical(location)
        self._options = options
        self._written: tuple[Base, TableState] | None = None

    @classmethod
    def open(cls, storage: Storage, location: str, options: Any) -> Self:
        """Name the table to write; see ``Target.open``."""
        return cls(storage, location, options)

    def current(self) -> TargetTable | None:
        """Read what is at the target now; see ``Target.current``.

        Raises:
            CorruptTable: The log cannot be read.
        """
        base = self._as_we_left_it()
        changed = None
        if base is None:
            base = read_base(self._storage, self._location)
            if base is None:
                return None
            changed = base.changed()
        metadata = base.state.metadata
        return TargetTable(
            version=str(base.version),
            state=SyncState.from_properties(metadata.properties),
            changed=changed,
            metadata_path=base.log_directory,
            schema_text=metadata.schema_string,
            handle=base,
        )

    def check(self, snapshot: Snapshot) -> list[str]:
        """Refuse what Delta cannot carry; see ``Target.check``.

        Raises:
            UnsupportedTableFeature: Names the feature and the column.
        """
        notes = self._plan(snapshot).notes
        if relative_to(snapshot.table.location + "/", self._location) is None:
            notes.append(
                "Data files lie outside the Delta table's directory: Spark and delta-rs read them, DuckDB where they "
                "are on the same machine, polars does not."
            )
        return notes

    def replace(
        self,
        snapshot: Snapshot,
        files: Iterator[pa.RecordBatch],
        state: SyncState,
        base: TargetTable | None,
    ) -> Commit:
        """Make the target equal to the snapshot; see ``Target.replace``.

        Raises:
            UnsupportedTableFeature: A file cannot be carried; nothing was written.
            CommitConflict: Somebody committed after ``base`` was read; nothing was written.
        """
        handle: Base | None = base.handle if base is not None else None
        replacement = Replacement(self._storage, self._location, snapshot, state, handle)
        return replacement.run(self._plan(snapshot), files)

    def advance(self, change: Change, state: SyncState, base: TargetTable) -> Commit:
        """Apply one change; see ``Target.advance``.

        Raises:
            FullSyncNeeded: All files have to be compared; nothing was written.
            UnsupportedTableFeature: The change cannot be carried; nothing was written.
            CommitConflict: Somebody committed after ``base`` was read; nothing of ours is visible.
        """
        step = Advancement(self._storage, self._location, change, state, base.handle)
        commit = step.run(self._plan(change.snapshot))
        if step.state_after is not None:
            self._written = base.handle, step.state_after
        return commit

    def _as_we_left_it(self) -> Base | None:
        """The table after the commit that was written last, if it is the newest still."""
        if self._written is None:
            return None
        (before, state), self._written = self._written, None
        at, following = (
            self._storage.head(join(before.log_directory, f"{version:020d}.json"))
            for version in (before.version + 1, before.version + 2)
        )
        return before.followed_by(at, state) if at is not None and following is None else None

    def _plan(self, snapshot: Snapshot) -> LayoutPlan:
        return LayoutPlan(
            snapshot.table,
            uuid_as_binary=self._options.uuid_as_binary,
            generate=self._options.generated_columns,
        )
