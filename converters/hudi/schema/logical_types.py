"""What an Avro type is in the common model, going by the Parquet columns that Hudi writes for it.

======================================  =========================================  ==============================
Avro                                    Parquet (``AvroSchemaConverter``)          here
======================================  =========================================  ==============================
int, date                               INT32, DATE                                int, date
long                                    INT64                                      long
timestamp-millis, timestamp-micros      TIMESTAMP(MILLIS or MICROS, UTC)           timestamptz
local-timestamp-millis, -micros         TIMESTAMP(…, not UTC); INT64 by Hudi 0.x   timestamp
time-millis (int), time-micros (long)   TIME(MILLIS), TIME(MICROS)                 time
string, also with uuid                  BINARY, STRING                             string
enum                                    BINARY, ENUM                               string
bytes, fixed                            BINARY, FIXED_LEN_BYTE_ARRAY               binary, fixed
decimal on bytes or fixed               the same with DECIMAL                      decimal
uuid on fixed(16)                       FIXED_LEN_BYTE_ARRAY(16)                   uuid
======================================  =========================================  ==============================

An annotation that is not known means nothing (Avro specification, "Logical Types"), unless it is one whose values
would be misread without it: those are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.model.types import PRIMITIVE_KINDS, DecimalType, FixedType, PrimitiveType, Type

__all__ = ["XTABLE_LOGICAL_TYPE", "AvroLeaf", "primitive_type"]

XTABLE_LOGICAL_TYPE = "xtableLogicalType"
"""XTable's own annotation: ``uuid`` on a fixed of 16 bytes."""

_HIGHEST_PRECISION = 38
_UUID_BYTES = 16
_LARGEST_FIXED = 2**24
_PLAIN = {
    "boolean": "boolean",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "bytes": "binary",
    "string": "string",
    "enum": "string",
}
_LOGICAL = {
    ("int", "date"): ("date", False),
    ("int", "time-millis"): ("time", True),
    ("long", "time-micros"): ("time", False),
    ("long", "timestamp-millis"): ("timestamptz", True),
    ("long", "timestamp-micros"): ("timestamptz", False),
    ("long", "local-timestamp-millis"): ("timestamp", True),
    ("long", "local-timestamp-micros"): ("timestamp", False),
}
_REFUSED = frozenset(
    {"duration", "big-decimal", "timestamp-nanos", "local-timestamp-nanos", "variant", "blob", "vector"}
)


class AvroLeaf(msgspec.Struct, frozen=True):
    """A column without members: its type, and whether its files count milliseconds where the model has micros."""

    type: Type
    in_millis: bool = False


def primitive_type(kind: str, schema: Mapping[str, Any], column: str, where: str) -> AvroLeaf | None:
    """What a primitive, fixed or enum is.

    Args:
        kind: Its Avro type.
        schema: Its attributes; empty where it is given by its name alone.
        column: The column's path, for messages.
        where: Whose schema it is, for messages.

    Returns:
        None where the kind is no such type.

    Raises:
        UnsupportedTableFeature: The type has no equal here.
        CorruptTable: A fixed has no size, a decimal no precision.
    """
    logical = schema.get("logicalType")
    refuse_logical_type(logical, column)
    if kind in {"bytes", "fixed"} and logical == "decimal":
        return AvroLeaf(_decimal(schema, column, where))
    if kind == "fixed":
        size = schema.get("size")
        if not isinstance(size, int) or not 0 < size <= _LARGEST_FIXED:
            raise CorruptTable(f"{where} has the fixed column '{column}' of the size {str(size)[:32]}.")
        is_uuid = "uuid" in (logical, schema.get(XTABLE_LOGICAL_TYPE)) and size == _UUID_BYTES
        return AvroLeaf(PRIMITIVE_KINDS["uuid"] if is_uuid else FixedType(size))
    if isinstance(logical, str) and (kind, logical) in _LOGICAL:
        name, in_millis = _LOGICAL[kind, logical]
        return AvroLeaf(PRIMITIVE_KINDS[name], in_millis)
    return AvroLeaf(_plain(kind)) if kind in _PLAIN else None


def refuse_logical_type(logical: object, column: str) -> None:
    """Refuse what would be misread without its annotation.

    Raises:
        UnsupportedTableFeature: It is such an annotation.
    """
    if isinstance(logical, str) and logical in _REFUSED:
        raise UnsupportedTableFeature(
            f"The column '{column}' has the Avro logical type '{logical}', which is not supported.",
            hint="Drop the column, or write it as another type.",
        )


def _plain(kind: str) -> PrimitiveType:
    return PRIMITIVE_KINDS[_PLAIN[kind]]


def _decimal(schema: Mapping[str, Any], column: str, where: str) -> DecimalType:
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or precision < 1 or not 0 <= scale <= precision:
        raise CorruptTable(f"{where} has the decimal column '{column}' without a legal precision and scale.")
    if precision > _HIGHEST_PRECISION:
        raise UnsupportedTableFeature(
            f"The column '{column}' is a decimal of {precision} digits; {_HIGHEST_PRECISION} is the most.",
            hint="Write it with fewer digits, or as text.",
        )
    return DecimalType(precision, scale)
