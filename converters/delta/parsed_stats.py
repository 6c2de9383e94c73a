"""Extremes from the typed statistics of a checkpoint, ``stats_parsed`` (Delta protocol, "Checkpoint Schema")."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.bounds import ColumnKind
from converters.model.types import Type, arrow_type

__all__ = ["parsed_extremes"]


def parsed_extremes(
    record: pa.StructArray, path: tuple[str, ...], kind: ColumnKind, type_: Type | None, *, up: bool = False
) -> pa.Array | None:
    """One member of ``stats_parsed`` in the form that ``bounds_of`` takes; all null where it is of another type.

    Args:
        record: The struct.
        path: Names of the member, from the top.
        kind: What the column is; ``none`` with a type gives None, without one reads a boolean.
        type_: The column's type; None for what is not a column.
        up: Whether rounding, where it is needed, goes up.
    """
    if kind == "none" and type_ is not None:
        return None
    values = _found(record, path)
    wanted = _wanted(kind, type_)
    if values is None:
        return pa.nulls(len(record), wanted)
    try:
        return _converted(values, kind, wanted, up=up)
    except pa.ArrowException:
        return pa.nulls(len(record), wanted)


def _found(record: pa.StructArray, path: tuple[str, ...]) -> pa.Array | None:
    values: pa.Array = record
    for name in path:
        if not pa.types.is_struct(values.type):
            return None
        numbers = values.type.get_all_field_indices(name)
        if not numbers:
            return None
        values = pc.struct_field(values, numbers[:1])
    return values


def _wanted(kind: ColumnKind, type_: Type | None) -> pa.DataType:
    match kind:
        case "integer" | "instant":
            return pa.int64()
        case "floating":
            return pa.float64()
        case "decimal" | "large_decimal":
            return arrow_type(type_) if type_ is not None else pa.float64()
        case "date":
            return pa.date32()
        case "text":
            return pa.string()
        case _:
            return pa.bool_()


_ACCEPTED = {
    "integer": pa.types.is_integer,
    "floating": pa.types.is_floating,
    "decimal": pa.types.is_decimal,
    "large_decimal": pa.types.is_decimal,
    "date": pa.types.is_date32,
    "instant": pa.types.is_timestamp,
    "text": lambda type_: pa.types.is_string(type_) or pa.types.is_large_string(type_),
    "none": pa.types.is_boolean,
}


def _converted(values: pa.Array, kind: ColumnKind, wanted: pa.DataType, *, up: bool) -> pa.Array:
    if not _ACCEPTED[kind](values.type):
        return pa.nulls(len(values), wanted)
    if kind == "instant":
        if values.type.unit == "ns":
            values = (pc.ceil_temporal if up else pc.floor_temporal)(values, unit="microsecond")
        return values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64())
    return values.cast(wanted)
