"""Whether the types in data files are those of the table's schema, for readers that only know the schema.

Hudi's readers take a file's own schema and turn its values into the table's types.  Other formats allow few such
changes: integers and decimals may have been narrower.  Floats may have been, too, but Hudi goes by way of their text
(``HoodieParquetFileFormatHelper``, Avro's ``rewritePrimaryType``), so that its doubles are others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

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

__all__ = ["promotions", "times_are_as_said", "two_level_lists"]

_Path = tuple[str, ...]

_BYTES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_TEXTS = ("String", "Enum", "JSON", "None")
_SAME = ""
_REWRITE = "Rewrite the files from before the column's type was changed, by clustering for example."
_MILLIS, _MICROS = "milliseconds", "microseconds"


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
        for path, id_, type_, _ in _leaves(schema.fields, (), 0):
            stored = shape.columns.get(path)
            if stored is None:
                continue
            former = _former(stored, type_)
            if former == "float":
                raise UnsupportedTableFeature(
                    f"The column '{'.'.join(path)}' is a double now, but the data file '{shape.path}' holds it as "
                    "FLOAT: of such a 7.1 Hudi makes 7.1, readers of other formats 7.099999904632568.",
                    hint=_REWRITE,
                )
            if former is None:
                raise UnsupportedTableFeature(
                    f"The column '{'.'.join(path)}' is a {type_name(type_)} now, but the data file '{shape.path}' "
                    f"holds it as {stored}, which readers of other formats do not take for that.",
                    hint=_REWRITE,
                )
            if former != _SAME:
                found.setdefault(id_, former)
    return found


def times_are_as_said(schema: Schema, in_millis: AbstractSet[int], shapes: Iterable[Shape]) -> bool:
    """Whether files hold times in the unit that the table's Avro schema says.

    Hudi before 1.1 puts the plain numbers of footers into its index, so that they are in the file's unit.  Spark's
    writer may be told another one than the schema's (``hoodie.parquet.outputtimestamptype``).

    Args:
        schema: The table's.
        in_millis: Field ids of the columns that the Avro schema has in milliseconds.
        shapes: The different schemas of the files.
    """
    for shape in shapes:
        for path, id_, _, _ in _leaves(schema.fields, (), 0):
            stored = shape.columns.get(path)
            if stored is not None and stored.unit and stored.unit != (_MILLIS if id_ in in_millis else _MICROS):
                return False
    return True


def two_level_lists(schema: Schema, shapes: Iterable[Shape]) -> Mapping[int, str]:
    """Columns with lists that files hold in Parquet's old form, by field id, with one of the files each.

    In that form the repeated field is the element itself (parquet-format, ``LogicalTypes.md``, "Lists").  It is what
    Avro's writer for Parquet writes, and so Hudi, unless ``parquet.avro.write-old-list-structure`` is false.
    """
    found: dict[int, str] = {}
    for shape in shapes:
        for field in schema.fields:
            for path, _, _, repeated in _below((field.stored_name,), field.id, field.type, 0):
                if path in shape.depths and shape.depths[path] < len(path) + repeated:
                    found.setdefault(field.id, shape.path)
    return found


def _leaves(fields: tuple[Field, ...], path: _Path, repeated: int) -> Iterable[tuple[_Path, int, Type, int]]:
    """Yield path, id and type of each leaf, and how many lists and maps it is in."""
    for field in fields:
        yield from _below((*path, field.stored_name), field.id, field.type, repeated)


def _below(path: _Path, id_: int, type_: Type, repeated: int) -> Iterable[tuple[_Path, int, Type, int]]:
    match type_:
        case StructType(fields):
            yield from _leaves(fields, path, repeated)
        case ListType(element_id, element):
            yield from _below((*path, "element"), element_id, element, repeated + 1)
        case MapType(key_id, key, value_id, value):
            yield from _below((*path, "key"), key_id, key, repeated + 1)
            yield from _below((*path, "value"), value_id, value, repeated + 1)
        case _:
            yield path, id_, type_, repeated


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
