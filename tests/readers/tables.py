"""Read a table with an engine that is not ours: Spark, DuckDB, pyiceberg, delta-rs, polars or hudi-rs."""

import functools
import importlib
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable, QueryBuilder
from pyiceberg.table import StaticTable
from pyspark.sql import DataFrame

from tests.readers import hudi, spark
from tests.readers.predicates import Predicate
from tests.sparks.session import rows as spark_rows

Format = Literal["delta", "iceberg", "hudi"]
Reader = Literal[
    "spark", "duckdb", "pyiceberg", "deltalake", "polars", "spark-hudi-1.0.2", "spark-hudi-0.15.0", "hudi-rs"
]
READERS: Mapping[Format, tuple[Reader, ...]] = {
    "delta": ("spark", "duckdb", "deltalake", "polars"),
    "iceberg": ("spark", "duckdb", "pyiceberg", "polars"),
    "hudi": ("spark", "spark-hudi-1.0.2", "spark-hudi-0.15.0", "hudi-rs"),
}
os.environ.setdefault("POLARS_ICEBERG_PLANNER", "pyiceberg")  # else polars warns that it falls back to it
EXTENSIONS = ("avro", "httpfs", "iceberg", "delta")


class ObjectStore(Protocol):
    """What must be known of an S3 server to read from it."""

    @property
    def endpoint(self) -> str:
        """Its URL."""
        ...

    @property
    def region(self) -> str:
        """The region that it answers to."""
        ...

    @property
    def access_key(self) -> str:
        """Who asks."""
        ...

    @property
    def secret_key(self) -> str:
        """And the proof."""
        ...


def read(
    table_format: Format,
    location: str | Path,
    reader: Reader = "spark",
    *,
    version: int | str | None = None,
    where: Predicate | None = None,
    store: ObjectStore | None = None,
) -> pa.Table:
    """Return the rows of a table.

    Args:
        table_format: ``delta``, ``iceberg`` or ``hudi``; Hudi's own columns are left out.
        location: The table's directory, an Iceberg ``*.metadata.json``, or the same on S3 (not with Spark).
        reader: Who reads.  ``spark`` reads Hudi with 1.2.0.
        version: Delta: a version. Iceberg: a snapshot id, or the name of a branch or tag. Hudi: an instant.
        where: A filter, handed to the reader so that it may skip files (hudi-rs is handed none).
        store: The server of an ``s3://`` location.
    """
    return _READ[reader](table_format, str(location), version, where, store)


# Where an Iceberg table's metadata is


def storage_files(location: str, store: ObjectStore | None) -> tuple[pafs.FileSystem, str]:
    """Return the file system that a location is in, and what it is called there."""
    if store is None:
        return pafs.LocalFileSystem(), location.removeprefix("file://")
    made = pafs.S3FileSystem(
        access_key=store.access_key,
        secret_key=store.secret_key,
        region=store.region,
        scheme="http",
        endpoint_override=store.endpoint.removeprefix("http://"),
    )
    return made, location.removeprefix("s3://")


def _metadata_number(name: str) -> int:
    found = re.match(r"v?(\d+)", name)
    return int(found.group(1)) if found else -1


def metadata_file(location: str | Path, store: ObjectStore | None = None) -> str:
    """Return the newest metadata file of an Iceberg table (or the one that was named)."""
    location = str(location).rstrip("/")
    if location.endswith(".json"):
        return location
    files, folder = storage_files(location, store)
    found = files.get_file_info(pafs.FileSelector(f"{folder}/metadata", allow_not_found=True))
    names = [
        (_metadata_number(file.base_name), file.mtime_ns, file.base_name)
        for file in found
        if re.search(r"\.metadata\.json(\.gz)?$", file.base_name) and not file.base_name.startswith(".")
    ]
    if not names:
        raise FileNotFoundError(f"{location} is no Iceberg table")
    return f"{location}/metadata/{max(names)[-1]}"


