"""One attempt to make an Iceberg table equal to a source's snapshot."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, TablecastError, UnsupportedTableFeature
from converters.formats import Commit
from converters.iceberg.commit import NewFile, Publication, metadata_directory
from converters.iceberg.entry_layout import ADDED, DELETED, EXISTING, EntryLayout, LeafLayout, PartitionMember
from converters.iceberg.locate import LoadedTable
from converters.iceberg.manifest_list_writer import ListedManifest, encode_manifest_list
from converters.iceberg.manifest_writer import ManifestWriter, WrittenManifest
from converters.iceberg.metadata import SnapshotJson, SpecJson
from converters.iceberg.metadata_file import encode_metadata
from converters.iceberg.metrics_modes import InexactColumns
from converters.iceberg.next_metadata import NextVersion, next_metadata, next_timestamp
from converters.iceberg.partition import spec_from_json
from converters.iceberg.previous_files import PreviousFiles
from converters.iceberg.schema import schema_text
from converters.iceberg.schema_evolution import plan_schema
from converters.iceberg.spec_evolution import plan_specs
from converters.iceberg.summary import snapshot_summary
from converters.iceberg.target_properties import is_of_our_making, target_properties
from converters.model.deletion_vector import refuse_deletion_vectors
from converters.model.partition import PartitionSpec, result_type
from converters.model.schema import Schema
from converters.model.snapshot import Snapshot
from converters.storage.base import Storage
from converters.storage.location import join
from converters.sync.state import SyncState

__all__ = ["Replacement"]


class Replacement:
    """Plans ids, writes manifests to a spool, and commits."""

    def __init__(
        self,
        storage: Storage,
        location: str,
        snapshot: Snapshot,
        state: SyncState,
        loaded: LoadedTable | None,
        *,
        continues: bool,
        format_version: int,
        retention_hours: int,
    ) -> None:
        """Plan; nothing is read or written yet.

        Args:
            storage: Where the target lies.
            location: The target's directory.
            snapshot: The source's state.
            state: Goes into the commit.
            loaded: The target as it stands; None where there is none.
            continues: Whether the table that stands there is to be continued, not begun anew.
            format_version: 2 or 3, not below the target's.
            retention_hours: How old a snapshot may become.
        """
        self._storage = storage
        self._location = location
        self._source = snapshot.table
        self._state = state.properties()
        self._loaded = loaded
        self._base = loaded.metadata if loaded and continues else None
        self._format_version = format_version
        self._retention_hours = retention_hours
        self._schema = plan_schema(self._source, self._base)
        self._specs = plan_specs(self._source, self._schema.schema, self._schema.ids, self._base)
        self._sequence_number = self._base.last_sequence_number + 1 if self._base else 1
        self._snapshot_id = self._new_snapshot_id()
        self._old_layouts: dict[int, EntryLayout] = {}
        leaves = tuple(
            LeafLayout(str(leaf.field.id), self._schema.ids[leaf.field.id], leaf.field.type)
            for leaf in self._source.schema.leaves
        )
        self._layouts = {spec.spec_id: self._layout(spec, leaves) for spec in self._source.specs}
        self._inexact = InexactColumns(leaves)

    def run(self, files: Iterator[pa.RecordBatch]) -> tuple[Commit, NextVersion]:
        """Consume the files, then commit.

        Raises:
            CorruptTable: A file's row count or partition spec is not known; nothing was written.
            CommitConflict: Somebody committed meanwhile; nothing of ours is visible.
        """
        specs = {spec.spec_id: spec for spec in self._specs.specs}
        with ManifestWriter(self._schema.json, specs, self._snapshot_id, self._sequence_number) as writer:
            previous = self._previous()
            for batch in files:
                self._take(batch, writer, previous)
            if previous is not None:
                self._delete(previous, writer)
            writer.finish()
            keeps = previous is not None and not previous.has_deletes and self._keeps_snapshot(writer)
            return self._commit(writer, None if keeps else writer)

    def _layout(self, spec: PartitionSpec, leaves: tuple[LeafLayout, ...]) -> EntryLayout:
        """What entries from the source's batches look like."""
        placed = self._specs.by_source[spec.spec_id]
        members = tuple(
            PartitionMember(
                str(field.id), target, result_type(field.transform, self._source.schema.by_id[field.source_id].type)
            )
            for field, target in zip(spec.fields, placed.fields, strict=True)
        )
        return EntryLayout(self._format_version, placed.spec_id, members, leaves)

    def _previous(self) -> PreviousFiles | None:
        """The files that the target has; None where it has none or, being damaged, cannot say."""
        current = self._base.current_snapshot if self._base else None
        if current is None:
            return None
        schema = self._schema.schema
        specs = _writable(self._specs.specs, schema)
        self._old_layouts = {
            spec_id: EntryLayout(
                self._format_version,
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

    def _keeps_snapshot(self, writer: ManifestWriter) -> bool:
        """Whether the snapshot that the target has says all there is to say."""
        assert self._base is not None
        if writer.totals[ADDED].files or writer.totals[DELETED].files or not is_of_our_making(self._base):
            return False
        return not self._schema.retyped and self._format_version == self._base.format_version

    def _new_snapshot_id(self) -> int:
        taken = {each.snapshot_id for each in self._base.snapshots} if self._base else set[int]()
        while True:
            found = secrets.randbits(63)
            if found and found not in taken:
                return found

    def _take(self, batch: pa.RecordBatch, writer: ManifestWriter, previous: PreviousFiles | None) -> None:
        if len(batch) == 0:
            return
        if batch.column("row_count").null_count:
            path = batch.column("path").filter(batch.column("row_count").is_null())[0].as_py()
            raise CorruptTable(f"The row count of the data file '{path}' is not known.")
        refuse_deletion_vectors(batch, "Iceberg", hint="Rewrite such files first.")
        self._inexact.see(batch)
        for spec_id, part in _by_spec(batch):
            layout = self._layouts.get(spec_id)
            if layout is None:
                raise CorruptTable(
                    f"The data file '{part.column('path')[0].as_py()}' is of the partition spec {spec_id}, which the "
                    "table does not have."
                )
            if previous is None:
                writer.add(part, layout, ADDED)
                continue
            there, origins = previous.find(layout.spec_id, part)
            writer.add(part.filter(there), layout, EXISTING, origins)
            writer.add(part.filter(pc.invert(there)), layout, ADDED)

    def _commit(self, writer: ManifestWriter, written: ManifestWriter | None) -> tuple[Commit, NextVersion]:
        """Commit; a new snapshot of what was written, or none."""
        timestamp = next_timestamp(self._base)
        snapshot, files = (None, []) if written is None else self._snapshot(written, timestamp)
        current = snapshot.snapshot_id if snapshot else self._base.current_snapshot_id if self._base else None
        following = next_metadata(
            self._base,
            base_path=self._loaded.path if self._loaded and self._base else None,
            location=self._location,
            format_version=self._format_version,
            timestamp=timestamp,
            schema=self._schema,
            specs=self._specs,
            properties=target_properties(
                self._base,
                self._source,
                self._schema.schema,
                self._state,
                inexact=self._inexact.field_ids,
                head=(current or 0, self._schema.json.schema_id or 0, self._specs.default_spec_id),
            ),
            snapshot=snapshot,
            retention_hours=self._retention_hours,
        )
        data = encode_metadata(following.metadata)
        version = (self._loaded.version or 0) + 1 if self._loaded else 1
        publication = Publication(self._storage, self._location)
        publication.put_all(files)
        path = publication.publish(version, data)
        commit = Commit(
            version=f"v{version}",
            metadata_path=path,
            schema_text=schema_text(self._schema.json),
            files_added=writer.totals[ADDED].files,
            files_removed=writer.totals[DELETED].files,
        )
        return commit, following

    def _snapshot(self, written: ManifestWriter, timestamp: int) -> tuple[SnapshotJson, list[NewFile]]:
        """The new snapshot, and the files that it needs: its manifests and their list."""
        directory = metadata_directory(self._location)
        attempt = str(uuid.uuid4())
        versioned = self._format_version >= 3
        first_row_id = ((self._base.next_row_id or 0) if self._base else 0) if versioned else None
        listed = _listed(written, join(directory, attempt), first_row_id)
        parent = self._base.current_snapshot_id if self._base and not self._schema.restarted else None
        snapshot = SnapshotJson(
            sequence_number=self._sequence_number,
            snapshot_id=self._snapshot_id,
            parent_snapshot_id=parent,
            timestamp_ms=timestamp,
            summary=snapshot_summary(written, self._state),
            manifest_list=join(directory, f"snap-{self._snapshot_id}-1-{attempt}.avro"),
            schema_id=self._schema.json.schema_id,
            first_row_id=first_row_id,
            added_rows=sum(_live_rows(each.manifest) for each in listed) if versioned else None,
        )
        manifest_list = encode_manifest_list(listed, snapshot, self._format_version)
        files: list[NewFile] = [(each.path, partial(written.data, each.manifest)) for each in listed]
        return snapshot, [*files, (snapshot.manifest_list or "", lambda: manifest_list)]


def _live_rows(manifest: WrittenManifest) -> int:
    return manifest.rows[ADDED] + manifest.rows[EXISTING]


def _listed(written: ManifestWriter, prefix: str, first_row_id: int | None) -> list[ListedManifest]:
    """Name the manifests, and give each the row ids for the rows that it has (version 3)."""
    listed: list[ListedManifest] = []
    for number, manifest in enumerate(written.manifests):
        listed.append(ListedManifest(path=f"{prefix}-m{number}.avro", manifest=manifest, first_row_id=first_row_id))
        if first_row_id is not None:
            first_row_id += _live_rows(manifest)
    return listed


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


def _by_spec(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    spec_ids = batch.column("spec_id")
    distinct: list[int] = pc.unique(spec_ids).to_pylist()
    if len(distinct) == 1:
        yield distinct[0], batch
        return
    for spec_id in distinct:
        yield spec_id, batch.filter(pc.equal(spec_ids, spec_id))
