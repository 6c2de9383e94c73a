"""Whether the types in data files are those of the table's schema, for readers that only know the schema.

Hudi's readers take a file's own schema and turn its values into the table's types.  Other formats allow few such
changes: integers, floating numbers and decimals may have been narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from converters.errors import UnsupportedTableFeature
from converters.model.schema import Schema
from converters.model.types import (
    DecimalType,
    Field,
    FixedType,
    ListType,
    MapType,
    PrimitiveType,
    StructType,
    Type,
    type_name,
)
from converters.parquet.statistics import Shape
from converters.parquet.stored_types import StoredType

__all__ = ["promotions"]

_Path = tuple[str, ...]

_BYTES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_TEXTS = ("String", "Enum", "JSON", "None")
_SAME = ""


def promotions(schema: Schema, shapes: Iterable[Shape]) -> Mapping[int, str]:
    """Former, narrower types that files hold columns in, by field id.

    Args:
        schema: The table's.
        shapes: The different schemas of its files.

    Raises:
        UnsupportedTableFeature: A file holds a column in a type that readers cannot take for the column's.
    """
    found: dict[int, str] = {}
    for shape in shapes:
        for path, id_, type_ in _leaves(schema.fields, ()):
            stored = shape.columns.get(path)
            if stored is None:
                continue
            former = _former(stored, type_)
            if former is None:
                raise UnsupportedTableFeature(
                    f"The column '{'.'.join(path)}' is a {type_name(type_)} now, but the data file '{shape.path}' holds "
                    f"it as {stored}, which readers of other formats do not take for that.",
                    hint="Rewrite the files from before the column's type was changed, by clustering for example.",
                )
            if former != _SAME:
                found.setdefault(id_, former)
    return found


def _leaves(fields: tuple[Field, ...], path: _Path) -> Iterable[tuple[_Path, int, Type]]:
    for field in fields:
        yield from _below((*path, field.stored_name), field.id, field.type)


def _below(path: _Path, id_: int, type_: Type) -> Iterable[tuple[_Path, int, Type]]:
    match type_:
        case StructType(fields):
            yield from _leaves(fields, path)
        case ListType(element_id, element):
            yield from _below((*path, "element"), element_id, element)
        case MapType(key_id, key, value_id, value):
            yield from _below((*path, "key"), key_id, key)
            yield from _below((*path, "value"), value_id, value)
        case _:
            yield path, id_, type_


def _former(stored: StoredType, type_: Type) -> str | None:
    """The narrower type that a file has; empty where it has the type itself, None where it has another."""
    match type_:
        case DecimalType():
            return _decimal(stored, type_)
        case PrimitiveType("boolean"):
            return _SAME if stored.physical == "BOOLEAN" else None
        case PrimitiveType("byte" | "short" | "int" | "long" as kind):
            return _integer(stored, kind)
        case PrimitiveType("float" | "double" as kind):
            return {kind.upper(): _SAME, "FLOAT": _SAME if kind == "float" else "float"}.get(stored.physical)
        case PrimitiveType(kind):
            return _SAME if _is(stored, kind) else None
        case FixedType(length):
            return _SAME if stored.length == length and stored.logical == "None" else None
        case _:
            return None


def _integer(stored: StoredType, kind: str) -> str | None:
    if stored.logical not in {"None", "Int"} or not stored.signed:
        return None
    if stored.physical == "INT32":
        return "int" if kind == "long" else _SAME
    return _SAME if stored.physical == "INT64" and kind == "long" else None


def _decimal(stored: StoredType, type_: DecimalType) -> str | None:
    if stored.logical != "Decimal" or stored.scale != type_.scale or stored.precision > type_.precision:
        return None
    return _SAME if stored.precision == type_.precision else f"decimal({stored.precision},{stored.scale})"


def _is(stored: StoredType, kind: str) -> bool:
    match kind:
        case "date":
            return stored.logical == "Date"
        case "time":
            return stored.logical == "Time"
        case "timestamp" | "timestamptz":
            return stored.logical == "Timestamp" or stored.physical == "INT96"
        case "string":
            return stored.physical == "BYTE_ARRAY" and stored.logical in _TEXTS
        case "uuid":
            return stored.length == 16
        case _:
            return kind == "binary" and stored.physical in _BYTES and stored.logical == "None"
