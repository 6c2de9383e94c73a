"""The DuckDB that parses JSON for us: one in-memory database a process, one cursor a use."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

__all__ = ["cursor", "json_shape", "query", "quoted"]

Shape = str | dict[str, "Shape"] | list["Shape"]
"""A structure as DuckDB's ``from_json`` takes it: a type's name, or a structure a member."""

_TEXT_AT_ONCE = 2 * 2**20

_lock = threading.Lock()
_databases: dict[int, duckdb.DuckDBPyConnection] = {}


def cursor() -> duckdb.DuckDBPyConnection:
    """A connection of its own, to be used by one thread, with times in UTC."""
    with _lock:
        # A forked child cannot use its parent's database: the threads are gone.
        database = _databases.get(os.getpid())
        if database is None:
            import duckdb  # noqa: PLC0415 - a tenth of a second that other formats need not pay

            database = duckdb.connect(
                ":memory:",
                config={
                    "threads": 1,  # more threads cost more time than they save
                    "enable_external_access": False,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "python_enable_replacements": False,
                },
            )
            database.execute("SET GLOBAL TimeZone = 'UTC'")
            _databases.clear()
            _databases[os.getpid()] = database
        return database.cursor()


def query(connection: duckdb.DuckDBPyConnection, sql: str, **inputs: pa.Table) -> pa.Table:
    """Run a query over Arrow tables, by name, and return all of its result in the input's order."""
    for name, table in inputs.items():
        # A reader is scanned as it comes; for a table DuckDB would first build a dataset.
        connection.register(name, table.to_reader(_rows_at_once(table)))
    try:
        return connection.execute(sql).to_arrow_table()
    finally:
        for name in inputs:
            connection.unregister(name)


def _rows_at_once(table: pa.Table) -> int:
    """How many rows DuckDB should parse at once: it holds all of their JSON in memory, many times its size."""
    rows: int = max(1, _TEXT_AT_ONCE * len(table) // max(1, table.nbytes))
    return rows


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def json_shape(shape: Shape) -> str:
    """A structure as an SQL literal, for ``from_json``."""
    return quoted(msgspec.json.encode(shape).decode())
