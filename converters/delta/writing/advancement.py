"""Taking a Delta table one change further, in one commit that costs what the change does."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.entry_search import ENTRY
from converters.delta.log.state import Metadata, TableState
from converters.delta.writing.base import Base, read_base
from converters.delta.writing.checkpoint_schedule import checkpoint_is_due
from converters.delta.writing.commit import CommitWriter
from converters.delta.writing.difference import Difference
from converters.delta.writing.layout import LayoutPlan
from converters.delta.writing.protocol import check_writable
from converters.delta.writing.table_actions import TableActions
from converters.errors import FullSyncNeeded
from converters.formats import Commit
from converters.model.change import Change
from converters.staging import StagedFiles, no_room
from converters.storage.base import Storage
from converters.sync.state import SyncState

__all__ = ["Advancement"]


class Advancement:
    """One commit that applies a change.

    Attributes:
        state_after: The table's state as of the commit; None where more than the commit was written.
    """

    def __init__(self, storage: Storage, location: str, change: Change, state: SyncState, base: Base) -> None:
        """Name the parts; nothing is read or written yet."""
        self._storage = storage
        self._location = location
        self._change = change
        self._state = state
        self._base = base
        self.state_after: TableState | None = None

    def run(self, plan: LayoutPlan) -> Commit:
        """Read the change, find the entries that it concerns, then write.

        Raises:
            FullSyncNeeded: All files have to be compared; nothing was written.
            UnsupportedTableFeature: Delta cannot have the table; nothing was written.
            CommitConflict: Somebody committed after the base was read; nothing of ours is visible.
            StorageError: The storage failed, or there is no room for temporary files.
        """
        base = self._base
        check_writable(base.state, self._location)
        with StagedFiles() as staged:
            paths: list[pa.Array] = []
            for batch in self._change.added():
                plan.look_at(batch)
                with no_room():
                    staged.add(batch)
                paths.append(batch.column("path"))
            layout = plan.settle_added(
                self._storage, staged.batches(), base.state, same_schema=self._has_the_same_schema()
            )
            actions = TableActions(self._change.snapshot, layout, self._state, base)
            if actions.must_rewrite_all(layout):
                raise FullSyncNeeded("the entries of all files have to be written anew")
            difference = Difference(paths, self._entries(paths), everything=True)
            commit = CommitWriter(self._storage, self._location, layout, actions).run(staged.batches(), difference)
        if actions.allows_checkpoint and checkpoint_is_due(base, staged.rows):
            self._write_checkpoint(commit)
        else:
            self.state_after = TableState(actions.protocol, msgspec.convert(actions.metadata, Metadata))
        return commit

    def _has_the_same_schema(self) -> bool:
        known = SyncState.from_properties(self._base.state.metadata.properties)
        if known is None or known.mark is None or self._state.mark is None:
            return False
        return known.mark.fingerprint == self._state.mark.fingerprint

    def _entries(self, added: list[pa.Array]) -> pa.Table:
        """The target's entries of the files that go or change."""
        removed = self._change.removed
        looked_for = [*removed.chunks, *([] if self._change.adds_only_new else added)]
        wanted = pa.chunked_array(looked_for, pa.string()).combine_chunks()
        if not len(wanted):
            return ENTRY.empty_table()
        found = self._base.search(wanted)
        missing = removed.filter(pc.invert(pc.is_in(removed, value_set=found["path"])))
        if len(missing):
            raise FullSyncNeeded(f"the Delta table does not list the removed file '{missing[0]}'")
        return found

    def _write_checkpoint(self, commit: Commit) -> None:
        from converters.delta.writing.log_checkpoint import write_checkpoint  # noqa: PLC0415 - slow to load

        table = read_base(self._storage, self._location)
        if table is not None and str(table.version) == commit.version:
            write_checkpoint(self._storage, table)
