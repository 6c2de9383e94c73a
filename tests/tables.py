"""Small tables that other people's writers make: delta-rs for Delta Lake, pyiceberg for Iceberg."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from tests.readers.rows import canonical_rows
from tests.readers.tables import Format, read

__all__ = [
    "append_delta",
    "append_iceberg",
    "catalog_table",
    "delete_delta",
    "read_rows",
    "sample",
    "write_delta",
    "write_iceberg",
]

_EPOCH = dt.datetime(1969, 12, 30, tzinfo=dt.UTC)


def sample(first: int, count: int) -> pa.Table:
    """Rows of several types, some null, from number ``first`` on."""
    numbers = range(first, first + count)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "region": pa.array([("north", "south/ü é", "")[n % 3] or "east" for n in numbers]),
            "amount": pa.array(
                [Decimal(n * 100 - 250) / 100 if n % 5 else None for n in numbers], pa.decimal128(12, 2)
            ),
            "ratio": pa.array([n / 7 for n in numbers], pa.float64()),
            "day": pa.array([dt.date(1969, 12, 30) + dt.timedelta(days=n) for n in numbers], pa.date32()),
            "at": pa.array(
                [_EPOCH + dt.timedelta(hours=n, microseconds=n) for n in numbers], pa.timestamp("us", "UTC")
            ),
            "note": pa.array([f"note-{n}" if n % 4 else None for n in numbers], pa.string()),
        }
    )


def write_delta(directory: Path, *, partitioned: bool = True) -> Path:
    """A table of two commits, partitioned by ``region`` unless told otherwise."""
    by = ["region"] if partitioned else None
    write_deltalake(directory, sample(0, 20), partition_by=by)
    write_deltalake(directory, sample(20, 10), mode="append")
    return directory


def append_delta(directory: Path, first: int = 100, count: int = 5) -> None:
    """One more commit."""
    write_deltalake(directory, sample(first, count), mode="append")


def delete_delta(directory: Path, predicate: str = "id < 5") -> None:
    """A commit that rewrites files without the rows that match."""
    DeltaTable(directory).delete(predicate)


def write_iceberg(directory: Path) -> Path:
    """A table of two commits, unpartitioned, with a catalog of its own beside it."""
    table = _catalog(directory).create_table("db.t", sample(0, 1).schema, location=f"file://{directory}")
    table.append(sample(0, 20))
    table.append(sample(20, 10))
    return directory


def append_iceberg(directory: Path, first: int = 100, count: int = 5) -> None:
    """One more commit."""
    catalog_table(directory).append(sample(first, count))


def _catalog(directory: Path) -> SqlCatalog:
    directory.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog("tests", uri=f"sqlite:///{directory}/catalog.db", warehouse=f"file://{directory}")
    catalog.create_namespace_if_not_exists("db")
    return catalog


def catalog_table(directory: Path) -> Table:
    """The table that ``write_iceberg`` made, to be changed."""
    return _catalog(directory).load_table("db.t")


def read_rows(table_format: Format, location: Path) -> list[str]:
    """The table's canonical rows by a reader that needs no Java: delta-rs or DuckDB."""
    # pyiceberg would do, but it refuses tables whose files say string here and string view there, as delta-rs leaves.
    return canonical_rows(read(table_format, location, "deltalake" if table_format == "delta" else "duckdb"))
