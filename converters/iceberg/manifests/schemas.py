"""Avro schemas of manifests and manifest lists (Iceberg spec, "Manifests", "Manifest Lists", appendix A)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from converters.iceberg.manifests.list_reader import DATA, DELETES
from converters.model.partition import PartitionField
from converters.model.types import DecimalType, FixedType, PrimitiveType, Type, type_name

__all__ = ["FIRST_ROW_ID", "avro_name", "decimal_bytes", "manifest_list_schema", "manifest_schema"]

Json = dict[str, Any]

_PRIMITIVES: dict[str, str | Json] = {
    "boolean": "boolean",
    "byte": "int",
    "short": "int",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "date": {"type": "int", "logicalType": "date"},
    "time": {"type": "long", "logicalType": "time-micros"},
    "timestamp": {"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": False},
    "timestamptz": {"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": True},
    "timestamp_ns": {"type": "long", "logicalType": "timestamp-nanos", "adjust-to-utc": False},
    "timestamptz_ns": {"type": "long", "logicalType": "timestamp-nanos", "adjust-to-utc": True},
    "string": "string",
    "uuid": {"type": "fixed", "size": 16, "logicalType": "uuid"},
    "binary": "bytes",
}


def manifest_schema(partition: Iterable[tuple[PartitionField, Type]], format_version: int, content: int = DATA) -> Json:
    """The schema of one manifest's entries.

    Args:
        partition: The spec's fields with the types of their values.
        format_version: 2 or 3.
        content: ``DATA`` or ``DELETES``.
    """
    data_file = [
        _field(134, "content", "int"),
        _field(100, "file_path", "string"),
        _field(101, "file_format", "string"),
        _field(102, "partition", {"type": "record", "name": "r102", "fields": _partition_fields(partition)}),
        _field(103, "record_count", "long"),
        _field(104, "file_size_in_bytes", "long"),
        _optional(108, "column_sizes", _map(117, 118, "long")),
        _optional(109, "value_counts", _map(119, 120, "long")),
        _optional(110, "null_value_counts", _map(121, 122, "long")),
        _optional(137, "nan_value_counts", _map(138, 139, "long")),
        _optional(125, "lower_bounds", _map(126, 127, "bytes")),
        _optional(128, "upper_bounds", _map(129, 130, "bytes")),
        _optional(131, "key_metadata", "bytes"),
        _optional(132, "split_offsets", {"type": "array", "items": "long", "element-id": 133}),
        _optional(135, "equality_ids", {"type": "array", "items": "int", "element-id": 136}),
        _optional(140, "sort_order_id", "int"),
    ]
    if format_version >= 3:
        data_file.append(FIRST_ROW_ID)
    if content == DELETES:
        data_file.append(_optional(143, "referenced_data_file", "string"))
        if format_version >= 3:
            data_file.append(_optional(144, "content_offset", "long"))
            data_file.append(_optional(145, "content_size_in_bytes", "long"))
    return {
        "type": "record",
        "name": "manifest_entry",
        "fields": [
            _field(0, "status", "int"),
            _optional(1, "snapshot_id", "long"),
            _optional(3, "sequence_number", "long"),
            _optional(4, "file_sequence_number", "long"),
            _field(2, "data_file", {"type": "record", "name": "r2", "fields": data_file}),
        ],
    }


def manifest_list_schema(format_version: int) -> Json:
    """The schema of a manifest list's entries, for format version 2 or 3."""
    summary = {
        "type": "record",
        "name": "r508",
        "fields": [
            _field(509, "contains_null", "boolean"),
            _optional(518, "contains_nan", "boolean"),
            _optional(510, "lower_bound", "bytes"),
            _optional(511, "upper_bound", "bytes"),
        ],
    }
    fields = [
        _field(500, "manifest_path", "string"),
        _field(501, "manifest_length", "long"),
        _field(502, "partition_spec_id", "int"),
        _field(517, "content", "int"),
        _field(515, "sequence_number", "long"),
        _field(516, "min_sequence_number", "long"),
        _field(503, "added_snapshot_id", "long"),
        _field(504, "added_files_count", "int"),
        _field(505, "existing_files_count", "int"),
        _field(506, "deleted_files_count", "int"),
        _field(512, "added_rows_count", "long"),
        _field(513, "existing_rows_count", "long"),
        _field(514, "deleted_rows_count", "long"),
        _optional(507, "partitions", {"type": "array", "items": summary, "element-id": 508}),
        _optional(519, "key_metadata", "bytes"),
    ]
    if format_version >= 3:
        fields.append(_optional(520, "first_row_id", "long"))
    return {"type": "record", "name": "manifest_file", "fields": fields}


def avro_name(name: str) -> str:
    """The name as Avro allows it: other characters become ``_x`` and their code, as Iceberg's Java library does.

    Java keeps letters of other alphabets, so what is different here is different there.
    """
    first = re.sub(r"^[0-9]", lambda found: "_" + found[0], name)
    return re.sub(r"[^A-Za-z0-9_]", lambda found: _escaped(found[0]), first) or "_"


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"_x{int.from_bytes(units[place : place + 2], 'big'):X}" for place in range(0, len(units), 2))


def decimal_bytes(precision: int) -> int:
    """Bytes of the fixed type that holds a decimal of this precision: the fewest that can (spec, appendix A)."""
    return (int(10**precision - 1).bit_length() + 1 + 7) // 8


def _partition_fields(partition: Iterable[tuple[PartitionField, Type]]) -> list[Json]:
    fields: list[Json] = []
    names: set[str] = set()
    for member, type_ in partition:
        name = avro_name(member.name)
        if name in names:
            name = f"{name}_{member.id}"
        names.add(name)
        field = _optional(member.id, name, _partition_type(type_, member.id))
        if name != member.name:
            field["iceberg-field-name"] = member.name
        fields.append(field)
    return fields


def _partition_type(type_: Type, field_id: int) -> str | Json:
    # A name may be defined once in an Avro schema, and not every reader follows references to it.
    match type_:
        case DecimalType(precision, scale):
            return {
                "type": "fixed",
                "name": f"decimal_{precision}_{scale}_{field_id}",
                "size": decimal_bytes(precision),
                "logicalType": "decimal",
                "precision": precision,
                "scale": scale,
            }
        case FixedType(length):
            return {"type": "fixed", "name": f"fixed_{length}_{field_id}", "size": length}
        case PrimitiveType(kind):
            known = _PRIMITIVES[kind]
            return {**known, "name": f"uuid_fixed_{field_id}"} if isinstance(known, dict) and kind == "uuid" else known
        case _:
            msg = f"a {type_name(type_)} cannot be partitioned by"
            raise TypeError(msg)


def _map(key_id: int, value_id: int, value: str) -> Json:
    item = {
        "type": "record",
        "name": f"k{key_id}_v{value_id}",
        "fields": [_field(key_id, "key", "int"), _field(value_id, "value", value)],
    }
    return {"type": "array", "items": item, "logicalType": "map"}


def _field(id_: int, name: str, type_: str | Mapping[str, Any]) -> Json:
    return {"name": name, "type": type_, "field-id": id_}


def _optional(id_: int, name: str, type_: str | Mapping[str, Any]) -> Json:
    return {"name": name, "type": ["null", type_], "default": None, "field-id": id_}


FIRST_ROW_ID = _optional(142, "first_row_id", "long")
"""The field of a data file's first row id (version 3); the last of our data manifests."""
