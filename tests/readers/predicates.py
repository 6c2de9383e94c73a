"""Filters on the values that a table really holds, in the language of each reader.

A reader that trusts statistics skips files by them. So a bound that is too narrow shows as rows missing under a filter
at the edge of the data, and nowhere else.
"""

import dataclasses
import datetime as dt
import functools
import itertools
import math
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyiceberg.expressions as ice

Dialect = Literal["spark", "duckdb", "datafusion"]
Operator = Literal[">=", "<=", "=", "IS NULL", "IS NOT NULL", "IS NAN"]
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_INTEGERS = {8: "TINYINT", 16: "SMALLINT", 32: "INT", 64: "BIGINT"}


@dataclasses.dataclass(frozen=True)
class Column:
    """A column that has values of its own: at the top or inside structs, never inside lists and maps.

    Values are in a form that Python compares as SQL does: timestamps and times as whole microseconds, dates as days,
    UUIDs as text.
    """

    path: tuple[str, ...]
    type: pa.DataType
    values: tuple[Any, ...] = dataclasses.field(repr=False, hash=False)

    @property
    def name(self) -> str:
        """The path as people write it."""
        return ".".join(self.path)

    @functools.cached_property
    def known(self) -> list[Any]:
        """The distinct values in order, without null and NaN."""
        return sorted({value for value in self.values if value is not None and not is_nan(value)})

    @functools.cached_property
    def has_nan(self) -> bool:
        """Whether any value is NaN."""
        return any(map(is_nan, self.values))


@dataclasses.dataclass(frozen=True)
class Predicate:
    """One comparison of one column. NaN never satisfies a comparison (each reader is told so)."""

    column: Column
    operator: Operator
    value: Any = None

    def __str__(self) -> str:
        return self.sql("duckdb")

    def keeps(self, value: Any) -> bool:
        """Whether a row with this value is kept."""
        match self.operator:
            case "IS NULL":
                return value is None
            case "IS NOT NULL":
                return value is not None
            case "IS NAN":
                return is_nan(value)
        if value is None or is_nan(value):
            return False
        match self.operator:
            case ">=":
                return value >= self.value
            case "<=":
                return value <= self.value
            case _:
                return value == self.value

    @functools.cached_property
    def kept(self) -> list[int]:
        """The positions of the rows of the column's table that are kept."""
        return [row for row, value in enumerate(self.column.values) if self.keeps(value)]

    def sql(self, dialect: Dialect) -> str:
        """Write it as SQL."""
        name = _identifier(self.column.path, dialect)
        match self.operator:
            case "IS NULL" | "IS NOT NULL":
                return f"{name} {self.operator}"
            case "IS NAN":
                return f"isnan({name})"
        guard = f" AND NOT isnan({name})" if self.column.has_nan else ""
        return f"{name} {self.operator} {literal(self.value, self.column.type, dialect)}{guard}"

    def iceberg(self) -> ice.BooleanExpression:
        """Write it for pyiceberg."""
        name, term = self.column.name, ice.Reference(self.column.name)
        match self.operator:
            case "IS NULL":
                return ice.IsNull(term=term)
            case "IS NOT NULL":
                return ice.NotNull(term=term)
            case "IS NAN":
                return ice.IsNaN(term=term)
        made = {">=": ice.GreaterThanOrEqual, "<=": ice.LessThanOrEqual, "=": ice.EqualTo}[self.operator]
        comparison = made(name, python_value(self.value, self.column.type))
        return ice.And(comparison, ice.NotNaN(term=term)) if self.column.has_nan else comparison

    def polars(self) -> pl.Expr:
        """Write it for polars."""
        column = pl.col(self.column.path[0])
        for part in self.column.path[1:]:
            column = column.struct.field(part)
        match self.operator:
            case "IS NULL":
                return column.is_null()
            case "IS NOT NULL":
                return column.is_not_null()
            case "IS NAN":
                return column.is_nan()
        value = pl.lit(pl.Series(pa.array([self.value], _comparable(self.column.type)).cast(self.column.type))).first()
        made = {">=": column >= value, "<=": column <= value, "=": column == value}[self.operator]
        return made & column.is_not_nan() if self.column.has_nan else made


def is_nan(value: Any) -> bool:
    """Whether this is the float NaN."""
    return isinstance(value, float) and math.isnan(value)


def _comparable(kind: pa.DataType) -> pa.DataType:
    """Return the Arrow type whose Python values compare as SQL's do."""
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        return pa.int64() if kind.bit_width == 64 else pa.int32()
    if pa.types.is_date(kind):
        return pa.int32()
    return kind


