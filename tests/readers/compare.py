"""Compare a table, as engines read it, with the rows that it must hold."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.readers import hudi
from tests.readers.predicates import Column, Predicate, columns_of, comparable_values, literal, predicates_of
from tests.readers.rows import canonical_rows
from tests.readers.tables import (
    Format,
    ObjectStore,
    Reader,
    duckdb_connection,
    duckdb_scan,
    read,
    spark_query,
)

SPARK_FILTERS = 12
SHOWN = 3


def row_differences(expected: Iterable[str], actual: Iterable[str]) -> list[str]:
    """Say which canonical rows are missing or too many (the first few)."""
    wanted, found = Counter(expected), Counter(actual)
    missing, extra = wanted - found, found - wanted
    said = []
    for word, rows in (("missing", missing), ("extra", extra)):
        if rows:
            said.append(f"{rows.total()} of {wanted.total()} rows {word}: " + "; ".join(itertools.islice(rows, SHOWN)))
    return said


def spark_counts(
    table_format: Format,
    location: str | Path,
    predicates: Sequence[Predicate],
    reader: Reader = "spark",
    version: int | str | None = None,
) -> list[int]:
    """Count the rows that each filter keeps, in one Spark query that plans (and skips files) for each."""
    query = " UNION ALL ".join(
        f"SELECT {place} AS place, count(*) AS kept FROM t WHERE {predicate.sql('spark')}"
        for place, predicate in enumerate(predicates)
    )
    counts = {row["place"]: row["kept"] for row in _spark_rows(table_format, location, query, reader, version)}
    return [counts[place] for place in range(len(predicates))]


def duckdb_counts(
    table_format: Format,
    location: str | Path,
    predicates: Sequence[Predicate],
    version: int | str | None = None,
    store: ObjectStore | None = None,
) -> list[int]:
    """Count the rows that each filter keeps with DuckDB."""
    connection = duckdb_connection(store)
    scan = duckdb_scan(table_format, location, version, store)
    query = " UNION ALL ".join(
        f"SELECT {place} AS place, count(*) AS kept FROM {scan} WHERE {predicate.sql('duckdb')}"
        for place, predicate in enumerate(predicates)
    )
    counts: dict[int, int] = dict(connection.execute(query).fetchall())
    return [counts[place] for place in range(len(predicates))]


def filter_differences(
    table_format: Format,
    location: str | Path,
    expected: pa.Table,
    reader: Reader = "spark",
    *,
    version: int | str | None = None,
    limit: int | None = None,
    store: ObjectStore | None = None,
) -> list[str]:
    """Say which filters on the table's own values keep other rows than they should.

    Args:
        table_format: The format to read.
        location: Where the table is.
        expected: All rows that the table must hold.
        reader: Who reads. Spark and DuckDB count what each filter keeps; the others are asked for the rows.
        version: As for `read`.
        limit: How many filters at most (Spark: 12 unless told otherwise, the others: all).
        store: The server of an ``s3://`` location.
    """
    if limit is None and reader in hudi.VERSIONS:
        limit = SPARK_FILTERS
    predicates = predicates_of(expected, limit)
    if not predicates:
        return []
    match reader:
        case "spark" | "spark-hudi-1.0.2" | "spark-hudi-0.15.0":
            found = spark_counts(table_format, location, predicates, reader, version)
        case "duckdb":
            found = duckdb_counts(table_format, location, predicates, version, store)
        case _:
            found = [
                read(table_format, location, reader, version=version, where=predicate, store=store).num_rows
                for predicate in predicates
            ]
    return [
        f"{reader}: {count} rows instead of {len(predicate.kept)} where {predicate}"
        for predicate, count in zip(predicates, found, strict=True)
        if count != len(predicate.kept)
    ]


def _spark_rows(
    table_format: Format, location: str | Path, query: str, reader: Reader, version: int | str | None
) -> list[dict[str, Any]]:
    found = spark_query(reader, table_format, location, query, version)
    names = [
        str(place) if name in found.column_names[:place] else name for place, name in enumerate(found.column_names)
    ]
    rows: list[dict[str, Any]] = found.rename_columns(names).to_pylist()
    return rows


def _spark_name(column: Column) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in column.path)


def _delta_edges(columns: Sequence[Column], location: str | Path, version: int | str | None) -> list[str]:
    """Ask as Delta must be asked, lest it reads the data: bare minima and maxima, of numbers and dates at the top."""
    asked = [
        column
        for column in columns
        if len(column.path) == 1
        and column.known
        and not column.has_nan
        and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_date(column.type))
    ]
    edges = [f"{function}({_spark_name(column)})" for column in asked for function in ("min", "max")]
    answer = spark_query("spark", "delta", location, f"SELECT {', '.join(['count(*)', *edges])} FROM t", version)
    wanted = [len(columns[0].values), *(column.known[end] for column in asked for end in (0, -1))]
    found = [comparable_values(answer.column(place))[0] for place in range(answer.num_columns)]
    return [
        f"spark: {name} is {got} instead of {want}"
        for name, got, want in zip(["count(*)", *edges], found, wanted, strict=True)
        if got != want
    ]


def _edge_query(place: int, column: Column) -> str:
    name = _spark_name(column)
    edges = "true, true, NULL, NULL"
    if column.known and not column.has_nan:
        low, high = (literal(column.known[end], column.type, "spark") for end in (0, -1))
        text = "hex" if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type) else "string"
        edges = f"min({name}) <=> {low}, max({name}) <=> {high}, {text}(min({name})), {text}(max({name}))"
    return f"SELECT {place}, count(*), count({name}), {edges} FROM t"


def _edges(
    columns: Sequence[Column], table_format: Format, location: str | Path, version: int | str | None
) -> list[str]:
    said = []
    query = " UNION ALL ".join(_edge_query(place, column) for place, column in enumerate(columns))
    for row in _spark_rows(table_format, location, query, "spark", version):
        place, rows, known, low_is_right, high_is_right, low, high = row.values()
        column = columns[place]
        wanted = sum(value is not None for value in column.values)
        if rows != len(column.values):
            said.append(f"spark: count(*) is {rows} instead of {len(column.values)}")
        if known != wanted:
            said.append(f"spark: count({column.name}) is {known} instead of {wanted}")
        if not low_is_right:
            said.append(f"spark: min({column.name}) is {low} instead of {column.known[0]}")
        if not high_is_right:
            said.append(f"spark: max({column.name}) is {high} instead of {column.known[-1]}")
    return said


def aggregate_differences(
    table_format: Format, location: str | Path, expected: pa.Table, *, version: int | str | None = None
) -> list[str]:
    """Say which counts, minima and maxima are wrong in Spark, which answers them from the metadata where it can."""
    columns = columns_of(expected)
    if not columns:
        return []
    if table_format == "delta":
        return _delta_edges(columns, location, version)
    return _edges(columns, table_format, location, version)


def differences(
    table_format: Format,
    location: str | Path,
    expected: pa.Table,
    readers: Sequence[Reader] = ("spark", "duckdb"),
    *,
    version: int | str | None = None,
    filters: bool = True,
    store: ObjectStore | None = None,
) -> list[str]:
    """Say all that is wrong with a table: its rows, the rows under filters, its aggregates."""
    wanted = canonical_rows(expected)
    said = []
    for reader in readers:
        found = canonical_rows(read(table_format, location, reader, version=version, store=store))
        said += [f"{reader}: {difference}" for difference in row_differences(wanted, found)]
        if filters and reader != "hudi-rs":
            said += filter_differences(table_format, location, expected, reader, version=version, store=store)
            # Delta and Iceberg answer aggregates from their metadata; Hudi reads the data.
            if reader == "spark" and table_format != "hudi":
                said += aggregate_differences(table_format, location, expected, version=version)
    return said


def assert_same_rows(
    table_format: Format,
    location: str | Path,
    expected: pa.Table,
    readers: Sequence[Reader] = ("spark", "duckdb"),
    *,
    version: int | str | None = None,
    filters: bool = True,
    store: ObjectStore | None = None,
) -> None:
    """Fail with all that `differences` has to say."""
    said = differences(table_format, location, expected, readers, version=version, filters=filters, store=store)
    assert not said, f"{table_format} table {location}:\n" + "\n".join(said)
