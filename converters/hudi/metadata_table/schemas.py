"""Avro schemas of the records that are written into the metadata table (``HoodieMetadataRecord``, table version 6).

Only the fields that a partition uses: the others have defaults in every reader's schema, and the schema stands twice in
each log block.  Every string and every map carries ``avro.java.string``: without it Hudi 0.15 would read texts as
``Utf8`` objects and fail.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["COLUMN_STATS_SCHEMA", "FILES_SCHEMA", "WRAPPERS"]

_STRING = {"type": "string", "avro.java.string": "String"}

WRAPPERS: dict[str, Any] = {
    "BooleanWrapper": "boolean",
    "IntWrapper": "int",
    "LongWrapper": "long",
    "FloatWrapper": "float",
    "DoubleWrapper": "double",
    "BytesWrapper": "bytes",
    "StringWrapper": _STRING,
    "DateWrapper": "int",
    "DecimalWrapper": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 15},
    "TimeMicrosWrapper": {"type": "long", "logicalType": "time-micros"},
    "TimestampMicrosWrapper": "long",
}
"""The records that bounds stand in, each with one field ``value``, in the order of the union's branches after null."""


def _record(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": fields}


def _optional(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}


_FILE_INFO = _record(
    "HoodieMetadataFileInfo", [{"name": "size", "type": "long"}, {"name": "isDeleted", "type": "boolean"}]
)

_STATISTICS = _record(
    "HoodieMetadataColumnStats",
    [
        _optional("fileName", _STRING),
        _optional("columnName", _STRING),
        {
            "name": "minValue",
            "type": ["null", *(_record(name, [{"name": "value", "type": kind}]) for name, kind in WRAPPERS.items())],
            "default": None,
        },
        {"name": "maxValue", "type": ["null", *WRAPPERS], "default": None},
        _optional("valueCount", "long"),
        _optional("nullCount", "long"),
        _optional("totalSize", "long"),
        _optional("totalUncompressedSize", "long"),
        {"name": "isDeleted", "type": "boolean"},
    ],
)

_FILES_FIELDS: list[dict[str, Any]] = [
    {"name": "key", "type": _STRING},
    {"name": "type", "type": "int"},
    {
        "name": "filesystemMetadata",
        "type": ["null", {"type": "map", "avro.java.string": "String", "values": _FILE_INFO}],
    },
]


def _text(fields: list[dict[str, Any]]) -> str:
    schema = _record("HoodieMetadataRecord", fields)
    return msgspec.json.encode({**schema, "namespace": "org.apache.hudi.avro.model"}).decode()


FILES_SCHEMA = _text(_FILES_FIELDS)
"""Schema of the partition ``files``, as JSON text."""

COLUMN_STATS_SCHEMA = _text([*_FILES_FIELDS, _optional("ColumnStatsMetadata", _STATISTICS)])
"""Schema of the partition ``column_stats``, as JSON text."""
