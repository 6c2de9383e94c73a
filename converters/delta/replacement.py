"""Making a Delta table equal to a snapshot, in one commit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.add_actions import Adds, Removes
from converters.delta.difference import Difference, Matched
from converters.delta.layout import Layout, LayoutPlan
from converters.delta.log import LOG_DIRECTORY
from converters.delta.log_paths import log_paths
from converters.delta.partition_columns import texts_by_name
from converters.delta.stats_json import Statistics
from converters.delta.table_actions import TableActions
from converters.delta.target_base import Base
from converters.delta.write_protocol import check_writable
from converters.errors import CommitConflict, ObjectAlreadyExists, TablecastError
from converters.formats import Commit
from converters.model.deletion_vector import refuse_deletion_vectors
from converters.model.snapshot import Snapshot
from converters.staging import Spool, StagedFiles, no_room
from converters.storage.base import Storage
from converters.storage.location import join
from converters.sync.state import SyncState

if TYPE_CHECKING:
    from converters.delta.checkpoint_writer import CheckpointWriter

__all__ = ["Replacement"]

_ROWS_AT_ONCE = 10_000
_MANY_FILES = 50_000
_MANY_BYTES = 32 * 2**20
"""Commits with more than this get a checkpoint at once, so that readers need not parse them."""


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
        if self._base is not None:
            check_writable(self._base.state, self._location)
        with StagedFiles() as staged:
            paths: list[pa.Array] = []
            for batch in files:
                refuse_deletion_vectors(batch, "Delta", hint="Rewrite such files first.")
                plan.look_at(batch)
                with no_room():
                    staged.add(batch)
                paths.append(batch.column("path"))
            layout = plan.settle(self._storage, staged)
            actions = TableActions(self._snapshot, layout, self._state, self._base)
            everything = actions.must_rewrite_all(layout)
            difference = Difference(paths, self._base.live() if self._base is not None else None, everything=everything)
            paths.clear()
            writing = _Writing(self._storage, self._location, layout, actions, self._base)
            return writing.run(staged, difference, everything=everything)


class _Writing:
    """From the decisions to the commit."""

    def __init__(
        self, storage: Storage, location: str, layout: Layout, actions: TableActions, base: Base | None
    ) -> None:
        self._storage = storage
        self._location = location
        self._log = join(location, LOG_DIRECTORY)
        self._layout = layout
        self._actions = actions
        self._base = base

    def run(self, staged: StagedFiles, difference: Difference, *, everything: bool) -> Commit:
        with contextlib.ExitStack() as opened:
            text = opened.enter_context(Spool())
            checkpoint: CheckpointWriter | None = None
            if self._checkpoint_is_due(staged.rows if everything else difference.files_added):
                from converters.delta.checkpoint_writer import CheckpointWriter  # noqa: PLC0415 - slow to load

                with no_room():
                    checkpoint = opened.enter_context(CheckpointWriter(self._actions.version))
            with no_room():
                self._write(staged, difference, text, checkpoint)
            self._commit(text)
            if checkpoint is not None:
                # The commit stands without it, and the next sync finds it due again.
                with contextlib.suppress(TablecastError, OSError):
                    checkpoint.commit(self._storage, self._log)
        return Commit(
            version=str(self._actions.version),
            metadata_path=self._log,
            schema_text=self._layout.schema_string,
            files_added=difference.files_added,
            files_removed=difference.files_removed,
        )

    def _write(
        self, staged: StagedFiles, difference: Difference, text: Spool, checkpoint: CheckpointWriter | None
    ) -> None:
        text.write(self._actions.lines(difference.files_added, difference.files_removed))
        gone = self._gone(difference)
        if gone is not None:
            text.write(gone.lines())
        if checkpoint is not None:
            checkpoint.actions(self._actions.checkpoint_rows())
        live_paths: list[pa.Array] = []
        for batch in _pieces(staged.batches()):
            partition_values = texts_by_name(self._layout.partitions, batch)
            matched = difference.next(batch, partition_values)
            if checkpoint is None:
                adds = self._adds(*_only_changed(batch, partition_values, matched))
                text.write(adds.lines())
                continue
            adds = self._adds(batch, partition_values, matched)
            text.write(adds.lines(matched.changed))
            checkpoint.adds(adds)
            if self._base is not None:
                live_paths.append(adds.path)
        if checkpoint is not None and self._base is not None and gone is not None:
            from converters.delta.tombstones import unexpired_removes  # noqa: PLC0415 - slow to load

            checkpoint.removes(gone.checkpoint_column())
            still_there = pa.chunked_array([*live_paths, gone.path], pa.string())
            checkpoint.removes(unexpired_removes(self._storage, self._base, still_there, self._actions.now))

    def _adds(self, batch: pa.RecordBatch, partition_values: Mapping[str, pa.Array], matched: Matched) -> Adds:
        return Adds(
            path=pc.coalesce(matched.log_path, log_paths(batch.column("path"), self._location)),
            partition_values=partition_values,
            size=batch.column("size"),
            modified_at=pc.fill_null(batch.column("modified_at"), 0),
            stats=Statistics(batch, self._layout.schema, self._layout.without_statistics),
        )

    def _gone(self, difference: Difference) -> Removes | None:
        gone = difference.gone()
        if gone is None:
            return None
        log_path, values, size = (gone[name].combine_chunks() for name in ("log_path", "partition_values", "size"))
        return Removes(path=log_path, partition_values=values, size=size, at=self._actions.now)

    def _checkpoint_is_due(self, adds: int) -> bool:
        if not self._actions.allows_checkpoint:
            return False
        if adds > _MANY_FILES:
            return True
        if self._base is None:
            return False
        segment = self._base.segment
        last = segment.checkpoint.version if segment.checkpoint is not None else 0
        version, interval = self._actions.version, self._actions.checkpoint_interval
        since = sum(each.file.size for each in segment.commits)
        return version % interval == 0 or version - last > interval or since > _MANY_BYTES

    def _commit(self, text: Spool) -> None:
        path = join(self._log, f"{self._actions.version:020d}.json")
        try:
            self._storage.put_if_absent(path, text.content())
        except ObjectAlreadyExists as error:
            raise CommitConflict(
                f"Somebody else wrote version {self._actions.version} of '{self._location}'."
            ) from error


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches so small that their text stays in the processor's cache."""
    for batch in batches:
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            yield batch.slice(start, _ROWS_AT_ONCE)


def _only_changed(
    batch: pa.RecordBatch, partition_values: Mapping[str, pa.Array], matched: Matched
) -> tuple[pa.RecordBatch, Mapping[str, pa.Array], Matched]:
    if pc.all(matched.changed).as_py():
        return batch, partition_values, matched
    rows = matched.changed
    return (
        batch.filter(rows),
        {name: texts.filter(rows) for name, texts in partition_values.items()},
        msgspec.structs.replace(matched, changed=rows.filter(rows), log_path=matched.log_path.filter(rows)),
    )
