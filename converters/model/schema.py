"""A table's schema: its columns, their ids, and the leaves that can carry statistics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import msgspec

from converters.model.types import Field, StructType, Type, is_nested, walk_type

__all__ = ["Leaf", "Node", "Schema"]


class Node(msgspec.Struct, frozen=True):
    """One place in a schema: a column, struct member, list element, map key or map value.

    ``path`` holds the names from the top; list and map members are ``element``, ``key``, ``value``.
    """

    path: tuple[str, ...]
    id: int
    type: Type
    required: bool

    @property
    def dotted(self) -> str:
        """The path as text, for messages."""
        return ".".join(self.path)


class Leaf(msgspec.Struct, frozen=True):
    """A primitive column that can carry statistics: reached through structs only, never through a list or map.

    ``path`` is by logical names, ``stored_path`` by the names inside the data files.
    """

    field: Field
    path: tuple[str, ...]
    stored_path: tuple[str, ...]


class Schema(msgspec.Struct, frozen=True, dict=True):
    """Columns in order, with their identities.

    Attributes:
        fields: Top-level columns.
        schema_id: The source's own number for this schema; 0 where it has none.
        identifier_field_ids: Columns that identify a row (Iceberg), if any.
    """

    fields: tuple[Field, ...]
    schema_id: int = 0
    identifier_field_ids: tuple[int, ...] = ()

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every place in the schema, parents before children."""
        return tuple(Node(*found) for found in walk_type(StructType(self.fields), ()))

    @cached_property
    def by_id(self) -> dict[int, Node]:
        """Every place in the schema by field id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def by_path(self) -> dict[tuple[str, ...], Node]:
        """Every place in the schema by its path of logical names."""
        return {node.path: node for node in self.nodes}

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """The columns that can carry statistics, in schema order."""
        return tuple(_leaves(self.fields, (), ()))

    @property
    def highest_id(self) -> int:
        """The largest field id in use; 0 for an empty schema."""
        return max((node.id for node in self.nodes), default=0)

    def field(self, name: str) -> Field | None:
        """The top-level column of this name, if there is one."""
        return next((field for field in self.fields if field.name == name), None)


def _leaves(fields: tuple[Field, ...], path: tuple[str, ...], stored: tuple[str, ...]) -> Iterator[Leaf]:
    for field in fields:
        here, there = (*path, field.name), (*stored, field.stored_name)
        if isinstance(field.type, StructType):
            yield from _leaves(field.type.fields, here, there)
        elif not is_nested(field.type):
            yield Leaf(field, here, there)