def metadata_of(location: str | Path, store: ObjectStore | None = None) -> dict[str, Any]:
    """Return the newest metadata of an Iceberg table."""
    path = metadata_file(location, store)
    files, name = storage_files(path, store)
    compression = "gzip" if re.search(r"\.gz\.metadata\.json$|\.json\.gz$", path) else None
    with files.open_input_stream(name, compression=compression) as stream:
        return json.loads(stream.read())


def _snapshot(location: str, version: int | str | None, store: ObjectStore | None) -> int | None:
    if isinstance(version, str):
        return metadata_of(location, store)["refs"][version]["snapshot-id"]
    return version


# Spark


def spark_frame(table_format: Format, location: str | Path, version: int | str | None = None) -> DataFrame:
    """Open a table with Spark."""
    location = str(location)
    options = {}
    if table_format == "hudi":
        return spark.load("hudi", location, **hudi.options("spark", location, version))
    if table_format == "delta":
        if version is not None:
            options["versionAsOf"] = str(version)
        return spark.load("delta", location, **options)
    if isinstance(version, int):
        options["snapshot-id"] = str(version)
    elif version is not None:
        options[metadata_of(location)["refs"][version]["type"]] = version
    # What is named as Hadoop names it opens by its directory, what is named as catalogs do by its file.
    hinted = Path(location, "metadata", "version-hint.text").exists()
    return spark.load("iceberg", location if hinted else metadata_file(location), **options)


def _spark(
    table_format: Format,
    location: str,
    version: int | str | None,
    where: Predicate | None,
    store: ObjectStore | None,
) -> pa.Table:
    if store is not None:
        raise ValueError("Spark has no S3 client here")
    frame = spark_frame(table_format, location, version)
    if where is not None:
        frame = frame.where(where.sql("spark"))
    return spark_rows(frame)


def spark_query(
    reader: Reader, table_format: Format, location: str | Path, query: str, version: int | str | None = None
) -> pa.Table:
    """Return the rows of a query over a table, which is ``t`` in it, by a reader that has a Spark session."""
    if table_format == "hudi":
        return hudi.query(reader, location, query, version=version).rows
    spark_frame(table_format, location, version).createOrReplaceTempView("t")
    return spark_rows(spark.session().sql(query))


def _spark_hudi(
    reader: Reader,
    table_format: Format,
    location: str,
    version: int | str | None,
    where: Predicate | None,
    store: ObjectStore | None,
) -> pa.Table:
    if table_format != "hudi" or store is not None:
        raise ValueError(f"{reader} reads Hudi from disk")
    query = "SELECT * FROM t" + (f" WHERE {where.sql('spark')}" if where is not None else "")
    return spark_query(reader, table_format, location, query, version)


def _hudi_rs(
    table_format: Format,
    location: str,
    version: int | str | None,
    where: Predicate | None,
    store: ObjectStore | None,
) -> pa.Table:
    if table_format != "hudi" or store is not None or where is not None:
        raise ValueError("hudi-rs reads Hudi from disk, and all of it")
    return hudi.read_with_rust(location, version)


# DuckDB


@functools.cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in EXTENSIONS:
        package = importlib.import_module(f"duckdb_extension_{name}")
        (file,) = Path(package.__path__[0]).glob("extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_file_cache = false")  # tables get replaced under the same path
    return connection


_HERE = threading.local()


