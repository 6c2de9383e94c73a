"""Reading and writing Iceberg's table metadata file: versions 1 to 3, each written as what it was read as.

What version 1 may leave out (``schemas``, ``partition-specs``, ``refs`` ...) is filled in when it is read, so the rest
of the package sees one shape (Iceberg spec, "Table Metadata" and appendix C).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature
from converters.iceberg.metadata.structs import (
    EMPTY_JSON_ARRAY,
    MAIN_BRANCH,
    NEWEST_FORMAT_VERSION,
    NO_SNAPSHOT,
    UNSORTED_ORDERS,
    IcebergJson,
    Id,
    Long,
    MetadataLogEntry,
    Millis,
    PartitionFieldJson,
    RefJson,
    SchemaJson,
    SnapshotJson,
    SnapshotLogEntry,
    SpecJson,
    TableMetadata,
)
from converters.model.partition import FIRST_PARTITION_FIELD_ID

__all__ = ["decode_json", "decode_metadata", "encode_metadata"]


class _Wire(IcebergJson, frozen=True, kw_only=True):
    """Whatever versions 1 to 3 may have written."""

    format_version: Long
    table_uuid: str | None = None
    location: str
    last_sequence_number: Long = 0
    last_updated_ms: Millis
    last_column_id: Id
    schema: SchemaJson | None = None
    current_schema_id: Id | None = None
    schemas: tuple[SchemaJson, ...] | None = None
    partition_spec: tuple[PartitionFieldJson, ...] | None = None
    default_spec_id: Id | None = None
    partition_specs: tuple[SpecJson, ...] | None = None
    last_partition_id: Id | None = None
    default_sort_order_id: Id | None = None
    sort_orders: msgspec.Raw = UNSORTED_ORDERS
    properties: dict[str, str | None] | None = None
    current_snapshot_id: Long | None = None
    next_row_id: Long | None = None
    refs: dict[str, RefJson] | None = None
    snapshots: tuple[SnapshotJson, ...] | None = None
    statistics: msgspec.Raw = EMPTY_JSON_ARRAY
    partition_statistics: msgspec.Raw = EMPTY_JSON_ARRAY
    snapshot_log: tuple[SnapshotLogEntry, ...] | None = None
    metadata_log: tuple[MetadataLogEntry, ...] | None = None
    encryption_keys: msgspec.Raw = EMPTY_JSON_ARRAY


class _Version(IcebergJson, frozen=True, kw_only=True):
    format_version: Long


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
        (field.field_id or 0 for spec in specs for field in spec.fields), default=FIRST_PARTITION_FIELD_ID - 1
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
        msgspec.structs.replace(field, field_id=FIRST_PARTITION_FIELD_ID + place)
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
