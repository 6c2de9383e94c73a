"""Writing Iceberg tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
import pyarrow as pa

from converters.errors import AmbiguousTable, ForeignTarget, FullSyncNeeded, InvalidRequest, SourceTableNotFound
from converters.formats import Commit, TargetTable
from converters.iceberg.metadata.location import LoadedTable, load_table
from converters.iceberg.metadata.structs import TableMetadata
from converters.iceberg.schema.carried import check_table, may_delete_rows, why_version_3
from converters.iceberg.schema.json_form import schema_text
from converters.iceberg.writing.advancement import Advance
from converters.iceberg.writing.commit import write_hint
from converters.iceberg.writing.next_metadata import NextVersion, Retention
from converters.iceberg.writing.properties import changed_since_sync
from converters.iceberg.writing.publishing import Publisher
from converters.iceberg.writing.replacement import Replacement
from converters.iceberg.writing.retention import sweep
from converters.iceberg.writing.table_plan import TablePlan
from converters.model.change import Change
from converters.model.snapshot import Snapshot, Table
from converters.storage.base import Storage
from converters.storage.location import canonical, local_path
from converters.sync.state import SyncState

__all__ = ["IcebergTarget", "IcebergTargetOptions"]


_OLDEST_VERSION = 2


class IcebergTargetOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``iceberg.target.``.

    Attributes:
        format_version: 2 or 3; a table that has a higher one keeps it.  By default 2, and 3 where the table needs it.
        retention_hours: How old a snapshot may become before it is dropped from the metadata; the current one stays.
        retention_snapshots: How many snapshots stay at most, so that the metadata file does not grow on and on.
    """

    format_version: int | None = None
    retention_hours: int = 168
    retention_snapshots: int = 2000

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is not understood.
        """
        if self.format_version not in {None, 2, 3}:
            msg = "format-version must be 2 or 3"
            raise ValueError(msg)
        if self.retention_hours < 0:
            msg = "retention-hours must not be negative"
            raise ValueError(msg)
        if self.retention_snapshots < 1:
            msg = "retention-snapshots must be positive"
            raise ValueError(msg)


class IcebergTarget:
    """A table in a directory, as Java's ``HadoopTables`` keeps it: ``metadata/vN.metadata.json``."""

    format_name: ClassVar[str] = "ICEBERG"
    options_type: ClassVar[type[msgspec.Struct]] = IcebergTargetOptions
    lies_with_data: ClassVar[bool] = False

    def __init__(self, storage: Storage, location: str, options: IcebergTargetOptions) -> None:
        self._storage = storage
        self._location = canonical(location)
        self._options = options
        self._format_version = options.format_version or _OLDEST_VERSION

    @classmethod
    def open(cls, storage: Storage, location: str, options: Any) -> Self:
        """Name the table to write; see ``Target.open``."""
        return cls(storage, location, options)

    def current(self) -> TargetTable | None:
        """Read what is at the target now; see ``Target.current``.

        A version hint that a crash left behind is put right on the way.
        """
        self._format_version = self._options.format_version or _OLDEST_VERSION
        try:
            loaded = load_table(self._storage, self._location)
        except AmbiguousTable:
            raise
        except SourceTableNotFound:
            return None
        metadata = loaded.metadata
        self._format_version = max(self._format_version, metadata.format_version)
        if loaded.version is not None:
            write_hint(self._storage, self._location, loaded.version)
        return TargetTable(
            version=f"v{loaded.version}" if loaded.version is not None else loaded.path.rpartition("/")[2],
            state=SyncState.from_properties(metadata.properties),
            changed=self._moved(metadata) or changed_since_sync(metadata),
            damaged=self._lost(metadata),
            metadata_path=loaded.path,
            schema_text=schema_text(metadata.current_schema),
            handle=loaded,
        )

    def check(self, snapshot: Snapshot) -> list[str]:
        """Refuse what Iceberg cannot carry; see ``Target.check``."""
        table, version = snapshot.table, self._version_for(snapshot.table)
        notes = check_table(table, version)
        if version > self._format_version:
            notes.append(f"The Iceberg table is written in format version 3. {why_version_3(table)}, which needs it.")
        elif version < 3 and self._options.format_version is None and may_delete_rows(table):
            notes.append("The Iceberg table is written in format version 3 as soon as a data file has deleted rows.")
        return notes

    def replace(
        self,
        snapshot: Snapshot,
        files: Iterator[pa.RecordBatch],
        state: SyncState,
        base: TargetTable | None,
    ) -> Commit:
        """Make the target equal to the snapshot; see ``Target.replace``.

        Raises:
            ForeignTarget: The table belongs to a catalog.
        """
        loaded = self._loaded(base)
        continues = loaded is not None and self._moved(loaded.metadata) is None
        plan = self._plan(snapshot, loaded.metadata if loaded and continues else None)
        publisher = self._publisher(plan, state, loaded)
        return self._committed(*Replacement(self._storage, plan, state.properties()).run(files, publisher))

    def advance(self, change: Change, state: SyncState, base: TargetTable) -> Commit:
        """Apply one change; see ``Target.advance``.

        Raises:
            ForeignTarget: The table belongs to a catalog.
        """
        loaded = self._loaded(base)
        assert loaded is not None
        moved = self._moved(loaded.metadata)
        if moved is not None:
            raise FullSyncNeeded(moved)
        plan = self._plan(change.snapshot, loaded.metadata)
        advance = Advance(self._storage, plan, loaded.metadata, state.properties())
        return self._committed(*advance.run(change, self._publisher(plan, state, loaded)))

    def _plan(self, snapshot: Snapshot, base: TableMetadata | None) -> TablePlan:
        version = max(self._version_for(snapshot.table), base.format_version if base else 0)
        return TablePlan(snapshot.table, base, version, may_raise=self._options.format_version is None)

    def _version_for(self, table: Table) -> int:
        """The target's version, or the one that the source needs where the caller has not said which it shall be."""
        if self._options.format_version is None and why_version_3(table) is not None:
            return 3
        return self._format_version

    def _publisher(self, plan: TablePlan, state: SyncState, loaded: LoadedTable | None) -> Publisher:
        kept = Retention(hours=self._options.retention_hours, snapshots=self._options.retention_snapshots)
        return Publisher(self._storage, self._location, plan, state.properties(), loaded, kept)

    def _loaded(self, base: TargetTable | None) -> LoadedTable | None:
        loaded: LoadedTable | None = base.handle if base is not None else None
        if loaded is not None and loaded.version is None:
            raise ForeignTarget(
                f"The Iceberg table at '{self._location}' belongs to a catalog: its metadata is named "
                f"'{loaded.path.rpartition('/')[2]}', and only the catalog may say which one is current.",
                hint="Convert to another path.",
            )
        return loaded

    def _committed(self, commit: Commit, following: NextVersion) -> Commit:
        write_hint(self._storage, self._location, int(commit.version.removeprefix("v")))
        sweep(self._storage, self._location, following)
        return commit

    def _lost(self, metadata: TableMetadata) -> str | None:
        """What to say of a table whose newest snapshot cannot be read any more."""
        snapshot = metadata.current_snapshot
        if snapshot is None or snapshot.manifest_list is None:
            return None
        there = self._storage.head(canonical(snapshot.manifest_list))
        return None if there is not None else f"the manifest list '{snapshot.manifest_list}' is gone"

    def _moved(self, metadata: TableMetadata) -> str | None:
        """What to say of a table that was copied here: its metadata is about the files that lie elsewhere."""
        try:
            recorded = canonical(metadata.location)
        except InvalidRequest:
            recorded = metadata.location
        if _resolved(recorded) == _resolved(self._location):
            return None
        return f"it was copied from '{recorded}' and still is about that table"


def _resolved(location: str) -> str:
    path = local_path(location)
    return location if path is None else str(Path(path).resolve())