def duckdb_connection(store: ObjectStore | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection of this thread that reads Delta and Iceberg, from an S3 server too."""
    if not hasattr(_HERE, "connection"):
        _HERE.connection = _duckdb().cursor()
    connection: duckdb.DuckDBPyConnection = _HERE.connection
    if store is not None:
        connection.execute(
            f"CREATE OR REPLACE SECRET tests (TYPE s3, KEY_ID '{store.access_key}', SECRET '{store.secret_key}', "
            f"REGION '{store.region}', ENDPOINT '{store.endpoint.removeprefix('http://')}', URL_STYLE path, "
            "USE_SSL false)"
        )
    return connection


def duckdb_scan(
    table_format: Format,
    location: str | Path,
    version: int | str | None = None,
    store: ObjectStore | None = None,
) -> str:
    """Return what DuckDB selects a table's rows from."""
    location = str(location)
    if table_format == "delta":
        path = location.replace("'", "''")
        return f"delta_scan('{path}'" + (f", version = {version})" if version is not None else ")")
    path = metadata_file(location, store).replace("'", "''")
    snapshot = _snapshot(location, version, store)
    return f"iceberg_scan('{path}'" + (f", snapshot_from_id = {snapshot})" if snapshot is not None else ")")


def _duck(
    table_format: Format,
    location: str,
    version: int | str | None,
    where: Predicate | None,
    store: ObjectStore | None,
) -> pa.Table:
    query = f"SELECT * FROM {duckdb_scan(table_format, location, version, store)}"
    if where is not None:
        query += f" WHERE {where.sql('duckdb')}"
    return duckdb_connection(store).execute(query).to_arrow_table()


# pyiceberg, delta-rs, polars


def _s3_options(store: ObjectStore | None) -> dict[str, str]:
    if store is None:
        return {}
    return {
        "aws_access_key_id": store.access_key,
        "aws_secret_access_key": store.secret_key,
        "aws_region": store.region,
        "aws_endpoint_url": store.endpoint,
        "aws_allow_http": "true",
    }


def static_table(location: str | Path, store: ObjectStore | None = None) -> StaticTable:
    """Open a table with pyiceberg."""
    properties = {}
    if store is not None:
        properties = {
            "s3.access-key-id": store.access_key,
            "s3.secret-access-key": store.secret_key,
            "s3.region": store.region,
            "s3.endpoint": store.endpoint,
        }
    return StaticTable.from_metadata(metadata_file(location, store), properties)


def _pyiceberg(
    table_format: Format,
    location: str,
    version: int | str | None,
    where: Predicate | None,
    store: ObjectStore | None,
) -> pa.Table:
    if table_format != "iceberg":
        raise ValueError(f"pyiceberg does not read {table_format}")
    scan = static_table(location, store).scan(snapshot_id=_snapshot(location, version, store))
    if where is not None:
        scan = scan.filter(where.iceberg())
    return scan.to_arrow()


def _deltalake(
    table_format: Format,
    location: str,
    version: int | str | None,
    where: Predicate | None,
    store: ObjectStore | None,
) -> pa.Table:
    if table_format != "delta":
        raise ValueError(f"delta-rs does not read {table_format}")
    table = DeltaTable(
        location, version=None if version is None else int(version), storage_options=_s3_options(store) or None
    )
    query = "SELECT * FROM t" + (f" WHERE {where.sql('datafusion')}" if where is not None else "")
    return pa.table(QueryBuilder().register("t", table).execute(query).read_all())


def _polars(
    table_format: Format,
    location: str,
    version: int | str | None,
    where: Predicate | None,
    store: ObjectStore | None,
) -> pa.Table:
    if table_format == "delta":
        frame = pl.scan_delta(location, version=version, storage_options=_s3_options(store) or None)
    else:
        frame = pl.scan_iceberg(static_table(location, store), snapshot_id=_snapshot(location, version, store))
    if where is not None:
        frame = frame.filter(where.polars())
    return frame.collect().to_arrow()


_Read = Callable[[Format, str, int | str | None, Predicate | None, ObjectStore | None], pa.Table]
_READ: Mapping[Reader, _Read] = {
    "spark": _spark,
    "duckdb": _duck,
    "pyiceberg": _pyiceberg,
    "deltalake": _deltalake,
    "polars": _polars,
    "spark-hudi-1.0.2": functools.partial(_spark_hudi, "spark-hudi-1.0.2"),
    "spark-hudi-0.15.0": functools.partial(_spark_hudi, "spark-hudi-0.15.0"),
    "hudi-rs": _hudi_rs,
}
