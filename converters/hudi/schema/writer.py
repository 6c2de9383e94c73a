"""The common model's schema as the Avro schema of a Hudi table, in the form in which Hudi on Spark writes it.

Names of nested types are those that Spark's ``SchemaConverters`` gives: a record has its column's name, in the
namespace of the record around it; the fixed type of a decimal is ``fixed`` in a namespace that ends in the column's
name.  A path leads to each of them, so they are unique.
"""

from __future__ import annotations

from typing import Any

import msgspec

from converters.errors import UnsupportedTableFeature
from converters.hudi.schema.avro_names import META_COLUMNS, is_legal_name, legal_name, record_name
from converters.model.schema import Schema
from converters.model.types import (
    PRIMITIVE_KINDS,
    DecimalType,
    Field,
    FixedType,
    ListType,
    MapType,
    PrimitiveType,
    StructType,
    Type,
    type_name,
)

__all__ = ["decimal_bytes", "write_schema"]

_PRIMITIVES: dict[str, Any] = {
    "boolean": "boolean",
    "byte": "int",
    "short": "int",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "local-timestamp-micros"},
    "timestamptz": {"type": "long", "logicalType": "timestamp-micros"},
    "string": "string",
    "binary": "bytes",
}


def write_schema(schema: Schema, table_name: str) -> str:
    """A table's schema as JSON.

    Args:
        schema: Its columns; the names are those in the data files.
        table_name: ``hoodie.table.name``.

    Raises:
        UnsupportedTableFeature: Hudi cannot have a column; the message names it.
    """
    name, namespace = record_name(table_name)
    fields = _fields(schema.fields, (), f"{namespace}.{name}")
    record = {"type": "record", "name": name, "namespace": namespace, "fields": fields}
    return msgspec.json.encode(record).decode()


def decimal_bytes(precision: int) -> int:
    """How many bytes a decimal's fixed has: the fewest that hold the digits (``minBytesForPrecision``)."""
    largest: int = 10**precision - 1
    return (largest.bit_length() + 8) // 8


def _fields(fields: tuple[Field, ...], path: tuple[str, ...], namespace: str) -> list[dict[str, Any]]:
    seen: dict[str, str] = {}
    for field in fields:
        _check_name(field, path)
        other = seen.setdefault(field.name.lower(), field.name)
        if other != field.name:
            raise UnsupportedTableFeature(
                f"The names of the columns '{'.'.join((*path, other))}' and '{'.'.join((*path, field.name))}' differ "
                "in case only, by which readers of Hudi do not tell columns apart.",
                hint="Rename one of them.",
            )
    return [_field(field, (*path, field.name), namespace) for field in fields]


def _field(field: Field, path: tuple[str, ...], namespace: str) -> dict[str, Any]:
    type_ = _type(field.type, path, namespace, field.name)
    made: dict[str, Any] = {"name": field.name, "type": type_ if field.required else ["null", type_]}
    if field.doc is not None:
        made["doc"] = field.doc
    if not field.required:
        made["default"] = None
    return made


def _type(type_: Type, path: tuple[str, ...], namespace: str, name: str) -> Any:
    """A type.

    Args:
        type_: Of the model.
        path: The column's.
        namespace: The full name of the record around the column.
        name: The column that it is in; of a list's or map's members, that list's or map's.
    """
    match type_:
        case PrimitiveType(kind) if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        case DecimalType(precision, scale):
            fixed = _fixed(decimal_bytes(precision), namespace, name)
            return {**fixed, "logicalType": "decimal", "precision": precision, "scale": scale}
        case FixedType(length):
            return _fixed(length, namespace, name)
        case StructType(fields):
            inner = legal_name(name)
            made = _fields(fields, path, f"{namespace}.{inner}")
            return {"type": "record", "name": inner, "namespace": namespace, "fields": made}
        case ListType(element=element, element_required=required):
            return {"type": "array", "items": _member(element, (*path, "element"), namespace, name, required=required)}
        case MapType(key=key, value=value, value_required=required):
            if key != PRIMITIVE_KINDS["string"]:
                raise UnsupportedTableFeature(
                    f"The map column '{'.'.join(path)}' has keys of the type {type_name(key)}; Hudi has maps of string "
                    "keys only.",
                    hint="Drop the column, or write it as a list of structs.",
                )
            return {"type": "map", "values": _member(value, (*path, "value"), namespace, name, required=required)}
        case _:
            raise UnsupportedTableFeature(
                f"The column '{'.'.join(path)}' is of the type {type_name(type_)}, which readers of Hudi do not have.",
                hint="Drop the column, or write it as another type.",
            )


def _member(type_: Type, path: tuple[str, ...], namespace: str, name: str, *, required: bool) -> Any:
    made = _type(type_, path, namespace, name)
    return made if required else ["null", made]


def _fixed(size: int, namespace: str, name: str) -> dict[str, Any]:
    return {"type": "fixed", "name": "fixed", "namespace": f"{namespace}.{legal_name(name)}", "size": size}


def _check_name(field: Field, path: tuple[str, ...]) -> None:
    if not is_legal_name(field.name):
        raise UnsupportedTableFeature(
            f"The column name '{'.'.join((*path, field.name))}' is not legal in Hudi: a name has letters, digits and "
            "underscores only, and starts with no digit.",
            hint="Rename the column.",
        )
    if not path and field.name in META_COLUMNS:
        # Hudi 1.x does not show such a column of a table without meta fields.
        raise UnsupportedTableFeature(
            f"The column '{field.name}' has the name of one of Hudi's own columns.", hint="Rename or drop the column."
        )
