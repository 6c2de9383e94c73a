"""Small Hudi tables made by hand: properties, timeline files, and tables that Spark can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from converters.hudi.schema.reader import write_schema
from converters.hudi.table_config import properties_text, table_checksum
from converters.model.schema import Schema

__all__ = ["INSTANT", "TABLE", "commit_json", "made_table", "write_properties"]

INSTANT = "20240229120000123"
TABLE = "t"
_FILE_ID = "11111111-2222-3333-4444-555555555555-0"


def write_properties(table: Path, properties: Mapping[str, str] | None = None, name: str = "hoodie.properties") -> Path:
    """Write a table's properties; a key that is given as empty is left out."""
    every = {
        "hoodie.table.name": TABLE,
        "hoodie.table.type": "COPY_ON_WRITE",
        "hoodie.table.version": "6",
        "hoodie.timeline.layout.version": "1",
        "hoodie.table.checksum": str(table_checksum(TABLE)),
        "hoodie.table.timeline.timezone": "UTC",
        "hoodie.populate.meta.fields": "false",
        "hoodie.table.keygenerator.class": "org.apache.hudi.keygen.NonpartitionedKeyGenerator",
        **(properties or {}),
    }
    path = table / ".hoodie" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(properties_text({key: value for key, value in every.items() if value}, "made"))
    return path


def commit_json(**members: Any) -> bytes:
    """A commit as it is written up to table version 6."""
    return json.dumps(
        {
            "partitionToWriteStats": {},
            "compacted": False,
            "extraMetadata": {},
            "operationType": "UPSERT",
            **members,
        }
    ).encode()


def made_table(directory: Path, rows: pa.Table, schema: Schema) -> Path:
    """A table of one file, which Hudi lists; its commit has the schema as we write it."""
    write_properties(directory)
    name = f"{_FILE_ID}_0-0-0_{INSTANT}.parquet"
    pq.write_table(rows, directory / name)
    size = (directory / name).stat().st_size
    written = {"fileId": _FILE_ID, "path": name, "partitionPath": "", "numWrites": len(rows), "fileSizeInBytes": size}
    commit = commit_json(partitionToWriteStats={"": [written]}, extraMetadata={"schema": write_schema(schema, TABLE)})
    (directory / ".hoodie_partition_metadata").write_text(f"commitTime={INSTANT}\npartitionDepth=0\n")
    for suffix, content in ((".commit.requested", b""), (".inflight", b""), (".commit", commit)):
        (directory / ".hoodie" / f"{INSTANT}{suffix}").write_bytes(content)
    return directory
