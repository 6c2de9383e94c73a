"""What a table's former schemas say about its data files: under which names and types they have its columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from converters.iceberg.metadata.structs import (
    FieldJson,
    ListJson,
    MapJson,
    SchemaJson,
    StructJson,
    TableMetadata,
    TypeJson,
)
from converters.iceberg.schema.name_mapping import NAME_MAPPING_KEY, mapped_names, parse_name_mapping
from converters.model.schema import Schema

__all__ = ["has_name_mapping", "names_are_stable", "promotions"]

_Path = tuple[str, ...]

_DECIMAL = re.compile(r"^decimal\((\d+),(\d+)\)$")
_PROMOTED = {("int", "long"), ("float", "double"), *(("date", f"timestamp{suffix}") for suffix in ("", "_ns"))}
"""Types that a column may have had before (spec, "Schema Evolution"); decimals and ``unknown`` besides."""


def has_name_mapping(metadata: TableMetadata) -> bool:
    """Whether files without field ids may be in the table."""
    return NAME_MAPPING_KEY in metadata.properties


def names_are_stable(metadata: TableMetadata, schema: Schema, highest_schema_id: int) -> bool:
    """Whether each column of ``schema`` has had one name always, which no other column ever had.

    Names are compared without case, because engines read Delta tables so; where a former schema was removed from the
    metadata, nothing is known and the answer is no.

    Args:
        metadata: The table.
        schema: The columns.
        highest_schema_id: Schemas of higher ids came later.

    Raises:
        CorruptTable: The name mapping is not understood.
    """
    if not _is_complete(metadata):
        return False
    own = {node.id: node.path for node in schema.nodes}
    owners = {_folded(path): id_ for id_, path in own.items()}
    if len(owners) < len(own):
        return False
    for path, id_ in _former_names(metadata, highest_schema_id):
        if own.get(id_, path) != path or owners.get(_folded(path), id_) != id_:
            return False
    return True


def promotions(metadata: TableMetadata, schema: Schema, highest_schema_id: int) -> dict[int, str]:
    """The first type of each column whose type was widened, by field id; arguments as for ``names_are_stable``."""
    now = _types(metadata.schema_of(schema.schema_id))
    found: dict[int, str] = {}
    for former in sorted(_schemas(metadata, highest_schema_id), key=lambda each: each.schema_id or 0):
        for id_, type_ in _types(former).items():
            if id_ in now and id_ not in found and _is_promotion(type_, now[id_]):
                found[id_] = type_
    return found


def _is_complete(metadata: TableMetadata) -> bool:
    """Whether no schema that the table ever had is missing: their ids count from 0, and so do those of columns."""
    ids = {schema.schema_id or 0 for schema in metadata.schemas}
    highest = max((id_ for schema in metadata.schemas for _, id_, _ in _walk(schema.fields, ())), default=0)
    return len(ids) == max(ids) + 1 and metadata.last_column_id <= highest


def _schemas(metadata: TableMetadata, highest_id: int) -> Iterator[SchemaJson]:
    return (each for each in metadata.schemas if (each.schema_id or 0) <= highest_id)


def _former_names(metadata: TableMetadata, highest_schema_id: int) -> Iterator[tuple[_Path, int]]:
    for former in _schemas(metadata, highest_schema_id):
        yield from ((path, id_) for path, id_, _ in _walk(former.fields, ()))
    if has_name_mapping(metadata):
        yield from mapped_names(parse_name_mapping(metadata.properties[NAME_MAPPING_KEY]))


def _folded(path: _Path) -> _Path:
    return tuple(name.casefold() for name in path)


def _types(schema: SchemaJson) -> Mapping[int, str]:
    return {
        id_: re.sub(r"\s", "", type_.lower()) for _, id_, type_ in _walk(schema.fields, ()) if isinstance(type_, str)
    }


def _is_promotion(before: str, after: str) -> bool:
    if before == "unknown":
        return after != before
    old, new = _DECIMAL.match(before), _DECIMAL.match(after)
    if old and new:
        return int(old[1]) < int(new[1]) and old[2] == new[2]
    return (before, after) in _PROMOTED


def _walk(fields: tuple[FieldJson, ...], path: _Path) -> Iterator[tuple[_Path, int, TypeJson]]:
    for field in fields:
        yield from _place((*path, field.name), field.id, field.type)


def _place(path: _Path, id_: int, type_: TypeJson) -> Iterator[tuple[_Path, int, TypeJson]]:
    yield path, id_, type_
    match type_:
        case StructJson(fields=fields):
            yield from _walk(fields, path)
        case ListJson():
            yield from _place((*path, "element"), type_.element_id, type_.element)
        case MapJson():
            yield from _place((*path, "key"), type_.key_id, type_.key)
            yield from _place((*path, "value"), type_.value_id, type_.value)
        case _:
            return
