"""The ids of a Delta schema's columns: column mapping's own, or made up level by level as XTable does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from converters.delta.schema.json_form import (
    MAPPING_ID,
    MAPPING_NAME,
    NESTED_IDS,
    ArrayJson,
    FieldJson,
    MapJson,
    StructJson,
    TypeJson,
)
from converters.errors import CorruptTable, LimitExceeded

__all__ = ["Path", "SchemaIds", "physical_name"]

_MOST_LEVELS = 64

Path = tuple[str, ...]


class SchemaIds:
    """The id of every place in a schema, by its path; struct members' names and list and map members' are apart."""

    def __init__(self, *, mapped: bool) -> None:
        """Start empty; ``of`` fills it."""
        self.mapped = mapped
        self._ids: dict[Path, int] = {}

    def __getitem__(self, path: Path) -> int:
        """The id of a place."""
        return self._ids[path]

    @classmethod
    def of(cls, schema: StructJson, *, mapped: bool, highest_id: int) -> SchemaIds:
        """Take the ids that are there, and make up the others level by level."""
        ids = cls(mapped=mapped)
        missing: list[Path] = []
        for path, given in _by_level(schema, mapped=mapped):
            if given is None:
                missing.append(path)
            else:
                ids._ids[path] = given
        following = max([highest_id if mapped else 0, *ids._ids.values()]) + 1
        for number, path in enumerate(missing, following):
            ids._ids[path] = number
        return ids


def _by_level(schema: StructJson, *, mapped: bool) -> Iterator[tuple[Path, int | None]]:
    # Each entry: the type, its path, its level, and the nested ids of the column around it with the path inside that.
    todo: deque[tuple[TypeJson, Path, Mapping[str, Any], str]] = deque([(schema, (), {}, "")])
    while todo:
        type_, path, nested_ids, inside = todo.popleft()
        if len(path) > _MOST_LEVELS:
            msg = f"The Delta schema has more than {_MOST_LEVELS} levels at column '{path[0]}'."
            raise LimitExceeded(msg)
        if isinstance(type_, StructJson):
            for field in type_.fields:
                here = (*path, field.name)
                nested = field.metadata.get(NESTED_IDS, {}) if mapped else {}
                yield here, _given_id(field, here) if mapped else None
                todo.append((field.type, here, nested if isinstance(nested, dict) else {}, physical_name(field)))
        elif isinstance(type_, ArrayJson | MapJson):
            for member, member_type in _members(type_):
                there = f"{inside}.{member}"
                found = nested_ids.get(there)
                yield (*path, member), found if isinstance(found, int) else None
                todo.append((member_type, (*path, member), nested_ids, there))


def _members(type_: ArrayJson | MapJson) -> list[tuple[str, TypeJson]]:
    if isinstance(type_, ArrayJson):
        return [("element", type_.elementType)]
    return [("key", type_.keyType), ("value", type_.valueType)]


def _given_id(field: FieldJson, path: Path) -> int:
    found = field.metadata.get(MAPPING_ID)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        msg = f"The column '{'.'.join(path)}' has no {MAPPING_ID}, although the table maps columns."
        raise CorruptTable(msg)
    return found


def physical_name(field: FieldJson) -> str:
    """The column's name inside the files, where column mapping is in force."""
    found = field.metadata.get(MAPPING_NAME)
    return found if isinstance(found, str) else field.name
