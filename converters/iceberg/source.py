"""Reading an Iceberg table: its state, and its live data files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, FullSyncNeeded, InvalidOption, UnsupportedTableFeature
from converters.iceberg.deletes import refuse_deletes
from converters.iceberg.file_batches import file_batch
from converters.iceberg.history import has_name_mapping, names_are_stable, promotions
from converters.iceberg.locate import LoadedTable, has_metadata, load_table, table_directory
from converters.iceberg.manifest_list_reader import DATA, DELETES, ManifestFile, read_manifest_list
from converters.iceberg.manifest_reader import FORMAT, PATH, SIZE, read_entries
from converters.iceberg.metadata import MAIN_BRANCH, SnapshotJson, TableMetadata
from converters.iceberg.partition import spec_from_json
from converters.iceberg.schema import narrow_types, schema_from_json, schema_text
from converters.model.change import Change
from converters.model.data_file import data_file_schema, rows_per_batch
from converters.model.partition import PartitionSpec
from converters.model.snapshot import FieldIds, Snapshot, Table
from converters.storage.base import Storage
from converters.storage.location import canonical, canonical_all, join
from converters.sync.state import SyncState

__all__ = ["IcebergSource", "IcebergSourceOptions"]

_NO_VERSION = "0"
_FOOTERS_AT_ONCE = 4096


class IcebergSourceOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``iceberg.source.``.

    Attributes:
        ref: The branch or tag to read; ``main`` by default.
        snapshot_id: The snapshot to read instead.
    """

    ref: str | None = None
    snapshot_id: int | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: Both are given.
        """
        if self.ref is not None and self.snapshot_id is not None:
            msg = "give either ref or snapshot-id, not both"
            raise ValueError(msg)


_DATA_PATHS = ("write.data.path", "write.folder-storage.path", "write.object-storage.path")
"""Table properties that say where data files go, the first one first (Iceberg, ``LocationProviders``)."""


class _View(msgspec.Struct, frozen=True):
    """One state of the table: its metadata, the snapshot (None: no rows), and the snapshot's manifests."""

    loaded: LoadedTable
    snapshot: SnapshotJson | None
    schema_id: int
    manifests: tuple[ManifestFile, ...]


