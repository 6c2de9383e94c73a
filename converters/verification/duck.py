"""DuckDB as a reader that is not ours: it reads Delta Lake and Iceberg tables by extensions of its own."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import duckdb

from converters.errors import InvalidRequest

__all__ = ["Duck", "DuckFailed", "check_extensions", "identifier", "text"]

_EXTENSIONS = ("parquet", "json", "icu", "avro", "httpfs", "iceberg", "delta")

_INSTALL = "Install the one that fits: pip install 'tablecast[demo]'."


class DuckFailed(Exception):  # noqa: N818 - as in converters.errors
    """DuckDB did not read a table; the message has its words."""


class Duck:
    """A DuckDB connection with the extensions from packages, never from the network."""

    def __init__(self) -> None:
        """Connect.

        Raises:
            InvalidRequest: An extension is not installed.
        """
        self._connection = duckdb.connect()
        for name in _EXTENSIONS:
            file = _extension(name)
            try:
                self._connection.execute(f"LOAD {text(file)}")
            except duckdb.Error as error:
                raise InvalidRequest(
                    f"Rows are compared with DuckDB, which cannot load its extension '{name}': {error}", hint=_INSTALL
                ) from error
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET autoinstall_known_extensions = false")
        self._connection.execute("SET enable_external_file_cache = false")  # tables get replaced under the same path
        self._has_s3 = False

    def rows(self, query: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The result of a query.

        Raises:
            DuckFailed: DuckDB says no.
        """
        try:
            return self._connection.execute(query, parameters).fetchall()
        except duckdb.Error as error:
            raise DuckFailed(" ".join(str(error).split())[:1000]) from error

    def columns(self, relation: str, parameters: dict[str, Any] | None = None) -> dict[str, str]:
        """Names and types of what a relation yields.

        Raises:
            DuckFailed: DuckDB cannot read it.
        """
        return {row[0]: row[1] for row in self.rows(f"DESCRIBE SELECT * FROM {relation}", parameters)}  # noqa: S608 - of quoted names

    def register(self, name: str, table: Any) -> None:
        """Name an Arrow table."""
        self._connection.register(name, table)

    def use_s3(self) -> None:
        """Hand over the environment's credentials, as the built-in storage finds them."""
        if self._has_s3:
            return
        import boto3  # noqa: PLC0415 - heavy

        session = boto3.Session()
        credentials = session.get_credentials()
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        said = {"REGION": session.region_name or os.environ.get("AWS_REGION")}
        if credentials is not None:
            frozen = credentials.get_frozen_credentials()
            said |= {"KEY_ID": frozen.access_key, "SECRET": frozen.secret_key, "SESSION_TOKEN": frozen.token}
        if endpoint:
            said |= {"ENDPOINT": endpoint.partition("://")[2], "URL_STYLE": "path"}
        settings = [f"{key} {text(value)}" for key, value in said.items() if value]
        if endpoint.startswith("http://"):
            settings.append("USE_SSL false")
        try:
            self._connection.execute(f"CREATE OR REPLACE SECRET tablecast ({', '.join(['TYPE s3', *settings])})")
        except duckdb.Error:
            # Its words would have the credentials in them.
            raise DuckFailed("DuckDB does not take the credentials for S3") from None
        self._has_s3 = True


def check_extensions() -> None:
    """Make sure that all extensions are there.

    Raises:
        InvalidRequest: One is not installed.
    """
    for name in _EXTENSIONS:
        _extension(name)


def _extension(name: str) -> str:
    try:
        package = importlib.import_module(f"duckdb_extension_{name}")
    except ImportError as error:
        raise InvalidRequest(
            f"Rows are compared with DuckDB, which lacks its extension '{name}' here.",
            hint=_INSTALL,
        ) from error
    (file,) = Path(package.__path__[0]).glob(f"extensions/*/{name}.duckdb_extension")
    return str(file)


def text(value: str) -> str:
    """A SQL string."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A SQL name."""
    return '"' + name.replace('"', '""') + '"'
