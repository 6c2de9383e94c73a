"""Rewriting the Avro schema of a manifest or manifest list into a flat one with the same encoding.

Avro writes a record as its members one after the other, so the schema of a record whose members are records can be
replaced by that of one flat record.  The flat one names each column by its field id (Iceberg spec, appendix A: ids,
not names, identify the columns of manifests), has no logical types, and lets a reader skip whole columns.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import msgspec

from converters.avro.container import varint
from converters.avro.reader import FlatColumn, FlatSchema
from converters.errors import CorruptTable, LimitExceeded
from converters.iceberg.metadata.file import decode_json

__all__ = ["flatten", "partition_column"]

_PRIMITIVES = {
    "boolean": b"\0",
    "int": b"\0",
    "long": b"\0",
    "float": b"\0" * 4,
    "double": b"\0" * 8,
    "bytes": b"\0",
    "string": b"\0",
}
"""The types that keep their name, and how their zero is written."""

_PARTITION_ID = 102
_MOST_NODES = 20_000
_DEEPEST = 32
_LARGEST_FIXED = 2**20


def partition_column(schema: FlatSchema, field_id: int, label: str) -> FlatColumn | None:
    """The column of a partition field, by its id, or by its name where the file has no ids."""
    found = schema.column(f"p{field_id}")
    if found is not None:
        return found
    unnumbered = (each for each in schema.columns if each.name.startswith("q"))
    return next((each for each in unnumbered if each.label == label), None)


def flatten(text: bytes, where: str) -> FlatSchema:
    """Rewrite a schema.

    Args:
        text: The schema as JSON.
        where: The file that has it, for messages.

    Raises:
        CorruptTable: It is no schema that a manifest can have.
        LimitExceeded: It is larger or deeper than any manifest's.
    """
    try:
        return _flattened(text)
    except CorruptTable as error:
        raise type(error)(f"{where} cannot be read. {error.message}") from error


@lru_cache(maxsize=32)
def _flattened(text: bytes) -> FlatSchema:
    flattener = _Flattener()
    flattener.inline(decode_json(text, object, "The Avro schema"), in_partition=False, depth=0)
    columns = tuple(flattener.columns)
    if len({column.name for column in columns}) < len(columns):
        raise CorruptTable("The Avro schema uses a field id twice.")
    fields = [{"name": column.name, "type": written} for column, written in zip(columns, flattener.types, strict=True)]
    return FlatSchema(columns, msgspec.json.encode({"type": "record", "name": "row", "fields": fields}))


class _Flattener:
    def __init__(self) -> None:
        self.columns: list[FlatColumn] = []
        self.types: list[Any] = []
        self._named: dict[str, Any] = {}
        self._nodes = 0

    def inline(self, schema: Any, *, in_partition: bool, depth: int) -> None:
        """Add the members of a record as columns."""
        schema = self._resolved(schema, depth)
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise CorruptTable("The Avro schema is not that of a record.")
        for field in self._members(schema):
            type_ = self._resolved(field["type"], depth)
            if isinstance(type_, dict) and type_.get("type") == "record":
                self.inline(type_, in_partition=field.get("field-id") == _PARTITION_ID, depth=depth + 1)
                continue
            written, blank = self._written(type_, depth)
            if written is None:
                continue
            bare = self._bare(type_, depth)
            logical = bare.get("logicalType") if isinstance(bare, dict) else None
            self.columns.append(
                FlatColumn(
                    self._name(field, in_partition=in_partition),
                    str(field["name"]),
                    written[1 - written.index("null")] if isinstance(written, list) else written,
                    logical if isinstance(logical, str) else None,
                    blank,
                )
            )
            self.types.append(written)

    def _name(self, field: dict[str, Any], *, in_partition: bool) -> str:
        id_ = field.get("field-id")
        if isinstance(id_, int) and not isinstance(id_, bool):
            return f"p{id_}" if in_partition else f"f{id_}"
        return f"q{len(self.columns)}" if in_partition else f"x{len(self.columns)}"

    def _written(self, schema: Any, depth: int) -> tuple[Any, bytes]:
        """The flat form of a type and how its zero is written; None for a type that takes no bytes."""
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            raise LimitExceeded("The Avro schema is larger or deeper than that of any manifest.")
        schema = self._resolved(schema, depth)
        if isinstance(schema, list):
            return self._union(schema, depth)
        kind = schema["type"] if isinstance(schema, dict) else schema
        match kind:
            case "null":
                return None, b""
            case "enum":
                return "int", b"\0"
            case "fixed":
                return self._fixed(schema)
            case "array":
                return {"type": "array", "items": self._item(schema.get("items"), depth)}, b"\0"
            case "map":
                entry = [{"name": "key", "type": "string"}]
                value = self._written(schema.get("values"), depth + 1)[0]
                entry += [] if value is None else [{"name": "value", "type": value}]
                return {"type": "array", "items": self._record(entry)}, b"\0"
            case "record":
                written = [(field["name"], self._written(field["type"], depth + 1)) for field in self._members(schema)]
                members = [{"name": name, "type": type_} for name, (type_, _) in written if type_ is not None]
                return (self._record(members), b"".join(blank for _, (_, blank) in written)) if members else (None, b"")
            case str() if kind in _PRIMITIVES:
                return kind, _PRIMITIVES[kind]
            case _:
                raise CorruptTable(f"The Avro schema has a type that is not understood: {str(kind)[:64]}.")

    def _item(self, schema: Any, depth: int) -> Any:
        written, _ = self._written(schema, depth + 1)
        if written is None:
            raise CorruptTable("The Avro schema has a list of nothing.")
        return written

    def _union(self, branches: list[Any], depth: int) -> tuple[Any, bytes]:
        if branches == ["null"]:
            return "long", b"\0"
        if len(branches) != 2 or "null" not in branches:
            raise CorruptTable("The Avro schema has a union of more than a type and null.")
        place = branches.index("null")
        written, _ = self._written(branches[1 - place], depth + 1)
        if written is None or isinstance(written, list):
            raise CorruptTable("The Avro schema has a union of nothing, or of unions.")
        return (["null", written] if place == 0 else [written, "null"]), varint(place)

    def _fixed(self, schema: dict[str, Any]) -> tuple[Any, bytes]:
        size = schema.get("size")
        if not isinstance(size, int) or not 0 <= size <= _LARGEST_FIXED:
            raise CorruptTable("The Avro schema has a fixed type of no sensible size.")
        if size == 0:
            return None, b""
        return {"type": "fixed", "name": self._fresh_name(), "size": size}, b"\0" * size

    def _record(self, fields: list[dict[str, Any]]) -> dict[str, Any]:
        return {"type": "record", "name": self._fresh_name(), "fields": fields}

    def _fresh_name(self) -> str:
        self._nodes += 1
        return f"t{self._nodes}"

    def _members(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        members = schema.get("fields")
        if not isinstance(members, list):
            raise CorruptTable("The Avro schema has a record without fields.")
        for member in members:
            if not isinstance(member, dict) or not isinstance(member.get("name"), str) or "type" not in member:
                raise CorruptTable("The Avro schema has a field without a name or type.")
        return cast("list[dict[str, Any]]", members)

    def _bare(self, schema: Any, depth: int) -> Any:
        """The type itself, without the union with null."""
        if isinstance(schema, list):
            schema = next((branch for branch in schema if branch != "null"), "null")
        return self._resolved(schema, depth)

    def _resolved(self, schema: Any, depth: int) -> Any:
        """Follow a name to its definition, and ``{"type": {...}}`` to what is inside; remember definitions."""
        for _ in range(_DEEPEST - min(depth, _DEEPEST)):
            if isinstance(schema, dict):
                if isinstance(schema.get("name"), str) and schema.get("type") in {"record", "fixed", "enum"}:
                    self._remember(cast("dict[str, Any]", schema))
                    return schema
                if not isinstance(schema.get("type"), dict | list):
                    if "type" not in schema:
                        raise CorruptTable("The Avro schema has something without a type.")
                    return schema
                schema = schema["type"]
            elif isinstance(schema, str) and schema not in _PRIMITIVES and schema in self._named:
                return self._named[schema]
            else:
                return schema
        raise LimitExceeded("The Avro schema is deeper than that of any manifest.")

    def _remember(self, schema: dict[str, Any]) -> None:
        name = schema["name"]
        self._named[name] = schema
        namespace = schema.get("namespace")
        if isinstance(namespace, str):
            self._named[f"{namespace}.{name}"] = schema
