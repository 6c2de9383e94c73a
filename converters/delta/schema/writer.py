"""A table's columns as Delta can have them, or why it cannot."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from converters.delta.schema.sql_literals import sql_literal
from converters.errors import UnsupportedTableFeature
from converters.model.schema import Schema
from converters.model.types import (
    Field,
    FixedType,
    ListType,
    MapType,
    PrimitiveType,
    StructType,
    Type,
    type_name,
)

__all__ = ["adapted", "illegal_name", "stored_as"]

_ILLEGAL = frozenset(" ,;{}()\n\t=")
"""What a column's name may not have without column mapping (Delta's Spark writers refuse it)."""

_MISSING_KINDS = {"time", "timestamp_ns", "timestamptz_ns"}


def adapted(schema: Schema, *, uuid_as_binary: bool) -> tuple[Schema, list[str]]:
    """The schema with everything that Delta has no word for taken out, and notes for people on what that was.

    Raises:
        UnsupportedTableFeature: A column cannot be carried; the message names it.
    """
    if not schema.fields:
        raise UnsupportedTableFeature("The table has no columns, and Delta readers refuse such tables.")
    adaptation = _Adaptation(uuid_as_binary=uuid_as_binary)
    fields = adaptation.fields(schema.fields, ())
    return msgspec.structs.replace(schema, fields=fields), adaptation.notes


class _Adaptation:
    """One pass over a schema."""

    def __init__(self, *, uuid_as_binary: bool) -> None:
        self.notes: list[str] = []
        self._uuid_as_binary = uuid_as_binary

    def fields(self, fields: tuple[Field, ...], path: tuple[str, ...]) -> tuple[Field, ...]:
        """The fields of one level."""
        _check_names(fields, path)
        return tuple(self._field(each, (*path, each.name)) for each in fields)

    def _field(self, field: Field, path: tuple[str, ...]) -> Field:
        name = ".".join(path)
        default = field.default_sql
        if field.write_default is not None:
            default = sql_literal(field.write_default, field.type)
            if default is None or len(path) > 1:
                default = None
                self.notes.append(f"The write default of the column '{name}' is not kept.")
        if field.generation_sql is not None:
            self.notes.append(f"The generation expression of the column '{name}' is not kept; its values are.")
        return Field(
            id=field.id,
            name=field.name,
            type=self._type(field.type, path),
            required=field.required,
            doc=field.doc,
            physical_name=field.physical_name,
            default_sql=default,
        )

    def _type(self, type_: Type, path: tuple[str, ...]) -> Type:
        match type_:
            case StructType(fields):
                return StructType(self.fields(fields, path))
            case ListType(element=element):
                inside = self._type(element, (*path, "element"))
                return msgspec.structs.replace(type_, element=inside)
            case MapType(key=key, value=value):
                return msgspec.structs.replace(
                    type_,
                    key=self._type(key, (*path, "key")),
                    value=self._type(value, (*path, "value")),
                )
            case FixedType():
                self.notes.append(f"The column '{'.'.join(path)}' of the type {type_name(type_)} becomes binary.")
                return type_
            case PrimitiveType("uuid") if self._uuid_as_binary:
                self.notes.append(f"The column '{'.'.join(path)}' of the type uuid becomes binary: 16 bytes.")
                return type_
            case PrimitiveType(kind) if kind == "uuid" or kind in _MISSING_KINDS:
                raise UnsupportedTableFeature(
                    f"The column '{'.'.join(path)}' is of the type '{kind}', which Delta does not have.",
                    hint="Readers would see its 16 bytes: to have that, say delta.target.uuid-as-binary=true."
                    if kind == "uuid"
                    else "Leave the column out, or store it as another type.",
                )
            case _:
                return type_


def _check_names(fields: tuple[Field, ...], path: tuple[str, ...]) -> None:
    seen: dict[str, str] = {}
    for field in fields:
        name = ".".join((*path, field.name))
        if not field.name:
            raise UnsupportedTableFeature(f"A column at '{name}' has an empty name.", hint="Rename it.")
        other = seen.setdefault(field.name.lower(), field.name)
        if other != field.name:
            raise UnsupportedTableFeature(
                f"The columns '{'.'.join((*path, other))}' and '{name}' differ by upper and lower case only, which "
                "Delta takes for the same.",
                hint="Rename one of them.",
            )


def illegal_name(schema: Schema) -> str | None:
    """A name that needs column mapping, if there is one."""
    for node in schema.nodes:
        if not _ILLEGAL.isdisjoint(node.path[-1]):
            return node.dotted
    return None


def stored_as(schema: Schema, names: Mapping[int, str]) -> Schema:
    """The schema with the names that columns have inside the data files, by field id."""
    return msgspec.structs.replace(schema, fields=_renamed(schema.fields, names))


def _renamed(fields: tuple[Field, ...], names: Mapping[int, str]) -> tuple[Field, ...]:
    return tuple(
        msgspec.structs.replace(
            field,
            type=_renamed_inside(field.type, names),
            physical_name=None if names.get(field.id, field.stored_name) == field.name else names.get(field.id),
        )
        for field in fields
    )


def _renamed_inside(type_: Type, names: Mapping[int, str]) -> Type:
    match type_:
        case StructType(fields):
            return StructType(_renamed(fields, names))
        case ListType(element=element):
            return msgspec.structs.replace(type_, element=_renamed_inside(element, names))
        case MapType(key=key, value=value):
            return msgspec.structs.replace(type_, key=_renamed_inside(key, names), value=_renamed_inside(value, names))
        case _:
            return type_
