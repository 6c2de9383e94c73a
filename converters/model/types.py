"""Column types that the three formats share, and their Arrow equivalents.

A ``byte`` or ``short`` is stored as a 32-bit integer in every format we write but Delta; the model keeps the
narrower name so that a round trip returns it.  Timestamps count microseconds (``timestamp``: no zone,
``timestamptz``: an instant) or nanoseconds (``timestamp_ns``, ``timestamptz_ns``: Iceberg v3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pyarrow as pa

__all__ = [
    "PRIMITIVE_KINDS",
    "DecimalType",
    "Field",
    "FixedType",
    "ListType",
    "MapType",
    "PrimitiveKind",
    "PrimitiveType",
    "StructType",
    "Type",
    "all_fields",
    "arrow_type",
    "fields_inside",
    "is_nested",
    "type_name",
]

PrimitiveKind = Literal[
    "boolean",
    "byte",
    "short",
    "int",
    "long",
    "float",
    "double",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "timestamp_ns",
    "timestamptz_ns",
    "string",
    "uuid",
    "binary",
]


class PrimitiveType(msgspec.Struct, frozen=True, tag="primitive"):
    """A type without parameters."""

    kind: PrimitiveKind


class DecimalType(msgspec.Struct, frozen=True, tag="decimal"):
    """An exact number of ``precision`` digits (1 to 38), ``scale`` of them after the point."""

    precision: int
    scale: int


class FixedType(msgspec.Struct, frozen=True, tag="fixed"):
    """Exactly ``length`` bytes."""

    length: int


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A column or a struct member.

    Attributes:
        id: Identity of the column; unique over the whole schema, kept through renames.
        name: The name that readers see.
        type: What it holds.
        required: True when it is never null (while its parent is not null).
        doc: Comment, if any.
        physical_name: The column's name inside the data files, where that differs from ``name``
            (Delta column mapping).
        initial_default: What a reader sees in files that lack the column (Iceberg v3), as the JSON value of
            the Iceberg spec, appendix C; None means null.
        write_default: What a writer puts where none is given; same form.
        default_sql: Delta's ``CURRENT_DEFAULT``, a SQL expression; None where there is none.
        generation_sql: Delta's ``delta.generationExpression``; None where there is none.
    """

    id: int
    name: str
    type: Type
    required: bool = False
    doc: str | None = None
    physical_name: str | None = None
    initial_default: Any = None
    write_default: Any = None
    default_sql: str | None = None
    generation_sql: str | None = None

    @property
    def stored_name(self) -> str:
        """The column's name inside the data files."""
        return self.name if self.physical_name is None else self.physical_name


class StructType(msgspec.Struct, frozen=True, tag="struct"):
    """Named members, in order."""

    fields: tuple[Field, ...]


class ListType(msgspec.Struct, frozen=True, tag="list"):
    """A list; its element has an id of its own."""

    element_id: int
    element: Type
    element_required: bool = False


class MapType(msgspec.Struct, frozen=True, tag="map"):
    """A map; key and value have ids of their own, and a key is never null."""

    key_id: int
    key: Type
    value_id: int
    value: Type
    value_required: bool = False


Type = PrimitiveType | DecimalType | FixedType | StructType | ListType | MapType

PRIMITIVE_KINDS: dict[str, PrimitiveType] = {
    "boolean": PrimitiveType("boolean"),
    "byte": PrimitiveType("byte"),
    "short": PrimitiveType("short"),
    "int": PrimitiveType("int"),
    "long": PrimitiveType("long"),
    "float": PrimitiveType("float"),
    "double": PrimitiveType("double"),
    "date": PrimitiveType("date"),
    "time": PrimitiveType("time"),
    "timestamp": PrimitiveType("timestamp"),
    "timestamptz": PrimitiveType("timestamptz"),
    "timestamp_ns": PrimitiveType("timestamp_ns"),
    "timestamptz_ns": PrimitiveType("timestamptz_ns"),
    "string": PrimitiveType("string"),
    "uuid": PrimitiveType("uuid"),
    "binary": PrimitiveType("binary"),
}
"""Every primitive type, by its name."""

_ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "byte": pa.int32(),
    "short": pa.int32(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "timestamp_ns": pa.timestamp("ns"),
    "timestamptz_ns": pa.timestamp("ns", "UTC"),
    "string": pa.string(),
    "uuid": pa.binary(16),
    "binary": pa.binary(),
}


def is_nested(type_: Type) -> bool:
    """Whether the type has members of its own (struct, list, map)."""
    return isinstance(type_, StructType | ListType | MapType)


def arrow_type(type_: Type) -> pa.DataType:
    """The Arrow type of one value, bound or partition value of a primitive column.

    ``fixed`` maps to variable-length binary because bounds may be truncated.

    Raises:
        TypeError: The type is nested; nested columns have no values of their own here.
    """
    match type_:
        case PrimitiveType(kind):
            return _ARROW[kind]
        case DecimalType(precision, scale):
            return pa.decimal128(precision, scale)
        case FixedType():
            return pa.binary()
        case _:
            msg = f"a {type_name(type_)} has no single Arrow value type"
            raise TypeError(msg)


def type_name(type_: Type) -> str:
    """The type as a person writes it, for messages: ``decimal(12,2)``, ``list<string>``."""
    match type_:
        case PrimitiveType(kind):
            return kind
        case DecimalType(precision, scale):
            return f"decimal({precision},{scale})"
        case FixedType(length):
            return f"fixed[{length}]"
        case StructType(fields):
            return "struct<" + ", ".join(f"{f.name}: {type_name(f.type)}" for f in fields) + ">"
        case ListType(element=element):
            return f"list<{type_name(element)}>"
        case MapType(key=key, value=value):
            return f"map<{type_name(key)}, {type_name(value)}>"


def walk_type(type_: Type, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int, Type, bool]]:
    """Yield (path, id, type, required) of everything below ``type_``, parents before children.

    List and map members are called ``element``, ``key`` and ``value``, as in Iceberg.
    """
    match type_:
        case StructType(fields):
            for field in fields:
                yield (*path, field.name), field.id, field.type, field.required
                yield from walk_type(field.type, (*path, field.name))
        case ListType(element_id, element, element_required):
            yield (*path, "element"), element_id, element, element_required
            yield from walk_type(element, (*path, "element"))
        case MapType(key_id, key, value_id, value, value_required):
            yield (*path, "key"), key_id, key, True
            yield from walk_type(key, (*path, "key"))
            yield (*path, "value"), value_id, value, value_required
            yield from walk_type(value, (*path, "value"))
        case _:
            return


def all_fields(fields: tuple[Field, ...]) -> Iterator[Field]:
    """Columns and the members of structs in them, however deep."""
    for field in fields:
        yield field
        yield from all_fields(fields_inside(field.type))


def fields_inside(type_: Type) -> tuple[Field, ...]:
    """The members of the structs in a type that are in no other of them: through lists and maps, too."""
    match type_:
        case StructType(fields):
            return fields
        case ListType(element=element):
            return fields_inside(element)
        case MapType(key=key, value=value):
            return (*fields_inside(key), *fields_inside(value))
        case _:
            return ()
