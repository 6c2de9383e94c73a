"""Reading an Iceberg table: its state, and its live data files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

import msgspec
import pyarrow as pa

from converters.errors import CorruptTable, InvalidOption
from converters.iceberg.metadata.location import has_metadata, load_table, table_directory
from converters.iceberg.metadata.structs import MAIN_BRANCH, SnapshotJson, TableMetadata
from converters.iceberg.metadata.view import View, describe, read_view, snapshot_number
from converters.iceberg.reading.live_files import live_files, row_deletes, with_vectors
from converters.iceberg.schema.stored_ids import StoredIds
from converters.model.change import Change
from converters.model.snapshot import Snapshot
from converters.storage.base import Storage
from converters.storage.location import canonical, join
from converters.sync.state import SyncState

__all__ = ["IcebergSource", "IcebergSourceOptions"]


class IcebergSourceOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``iceberg.source.``.

    Attributes:
        ref: The branch or tag to read; ``main`` by default.
        snapshot_id: The snapshot to read instead.
        read_data: Whether data files may be read where the metadata does not tell which rows equality deletes delete;
            without, a table with such deletes is refused.
    """

    ref: str | None = None
    snapshot_id: int | None = None
    read_data: bool = False

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


class IcebergSource:
    """Reads Iceberg tables of format versions 1 to 3; see ``converters.formats.Source``."""

    format_name: ClassVar[str] = "ICEBERG"
    options_type: ClassVar[type[msgspec.Struct]] = IcebergSourceOptions

    def __init__(self, storage: Storage, location: str, options: IcebergSourceOptions) -> None:
        self._storage = storage
        self._location = location
        self._options = options
        self._view: View | None = None
        self._stored_ids = StoredIds(storage)

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
        return describe(view, self._stored_ids.of(view))

    def data_files(self, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        """Stream the live files of a snapshot; see ``Source.data_files``."""
        view = self._view_of(snapshot)
        deletes = row_deletes(self._storage, view, may_read_data=self._options.read_data)
        for entries, batch in live_files(self._storage, view.data, snapshot.table):
            yield with_vectors(entries, batch, deletes)

    def changes(self, since: SyncState, until: Snapshot) -> Iterator[Change]:
        """What was committed since a sync, a change a snapshot; see ``Source.changes``."""
        from converters.iceberg.reading.changes import read_changes  # noqa: PLC0415 - not needed where nothing has changed

        view = self._view_of(until)
        version = since.source_version or ""
        return read_changes(self._storage, version, view, until, may_read_data=self._options.read_data)

    def _read(self) -> View:
        loaded = load_table(self._storage, self._location)
        known = self._view
        if known is not None and (known.loaded.path, known.loaded.data) == (loaded.path, loaded.data):
            return known
        self._view = read_view(self._storage, loaded, *self._asked(loaded.metadata))
        return self._view

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

    def _view_of(self, snapshot: Snapshot) -> View:
        """What ``snapshot`` was made from; read again where another source made it."""
        view = self._view
        if view is not None and view.loaded.path == snapshot.table.metadata_path and view.version == snapshot.version:
            return view
        loaded = load_table(self._storage, snapshot.table.metadata_path)
        number = snapshot_number(snapshot.version)
        found = None if number is None else loaded.metadata.snapshot_of(number)
        if found is None and number is not None:
            raise CorruptTable(f"'{loaded.path}' has no snapshot {snapshot.version}.")
        return read_view(self._storage, loaded, found, snapshot.table.schema.schema_id)
