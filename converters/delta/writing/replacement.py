"""Making a Delta table equal to a snapshot, in one commit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pyarrow as pa

from converters.delta.writing.base import Base
from converters.delta.writing.checkpoint_schedule import checkpoint_is_due
from converters.delta.writing.commit import CommitWriter
from converters.delta.writing.difference import Difference
from converters.delta.writing.layout import LayoutPlan
from converters.delta.writing.protocol import check_writable
from converters.delta.writing.table_actions import TableActions
from converters.errors import TablecastError
from converters.formats import Commit
from converters.model.snapshot import Snapshot
from converters.staging import StagedFiles, no_room
from converters.storage.base import Storage
from converters.sync.state import SyncState

__all__ = ["Replacement"]


class Replacement:
    """One commit that makes a target equal to a snapshot."""

    def __init__(
        self, storage: Storage, location: str, snapshot: Snapshot, state: SyncState, base: Base | None
    ) -> None:
        """Name the parts; nothing is read or written yet."""
        self._storage = storage
        self._location = location
        self._snapshot = snapshot
        self._state = state
        self._base = base

    def run(self, plan: LayoutPlan, files: Iterator[pa.RecordBatch]) -> Commit:
        """Read all files, then write.

        Raises:
            UnsupportedTableFeature: Delta cannot have the table; nothing was written.
            CommitConflict: Somebody committed after the base was read; nothing was written.
            StorageError: The storage failed, or there is no room for temporary files.
        """
        base = self._base
        if base is not None:
            check_writable(base.state, self._location)
        with StagedFiles() as staged:
            paths: list[pa.Array] = []
            for batch in files:
                plan.look_at(batch)
                with no_room():
                    staged.add(batch)
                paths.append(batch.column("path"))
            layout = plan.settle(self._storage, staged.batches(), base.state if base is not None else None)
            actions = TableActions(self._snapshot, layout, self._state, base)
            everything = actions.must_rewrite_all(layout)
            difference = Difference(paths, base.live() if base is not None else None, everything=everything)
            paths.clear()
            writer = CommitWriter(self._storage, self._location, layout, actions)
            adds = staged.rows if everything else difference.files_added
            if not actions.allows_checkpoint or not checkpoint_is_due(base, adds):
                return writer.run(staged.batches(), difference)
            return self._with_checkpoint(writer, actions, staged, difference)

    def _with_checkpoint(
        self, writer: CommitWriter, actions: TableActions, staged: StagedFiles, difference: Difference
    ) -> Commit:
        from converters.delta.writing.checkpoint import CheckpointWriter  # noqa: PLC0415 - slow to load
        from converters.delta.writing.tombstones import Tombstones  # noqa: PLC0415 - slow to load

        base = self._base
        with contextlib.ExitStack() as opened:
            tombstones = Tombstones(self._storage, base, actions.now) if base is not None else None
            with no_room():
                checkpoint = opened.enter_context(CheckpointWriter(actions.version, tombstones))
                known = base.small_actions() if base is not None else None
                checkpoint.actions(actions.protocol, actions.metadata, known)
            commit = writer.run(staged.batches(), difference, checkpoint)
            # The commit stands without it, and the next sync finds it due again.
            with contextlib.suppress(TablecastError, OSError):
                checkpoint.commit(self._storage, commit.metadata_path)
            return commit
