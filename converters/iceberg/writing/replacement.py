"""One attempt to make an Iceberg table equal to a source's snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, FullSyncNeeded, UnsupportedTableFeature
from converters.formats import Commit
from converters.iceberg.manifests.entry_layout import DELETED, EXISTING, EntryLayout, PartitionMember
from converters.iceberg.manifests.listed import read_listed
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.manifests.writer import ManifestWriter
from converters.iceberg.writing.next_metadata import NextVersion
from converters.iceberg.writing.previous_files import PreviousFiles
from converters.iceberg.writing.previous_vectors import PreviousVectors
from converters.iceberg.writing.properties import is_of_our_making
from converters.iceberg.writing.publishing import Publisher
from converters.iceberg.writing.snapshot import SnapshotWriter
from converters.iceberg.writing.summary import Count, Tally, snapshot_summary
from converters.iceberg.writing.table_plan import TablePlan, writable_specs
from converters.model.partition import result_type
from converters.storage.base import Storage

__all__ = ["Replacement"]


class Replacement:
    """Writes manifests of all files to a spool, and commits."""

    def __init__(self, storage: Storage, plan: TablePlan, state: Mapping[str, str]) -> None:
        """Nothing is read or written yet.

        Args:
            storage: Where the target lies.
            plan: The next version.
            state: The sync state as properties.
        """
        self._storage = storage
        self._plan = plan
        self._base = plan.base
        self._state = state
        self._old_layouts: dict[int, EntryLayout] = {}

    def run(self, files: Iterator[pa.RecordBatch], publisher: Publisher) -> tuple[Commit, NextVersion]:
        """Consume the files, then commit.

        Raises:
            CorruptTable: A file's row count or partition spec is not known; nothing was written.
            CommitConflict: Somebody committed meanwhile; nothing of ours is visible.
        """
        plan = self._plan
        with ManifestSpool(plan.snapshot_id, plan.sequence_number) as spool:
            writer = SnapshotWriter(self._storage, plan, spool, publisher.prefix)
            previous, vectors = self._previous(), self._vectors(spool)
            for batch in files:
                for layout, part in writer.by_layout(batch):
                    self._take(layout, part, writer, previous, vectors)
            if previous is not None:
                self._delete(previous, writer.data)
            kept = vectors.finish(writer.tally.removed_deletes) if vectors else []
            tally = writer.finish()
            snapshot = None
            if previous is None or vectors is None or not self._keeps_snapshot(tally):
                publisher.add([*writer.files, *spool.name(publisher.prefix)])
                before = _totals(writer.data, vectors.count if vectors else Count())
                summary = snapshot_summary(tally, self._state, before, plan.deletes_as)
                snapshot = publisher.snapshot([*spool.manifests, *kept], summary)
            return publisher.commit(
                snapshot,
                inexact=writer.inexact,
                files_added=tally.added.files,
                files_removed=tally.removed.files,
            )

    def _take(
        self,
        layout: EntryLayout,
        part: pa.RecordBatch,
        writer: SnapshotWriter,
        previous: PreviousFiles | None,
        vectors: PreviousVectors | None,
    ) -> None:
        if previous is None:
            writer.add(layout, part)
            writer.add_vectors(layout, part)
            return
        there, origins = previous.find(layout.spec_id, part)
        writer.data.add(part.filter(there), layout, EXISTING, origins)
        writer.add(layout, part.filter(pc.invert(there)))
        writer.add_vectors(layout, part if vectors is None else vectors.new(part, there))

    def _vectors(self, spool: ManifestSpool) -> PreviousVectors | None:
        """The deletion vectors that the target has; None where it has deletes that we cannot have written."""
        current = self._base.current_snapshot if self._base else None
        try:
            listed = read_listed(self._storage, current) if current else []
            return PreviousVectors(self._storage, [each for each in listed if each.live_files], spool)
        except (CorruptTable, FullSyncNeeded):
            return None

    def _previous(self) -> PreviousFiles | None:
        """The files that the target has; None where it has none or, being damaged, cannot say."""
        current = self._base.current_snapshot if self._base else None
        if current is None:
            return None
        schema = self._plan.schema.schema
        specs = writable_specs(self._plan.specs.specs, schema)
        self._old_layouts = {
            spec_id: EntryLayout(
                self._plan.format_version,
                spec_id,
                tuple(
                    PartitionMember(
                        str(field.id), field, result_type(field.transform, schema.by_id[field.source_id].type)
                    )
                    for field in spec.fields
                ),
                (),
            )
            for spec_id, spec in specs.items()
        }
        try:
            return PreviousFiles.read(self._storage, current, schema, specs)
        except (CorruptTable, UnsupportedTableFeature):
            return None

    def _delete(self, previous: PreviousFiles, writer: ManifestWriter) -> None:
        for spec_id, part, origins in previous.gone():
            layout = self._old_layouts.get(spec_id)
            if layout is None:
                writer.forget(part)
            else:
                writer.add(part, layout, DELETED, origins)

    def _keeps_snapshot(self, tally: Tally) -> bool:
        """Whether the snapshot that the target has says all there is to say."""
        assert self._base is not None
        changed = (tally.added, tally.removed, tally.added_deletes, tally.removed_deletes)
        if any(count.files for count in changed) or not is_of_our_making(self._base):
            return False
        return not self._plan.schema.retyped and self._plan.format_version == self._base.format_version


def _totals(writer: ManifestWriter, vectors: Count) -> dict[str, str]:
    """What the summary of a snapshot with all that this one has not changed or has removed would say."""
    kept, removed = writer.totals[EXISTING], writer.totals[DELETED]
    return {
        "total-records": str(kept.rows + removed.rows),
        "total-files-size": str(kept.size + removed.size + vectors.size),
        "total-data-files": str(kept.files + removed.files),
        "total-delete-files": str(vectors.files),
        "total-position-deletes": str(vectors.rows),
        "total-equality-deletes": "0",
    }
