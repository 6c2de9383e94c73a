"""Reading tables back with DuckDB, an engine that is not ours."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import duckdb

__all__ = ["CannotRead", "Differences", "Duck"]

_EXTENSIONS = ("parquet", "json", "icu", "avro", "httpfs", "iceberg", "delta")

Differences = tuple[int, int]
"""Rows that only the first table has, and rows that only the second has."""


class CannotRead(Exception):  # noqa: N818 - says what happened
    """DuckDB does not read the table; the message has its words."""


class Duck:
    """A DuckDB connection that reads Delta Lake and Iceberg tables, with extensions from packages, not the network."""

    def __init__(self) -> None:
        """Connect and load the extensions."""
        self._connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        for name in _EXTENSIONS:
            package = importlib.import_module(f"duckdb_extension_{name}")
            (file,) = Path(package.__path__[0]).glob(f"extensions/*/{name}.duckdb_extension")
            self._connection.execute(f"LOAD '{_quoted(str(file))}'")
        self._connection.execute("SET TimeZone='UTC'")

    def view(self, name: str, table_format: str, place: str) -> None:
        """Name a table: a Delta table by its directory, an Iceberg table by its ``metadata.json``, rows by their files.

        Raises:
            CannotRead: DuckDB does not read it.
        """
        scan = {"DELTA": "delta_scan", "ICEBERG": "iceberg_scan", "PARQUET": "read_parquet"}[table_format]
        try:
            self._connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {scan}('{_quoted(place)}')")  # noqa: S608
            self._one(f"SELECT count(*) FROM {name}")  # noqa: S608
        except duckdb.Error as error:
            raise CannotRead(f"DuckDB cannot read the {table_format} table: {error}") from error

    def count(self, name: str) -> int:
        """Rows of a table."""
        return int(self._one(f"SELECT count(*) FROM {name}"))  # noqa: S608 - our own names

    def columns(self, name: str) -> list[str]:
        """Names of a table's columns."""
        return [row[0] for row in self._connection.execute(f"DESCRIBE {name}").fetchall()]

    def head(self, name: str, columns: list[str], rows: int) -> list[tuple[str | None, ...]]:
        """The first rows as text, ordered by all columns."""
        names = ", ".join(_identifier(column) for column in columns)
        query = f"SELECT * FROM (SELECT {names} FROM {name} ORDER BY ALL LIMIT {rows})"  # noqa: S608
        return self._connection.sql(query).project("COLUMNS(*)::VARCHAR").fetchall()

    def differences(self, first: str, second: str) -> Differences:
        """How many rows of each table the other does not have, repeated rows counted."""
        names = ", ".join(_identifier(column) for column in self.columns(first))
        left, right = f"SELECT {names} FROM {first}", f"SELECT {names} FROM {second}"  # noqa: S608
        return (
            int(self._one(f"SELECT count(*) FROM ({left} EXCEPT ALL {right})")),  # noqa: S608
            int(self._one(f"SELECT count(*) FROM ({right} EXCEPT ALL {left})")),  # noqa: S608
        )

    def _one(self, query: str) -> Any:
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