class IcebergSource:
    """Reads Iceberg tables of format versions 1 to 3; see ``converters.formats.Source``."""

    format_name: ClassVar[str] = "ICEBERG"
    options_type: ClassVar[type[msgspec.Struct]] = IcebergSourceOptions

    def __init__(self, storage: Storage, location: str, options: IcebergSourceOptions) -> None:
        self._storage = storage
        self._location = location
        self._options = options
        self._view: _View | None = None
        self._known_field_ids: tuple[_View, FieldIds] | None = None

    @classmethod
    def is_table(cls, storage: Storage, location: str) -> bool:
        """Whether an Iceberg table seems to be at the location, or it names a metadata file."""
        return has_metadata(storage, location)

    @classmethod
    def open(cls, storage: Storage, location: str, options: IcebergSourceOptions) -> Self:
        """Name the table to read; nothing is read yet."""
        return cls(storage, location, options)

    def location(self) -> str:
        """The directory of the table; see ``Source.location``."""
        return table_directory(self._storage, self._location)

    def data_location(self) -> str:
        """Where the table's properties, or else Iceberg's default, put data files; see ``Source.data_location``."""
        loaded = self._read().loaded
        for key in _DATA_PATHS:
            if key in loaded.metadata.properties:
                return canonical(loaded.metadata.properties[key])
        default = join(loaded.location, "data")
        used = any(self._storage.list(default)) or any(self._storage.directories(default))
        return default if used else loaded.location

    def notes(self) -> list[str]:
        """Nothing; see ``Source.notes``."""
        return []

    def snapshot(self) -> Snapshot:
        """Read the state of the main branch, or of what the options ask for; see ``Source.snapshot``."""
        view = self._read()
        metadata = view.loaded.metadata
        schema_json = metadata.schema_of(view.schema_id)
        schema = schema_from_json(schema_json, narrow_types(metadata.properties))
        stable = names_are_stable(metadata, schema)
        table = Table(
            format=self.format_name,
            location=view.loaded.location,
            id=metadata.table_uuid or metadata.location,
            description=metadata.properties.get("comment"),
            schema=schema,
            metadata_path=view.loaded.path,
            schema_text=schema_text(schema_json),
            specs=_specs(metadata, view.manifests),
            default_spec_id=metadata.default_spec_id,
            properties=metadata.properties,
            names_are_stable=stable,
            field_ids=self._field_ids(view, stable=stable),
            feature_names=tuple(_feature_names(metadata, view.manifests)),
            promotions=promotions(metadata, schema),
        )
        counts = [manifest.live for manifest in view.manifests if manifest.content == DATA]
        return Snapshot(
            version=_NO_VERSION if view.snapshot is None else str(view.snapshot.snapshot_id),
            committed_at=metadata.last_updated_ms if view.snapshot is None else view.snapshot.timestamp_ms,
            table=table,
            file_count=None if None in counts else sum(count or 0 for count in counts),
        )

    def data_files(self, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        """Stream the live files of a snapshot; see ``Source.data_files``."""
        view = self._view_of(snapshot)
        table = snapshot.table
        limit = rows_per_batch(table.schema)
        refuse_deletes(self._storage, [each for each in view.manifests if each.content == DELETES])
        data = [each for each in view.manifests if each.content == DATA]
        shape = data_file_schema(table.schema, table.specs)
        for entries in read_entries(self._storage, data, limit):
            yield file_batch(entries, table, shape)

    def changes(self, since: SyncState, until: Snapshot) -> Iterator[Change]:
        """What was committed since a sync; see ``Source.changes``.

        Raises:
            FullSyncNeeded: Always, so far.
        """
        raise FullSyncNeeded("changes are not told one by one yet")

    def _read(self) -> _View:
        loaded = load_table(self._storage, self._location)
        known = self._view
        if known is not None and (known.loaded.path, known.loaded.data) == (loaded.path, loaded.data):
            return known
        self._view = self._viewed(loaded, *self._asked(loaded.metadata))
        return self._view

    def _field_ids(self, view: _View, *, stable: bool) -> FieldIds:
        """Whether the data files have field ids: Iceberg's writers write them, other files need a name mapping.

        Where there is one, only the files themselves tell, and are asked if it matters.
        """
        if not has_name_mapping(view.loaded.metadata):
            return "all"
        if stable:
            return "unknown"
        if self._known_field_ids is None or self._known_field_ids[0] is not view:
            self._known_field_ids = (view, self._field_ids_of_files(view))
        return self._known_field_ids[1]

    def _field_ids_of_files(self, view: _View) -> FieldIds:
        from converters.parquet.footers import field_id_presence  # noqa: PLC0415 - heavy and rarely needed

        found: set[FieldIds] = set()
        data = [each for each in view.manifests if each.content == DATA]
        for entries in read_entries(self._storage, data, _FOOTERS_AT_ONCE, statistics=False):
            parquet = entries.table.filter(pc.equal(pc.utf8_upper(entries.table.column(FORMAT)), "PARQUET"))
            paths = canonical_all(parquet.column(PATH).cast(pa.string()).combine_chunks())
            self._storage.roots.check_all(paths)
            found.add(field_id_presence(self._storage, paths.to_pylist(), parquet.column(SIZE).to_pylist()))
            if len(found) > 1 or "unknown" in found:
                return "unknown"
        return found.pop() if found else "unknown"

    def _asked(self, metadata: TableMetadata) -> tuple[SnapshotJson | None, int]:
        """The snapshot that the options ask for, and the schema to read it with.

        A branch is read with the table's current schema, a tag or a snapshot with its own, as Iceberg's readers do.
        """
        snapshot_id = self._options.snapshot_id
        name = self._options.ref or MAIN_BRANCH
        with_own_schema = snapshot_id is not None
        if snapshot_id is None:
            ref = metadata.refs.get(name)
            if ref is None and name != MAIN_BRANCH:
                known = ", ".join(sorted(metadata.refs)[:20]) or "none"
                raise InvalidOption(f"The table has no branch or tag '{name[:128]}'.", hint=f"It has: {known}.")
            snapshot_id = metadata.current_snapshot_id if ref is None else ref.snapshot_id
            with_own_schema = ref is not None and ref.type == "tag"
        if snapshot_id is None:
            return None, metadata.current_schema_id
        snapshot = metadata.snapshot_of(snapshot_id)
        if snapshot is None and self._options.snapshot_id is not None:
            raise InvalidOption(f"The table has no snapshot {snapshot_id}.", hint="It may have expired.")
        if snapshot is None:
            raise CorruptTable(f"The table metadata names snapshot {snapshot_id}, but has none of that id.")
        schema_id = snapshot.schema_id if with_own_schema else None
        return snapshot, metadata.current_schema_id if schema_id is None else schema_id

    def _viewed(self, loaded: LoadedTable, snapshot: SnapshotJson | None, schema_id: int) -> _View:
        if loaded.metadata.encryption_keys is not None or (snapshot is not None and snapshot.key_id is not None):
            raise UnsupportedTableFeature(f"The table '{loaded.location}' is encrypted, which is not supported.")
        manifests = () if snapshot is None else read_manifest_list(self._storage, snapshot)
        return _View(loaded, snapshot, schema_id, manifests)

    def _view_of(self, snapshot: Snapshot) -> _View:
        """What ``snapshot`` was made from; read again where another source made it."""
        view = self._view
        if view is not None and view.loaded.path == snapshot.table.metadata_path and _version(view) == snapshot.version:
            return view
        loaded = load_table(self._storage, snapshot.table.metadata_path)
        if snapshot.version == _NO_VERSION:
            return self._viewed(loaded, None, snapshot.table.schema.schema_id)
        found = loaded.metadata.snapshot_of(int(snapshot.version))
        if found is None:
            raise CorruptTable(f"'{loaded.path}' has no snapshot {snapshot.version}.")
        return self._viewed(loaded, found, snapshot.table.schema.schema_id)


def _version(view: _View) -> str:
    return _NO_VERSION if view.snapshot is None else str(view.snapshot.snapshot_id)


def _specs(metadata: TableMetadata, manifests: Sequence[ManifestFile]) -> tuple[PartitionSpec, ...]:
    """The default spec, and those of the manifests."""
    wanted = {manifest.spec_id for manifest in manifests}
    if None in wanted:
        wanted |= {spec.spec_id for spec in metadata.partition_specs}
    ids = sorted({metadata.default_spec_id, *(id_ for id_ in wanted if id_ is not None)})
    specs = tuple(spec_from_json(metadata.spec_of(id_)) for id_ in ids)
    sources: dict[int, int] = {}
    for field in (field for spec in specs for field in spec.fields):
        if sources.setdefault(field.id, field.source_id) != field.source_id:
            raise UnsupportedTableFeature(
                f"The partition field id {field.id} means different columns in different specs.",
                hint="Rewrite the old files under the current spec (rewrite_data_files).",
            )
    return specs


def _feature_names(metadata: TableMetadata, manifests: Sequence[ManifestFile]) -> Iterator[str]:
    yield f"v{metadata.format_version}"
    if any(manifest.content == DELETES for manifest in manifests):
        yield "deletes"
    if metadata.next_row_id is not None:
        yield "rowLineage"
    if has_name_mapping(metadata):
        yield "nameMapping"
