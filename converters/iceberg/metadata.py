"""Iceberg's table metadata file as structs: versions 1 to 3 are read, written as what they are.

Source: Iceberg spec, "Table Metadata and Snapshots" and appendix C ("JSON serialization").  What version 1 may leave
out (``schemas``, ``partition-specs``, ``refs`` ...) is filled in when it is read, so the rest of the package sees one
shape.  Members that nobody here needs to understand are kept as raw JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature

__all__ = [
    "EMPTY_JSON_ARRAY",
    "MAIN_BRANCH",
    "NEWEST_FORMAT_VERSION",
    "NO_SNAPSHOT",
    "UNSORTED_ORDERS",
    "FieldJson",
    "ListJson",
    "MapJson",
    "MetadataLogEntry",
    "PartitionFieldJson",
    "RefJson",
    "SchemaJson",
    "SnapshotJson",
    "SnapshotLogEntry",
    "SpecJson",
    "StructJson",
    "TableMetadata",
    "TypeJson",
    "decode_json",
    "decode_metadata",
    "encode_metadata",
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

_FIRST_PARTITION_FIELD_ID = 1000

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Millis = Annotated[int, msgspec.Meta(ge=-62_135_596_800_000, le=253_402_300_799_999)]
"""Instants of the years 1 to 9999, which every writer and reader can name."""


class _Json(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """Member names in kebab case; members that equal their default are not written."""


class FieldJson(_Json, frozen=True, kw_only=True):
    """A column or a struct member; as ``model.types.Field``."""

    id: _Id
    name: str
    required: bool
    type: TypeJson
    doc: str | None = None
    initial_default: Any = None
    write_default: Any = None


class StructJson(_Json, frozen=True, kw_only=True, tag_field="type", tag="struct"):
    """A struct type."""

    fields: tuple[FieldJson, ...]


class ListJson(_Json, frozen=True, kw_only=True, tag_field="type", tag="list"):
    """A list type."""

    element_id: _Id
    element: TypeJson
    element_required: bool


class MapJson(_Json, frozen=True, kw_only=True, tag_field="type", tag="map"):
    """A map type."""

    key_id: _Id
    key: TypeJson
    value_id: _Id
    value: TypeJson
    value_required: bool


TypeJson = str | StructJson | ListJson | MapJson


class SchemaJson(_Json, frozen=True, kw_only=True, tag_field="type", tag="struct"):
    """One schema; its id is only missing in what version 1 wrote, and never in a ``TableMetadata``."""

    schema_id: _Id | None = None
    identifier_field_ids: tuple[_Id, ...] = ()
    fields: tuple[FieldJson, ...]


class PartitionFieldJson(_Json, frozen=True, kw_only=True):
    """One partition field.  ``field_id`` may be missing in version 1; ``source_ids`` replaces ``source_id`` in 3."""

    name: str
    transform: str
    source_id: _Id | None = None
    source_ids: tuple[_Id, ...] = ()
    field_id: _Id | None = None


class SpecJson(_Json, frozen=True, kw_only=True):
    """One partition spec."""

    spec_id: _Id
    fields: tuple[PartitionFieldJson, ...]


class SnapshotJson(_Json, frozen=True, kw_only=True):
    """One snapshot.  Version 1 may name its manifests directly instead of a manifest list."""

    sequence_number: _Long = 0
    snapshot_id: _Long
    parent_snapshot_id: _Long | None = None
    timestamp_ms: _Millis
    summary: dict[str, str] | None = None
    manifest_list: str | None = None
    manifests: tuple[str, ...] | None = None
    schema_id: _Id | None = None
    first_row_id: _Long | None = None
    added_rows: _Long | None = None
    key_id: str | None = None


class RefJson(_Json, frozen=True, kw_only=True):
    """A branch or a tag."""

    snapshot_id: _Long
    type: Literal["branch", "tag"]
    min_snapshots_to_keep: int | None = None
    max_snapshot_age_ms: int | None = None
    max_ref_age_ms: int | None = None


class SnapshotLogEntry(_Json, frozen=True, kw_only=True):
    """When a snapshot became the current one."""

    timestamp_ms: _Millis
    snapshot_id: _Long


class MetadataLogEntry(_Json, frozen=True, kw_only=True):
    """A former metadata file."""

    timestamp_ms: _Millis
    metadata_file: str


class TableMetadata(_Json, frozen=True, kw_only=True):
    """A table metadata file.

    Attributes:
        current_snapshot_id: None where the table has no snapshot.
        sort_orders: Raw JSON, kept as it is; so are ``statistics``, ``partition_statistics``, ``encryption_keys``.
        next_row_id: Version 3 only.

    The others are the spec's members of the same name.
    """

    format_version: _Long
    table_uuid: str | None
    location: str
    last_sequence_number: _Long
    last_updated_ms: _Millis
    last_column_id: _Id
    current_schema_id: _Id
    schemas: tuple[SchemaJson, ...]
    default_spec_id: _Id
    partition_specs: tuple[SpecJson, ...]
    last_partition_id: _Id
    default_sort_order_id: _Id
    sort_orders: msgspec.Raw
    properties: dict[str, str]
    current_snapshot_id: _Long | None = None
    next_row_id: _Long | None = None
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


class _Wire(_Json, frozen=True, kw_only=True):
    """Whatever versions 1 to 3 may have written."""

    format_version: _Long
    table_uuid: str | None = None
    location: str
    last_sequence_number: _Long = 0
    last_updated_ms: _Millis
    last_column_id: _Id
    schema: SchemaJson | None = None
    current_schema_id: _Id | None = None
    schemas: tuple[SchemaJson, ...] | None = None
    partition_spec: tuple[PartitionFieldJson, ...] | None = None
    default_spec_id: _Id | None = None
    partition_specs: tuple[SpecJson, ...] | None = None
    last_partition_id: _Id | None = None
    default_sort_order_id: _Id | None = None
    sort_orders: msgspec.Raw = UNSORTED_ORDERS
    properties: dict[str, str | None] | None = None
    current_snapshot_id: _Long | None = None
    next_row_id: _Long | None = None
    refs: dict[str, RefJson] | None = None
    snapshots: tuple[SnapshotJson, ...] | None = None
    statistics: msgspec.Raw = EMPTY_JSON_ARRAY
    partition_statistics: msgspec.Raw = EMPTY_JSON_ARRAY
    snapshot_log: tuple[SnapshotLogEntry, ...] | None = None
    metadata_log: tuple[MetadataLogEntry, ...] | None = None
    encryption_keys: msgspec.Raw = EMPTY_JSON_ARRAY


class _Version(_Json, frozen=True, kw_only=True):
    format_version: _Long


class _Legacy(TableMetadata, frozen=True, kw_only=True):
    """Version 1 with the members that its readers need."""

    schema: SchemaJson
    partition_spec: tuple[PartitionFieldJson, ...]


_DecodedT = TypeVar("_DecodedT")


def decode_json(data: bytes | str, type_: type[_DecodedT], where: str) -> _DecodedT:
    """Decode JSON that a table's owner wrote.

    Args:
        data: The JSON text.
        type_: What it must be.
        where: What it is, for the message: ``'file:///t/metadata/v1.metadata.json'``.

    Raises:
        CorruptTable: It is no JSON, or not of this type.
        LimitExceeded: It is nested too deeply.
    """
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptTable(f"{where} is not understood: {error}.") from error
    except RecursionError as error:
        raise LimitExceeded(f"{where} is nested too deeply.") from error


def decode_metadata(data: bytes, where: str) -> TableMetadata:
    """Read a table metadata file (uncompressed).

    Args:
        data: The file's bytes.
        where: Its location, for messages.

    Raises:
        CorruptTable: It is not valid.
        LimitExceeded: It is nested too deeply.
        UnsupportedTableFeature: It is of a newer format version.
    """
    name = f"The table metadata '{where}'"
    try:
        wire = decode_json(data, _Wire, name)
    except CorruptTable:
        # A newer version may look different: then its number is the better answer.
        _check_version(_version_of(data), name)
        raise
    _check_version(wire.format_version, name)
    if wire.format_version < 1:
        raise CorruptTable(f"{name} has the format version {wire.format_version}.")
    return _checked(_normalised(wire, name), name)


def encode_metadata(metadata: TableMetadata) -> bytes:
    """Write a table metadata file (uncompressed)."""
    if metadata.format_version > 1:
        return msgspec.json.encode(metadata)
    members = {name: getattr(metadata, name) for name in TableMetadata.__struct_fields__}
    return msgspec.json.encode(
        _Legacy(
            **members, schema=metadata.current_schema, partition_spec=metadata.spec_of(metadata.default_spec_id).fields
        )
    )


def _version_of(data: bytes) -> int:
    try:
        return msgspec.json.decode(data, type=_Version).format_version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _check_version(version: int, name: str) -> None:
    if version > NEWEST_FORMAT_VERSION:
        raise UnsupportedTableFeature(
            f"{name} is of Iceberg format version {version}; versions to {NEWEST_FORMAT_VERSION} are understood."
        )


def _normalised(wire: _Wire, name: str) -> TableMetadata:
    schemas, current_schema_id = _schemas(wire, name)
    specs = _specs(wire, name)
    default_spec_id = wire.default_spec_id
    if default_spec_id is None:
        default_spec_id = max(spec.spec_id for spec in specs)
    last_partition_id = max(
        (field.field_id or 0 for spec in specs for field in spec.fields), default=_FIRST_PARTITION_FIELD_ID - 1
    )
    current = wire.current_snapshot_id if wire.current_snapshot_id != NO_SNAPSHOT else None
    refs = wire.refs or {}
    if current is not None and MAIN_BRANCH not in refs:
        refs = {MAIN_BRANCH: RefJson(snapshot_id=current, type="branch"), **refs}
    return TableMetadata(
        format_version=wire.format_version,
        table_uuid=wire.table_uuid,
        location=wire.location,
        last_sequence_number=wire.last_sequence_number,
        last_updated_ms=wire.last_updated_ms,
        last_column_id=wire.last_column_id,
        current_schema_id=current_schema_id,
        schemas=schemas,
        default_spec_id=default_spec_id,
        partition_specs=specs,
        last_partition_id=last_partition_id if wire.last_partition_id is None else wire.last_partition_id,
        default_sort_order_id=wire.default_sort_order_id or 0,
        sort_orders=wire.sort_orders,
        properties={key: value for key, value in (wire.properties or {}).items() if value is not None},
        current_snapshot_id=current,
        next_row_id=wire.next_row_id,
        refs=refs,
        snapshots=wire.snapshots or (),
        statistics=wire.statistics,
        partition_statistics=wire.partition_statistics,
        snapshot_log=wire.snapshot_log or (),
        metadata_log=wire.metadata_log or (),
        encryption_keys=None if bytes(wire.encryption_keys).strip() in {b"[]", b"null"} else wire.encryption_keys,
    )


def _schemas(wire: _Wire, name: str) -> tuple[tuple[SchemaJson, ...], int]:
    if wire.schemas:
        schemas = tuple(msgspec.structs.replace(each, schema_id=each.schema_id or 0) for each in wire.schemas)
        if wire.current_schema_id is None:
            raise CorruptTable(f"{name} does not say which schema is current.")
        return schemas, wire.current_schema_id
    if wire.schema is None:
        raise CorruptTable(f"{name} has no schema.")
    schema_id = wire.schema.schema_id or 0
    return (msgspec.structs.replace(wire.schema, schema_id=schema_id),), schema_id


def _specs(wire: _Wire, name: str) -> tuple[SpecJson, ...]:
    if wire.partition_specs:
        specs: Sequence[SpecJson] = wire.partition_specs
    elif wire.partition_spec is not None:
        specs = (SpecJson(spec_id=wire.default_spec_id or 0, fields=wire.partition_spec),)
    else:
        raise CorruptTable(f"{name} has no partition spec.")
    return tuple(_with_field_ids(spec) for spec in specs)


def _with_field_ids(spec: SpecJson) -> SpecJson:
    """Number the fields as version 1 does where it wrote no ids: from 1000, in order (spec, "Partition Specs")."""
    if all(field.field_id is not None for field in spec.fields):
        return spec
    fields = (
        msgspec.structs.replace(field, field_id=_FIRST_PARTITION_FIELD_ID + place)
        for place, field in enumerate(spec.fields)
    )
    return msgspec.structs.replace(spec, fields=tuple(fields))


def _checked(metadata: TableMetadata, name: str) -> TableMetadata:
    if metadata.current_schema_id not in {schema.schema_id for schema in metadata.schemas}:
        raise CorruptTable(f"{name} names schema {metadata.current_schema_id} as current, but has none of that id.")
    if metadata.default_spec_id not in {spec.spec_id for spec in metadata.partition_specs}:
        raise CorruptTable(f"{name} names spec {metadata.default_spec_id} as default, but has none of that id.")
    if metadata.current_snapshot_id is not None and metadata.current_snapshot is None:
        raise CorruptTable(f"{name} names snapshot {metadata.current_snapshot_id} as current, but has none of that id.")
    return metadata
