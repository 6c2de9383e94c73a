"""Name mappings: how columns of data files without field ids are found (Iceberg spec, "Column Projection", app. C)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from converters.iceberg.metadata.file import decode_json
from converters.model.schema import Schema
from converters.model.types import Field, ListType, MapType, StructType, Type

__all__ = ["NAME_MAPPING_KEY", "MappedField", "mapped_names", "name_mapping_text", "parse_name_mapping"]

NAME_MAPPING_KEY = "schema.name-mapping.default"
"""Table property that holds the mapping."""


class MappedField(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A field id and the names that its column has or had in data files; no id means a column to be ignored."""

    field_id: int | None = None
    names: tuple[str, ...]
    fields: tuple[MappedField, ...] = ()


_FIRST_HIDDEN_ID = 2_147_483_000
"""Ids from here are given to no column: the highest are reserved (spec, "Reserved Field IDs")."""


def name_mapping_text(schema: Schema, hidden: Sequence[str] = (), former: str | None = None) -> str:
    """The mapping for data files that have each column under its ``stored_name``.

    Args:
        schema: The columns.
        hidden: Names of further top-level columns that data files may have; their ids are no column's.
        former: The mapping so far, whose other columns stay as long as nothing else has their names: earlier
            snapshots are read by it as well.
    """
    mapped = tuple(_mapped(field) for field in schema.fields)
    extra = [MappedField(field_id=id_, names=(name,)) for id_, name in enumerate(hidden, _FIRST_HIDDEN_ID)]
    if former is not None:
        mapped = _with_former((*mapped, *extra), parse_name_mapping(former), {node.id for node in schema.nodes})
    else:
        mapped = (*mapped, *extra)
    return msgspec.json.encode(mapped).decode()


def _with_former(
    fields: tuple[MappedField, ...], former: tuple[MappedField, ...], taken: set[int]
) -> tuple[MappedField, ...]:
    """Fields of one level, with the former ones of that level."""
    before = {field.field_id: field for field in former if field.field_id is not None}
    names = {name for field in fields for name in field.names}
    merged: list[MappedField] = []
    for field in fields:
        known = before.get(field.field_id) if field.field_id is not None else None
        if known is not None:
            more = tuple(name for name in known.names if name not in names)
            names.update(more)
            members = _with_former(field.fields, known.fields, taken)
            field = msgspec.structs.replace(field, names=(*field.names, *more), fields=members)  # noqa: PLW2901
        merged.append(field)
    for id_, known in before.items():
        left = tuple(name for name in known.names if name not in names)
        if id_ in taken or id_ >= _FIRST_HIDDEN_ID or not left:
            continue
        names.update(left)
        merged.append(msgspec.structs.replace(known, names=left, fields=_with_former((), known.fields, taken)))
    return tuple(merged)


def parse_name_mapping(text: str) -> tuple[MappedField, ...]:
    """Read a mapping.

    Raises:
        CorruptTable: It is not understood.
    """
    return decode_json(text, tuple[MappedField, ...], f"The property '{NAME_MAPPING_KEY}'")


def mapped_names(mapping: tuple[MappedField, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield every path of names under which a column can be found, with its id (parents before children)."""
    yield from _paths(mapping, ((),))


def _paths(
    mapping: tuple[MappedField, ...], parents: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[tuple[str, ...], int]]:
    for field in mapping:
        here = tuple((*parent, name) for parent in parents for name in field.names)
        if field.field_id is not None:
            yield from ((path, field.field_id) for path in here)
        yield from _paths(field.fields, here)


def _mapped(field: Field) -> MappedField:
    return MappedField(field_id=field.id, names=(field.stored_name,), fields=_members(field.type))


def _members(type_: Type) -> tuple[MappedField, ...]:
    match type_:
        case StructType(fields):
            return tuple(_mapped(field) for field in fields)
        case ListType(element_id, element):
            return (MappedField(field_id=element_id, names=("element",), fields=_members(element)),)
        case MapType(key_id, key, value_id, value):
            return (
                MappedField(field_id=key_id, names=("key",), fields=_members(key)),
                MappedField(field_id=value_id, names=("value",), fields=_members(value)),
            )
        case _:
            return ()
