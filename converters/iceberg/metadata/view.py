"""One state of an Iceberg table, and how it is described to targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from converters.errors import UnsupportedTableFeature
from converters.iceberg.manifests.list_reader import DATA, DELETES, ManifestFile, read_manifest_list
from converters.iceberg.metadata.history import has_name_mapping, names_are_stable, promotions
from converters.iceberg.metadata.location import LoadedTable
from converters.iceberg.metadata.structs import SnapshotJson, TableMetadata
from converters.iceberg.partitions.json_form import spec_from_json
from converters.iceberg.schema.json_form import narrow_types, schema_from_json, schema_text
from converters.model.partition import PartitionSpec
from converters.model.schema import Schema
from converters.model.snapshot import FieldIds, Snapshot, Table
from converters.storage.base import Storage

__all__ = ["NO_VERSION", "View", "describe", "read_former_view", "read_view", "snapshot_number"]

NO_VERSION = "0"
"""The version of a table without snapshots."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A table's metadata, one of its snapshots (None: no rows), and the snapshot's manifests with live files.

    ``schema_id`` is the schema that it is read with; ``highest_schema_id`` the last one that data files may have been
    written with by then.
    """

    loaded: LoadedTable
    snapshot: SnapshotJson | None
    schema_id: int
    highest_schema_id: int
    default_spec_id: int
    manifests: tuple[ManifestFile, ...]

    @property
    def version(self) -> str:
        """As ``Snapshot.version``."""
        return NO_VERSION if self.snapshot is None else str(self.snapshot.snapshot_id)

    @property
    def data(self) -> list[ManifestFile]:
        """The data manifests."""
        return [each for each in self.manifests if each.content == DATA]

    @property
    def deletes(self) -> list[ManifestFile]:
        """The delete manifests."""
        return [each for each in self.manifests if each.content == DELETES]

    @property
    def schema(self) -> Schema:
        """The columns that it is read with."""
        metadata = self.loaded.metadata
        return schema_from_json(metadata.schema_of(self.schema_id), narrow_types(metadata.properties))

    @property
    def has_stable_names(self) -> bool:
        """As ``Table.names_are_stable``."""
        return names_are_stable(self.loaded.metadata, self.schema, self.highest_schema_id)


def snapshot_number(version: str) -> int | None:
    """The snapshot id that a version stands for; None for the table without snapshots.

    Raises:
        ValueError: It is no version.
    """
    return None if version == NO_VERSION else int(version)


def read_view(storage: Storage, loaded: LoadedTable, snapshot: SnapshotJson | None, schema_id: int) -> View:
    """Read a snapshot that is looked at with today's eyes: all schemas and the default spec are those of now.

    Raises:
        CorruptTable: Its manifest list is missing or unreadable.
        UnsupportedTableFeature: It is encrypted.
    """
    metadata = loaded.metadata
    return View(
        loaded=loaded,
        snapshot=snapshot,
        schema_id=schema_id,
        highest_schema_id=max(each.schema_id or 0 for each in metadata.schemas),
        default_spec_id=metadata.default_spec_id,
        manifests=_manifests(storage, loaded, snapshot),
    )


def read_former_view(storage: Storage, loaded: LoadedTable, snapshot: SnapshotJson | None) -> View:
    """Read a snapshot as it was when it was committed, as far as the metadata still tells.

    Its schema is the one that it names.  The default spec is the newest of its files; a snapshot does not say what it
    was.
    """
    metadata = loaded.metadata
    manifests = _manifests(storage, loaded, snapshot)
    schema_id = metadata.current_schema_id
    if snapshot is not None and snapshot.schema_id is not None:
        schema_id = snapshot.schema_id
    return View(
        loaded=loaded,
        snapshot=snapshot,
        schema_id=schema_id,
        highest_schema_id=_highest_schema_id(metadata, snapshot),
        default_spec_id=_former_default_spec(metadata, manifests, schema_id),
        manifests=manifests,
    )


def describe(view: View, field_ids: FieldIds) -> Snapshot:
    """The state as targets see it.

    Args:
        view: The state.
        field_ids: As ``Table.field_ids``.

    Raises:
        CorruptTable: The metadata contradicts itself.
        UnsupportedTableFeature: It uses what is not known.
    """
    metadata, schema = view.loaded.metadata, view.schema
    table = Table(
        format="ICEBERG",
        location=view.loaded.location,
        id=metadata.table_uuid or metadata.location,
        description=metadata.properties.get("comment"),
        schema=schema,
        metadata_path=view.loaded.path,
        schema_text=schema_text(metadata.schema_of(view.schema_id)),
        specs=_specs(metadata, view.manifests, view.default_spec_id),
        default_spec_id=view.default_spec_id,
        properties=metadata.properties,
        names_are_stable=view.has_stable_names,
        field_ids=field_ids,
        feature_names=tuple(_feature_names(view)),
        promotions=promotions(metadata, schema, view.highest_schema_id),
    )
    counts = [manifest.live for manifest in view.data]
    return Snapshot(
        version=view.version,
        committed_at=metadata.last_updated_ms if view.snapshot is None else view.snapshot.timestamp_ms,
        table=table,
        file_count=None if None in counts else sum(count or 0 for count in counts),
    )


def _manifests(storage: Storage, loaded: LoadedTable, snapshot: SnapshotJson | None) -> tuple[ManifestFile, ...]:
    if loaded.metadata.encryption_keys is not None or (snapshot is not None and snapshot.key_id is not None):
        raise UnsupportedTableFeature(f"The table '{loaded.location}' is encrypted, which is not supported.")
    return () if snapshot is None else read_manifest_list(storage, snapshot)


def _highest_schema_id(metadata: TableMetadata, snapshot: SnapshotJson | None) -> int:
    """Schemas are numbered as they come: what a snapshot of then, on whatever branch, names was there by then."""
    highest = max(each.schema_id or 0 for each in metadata.schemas)
    if snapshot is None:
        return highest
    ids = [each.schema_id for each in metadata.snapshots if each.timestamp_ms <= snapshot.timestamp_ms]
    ids.append(snapshot.schema_id)
    return highest if None in ids else max(id_ or 0 for id_ in ids)


def _former_default_spec(metadata: TableMetadata, manifests: Sequence[ManifestFile], schema_id: int) -> int:
    used = [manifest.spec_id for manifest in manifests if manifest.spec_id is not None]
    if used:
        return max(used)
    columns = schema_from_json(metadata.schema_of(schema_id)).by_id
    now = metadata.spec_of(metadata.default_spec_id)
    if all(field.source_id in columns for field in now.fields):
        return metadata.default_spec_id
    fitting = (
        spec.spec_id for spec in metadata.partition_specs if all(field.source_id in columns for field in spec.fields)
    )
    return next(fitting, metadata.default_spec_id)


def _specs(
    metadata: TableMetadata, manifests: Sequence[ManifestFile], default_spec_id: int
) -> tuple[PartitionSpec, ...]:
    """The default spec, and those of the manifests."""
    wanted = {manifest.spec_id for manifest in manifests}
    if None in wanted:
        wanted |= {spec.spec_id for spec in metadata.partition_specs}
    ids = sorted({default_spec_id, *(id_ for id_ in wanted if id_ is not None)})
    specs = tuple(spec_from_json(metadata.spec_of(id_)) for id_ in ids)
    sources: dict[int, int] = {}
    for field in (field for spec in specs for field in spec.fields):
        if sources.setdefault(field.id, field.source_id) != field.source_id:
            raise UnsupportedTableFeature(
                f"The partition field id {field.id} means different columns in different specs.",
                hint="Rewrite the old files under the current spec (rewrite_data_files).",
            )
    return specs


def _feature_names(view: View) -> Iterator[str]:
    metadata = view.loaded.metadata
    yield f"v{metadata.format_version}"
    if view.deletes:
        yield "deletes"
    if metadata.next_row_id is not None:
        yield "rowLineage"
    if has_name_mapping(metadata):
        yield "nameMapping"
