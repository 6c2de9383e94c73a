"""Schemas between the model and Iceberg's JSON (Iceberg spec, "Schemas and Data Types" and appendix C)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature
from converters.iceberg.metadata.file import decode_json
from converters.iceberg.metadata.structs import (
    FieldJson,
    ListJson,
    MapJson,
    SchemaJson,
    StructJson,
    TypeJson,
)
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
)

__all__ = [
    "NARROW_TYPES_KEY",
    "narrow_types",
    "narrow_types_text",
    "schema_from_json",
    "schema_text",
    "schema_to_json",
]

NARROW_TYPES_KEY = "tablecast.narrow-types"
"""Table property that remembers which ``int`` columns are ``byte`` or ``short`` elsewhere: JSON, field id to type."""

_NARROW = ("byte", "short")
_DECIMAL = re.compile(r"^decimal\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$")
_FIXED = re.compile(r"^fixed\[\s*(\d{1,9})\s*\]$")
_HIGHEST_PRECISION = 38
_DEEPEST = 64


def schema_text(schema: SchemaJson) -> str:
    """A schema as compact JSON, members in the order that Iceberg's Java library writes them."""
    return msgspec.json.encode(schema).decode()


def schema_from_json(schema: SchemaJson, narrow: Mapping[int, str] | None = None) -> Schema:
    """A schema as the model has it.

    Args:
        schema: What the table metadata has.
        narrow: What ``narrow_types`` returned: integer columns that are narrower in the format they come from.

    Raises:
        UnsupportedTableFeature: A column is of a type that no other format has, or that is not known.
        CorruptTable: Ids or names are not unique, or a type makes no sense.
        LimitExceeded: Types are nested too deeply.
    """
    reader = _Reader(narrow or {})
    fields = reader.fields(schema.fields, ())
    return Schema(
        fields=fields,
        schema_id=schema.schema_id or 0,
        identifier_field_ids=tuple(id_ for id_ in schema.identifier_field_ids if id_ in reader.seen),
    )


def schema_to_json(schema: Schema) -> SchemaJson:
    """A schema as Iceberg writes it; ``byte`` and ``short`` become ``int`` (see ``narrow_types_text``)."""
    return SchemaJson(
        schema_id=schema.schema_id,
        identifier_field_ids=schema.identifier_field_ids,
        fields=tuple(_field_json(field) for field in schema.fields),
    )


def narrow_types_text(schema: Schema) -> str | None:
    """The value of ``NARROW_TYPES_KEY`` for a schema; None where it needs none."""
    found = {
        str(node.id): node.type.kind
        for node in schema.nodes
        if isinstance(node.type, PrimitiveType) and node.type.kind in _NARROW
    }
    return msgspec.json.encode(found).decode() if found else None


def narrow_types(properties: Mapping[str, str]) -> dict[int, str]:
    """The inverse of ``narrow_types_text``: type names by field id; empty where the property is missing.

    Raises:
        CorruptTable: The property is not understood.
    """
    text = properties.get(NARROW_TYPES_KEY)
    if text is None:
        return {}
    found = decode_json(text, dict[int, str], f"The property '{NARROW_TYPES_KEY}'")
    return {id_: kind for id_, kind in found.items() if kind in _NARROW}


class _Reader:
    """Reads one schema, and remembers the ids that it met."""

    def __init__(self, narrow: Mapping[int, str]) -> None:
        self._narrow = narrow
        self.seen: set[int] = set()

    def fields(self, fields: tuple[FieldJson, ...], path: tuple[str, ...]) -> tuple[Field, ...]:
        if len({field.name for field in fields}) < len(fields):
            raise CorruptTable(f"Two columns {'of ' + _quoted(path) if path else 'of the schema'} have the same name.")
        return tuple(self._field(field, (*path, field.name)) for field in fields)

    def _field(self, field: FieldJson, path: tuple[str, ...]) -> Field:
        return Field(
            id=self._new(field.id, path),
            name=field.name,
            type=self._type(field.type, field.id, path),
            required=field.required,
            doc=field.doc,
            initial_default=field.initial_default,
            write_default=field.write_default,
        )

    def _type(self, type_: TypeJson, id_: int, path: tuple[str, ...]) -> Type:
        if len(path) > _DEEPEST:
            raise LimitExceeded(f"The column '{path[0]}' is nested more than {_DEEPEST} levels deep.")
        match type_:
            case StructJson(fields=fields):
                return StructType(self.fields(fields, path))
            case ListJson():
                element = (*path, "element")
                return ListType(
                    self._new(type_.element_id, element),
                    self._type(type_.element, type_.element_id, element),
                    type_.element_required,
                )
            case MapJson():
                key, value = (*path, "key"), (*path, "value")
                return MapType(
                    self._new(type_.key_id, key),
                    self._type(type_.key, type_.key_id, key),
                    self._new(type_.value_id, value),
                    self._type(type_.value, type_.value_id, value),
                    type_.value_required,
                )
            case _:
                return self._primitive(type_, id_, path)

    def _primitive(self, text: str, id_: int, path: tuple[str, ...]) -> Type:
        lowered = text.strip().lower()
        if lowered == "int" and id_ in self._narrow:
            return PRIMITIVE_KINDS[self._narrow[id_]]
        if lowered in PRIMITIVE_KINDS and lowered not in _NARROW:
            return PRIMITIVE_KINDS[lowered]
        if match := _DECIMAL.match(lowered):
            precision, scale = int(match[1]), int(match[2])
            if not 1 <= precision <= _HIGHEST_PRECISION or scale > precision:
                raise CorruptTable(f"The column {_quoted(path)} has the impossible type '{lowered}'.")
            return DecimalType(precision, scale)
        if match := _FIXED.match(lowered):
            return FixedType(int(match[1]))
        raise UnsupportedTableFeature(
            f"The column {_quoted(path)} is of the type '{text[:64]}', which cannot be carried to another format.",
            hint="Drop the column, or copy the table without it.",
        )

    def _new(self, id_: int, path: tuple[str, ...]) -> int:
        if id_ in self.seen:
            raise CorruptTable(f"The field id {id_} of the column {_quoted(path)} is used twice in one schema.")
        self.seen.add(id_)
        return id_


def _quoted(path: tuple[str, ...]) -> str:
    return f"'{'.'.join(path)}'"


def _field_json(field: Field) -> FieldJson:
    return FieldJson(
        id=field.id,
        name=field.name,
        required=field.required,
        type=_type_json(field.type),
        doc=field.doc,
        initial_default=field.initial_default,
        write_default=field.write_default,
    )


def _type_json(type_: Type) -> TypeJson:
    match type_:
        case PrimitiveType(kind):
            return "int" if kind in _NARROW else kind
        case DecimalType(precision, scale):
            return f"decimal({precision}, {scale})"
        case FixedType(length):
            return f"fixed[{length}]"
        case StructType(fields):
            return StructJson(fields=tuple(_field_json(field) for field in fields))
        case ListType(element_id, element, element_required):
            return ListJson(element_id=element_id, element=_type_json(element), element_required=element_required)
        case MapType(key_id, key, value_id, value, value_required):
            return MapJson(
                key_id=key_id,
                key=_type_json(key),
                value_id=value_id,
                value=_type_json(value),
                value_required=value_required,
            )
