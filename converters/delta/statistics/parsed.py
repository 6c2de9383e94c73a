"""Extremes from the typed statistics of a checkpoint, ``stats_parsed`` (Delta protocol, "Checkpoint Schema")."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.members import StructMembers
from converters.delta.statistics.bounds import ColumnKind
from converters.delta.statistics.extremes import Column, Extremes
from converters.model.types import Type, arrow_type

__all__ = ["read_parsed"]


def read_parsed(record: pa.StructArray, columns: Sequence[Column]) -> Extremes:
    """Read the statistics of some columns; what is missing or of another type is null."""
    members = StructMembers(record)
    lower, upper = (
        [
            _values(members, (name, *column.leaf.stored_path), column.kind, column.leaf.field.type, up=up)
            if column.kind != "none"
            else None
            for column in columns
        ]
        for name, up in (("minValues", False), ("maxValues", True))
    )
    return Extremes(
        _values(members, ("numRecords",), "integer", None),
        _values(members, ("tightBounds",), "none", None),
        lower,
        upper,
        [_values(members, ("nullCount", *column.leaf.stored_path), "integer", None) for column in columns],
    )


def _values(
    members: StructMembers, path: tuple[str, ...], kind: ColumnKind, type_: Type | None, *, up: bool = False
) -> pa.Array:
    """One member, in the form that ``bounds_of`` takes; ``none`` reads a boolean."""
    values = members.named(path)
    wanted = _wanted(kind, type_)
    if values is None:
        return pa.nulls(len(members), wanted)
    try:
        return _converted(values, kind, wanted, up=up)
    except pa.ArrowException:
        return pa.nulls(len(members), wanted)


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
