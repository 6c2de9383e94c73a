"""What is known of a table's data files as a whole, in former states of it.

Whoever read the whole table, once, knows it of one state; of others it follows from that and from what changed.  It
may say more than is so (a former type that no file has any more), never less.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from converters.errors import FullSyncNeeded
from converters.hudi.changes.added_files import AddedFiles
from converters.hudi.reading.columns import TableColumns
from converters.hudi.reading.stored_columns import promotions, two_level_lists
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.model.types import DecimalType, PrimitiveType, Type, is_nested, type_name

__all__ = ["FormerFacts"]

_INTS = ("byte", "short", "int")
_Path = tuple[str, ...]


class FormerFacts:
    """Follows a table from write to write."""

    def __init__(self, known: Table, before: TableColumns | None, instants: Collection[str] | None) -> None:
        """Begin before the first write.

        Args:
            known: The table in a state in which its files were looked at: before the first write, or after the last.
            before: The table's columns before the first write; None where it had none yet.
            instants: When the files were written that are live at the end or were in between; None where that is not
                known.
        """
        self.known = known
        self._instants = instants
        self._last = before
        by_id = known.schema.by_id
        self._types: dict[_Path, str] = {by_id[id_].path: former for id_, former in known.promotions.items()}
        self._lists: dict[str, str] = {by_id[id_].path[0]: path for id_, path in known.two_level_lists.items()}
        self._others: dict[str, None] = dict.fromkeys(known.other_columns)

    def has(self, columns: TableColumns) -> bool:
        """Whether these are still the columns of the last write that was told."""
        return self._last is not None and self._last.text == columns.text and self._last.schema == columns.schema

    def table(self, columns: TableColumns, schema: Schema, added: AddedFiles) -> Table:
        """The table after the next write.

        Args:
            columns: Its columns.
            schema: The same with the ids that data files have.
            added: The files that were added.

        Raises:
            FullSyncNeeded: A column was changed so that files need to be looked at.
            UnsupportedTableFeature: A new file holds a column in a type that cannot be carried.
        """
        if self._last is not None:
            self._follow(self._last.schema, schema)
        self._last = columns
        shapes = added.shapes
        nodes = schema.by_path
        types = {
            nodes[path].id: former
            for path, former in self._types.items()
            if path in nodes and former != type_name(nodes[path].type)
        }
        lists = {nodes[(name,)].id: path for name, path in self._lists.items() if (name,) in nodes}
        there = {field.stored_name for field in schema.fields}
        self._others |= {path[0]: None for shape in shapes for path in shape.footer.columns}
        return msgspec.structs.replace(
            self.known,
            schema=schema,
            specs=(added.files.partitioning.spec,),
            schema_text=columns.text,
            names_are_stable=self._names_are_stable(columns),
            promotions={**types, **promotions(schema, shapes)},
            two_level_lists={**lists, **two_level_lists(schema, shapes)},
            other_columns=tuple(name for name in self._others if name not in there),
        )

    def _follow(self, before: Schema, after: Schema) -> None:
        """Take account of what happened to the columns; files that were there hold them as they were."""
        for node in before.nodes:
            later = after.by_path.get(node.path)
            if later is None:
                if len(node.path) == 1:
                    self._others[node.path[0]] = None
            elif later.type != node.type and not (is_nested(node.type) and type(node.type) is type(later.type)):
                former = _former(node.type, later.type)
                if former is None:
                    was, now = type_name(node.type), type_name(later.type)
                    raise FullSyncNeeded(f"the column '{node.dotted}' that was a {was} became a {now}")
                if former:
                    self._types.setdefault(node.path, former)

    def _names_are_stable(self, columns: TableColumns) -> bool:
        versions = columns.history.versions
        if versions is None or versions.names_are_stable():
            return True
        return self._instants is not None and columns.history.names_are_stable(self._instants)


def _former(before: Type, after: Type) -> str | None:
    """The former type, where readers of every format take its values for those of the new one; empty for the same."""
    match before, after:
        case PrimitiveType(old), PrimitiveType(new) if old in _INTS and new in _INTS:
            return "" if _INTS.index(old) <= _INTS.index(new) else None
        case PrimitiveType(old), PrimitiveType("long") if old in _INTS:
            return "int"
        case DecimalType(old, scale), DecimalType(new, other) if old <= new and scale == other:
            return f"decimal({old},{scale})"
        case _:
            return None
