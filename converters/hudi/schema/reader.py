"""A Hudi table's schema: the Avro schema in its commits, as the common model has it; and back.

Source: Avro specification 1.12, "Schema Declaration"; which type is what: ``schema.logical_types``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature
from converters.hudi.schema.avro_names import META_COLUMNS, full_name
from converters.hudi.schema.field_id_source import FieldIdSource
from converters.hudi.schema.logical_types import primitive_type, refuse_logical_type
from converters.hudi.schema.writer import write_schema
from converters.model.schema import Schema
from converters.model.types import PRIMITIVE_KINDS, Field, ListType, MapType, StructType, Type

__all__ = ["TableSchema", "parse_schema", "read_schema", "write_schema"]

_MOST_LEVELS = 64
_MOST_PLACES = 200_000
_LARGEST = 64 * 2**20
_NAMED = frozenset({"record", "error", "fixed", "enum"})


class TableSchema(msgspec.Struct, frozen=True):
    """A Hudi schema, read.

    Attributes:
        schema: Its columns.
        in_millis: Ids of the times and timestamps that data files hold in milliseconds; the others are in
            microseconds.  Their values and bounds there have to be multiplied by 1000.
        has_own_ids: Whether the field ids come from the table, so that they stay what they are.
    """

    schema: Schema
    in_millis: frozenset[int] = frozenset()
    has_own_ids: bool = False


def read_schema(text: str, *, keep_meta_columns: bool, where: str = "The Hudi schema") -> Schema:
    """The columns of a schema; see ``parse_schema``."""
    return parse_schema(text, keep_meta_columns=keep_meta_columns, where=where).schema


def parse_schema(
    text: str,
    *,
    keep_meta_columns: bool,
    where: str = "The Hudi schema",
    field_ids: Mapping[tuple[str, ...], int] | None = None,
) -> TableSchema:
    """Read a table's schema.

    A column is required when it may not be null and has no default: a default is for files that lack the column, and
    readers of Parquet see null there.

    Args:
        text: Avro schema of a record, as JSON.
        keep_meta_columns: Also take the ``_hoodie_*`` columns, which a schema may have or not.
        where: Whose schema it is, for messages.
        field_ids: The ids of columns, by path, where Hudi's internal schema knows them.

    Raises:
        CorruptTable: It is no legal schema.
        LimitExceeded: It is larger than any real one.
        UnsupportedTableFeature: A column has a type that is not supported; the message names both.
    """
    if len(text) > _LARGEST:
        raise LimitExceeded(f"{where} is larger than is read.")
    try:
        record = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CorruptTable(f"{where} is no JSON: {error}.") from error
    if not isinstance(record, dict) or record.get("type") != "record":
        raise CorruptTable(f"{where} is no Avro record.")
    reader = _Reader(FieldIdSource(record, where, field_ids), where, keep_meta_columns=keep_meta_columns)
    return reader.table(record)


class _Reader:
    """Reads one schema."""

    def __init__(self, ids: FieldIdSource, where: str, *, keep_meta_columns: bool) -> None:
        """Start without any named type."""
        self._ids = ids
        self._where = where
        self._keep_meta_columns = keep_meta_columns
        self._named: dict[str, dict[str, Any]] = {}
        self._open: set[str] = set()
        self._in_millis: set[int] = set()
        self._places = 0

    def table(self, record: dict[str, Any]) -> TableSchema:
        """Read the table's record."""
        columns = self._record(record, (), "")
        return TableSchema(Schema(columns), frozenset(self._in_millis), self._ids.are_own)

    def _record(self, record: dict[str, Any], path: tuple[str, ...], namespace: str) -> tuple[Field, ...]:
        name, inner = self._declare(record, path, namespace)
        if name in self._open:
            raise UnsupportedTableFeature(
                f"The column '{'.'.join(path)}' is recursive: the Avro record '{name}' contains itself.",
                hint="Drop the column, or write it as text.",
            )
        self._open.add(name)
        members = self._members(record, path)
        names = [str(member["name"]) for member in members]
        if len(set(names)) != len(names):
            twice = next(each for each in names if names.count(each) > 1)
            raise self._corrupt(f"has the column '{'.'.join((*path, twice))}' twice")
        ids = self._ids.take(path, names)
        fields = tuple(self._field(member, id_, path, inner) for member, id_ in zip(members, ids, strict=True))
        self._open.discard(name)
        return fields

    def _members(self, record: dict[str, Any], path: tuple[str, ...]) -> list[dict[str, Any]]:
        members = record.get("fields")
        if not isinstance(members, list):
            raise self._corrupt(f"has a record without fields at '{'.'.join(path)}'")
        for member in members:
            if not isinstance(member, dict) or not isinstance(member.get("name"), str) or "type" not in member:
                raise self._corrupt(f"has a field without name or type at '{'.'.join(path)}'")
        if path or self._keep_meta_columns:
            return members
        return [member for member in members if member["name"] not in META_COLUMNS]

    def _field(self, member: dict[str, Any], id_: int, parent: tuple[str, ...], namespace: str) -> Field:
        path = (*parent, member["name"])
        type_, is_nullable = self._type(member["type"], path, namespace, id_)
        doc = member.get("doc")
        return Field(
            id=id_,
            name=member["name"],
            type=type_,
            required=not is_nullable and "default" not in member,
            doc=doc if isinstance(doc, str) and doc else None,
        )

    def _type(self, schema: Any, path: tuple[str, ...], namespace: str, id_: int) -> tuple[Type, bool]:
        """A type, and whether it may be null."""
        self._places += 1
        if self._places > _MOST_PLACES or len(path) > _MOST_LEVELS:
            raise LimitExceeded(f"{self._where} has more columns or levels than are read, at '{'.'.join(path)[:256]}'.")
        if not isinstance(schema, list):
            return self._plain_type(schema, path, namespace, id_), False
        branches = [branch for branch in schema if branch not in ("null", {"type": "null"})]
        if len(branches) != 1 or len(schema) > 2:
            kinds = ", ".join(_kind(branch) for branch in schema)
            raise UnsupportedTableFeature(
                f"The column '{'.'.join(path)}' is an Avro union of {kinds or 'nothing'}; only a union of null and one "
                "type is supported.",
                hint="Drop the column, or write it as a record with a member for each type.",
            )
        return self._plain_type(branches[0], path, namespace, id_), len(schema) > 1

    def _plain_type(self, schema: Any, path: tuple[str, ...], namespace: str, id_: int) -> Type:
        column = ".".join(path)
        if isinstance(schema, str):
            return self._called(schema, path, namespace, id_)
        if not isinstance(schema, dict):
            raise self._corrupt(f"has no type at '{column}'")
        kind = schema.get("type")
        if isinstance(kind, dict | list):
            # {"type": {"type": "string"}}: attributes on the outside mean nothing.
            type_, is_nullable = self._type(kind, path, namespace, id_)
            if is_nullable:
                raise self._corrupt(f"has a union as an attribute at '{column}'")
            return type_
        if not isinstance(kind, str):
            raise self._corrupt(f"has no type at '{column}'")
        refuse_logical_type(schema.get("logicalType"), column)
        match kind:
            case "record" | "error":
                return StructType(self._record(schema, path, namespace))
            case "array":
                return self._list(schema, path, namespace)
            case "map":
                return self._map(schema, path, namespace)
            case _:
                return self._leaf(kind, schema, path, namespace, id_)

    def _leaf(self, kind: str, schema: dict[str, Any], path: tuple[str, ...], namespace: str, id_: int) -> Type:
        if kind in _NAMED:
            self._declare(schema, path, namespace)
        leaf = primitive_type(kind, schema, ".".join(path), self._where)
        if leaf is None:
            return self._called(kind, path, namespace, id_)
        if leaf.in_millis:
            self._in_millis.add(id_)
        return leaf.type

    def _called(self, name: str, path: tuple[str, ...], namespace: str, id_: int) -> Type:
        """A type given by its name: a primitive, or one declared before."""
        leaf = primitive_type(name, {}, ".".join(path), self._where) if name not in _NAMED else None
        if leaf is not None:
            return leaf.type
        declared = self._named.get(full_name(name, namespace)) or self._named.get(name)
        if declared is None:
            if name == "null":
                raise UnsupportedTableFeature(
                    f"The column '{'.'.join(path)}' is of the Avro type null.", hint="Drop the column."
                )
            raise self._corrupt(f"has the unknown type '{name[:128]}' at '{'.'.join(path)}'")
        return self._plain_type(declared, path, str(declared.get("namespace", "")), id_)

    def _list(self, schema: dict[str, Any], path: tuple[str, ...], namespace: str) -> ListType:
        if "items" not in schema:
            raise self._corrupt(f"has an array without items at '{'.'.join(path)}'")
        (id_,) = self._ids.take(path, ["element"])
        element, is_nullable = self._type(schema["items"], (*path, "element"), namespace, id_)
        return ListType(id_, element, not is_nullable)

    def _map(self, schema: dict[str, Any], path: tuple[str, ...], namespace: str) -> MapType:
        if "values" not in schema:
            raise self._corrupt(f"has a map without values at '{'.'.join(path)}'")
        key_id, value_id = self._ids.take(path, ["key", "value"])
        value, is_nullable = self._type(schema["values"], (*path, "value"), namespace, value_id)
        return MapType(key_id, PRIMITIVE_KINDS["string"], value_id, value, not is_nullable)

    def _declare(self, schema: dict[str, Any], path: tuple[str, ...], namespace: str) -> tuple[str, str]:
        """Remember a named type.

        Returns:
            Its full name, and the namespace of what is inside it.
        """
        name = schema.get("name")
        if not isinstance(name, str) or not name:
            raise self._corrupt(f"has a {schema['type']} without a name at '{'.'.join(path)}'")
        own = schema.get("namespace", namespace)
        full = full_name(name, own if isinstance(own, str) else "")
        inner = full.rpartition(".")[0]
        self._named[full] = {**schema, "name": full, "namespace": inner}
        return full, inner

    def _corrupt(self, what: str) -> CorruptTable:
        return CorruptTable(f"{self._where} {what}.")


def _kind(schema: Any) -> str:
    kind: Any = schema.get("type") if isinstance(schema, Mapping) else schema
    return str(kind)[:64]
