"""One attempt to make an Iceberg table equal to a source's snapshot."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable
from converters.formats import Commit
from converters.iceberg.commit import Publication, metadata_directory, metadata_name
from converters.iceberg.locate import LoadedTable
from converters.iceberg.manifest_entries import ADDED, DELETED, EXISTING, EntryLayout, LeafLayout, PartitionMember
from converters.iceberg.manifest_list_writer import ListedManifest, encode_manifest_list
from converters.iceberg.manifest_writer import ManifestWriter
from converters.iceberg.metadata import SnapshotJson, encode_metadata
from converters.iceberg.metrics_modes import InexactColumns
from converters.iceberg.next_metadata import NextVersion, next_metadata, next_timestamp
from converters.iceberg.schema import schema_text
from converters.iceberg.schema_evolution import plan_schema
from converters.iceberg.spec_evolution import plan_specs
from converters.iceberg.summary import snapshot_summary
from converters.iceberg.target_properties import target_properties
from converters.model.partition import result_type
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
            format_version: 2 or 3, not below the target's.
            retention_hours: How old a snapshot may become.
        """
        self._storage = storage
        self._location = location
        self._source = snapshot.table
        self._state = state.properties()
        self._loaded = loaded
        self._base = loaded.metadata if loaded else None
        self._format_version = format_version
        self._retention_hours = retention_hours
        self._schema = plan_schema(self._source, self._base)
        self._specs = plan_specs(self._source, self._schema.schema, self._schema.ids, self._base)
        self._sequence_number = self._base.last_sequence_number + 1 if self._base else 1
        self._snapshot_id = self._new_snapshot_id()
        leaves = tuple(
            LeafLayout(str(leaf.field.id), self._schema.ids[leaf.field.id], leaf.field.type)
            for leaf in self._source.schema.leaves
        )
        self._layouts = {spec_id: self._layout(spec_id, leaves) for spec_id in self._specs.by_source}
        self._inexact = InexactColumns(leaves)

    def run(self, files: Iterator[pa.RecordBatch]) -> tuple[Commit, NextVersion]:
        """Consume the files, then commit."""
        writer = ManifestWriter(
            {self._specs.by_source[spec_id].spec_id: layout for spec_id, layout in self._layouts.items()},
            self._schema.json,
            {spec.spec_id: spec for spec in self._specs.specs},
            self._snapshot_id,
            self._sequence_number,
        )
        try:
            for batch in files:
                self._take(batch, writer)
            writer.finish()
            return self._commit(writer)
        finally:
            writer.close()

    def _layout(self, spec_id: int, leaves: tuple[LeafLayout, ...]) -> EntryLayout:
        source = self._source.spec(spec_id)
        placed = self._specs.by_source[spec_id]
        members = tuple(
            PartitionMember(
                str(field.id),
                target,
                result_type(field.transform, self._source.schema.by_id[field.source_id].type),
            )
            for field, target in zip(source.fields, placed.fields, strict=True)
        )
        return EntryLayout(self._format_version, members, leaves)

    def _new_snapshot_id(self) -> int:
        taken = {each.snapshot_id for each in self._base.snapshots} if self._base else set[int]()
        while True:
            found = secrets.randbits(63)
            if found and found not in taken:
                return found

    def _take(self, batch: pa.RecordBatch, writer: ManifestWriter) -> None:
        if len(batch) == 0:
            return
        unknown = batch.column("row_count").is_null()
        if batch.column("row_count").null_count:
            path = batch.column("path").filter(unknown)[0].as_py()
            raise CorruptTable(f"The row count of the data file '{path}' is not known.")
        self._inexact.see(batch)
        for spec_id, part in _by_spec(batch):
            writer.add(part, self._specs.by_source[spec_id].spec_id, ADDED)

    def _commit(self, writer: ManifestWriter) -> tuple[Commit, NextVersion]:
        publication = Publication(self._storage, self._location)
        timestamp = next_timestamp(self._base)
        directory = metadata_directory(self._location)
        attempt = str(uuid.uuid4())
        first_row_id = (self._base.next_row_id or 0) if self._base else 0
        listed = self._listed(writer, join(directory, attempt), first_row_id)
        list_path = join(directory, f"snap-{self._snapshot_id}-1-{attempt}.avro")
        parent = self._base.current_snapshot_id if self._base else None
        versioned = self._format_version >= 3
        added_rows = sum(each.manifest.rows[ADDED] + each.manifest.rows[EXISTING] for each in listed)
        snapshot = SnapshotJson(
            sequence_number=self._sequence_number,
            snapshot_id=self._snapshot_id,
            parent_snapshot_id=None if self._schema.restarted else parent,
            timestamp_ms=timestamp,
            summary=snapshot_summary(writer, self._state),
            manifest_list=list_path,
            schema_id=self._schema.json.schema_id,
            first_row_id=first_row_id if versioned else None,
            added_rows=added_rows if versioned else None,
        )
        manifest_list = encode_manifest_list(
            listed,
            format_version=self._format_version,
            snapshot_id=self._snapshot_id,
            parent_snapshot_id=snapshot.parent_snapshot_id,
            sequence_number=self._sequence_number,
            first_row_id=snapshot.first_row_id,
        )
        following = next_metadata(
            self._base,
            base_path=self._loaded.path if self._loaded else None,
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
                head=(self._snapshot_id, self._schema.json.schema_id or 0, self._specs.default_spec_id),
            ),
            snapshot=snapshot,
            retention_hours=self._retention_hours,
        )
        publication.put_all(
            [
                *((each.path, lambda each=each: writer.data(each.manifest)) for each in listed),
                (list_path, lambda: manifest_list),
            ]
        )
        version = (self._loaded.version or 0) + 1 if self._loaded else 1
        path = publication.publish(version, encode_metadata(following.metadata))
        commit = Commit(
            version=metadata_name(version).partition(".")[0],
            metadata_path=path,
            schema_text=schema_text(self._schema.json),
            files_added=writer.totals[ADDED].files,
            files_removed=writer.totals[DELETED].files,
        )
        return commit, following

    def _listed(self, writer: ManifestWriter, prefix: str, first_row_id: int) -> list[ListedManifest]:
        listed: list[ListedManifest] = []
        for number, manifest in enumerate(writer.manifests):
            listed.append(
                ListedManifest(
                    path=f"{prefix}-m{number}.avro",
                    manifest=manifest,
                    first_row_id=first_row_id if self._format_version >= 3 else None,
                )
            )
            first_row_id += manifest.rows[ADDED] + manifest.rows[EXISTING]
        return listed


def _by_spec(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    spec_ids = batch.column("spec_id")
    distinct: list[int] = pc.unique(spec_ids).to_pylist()
    if len(distinct) == 1:
        yield distinct[0], batch
        return
    for spec_id in distinct:
        yield spec_id, batch.filter(pc.equal(spec_ids, spec_id))
