"""Making a Hudi table equal to a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from converters.formats import Commit
from converters.hudi.table_config import hoodie_directory
from converters.hudi.writing.base import Base
from converters.hudi.writing.column_index import ColumnIndex, candidates, choose
from converters.hudi.writing.first_sync import FirstSync
from converters.hudi.writing.indexed_columns import indexed_columns
from converters.hudi.writing.later_sync import LaterSync
from converters.hudi.writing.layout import Layout, LayoutPlan
from converters.hudi.writing.staged_source import StagedSource
from converters.model.snapshot import Snapshot
from converters.storage.base import Storage
from converters.sync.state import SyncState

__all__ = ["Replacement"]


class Replacement:
    """One attempt to make a target equal to a snapshot."""

    def __init__(
        self, storage: Storage, location: str, name: str, snapshot: Snapshot, state: SyncState, base: Base | None
    ) -> None:
        """Name the parts; nothing is read or written yet."""
        self._storage = storage
        self._location = location
        self._name = name
        self._snapshot = snapshot
        self._state = state
        self._base = base

    def run(
        self, plan: LayoutPlan, files: Iterator[pa.RecordBatch], *, indexed: int, retention_hours: int, version: int
    ) -> Commit:
        """Read all files, then write.

        Args:
            plan: What the snapshot says of the layout.
            files: The snapshot's files.
            indexed: How many columns are to have statistics, if the table is new.
            retention_hours: How old a commit may become.
            version: The table version, if the table is new.

        Raises:
            UnsupportedTableFeature: Hudi cannot have the table; nothing was written.
            CommitConflict: Somebody else is writing, or has written since the base was read.
            StorageError: The storage failed, or there is no room for temporary files.
        """
        base = self._base
        needs_statistics = bool(indexed) if base is None else bool(indexed_columns(base))
        with StagedSource(plan, files, needs_statistics=needs_statistics) as source:
            layout = plan.settle(self._storage, source.files)
            table = source.table()
            batches = source.batches()
            extra = {"schema": layout.schema_text, **self._state.properties()}
            if base is None:
                return self._first(layout, table, batches, extra, indexed, version)
            later = LaterSync(self._storage, self._location, base, layout, retention_hours)
            synced = later.run(table, batches, extra, self._snapshot.committed_at)
            return self._commit(synced.version, layout, synced.files_added, synced.files_removed)

    def _first(
        self,
        layout: Layout,
        table: pa.Table,
        batches: Sequence[pa.RecordBatch],
        extra: dict[str, str],
        indexed: int,
        version: int,
    ) -> Commit:
        index: ColumnIndex | None = None
        if indexed:
            columns = choose(candidates(layout.schema, layout.partition_columns), batches, indexed)
            names = [column.name for column in columns]
            index = ColumnIndex.of(names, layout.schema, layout.partition_columns)
        first = FirstSync(self._storage, self._location, self._name, version, layout, index)
        newest = first.run(table, batches, extra, self._snapshot.committed_at)
        return self._commit(newest, layout, len(table), 0)

    def _commit(self, version: str, layout: Layout, added: int, removed: int) -> Commit:
        return Commit(
            version=version,
            metadata_path=hoodie_directory(self._location),
            schema_text=layout.schema_text,
            files_added=added,
            files_removed=removed,
        )
