"""The DuckDB types that values are compared in."""

from __future__ import annotations

from converters.model.types import DecimalType, Field, ListType, MapType, PrimitiveType, StructType, Type
from converters.verification.duck import identifier

__all__ = ["canonical_column", "sql_type"]

_SQL = {
    "boolean": "BOOLEAN",
    "byte": "INTEGER",
    "short": "INTEGER",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "timestamp_ns": "TIMESTAMP_NS",
    "timestamptz_ns": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


def sql_type(type_: Type) -> str:
    """The type that DuckDB has for a column's."""
    match type_:
        case PrimitiveType(kind):
            return _SQL[kind]
        case DecimalType(precision, scale):
            return f"DECIMAL({precision},{scale})"
        case StructType(fields):
            return "STRUCT(" + ", ".join(f"{identifier(each.name)} {sql_type(each.type)}" for each in fields) + ")"
        case ListType(element=element):
            return f"{sql_type(element)}[]"
        case MapType(key=key, value=value):
            return f"MAP({sql_type(key)}, {sql_type(value)})"
        case _:
            return "BLOB"


def canonical_column(field: Field, found: str, expression: str) -> str:
    """A column's values in a form that does not depend on which format they were read from.

    Args:
        field: The column, as the source has it.
        found: The type that DuckDB read it with.
        expression: The column in SQL.
    """
    if field.type == PrimitiveType("uuid"):
        # Where a format has no such type, readers see the 16 bytes.
        return f"lower(hex({expression}))" if found == "BLOB" else f"replace({expression}::VARCHAR, '-', '')"
    wanted = sql_type(field.type)
    return expression if wanted == found else f"CAST({expression} AS {wanted})"
