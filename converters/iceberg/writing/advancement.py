"""One attempt to apply a change of the source to an Iceberg table."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import FullSyncNeeded
from converters.formats import Commit
from converters.iceberg.manifests.entry_removal import EntryRemoval
from converters.iceberg.manifests.entry_rows import EntryRow
from converters.iceberg.manifests.list_reader import DATA, DELETES
from converters.iceberg.manifests.listed import read_listed
from converters.iceberg.manifests.merging import merge_small
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.metadata.structs import SnapshotJson, TableMetadata
from converters.iceberg.schema.json_form import schema_from_json
from converters.iceberg.statistics.metrics_modes import inexact_columns
from converters.iceberg.writing.next_metadata import NextVersion
from converters.iceberg.writing.properties import is_of_our_making
from converters.iceberg.writing.publishing import Publisher
from converters.iceberg.writing.snapshot import SnapshotWriter
from converters.iceberg.writing.summary import snapshot_summary
from converters.iceberg.writing.table_plan import TablePlan
from converters.model.change import Change
from converters.storage.base import Storage

__all__ = ["Advance"]


class Advance:
    """Looks up what the change concerns, writes manifests of it to a spool, and commits."""

    def __init__(self, storage: Storage, plan: TablePlan, base: TableMetadata, state: Mapping[str, str]) -> None:
        """Check that the change can be applied by itself; nothing is read or written yet.

        Args:
            storage: Where the target lies.
            plan: The next version.
            base: The target as it stands.
            state: The sync state as properties.

        Raises:
            FullSyncNeeded: It cannot.
        """
        if not is_of_our_making(base):
            raise FullSyncNeeded("the target's current snapshot is not the one that the last sync left")
        if plan.schema.restarted:
            raise FullSyncNeeded("a field id becomes another column's in the target")
        self._storage = storage
        self._plan = plan
        self._base = base
        self._state = state

    def run(self, change: Change, publisher: Publisher) -> tuple[Commit, NextVersion]:
        """Apply the change, then commit.

        Raises:
            FullSyncNeeded: The target does not list a file that is removed, or its manifests are not like ours.
            CommitConflict: Somebody committed meanwhile; nothing of ours is visible.
        """
        plan, before = self._plan, self._base.current_snapshot
        listed = [each for each in read_listed(self._storage, before) if each.live_files] if before else []
        with ManifestSpool(plan.snapshot_id, plan.sequence_number) as spool:
            removal = EntryRemoval(self._storage, listed, spool)
            writer = SnapshotWriter(self._storage, plan, spool, publisher.prefix)
            staying = self._remove(change, removal, writer)
            for batch in change.added():
                for layout, part in writer.by_layout(batch):
                    there = pc.is_in(part.column("path"), value_set=staying)
                    writer.add(layout, part.filter(pc.invert(there)))
                    writer.add_vectors(layout, part)
            removal.finish()
            tally = writer.finish(removal.partitions)
            snapshot: SnapshotJson | None = None
            if spool.manifests or before is None or self._has_new_shape():
                kept = merge_small(self._storage, removal.kept, spool, plan.partition_types)
                publisher.add([*writer.files, *spool.name(publisher.prefix)])
                summary = snapshot_summary(tally, self._state, before.summary if before else None, plan.deletes_as)
                snapshot = publisher.snapshot([*spool.manifests, *kept], summary)
            return publisher.commit(
                snapshot,
                inexact=writer.inexact | self._inexact_before(),
                files_added=tally.added.files,
                files_removed=tally.removed.files,
            )

    def _inexact_before(self) -> set[int]:
        """Columns of which some earlier file has a bound that is no value, under whatever name they go now."""
        before = schema_from_json(self._base.current_schema)
        found = inexact_columns(self._base.properties, before)
        return {id_ for id_ in found if id_ in self._plan.schema.schema.by_id}

    def _has_new_shape(self) -> bool:
        """Whether time travel needs a snapshot although the files are the same: a snapshot names its schema."""
        return (
            self._plan.schema.json.schema_id != self._base.current_schema_id
            or self._plan.format_version != self._base.format_version
        )

    def _remove(self, change: Change, removal: EntryRemoval, writer: SnapshotWriter) -> pa.Array:
        """Delete what is removed or replaced; gives the paths of added files that are listed as they should be."""
        sizes = {} if change.adds_only_new else _sizes(change)
        wanted = pa.chunked_array([*change.removed.chunks, pa.array(sizes, pa.string())], pa.string())
        staying: list[str] = []
        seen: set[str] = set()

        def goes(entry: EntryRow) -> bool:
            seen.add(entry.key)
            if sizes.get(entry.key) != (entry.rows, entry.size):
                return True
            staying.append(entry.key)
            return False

        removal.remove(DATA, wanted, goes, writer.tally.removed)
        missing = len(change.removed) - sum(path not in sizes for path in seen)
        if missing:
            raise FullSyncNeeded(f"{missing} of the files that were removed are not in the target")
        removal.remove(DELETES, wanted, lambda _: True, writer.tally.removed_deletes)
        return pa.array(staying, pa.string())


def _sizes(change: Change) -> dict[str, tuple[int | None, int]]:
    """Row count and size of each added file."""
    found: dict[str, tuple[int | None, int]] = {}
    for batch in change.added():
        columns = (batch.column(name).to_pylist() for name in ("path", "row_count", "size"))
        found.update((path, (rows, size)) for path, rows, size in zip(*columns, strict=True))
    return found