def comparable_values(array: pa.ChunkedArray) -> tuple[Any, ...]:
    """Return values in the form that `Column` keeps them in."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", kind.tz))
    elif pa.types.is_time(kind):
        array = array.cast(pa.time64("us"))
    elif pa.types.is_date(kind):
        array = array.cast(pa.date32())
    plain = array.cast(_comparable(array.type)).to_pylist()
    return tuple(str(value) if isinstance(value, uuid.UUID) else value for value in plain)


def _leaves(path: tuple[str, ...], array: pa.ChunkedArray) -> Iterator[Column]:
    kind = array.type
    if pa.types.is_struct(kind):
        for index, field in enumerate(kind):
            yield from _leaves((*path, field.name), pc.struct_field(array, [index]))
    elif not pa.types.is_nested(kind) and not pa.types.is_null(kind):
        yield Column(path, kind, comparable_values(array))


def columns_of(table: pa.Table) -> list[Column]:
    """Return the columns that can be filtered on."""
    return list(
        itertools.chain.from_iterable(
            _leaves((field.name,), table.column(index)) for index, field in enumerate(table.schema)
        )
    )


def _of_column(column: Column) -> Iterator[Predicate]:
    known = column.known
    if known:
        yield Predicate(column, ">=", known[-1])
        yield Predicate(column, "<=", known[0])
    yield Predicate(column, "IS NULL")
    if known:
        yield Predicate(column, "=", known[len(known) // 2])
    if column.has_nan:
        yield Predicate(column, "IS NAN")
    if None in column.values:
        yield Predicate(column, "IS NOT NULL")


def predicates_of(table: pa.Table, limit: int | None = None) -> list[Predicate]:
    """Return filters at the edges and in the middle of each column.

    With a limit the columns take turns: first the upper edge of each, then the lower one, then nulls, then the middle.
    """
    each = [list(_of_column(column)) for column in columns_of(table)]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*each))
    return list(itertools.islice((predicate for predicate in turns if predicate is not None), limit))


def _identifier(path: tuple[str, ...], dialect: Dialect) -> str:
    first, *rest = path
    if dialect == "spark":
        return ".".join("`" + part.replace("`", "``") + "`" for part in path)
    quoted = '"' + first.replace('"', '""') + '"'
    if dialect == "datafusion":
        return quoted + "".join("['" + part.replace("'", "''") + "']" for part in rest)
    return (f"({quoted})" if rest else quoted) + "".join('."' + part.replace('"', '""') + '"' for part in rest)


def _number(value: Any, kind: pa.DataType, dialect: Dialect) -> str:
    if pa.types.is_integer(kind):
        return f"CAST('{value}' AS {_INTEGERS[kind.bit_width]})"
    if pa.types.is_decimal(kind):
        return f"CAST('{value:f}' AS DECIMAL({kind.precision},{kind.scale}))"
    name = "DOUBLE" if kind.bit_width == 64 else {"duckdb": "REAL"}.get(dialect, "FLOAT")
    return f"CAST('{value!r}' AS {name})".replace("'inf'", "'Infinity'").replace("'-inf'", "'-Infinity'")


def _text(value: str, dialect: Dialect) -> str:
    if dialect == "spark":  # its quoted strings have escapes
        return f"CAST(X'{value.encode().hex()}' AS STRING)"
    if dialect == "duckdb" and "\0" in value:
        return f"decode(from_hex('{value.encode().hex()}'))"
    return "'" + value.replace("'", "''") + "'"


def _bytes(value: bytes, dialect: Dialect) -> str:
    if dialect == "duckdb":
        return f"from_hex('{value.hex()}')"
    return f"X'{value.hex()}'"


def _moment(value: int, kind: pa.DataType, dialect: Dialect) -> str:
    if pa.types.is_date(kind):
        return {
            "spark": f"date_from_unix_date({value})",
            "duckdb": f"(DATE '1970-01-01' + CAST('{value}' AS INT))",
            "datafusion": f"arrow_cast({value}, 'Date32')",
        }[dialect]
    if pa.types.is_time(kind):
        return f"(TIME '00:00:00' + to_microseconds({value}))"
    zoned = kind.tz is not None
    zone = 'Some("UTC")' if zoned else "None"
    return {
        "spark": f"timestamp_micros({value})" if zoned else f"CAST(timestamp_micros({value}) AS TIMESTAMP_NTZ)",
        "duckdb": f"make_timestamptz({value})" if zoned else f"make_timestamp({value})",
        "datafusion": f"arrow_cast({value}, 'Timestamp(Microsecond, {zone})')",
    }[dialect]


def literal(value: Any, kind: pa.DataType, dialect: Dialect) -> str:
    """Write a value of a column as a SQL constant of the column's own type, so that a filter on it is pushed down."""
    match value:
        case bool():
            return str(value).upper()
        case str():
            return _text(value, dialect)
        case bytes():
            return _bytes(value, dialect)
    if pa.types.is_temporal(kind):
        return _moment(value, kind, dialect)
    return _number(value, kind, dialect)


def python_value(value: Any, kind: pa.DataType) -> Any:
    """Return a value of a column as Python would hold it."""
    if pa.types.is_date(kind):
        return dt.date(1970, 1, 1) + dt.timedelta(days=value)
    if pa.types.is_timestamp(kind):
        moment = EPOCH + dt.timedelta(microseconds=value)
        return moment if kind.tz else moment.replace(tzinfo=None)
    if pa.types.is_time(kind):
        return (EPOCH + dt.timedelta(microseconds=value)).time()
    if pa.types.is_decimal(kind):
        return Decimal(value)
    return value
