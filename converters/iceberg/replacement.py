"""One attempt to make an Iceberg table equal to a source's snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, TablecastError, UnsupportedTableFeature
from converters.formats import Commit
from converters.iceberg.entry_layout import ADDED, DELETED, EXISTING, EntryLayout, PartitionMember
from converters.iceberg.manifest_spool import ManifestSpool
from converters.iceberg.manifest_writer import ManifestWriter
from converters.iceberg.metadata import SpecJson
from converters.iceberg.metrics_modes import InexactColumns
from converters.iceberg.next_metadata import NextVersion
from converters.iceberg.partition import spec_from_json
from converters.iceberg.previous_files import PreviousFiles
from converters.iceberg.publishing import Publisher
from converters.iceberg.summary import Tally, snapshot_summary
from converters.iceberg.table_plan import TablePlan
from converters.iceberg.target_properties import is_of_our_making
from converters.model.deletion_vector import refuse_deletion_vectors
from converters.model.partition import PartitionSpec, result_type
from converters.model.schema import Schema
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
        self._inexact = InexactColumns(plan.leaves)

    def run(self, files: Iterator[pa.RecordBatch], publisher: Publisher) -> tuple[Commit, NextVersion]:
        """Consume the files, then commit.

        Raises:
            CorruptTable: A file's row count or partition spec is not known; nothing was written.
            CommitConflict: Somebody committed meanwhile; nothing of ours is visible.
        """
        plan = self._plan
        with ManifestSpool(plan.snapshot_id, plan.sequence_number) as spool:
            writer = ManifestWriter(spool, plan.schema.json, plan.spec_json)
            previous = self._previous()
            for batch in files:
                self._take(batch, writer, previous)
            if previous is not None:
                self._delete(previous, writer)
            writer.finish()
            tally = _tally(writer)
            snapshot = None
            if previous is None or previous.has_deletes or not self._keeps_snapshot(tally):
                publisher.add(spool.name(publisher.prefix))
                summary = snapshot_summary(tally, self._state, _totals(writer), "dvs")
                snapshot = publisher.snapshot(spool.manifests, summary)
            return publisher.commit(
                snapshot,
                inexact=self._inexact.field_ids,
                files_added=tally.added.files,
                files_removed=tally.removed.files,
            )

    def _take(self, batch: pa.RecordBatch, writer: ManifestWriter, previous: PreviousFiles | None) -> None:
        refuse_deletion_vectors(batch, "Iceberg", hint="Rewrite such files first.")
        self._inexact.see(batch)
        for layout, part in self._plan.by_layout(batch):
            if previous is None:
                writer.add(part, layout, ADDED)
                continue
            there, origins = previous.find(layout.spec_id, part)
            writer.add(part.filter(there), layout, EXISTING, origins)
            writer.add(part.filter(pc.invert(there)), layout, ADDED)

    def _previous(self) -> PreviousFiles | None:
        """The files that the target has; None where it has none or, being damaged, cannot say."""
        current = self._base.current_snapshot if self._base else None
        if current is None:
            return None
        schema = self._plan.schema.schema
        specs = _writable(self._plan.specs.specs, schema)
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
        if tally.added.files or tally.removed.files or not is_of_our_making(self._base):
            return False
        return not self._plan.schema.retyped and self._plan.format_version == self._base.format_version


def _tally(writer: ManifestWriter) -> Tally:
    added, removed = writer.totals[ADDED], writer.totals[DELETED]
    return Tally(
        added=added,
        removed=removed,
        changed_partitions=writer.changed_partitions(),
    )


def _totals(writer: ManifestWriter) -> dict[str, str]:
    """What the summary of a snapshot with all that this one has not changed or has removed would say."""
    kept, removed = writer.totals[EXISTING], writer.totals[DELETED]
    return {
        "total-records": str(kept.rows + removed.rows),
        "total-files-size": str(kept.size + removed.size),
        "total-data-files": str(kept.files + removed.files),
        "total-delete-files": "0",
        "total-position-deletes": "0",
        "total-equality-deletes": "0",
    }


def _writable(specs: Iterable[SpecJson], schema: Schema) -> dict[int, PartitionSpec]:
    """The specs all of whose fields are derived, in a way that we know, from a column that there is."""
    found: dict[int, PartitionSpec] = {}
    for spec in specs:
        try:
            known = spec_from_json(spec)
        except TablecastError:
            continue
        if all(field.source_id in schema.by_id for field in known.fields):
            found[known.spec_id] = known
    return found
