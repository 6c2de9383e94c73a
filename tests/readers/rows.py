"""Rows and schemas in a form that is the same whichever reader they come from.

A row is a line of JSON: free of column order, map order, integer width, decimal scale and of whether a timestamp knows
its zone. A schema keeps those differences apart (``int`` and ``long``, ``decimal(p,s)``, ``timestamp_ntz``).
"""

import base64
import datetime as dt
import decimal
import hashlib
import json
import math
import uuid
from typing import Any

import pyarrow as pa

_DIGITS = decimal.Context(prec=80)
_NAMES = (
    (pa.types.is_boolean, "boolean"),
    (lambda t: pa.types.is_int64(t) or pa.types.is_uint64(t), "long"),
    (pa.types.is_integer, "int"),
    (pa.types.is_float32, "float"),
    (pa.types.is_float64, "double"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
    (lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t), "string"),
    (
        lambda t: (
            pa.types.is_binary(t)
            or pa.types.is_large_binary(t)
            or pa.types.is_fixed_size_binary(t)
            or pa.types.is_binary_view(t)
        ),
        "binary",
    ),
    (pa.types.is_null, "null"),
)


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and "uuid" in kind.extension_name


def type_name(kind: pa.DataType) -> str:
    """Name a type as the corpus names it."""
    if isinstance(kind, pa.BaseExtensionType):
        return "string" if _is_uuid(kind) else type_name(kind.storage_type)
    for is_it, name in _NAMES:
        if is_it(kind):
            return name
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return ("timestamp" if kind.tz else "timestamp_ntz") + ("_ns" if kind.unit == "ns" else "")
    return _nested_name(kind)


def _nested_name(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return "struct<" + ",".join(f"{field.name}:{type_name(field.type)}" for field in kind) + ">"
    if pa.types.is_map(kind):
        return f"map<{type_name(kind.key_type)},{type_name(kind.item_type)}>"
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    if hasattr(kind, "value_type"):
        return f"list<{type_name(kind.value_type)}>"
    return str(kind)


def schema_of(table: pa.Table) -> list[list[str]]:
    """Return the columns as ``[name, type]``."""
    return [[field.name, type_name(field.type)] for field in table.schema]


def _nested(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_struct(kind):
        return {field.name: _canonical(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        pairs = value.items() if isinstance(value, dict) else value
        entries = [[_canonical(key, kind.key_type), _canonical(item, kind.item_type)] for key, item in pairs]
        return {"$map": sorted(entries, key=lambda entry: json.dumps(entry[0], sort_keys=True))}
    return [_canonical(item, kind.value_type) for item in value]


def _canonical(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if _is_uuid(kind):
        return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) else str(value)
    if isinstance(kind, pa.BaseExtensionType):
        return _canonical(value, kind.storage_type)
    if pa.types.is_nested(kind):
        return _nested(value, kind)
    return scalar(value)


def _decimal(value: decimal.Decimal) -> str:
    text = format(value.normalize(_DIGITS), "f")
    return "0" if text == "-0" else text


def _float(value: float) -> Any:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return {"$f": repr(value)}


def _moment(value: dt.datetime) -> str:
    plain = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    return plain.isoformat(timespec="microseconds")


def scalar(value: Any) -> Any:
    """Put one value in its canonical form."""
    match value:
        case bool() | int() | str():
            return value
        case float():
            return _float(value)
        case decimal.Decimal():
            return {"$d": _decimal(value)}
        case dt.datetime():
            return _moment(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case bytes():
            return {"$b": base64.b64encode(value).decode()}
        case _:
            return str(value)


def _whole_microseconds(table: pa.Table) -> pa.Table:
    """Nanoseconds have no Python type: whole microseconds become such, others a number."""
    columns = []
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            try:
                column = column.cast(pa.timestamp("us", field.type.tz))
            except pa.ArrowInvalid:
                column = column.cast(pa.int64())
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def canonical_rows(table: pa.Table) -> list[str]:
    """Return every row as a line of JSON, sorted."""
    table = _whole_microseconds(table)
    names = table.column_names
    columns = [
        [_canonical(value, field.type) for value in table.column(index).to_pylist()]
        for index, field in enumerate(table.schema)
    ]
    return sorted(
        json.dumps(
            {name: column[row] for name, column in zip(names, columns, strict=True)}, sort_keys=True, ensure_ascii=False
        )
        for row in range(table.num_rows)
    )


def digest(rows: list[str]) -> str:
    """Return what `expected` in the corpus calls ``rows_sha256``."""
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
