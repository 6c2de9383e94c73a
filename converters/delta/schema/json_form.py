"""Delta's schema JSON as structs (Delta protocol, "Schema Serialization Format")."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

__all__ = [
    "MAPPING_ID",
    "MAPPING_NAME",
    "NESTED_IDS",
    "ArrayJson",
    "FieldJson",
    "MapJson",
    "StructJson",
    "TypeJson",
    "UserDefinedJson",
]

MAPPING_ID = "delta.columnMapping.id"
MAPPING_NAME = "delta.columnMapping.physicalName"
NESTED_IDS = "delta.columnMapping.nested.ids"
"""Ids of list and map members, by path from the column's physical name (IcebergCompat)."""


class StructJson(msgspec.Struct, tag_field="type", tag="struct"):
    """Members in order."""

    fields: list[FieldJson]


class ArrayJson(msgspec.Struct, tag_field="type", tag="array"):
    """A list."""

    elementType: TypeJson  # noqa: N815 - Delta's spelling, as below
    containsNull: bool = True  # noqa: N815


class MapJson(msgspec.Struct, tag_field="type", tag="map"):
    """A map."""

    keyType: TypeJson  # noqa: N815
    valueType: TypeJson  # noqa: N815
    valueContainsNull: bool = True  # noqa: N815


class UserDefinedJson(msgspec.Struct, tag_field="type", tag="udt"):
    """A type of Spark's users."""


class FieldJson(msgspec.Struct):
    """A column or struct member."""

    name: str
    type: TypeJson
    nullable: bool = True
    metadata: dict[str, Any] = {}


TypeJson: TypeAlias = str | StructJson | ArrayJson | MapJson | UserDefinedJson
