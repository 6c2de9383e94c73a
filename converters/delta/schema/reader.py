"""Delta's schema JSON and the model's schema, both ways (Delta protocol, "Schema Serialization Format").

Field ids are Delta's own under column mapping.  Without it they are given level by level, as XTable does: the columns
first, then the members of all columns, and so on; a list's element, a map's key and its value count as members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from converters.delta.schema.column_ids import Path, SchemaIds, physical_name
from converters.delta.schema.json_form import (
    MAPPING_ID,
    MAPPING_NAME,
    NESTED_IDS,
    ArrayJson,
    FieldJson,
    MapJson,
    StructJson,
    TypeJson,
    UserDefinedJson,
)
from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature
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

__all__ = ["MappingMode", "read_schema", "write_schema"]

MappingMode = Literal["none", "name", "id"]

_COMMENT = "comment"
_DEFAULT = "CURRENT_DEFAULT"
_GENERATION = "delta.generationExpression"
_TYPE_CHANGES = "delta.typeChanges"
_LOGICAL_TYPE = "xtableLogicalType"

_DECIMAL = re.compile(r"^decimal(?:\(\s*(\d+)\s*,\s*(-?\d+)\s*\))?$")

_FROM_DELTA: dict[str, PrimitiveType] = {
    "boolean": PRIMITIVE_KINDS["boolean"],
    "byte": PRIMITIVE_KINDS["byte"],
    "short": PRIMITIVE_KINDS["short"],
    "integer": PRIMITIVE_KINDS["int"],
    "long": PRIMITIVE_KINDS["long"],
    "float": PRIMITIVE_KINDS["float"],
    "double": PRIMITIVE_KINDS["double"],
    "date": PRIMITIVE_KINDS["date"],
    "timestamp": PRIMITIVE_KINDS["timestamptz"],
    "timestamp_ntz": PRIMITIVE_KINDS["timestamp"],
    "string": PRIMITIVE_KINDS["string"],
    "binary": PRIMITIVE_KINDS["binary"],
}
_TO_DELTA = {type_: name for name, type_ in _FROM_DELTA.items()}


def read_schema(schema_string: str, mapping_mode: str = "none", *, highest_id: int = 0) -> Schema:
    """Read ``metaData.schemaString``.

    Args:
        schema_string: The JSON text.
        mapping_mode: The table's ``delta.columnMapping.mode``: ``none``, ``name`` or ``id``.
        highest_id: The table's ``delta.columnMapping.maxColumnId``; ids that must be made up are above it.

    Raises:
        CorruptTable: It is not a schema, or column mapping's ids are missing or not unique.
        UnsupportedTableFeature: A type is unknown, or was changed in a way that no other format can follow.
    """
    if mapping_mode not in {"none", "name", "id"}:
        msg = f"The column mapping mode '{mapping_mode[:64]}' is unknown."
        raise CorruptTable(msg)
    try:
        parsed = msgspec.json.decode(schema_string, type=StructJson)
    except RecursionError as error:
        msg = "The Delta schema is nested too deeply."
        raise LimitExceeded(msg) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        msg = f"The Delta schema is not understood: {error}."
        raise CorruptTable(msg) from error
    ids = SchemaIds.of(parsed, mapped=mapping_mode != "none", highest_id=highest_id)
    schema = Schema(tuple(_field(each, (), ids) for each in parsed.fields))
    if len(schema.by_id) != len(schema.nodes):
        msg = "Two columns of the Delta schema have the same id."
        raise CorruptTable(msg)
    return schema


def _field(field: FieldJson, parent: Path, ids: SchemaIds) -> Field:
    path = (*parent, field.name)
    if ids.mapped and not isinstance(field.metadata.get(MAPPING_NAME), str):
        msg = f"The column '{'.'.join(path)}' has no {MAPPING_NAME}, although the table maps columns."
        raise CorruptTable(msg)
    physical = physical_name(field) if ids.mapped else field.name
    _check_type_changes(field, path)
    type_ = _type(field.type, path, ids)
    if type_ == PRIMITIVE_KINDS["binary"] and field.metadata.get(_LOGICAL_TYPE) == "uuid":
        type_ = PRIMITIVE_KINDS["uuid"]
    return Field(
        id=ids[path],
        name=field.name,
        type=type_,
        required=not field.nullable,
        doc=_text(field, _COMMENT),
        physical_name=physical if physical != field.name else None,
        default_sql=_text(field, _DEFAULT),
        generation_sql=_text(field, _GENERATION),
    )


def _text(field: FieldJson, key: str) -> str | None:
    found = field.metadata.get(key)
    return found if isinstance(found, str) else None


def _type(given: TypeJson, path: Path, ids: SchemaIds) -> Type:
    match given:
        case str():
            return _primitive(given, path)
        case StructJson(fields):
            return StructType(tuple(_field(each, path, ids) for each in fields))
        case ArrayJson(element, nullable):
            inner = (*path, "element")
            return ListType(ids[inner], _type(element, inner, ids), element_required=not nullable)
        case MapJson(key, value, nullable):
            first, second = (*path, "key"), (*path, "value")
            return MapType(
                ids[first],
                _type(key, first, ids),
                ids[second],
                _type(value, second, ids),
                value_required=not nullable,
            )
        case UserDefinedJson():
            raise _unknown_type("a user-defined type", path)


def _primitive(name: str, path: Path) -> Type:
    if name in _FROM_DELTA:
        return _FROM_DELTA[name]
    match = _DECIMAL.match(name)
    if match is None:
        raise _unknown_type(name, path)
    precision, scale = (int(match[1]), int(match[2])) if match[1] else (10, 0)
    if not (1 <= precision <= 38 and 0 <= scale <= precision):
        raise _unknown_type(name, path)
    return DecimalType(precision, scale)


def _unknown_type(name: str, path: Path) -> UnsupportedTableFeature:
    msg = f"The column '{'.'.join(path)}' is of the type '{name[:64]}', which has no equal in other formats."
    return UnsupportedTableFeature(msg, hint="Leave the column out, or cast it to another type.")


_INTEGERS = ("byte", "short", "integer", "long")


def _check_type_changes(field: FieldJson, path: Path) -> None:
    """Refuse a widened column (Delta protocol, "Type Widening") whose old files other formats cannot read."""
    changes = field.metadata.get(_TYPE_CHANGES)
    if changes is None:
        return
    if not isinstance(changes, list) or not all(isinstance(each, dict) for each in changes):
        msg = f"The column '{'.'.join(path)}' has {_TYPE_CHANGES} that are not understood."
        raise CorruptTable(msg)
    for change in changes:
        before, after = str(change.get("fromType")), str(change.get("toType"))
        if not _is_common_promotion(before, after):
            msg = f"The column '{'.'.join(path)}' was widened from {before[:64]} to {after[:64]}."
            raise UnsupportedTableFeature(
                msg + " No other format reads the files from before that.",
                hint="Rewrite the table's old files (REORG TABLE … APPLY, or OPTIMIZE), then drop the feature.",
            )


def _is_common_promotion(before: str, after: str) -> bool:
    if before in _INTEGERS and after in _INTEGERS:
        return _INTEGERS.index(before) <= _INTEGERS.index(after)
    if (before, after) == ("float", "double"):
        return True
    old, new = _DECIMAL.match(before), _DECIMAL.match(after)
    return bool(old and new and old[2] == new[2] and int(old[1] or 10) <= int(new[1] or 10))


def write_schema(schema: Schema, *, mapped: bool = False) -> str:
    """The schema as ``metaData.schemaString``; the inverse of ``read_schema``.

    ``fixed`` becomes binary, ``uuid`` binary marked as XTable does.

    Args:
        schema: Columns of types that Delta has.
        mapped: Write each column's id and physical name, as column mapping needs.

    Raises:
        UnsupportedTableFeature: A column's type has no equal in Delta.
    """
    fields = [_field_json(field, (), mapped=mapped) for field in schema.fields]
    return msgspec.json.encode(StructJson(fields)).decode()


def _field_json(field: Field, parent: Path, *, mapped: bool) -> FieldJson:
    path = (*parent, field.name)
    metadata: dict[str, Any] = {}
    if mapped:
        metadata |= {MAPPING_ID: field.id, MAPPING_NAME: field.stored_name}
        nested = dict(_nested_ids(field.type, field.stored_name))
        if nested:
            metadata[NESTED_IDS] = nested
    texts = {_COMMENT: field.doc, _DEFAULT: field.default_sql, _GENERATION: field.generation_sql}
    metadata |= {key: value for key, value in texts.items() if value is not None}
    if field.type == PRIMITIVE_KINDS["uuid"]:
        metadata[_LOGICAL_TYPE] = "uuid"
    return FieldJson(field.name, _type_json(field.type, path, mapped=mapped), not field.required, metadata)


def _nested_ids(type_: Type, path: str) -> Iterator[tuple[str, int]]:
    match type_:
        case ListType(element_id, element):
            yield f"{path}.element", element_id
            yield from _nested_ids(element, f"{path}.element")
        case MapType(key_id, key, value_id, value):
            yield f"{path}.key", key_id
            yield from _nested_ids(key, f"{path}.key")
            yield f"{path}.value", value_id
            yield from _nested_ids(value, f"{path}.value")
        case _:
            return


def _type_json(type_: Type, path: Path, *, mapped: bool) -> TypeJson:
    match type_:
        case StructType(fields):
            return StructJson([_field_json(each, path, mapped=mapped) for each in fields])
        case ListType(_, element, element_required):
            return ArrayJson(_type_json(element, (*path, "element"), mapped=mapped), not element_required)
        case MapType(_, key, _, value, value_required):
            return MapJson(
                _type_json(key, (*path, "key"), mapped=mapped),
                _type_json(value, (*path, "value"), mapped=mapped),
                not value_required,
            )
        case DecimalType(precision, scale):
            return f"decimal({precision},{scale})"
        case FixedType() | PrimitiveType("uuid"):
            return "binary"
        case PrimitiveType() if type_ in _TO_DELTA:
            return _TO_DELTA[type_]
        case _:
            msg = f"The column '{'.'.join(path)}' is of the type '{type_name(type_)}', which Delta does not have."
            raise UnsupportedTableFeature(msg, hint="Leave the column out, or store it as another type.")
