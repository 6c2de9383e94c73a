"""Iceberg's table metadata file as structs.

Source: Iceberg spec, "Table Metadata and Snapshots" and appendix C ("JSON serialization").  Members that nobody here
needs to understand are kept as raw JSON.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from converters.errors import CorruptTable

__all__ = [
    "EMPTY_JSON_ARRAY",
    "MAIN_BRANCH",
    "NEWEST_FORMAT_VERSION",
    "NO_SNAPSHOT",
    "UNSORTED_ORDERS",
    "FieldJson",
    "IcebergJson",
    "Id",
    "ListJson",
    "Long",
    "MapJson",
    "MetadataLogEntry",
    "Millis",
    "PartitionFieldJson",
    "RefJson",
    "SchemaJson",
    "SnapshotJson",
    "SnapshotLogEntry",
    "SpecJson",
    "StructJson",
    "TableMetadata",
    "TypeJson",
]

NEWEST_FORMAT_VERSION = 3
"""The newest table format version that is understood."""

MAIN_BRANCH = "main"
"""The branch that is the table's current state (spec, "Snapshot References")."""

NO_SNAPSHOT = -1
"""What Java writes as ``current-snapshot-id`` of a table without one."""

EMPTY_JSON_ARRAY = msgspec.Raw(b"[]")
"""Raw JSON of an empty list."""

UNSORTED_ORDERS = msgspec.Raw(b'[{"order-id":0,"fields":[]}]')
"""Raw JSON of ``sort-orders`` where the table has no order."""

Id = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Millis = Annotated[int, msgspec.Meta(ge=-62_135_596_800_000, le=253_402_300_799_999)]
"""Instants of the years 1 to 9999, which every writer and reader can name."""


class IcebergJson(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """Member names in kebab case; members that equal their default are not written."""


class FieldJson(IcebergJson, frozen=True, kw_only=True):
    """A column or a struct member; as ``model.types.Field``."""

    id: Id
    name: str
    required: bool
    type: TypeJson
    doc: str | None = None
    initial_default: Any = None
    write_default: Any = None


class StructJson(IcebergJson, frozen=True, kw_only=True, tag_field="type", tag="struct"):
    """A struct type."""

    fields: tuple[FieldJson, ...]


class ListJson(IcebergJson, frozen=True, kw_only=True, tag_field="type", tag="list"):
    """A list type."""

    element_id: Id
    element: TypeJson
    element_required: bool


class MapJson(IcebergJson, frozen=True, kw_only=True, tag_field="type", tag="map"):
    """A map type."""

    key_id: Id
    key: TypeJson
    value_id: Id
    value: TypeJson
    value_required: bool


TypeJson = str | StructJson | ListJson | MapJson


class SchemaJson(IcebergJson, frozen=True, kw_only=True, tag_field="type", tag="struct"):
    """One schema; its id is only missing in what version 1 wrote, and never in a ``TableMetadata``."""

    schema_id: Id | None = None
    identifier_field_ids: tuple[Id, ...] = ()
    fields: tuple[FieldJson, ...]


class PartitionFieldJson(IcebergJson, frozen=True, kw_only=True):
    """One partition field.  ``field_id`` may be missing in version 1; ``source_ids`` replaces ``source_id`` in 3."""

    name: str
    transform: str
    source_id: Id | None = None
    source_ids: tuple[Id, ...] = ()
    field_id: Id | None = None


class SpecJson(IcebergJson, frozen=True, kw_only=True):
    """One partition spec."""

    spec_id: Id
    fields: tuple[PartitionFieldJson, ...]


class SnapshotJson(IcebergJson, frozen=True, kw_only=True):
    """One snapshot.  Version 1 may name its manifests directly instead of a manifest list."""

    sequence_number: Long = 0
    snapshot_id: Long
    parent_snapshot_id: Long | None = None
    timestamp_ms: Millis
    summary: dict[str, str] | None = None
    manifest_list: str | None = None
    manifests: tuple[str, ...] | None = None
    schema_id: Id | None = None
    first_row_id: Long | None = None
    added_rows: Long | None = None
    key_id: str | None = None


class RefJson(IcebergJson, frozen=True, kw_only=True):
    """A branch or a tag."""

    snapshot_id: Long
    type: Literal["branch", "tag"]
    min_snapshots_to_keep: int | None = None
    max_snapshot_age_ms: int | None = None
    max_ref_age_ms: int | None = None


class SnapshotLogEntry(IcebergJson, frozen=True, kw_only=True):
    """When a snapshot became the current one."""

    timestamp_ms: Millis
    snapshot_id: Long


class MetadataLogEntry(IcebergJson, frozen=True, kw_only=True):
    """A former metadata file."""

    timestamp_ms: Millis
    metadata_file: str


class TableMetadata(IcebergJson, frozen=True, kw_only=True):
    """A table metadata file.

    Attributes:
        current_snapshot_id: None where the table has no snapshot.
        sort_orders: Raw JSON, kept as it is; so are ``statistics``, ``partition_statistics``, ``encryption_keys``.
        next_row_id: Version 3 only.

    The others are the spec's members of the same name.
    """

    format_version: Long
    table_uuid: str | None
    location: str
    last_sequence_number: Long
    last_updated_ms: Millis
    last_column_id: Id
    current_schema_id: Id
    schemas: tuple[SchemaJson, ...]
    default_spec_id: Id
    partition_specs: tuple[SpecJson, ...]
    last_partition_id: Id
    default_sort_order_id: Id
    sort_orders: msgspec.Raw
    properties: dict[str, str]
    current_snapshot_id: Long | None = None
    next_row_id: Long | None = None
    refs: dict[str, RefJson]
    snapshots: tuple[SnapshotJson, ...]
    statistics: msgspec.Raw
    partition_statistics: msgspec.Raw
    snapshot_log: tuple[SnapshotLogEntry, ...]
    metadata_log: tuple[MetadataLogEntry, ...]
    encryption_keys: msgspec.Raw | None = None

    @property
    def current_schema(self) -> SchemaJson:
        """The schema that writers and readers of the main branch use."""
        return self.schema_of(self.current_schema_id)

    def schema_of(self, schema_id: int) -> SchemaJson:
        """The schema of this id.

        Raises:
            CorruptTable: There is none.
        """
        for schema in self.schemas:
            if schema.schema_id == schema_id:
                return schema
        raise CorruptTable(f"The table metadata names schema {schema_id}, but has none of that id.")

    def spec_of(self, spec_id: int) -> SpecJson:
        """The partition spec of this id.

        Raises:
            CorruptTable: There is none.
        """
        for spec in self.partition_specs:
            if spec.spec_id == spec_id:
                return spec
        raise CorruptTable(f"The table metadata names partition spec {spec_id}, but has none of that id.")

    def snapshot_of(self, snapshot_id: int) -> SnapshotJson | None:
        """The snapshot of this id, if the table still has it."""
        return next((each for each in self.snapshots if each.snapshot_id == snapshot_id), None)

    @property
    def current_snapshot(self) -> SnapshotJson | None:
        """The state of the main branch; None for a table without snapshots."""
        return None if self.current_snapshot_id is None else self.snapshot_of(self.current_snapshot_id)
