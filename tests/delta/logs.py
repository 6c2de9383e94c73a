"""Delta logs written by hand, action by action, in every form that the protocol knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from converters.delta import DeltaSource
from converters.delta.source import DeltaSourceOptions
from converters.model import Snapshot
from converters.storage import ObjectStorage

STRINGS = pa.map_(pa.string(), pa.string())
VECTOR = pa.struct(
    [
        ("storageType", pa.string()),
        ("pathOrInlineDv", pa.string()),
        ("offset", pa.int32()),
        ("sizeInBytes", pa.int32()),
        ("cardinality", pa.int64()),
    ]
)
ADD = [
    ("path", pa.string()),
    ("partitionValues", STRINGS),
    ("size", pa.int64()),
    ("modificationTime", pa.int64()),
    ("dataChange", pa.bool_()),
    ("stats", pa.string()),
    ("deletionVector", VECTOR),
]
REMOVE = [("path", pa.string()), ("deletionTimestamp", pa.int64()), ("dataChange", pa.bool_())]
METADATA = [
    ("id", pa.string()),
    ("name", pa.string()),
    ("description", pa.string()),
    ("format", pa.struct([("provider", pa.string()), ("options", STRINGS)])),
    ("schemaString", pa.string()),
    ("partitionColumns", pa.list_(pa.string())),
    ("configuration", STRINGS),
    ("createdTime", pa.int64()),
]
PROTOCOL = [
    ("minReaderVersion", pa.int32()),
    ("minWriterVersion", pa.int32()),
    ("readerFeatures", pa.list_(pa.string())),
    ("writerFeatures", pa.list_(pa.string())),
]
SIDECAR = [("path", pa.string()), ("sizeInBytes", pa.int64()), ("modificationTime", pa.int64())]
TXN = [("appId", pa.string()), ("version", pa.int64()), ("lastUpdated", pa.int64())]
DOMAIN = [("domain", pa.string()), ("configuration", pa.string()), ("removed", pa.bool_())]
ACTIONS: dict[str, list[tuple[str, pa.DataType]]] = {
    "txn": TXN,
    "add": ADD,
    "remove": REMOVE,
    "metaData": METADATA,
    "protocol": PROTOCOL,
    "domainMetadata": DOMAIN,
    "checkpointMetadata": [("version", pa.int64())],
    "sidecar": SIDECAR,
}

Action = Mapping[str, Any]


def add(path: str, rows: int | None = 1, *, size: int = 100, stats: Any = None, **more: Any) -> Action:
    """An ``add`` action; ``stats`` may be a mapping, text, or None for just the row count."""
    if stats is None and rows is not None:
        stats = {"numRecords": rows}
    text = stats if isinstance(stats, str | None) else json.dumps(stats)
    content = {"path": path, "partitionValues": {}, "size": size, "modificationTime": 1_700_000_000_000}
    return {"add": {**content, "dataChange": True, "stats": text, **more}}


def remove(path: str, **more: Any) -> Action:
    return {"remove": {"path": path, "deletionTimestamp": 1_700_000_000_000, "dataChange": True, **more}}


def vector(name: str = "x", offset: int | None = 1) -> Mapping[str, Any]:
    return {"storageType": "u", "pathOrInlineDv": name, "offset": offset, "sizeInBytes": 34, "cardinality": 1}


def protocol(reader: int = 1, writer: int = 2, features: Sequence[str] | None = None) -> Action:
    content: dict[str, Any] = {"minReaderVersion": reader, "minWriterVersion": writer}
    if features is not None:
        content |= {"readerFeatures": list(features), "writerFeatures": list(features)}
    return {"protocol": content}


def column(name: str, type_: Any, **metadata: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "nullable": True, "metadata": metadata}


def schema_string(*columns: Mapping[str, Any]) -> str:
    return json.dumps({"type": "struct", "fields": columns})


def metadata(
    *columns: Mapping[str, Any], by: Iterable[str] = (), configuration: Mapping[str, str] | None = None
) -> Action:
    return {
        "metaData": {
            "id": "00000000-0000-0000-0000-000000000001",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema_string(*(columns or (column("id", "long"),))),
            "partitionColumns": list(by),
            "configuration": dict(configuration or {}),
            "createdTime": 1_700_000_000_000,
        }
    }


BASE = (protocol(), metadata())
"""What the first commit of a table with one column ``id`` says."""


class Table:
    """A table whose log is written by hand."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "_delta_log"
        self.log.mkdir(parents=True)

    @property
    def location(self) -> str:
        return f"file://{self.directory}"

    def commit(self, version: int, *actions: Action) -> Path:
        return self.json(f"{version:020d}.json", *actions)

    def json(self, name: str, *actions: Action) -> Path:
        return self.text(name, "".join(json.dumps(action) + "\n" for action in actions))

    def text(self, name: str, text: str | bytes) -> Path:
        path = self.log / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def parquet(self, name: str, *actions: Action, kinds: Iterable[str] = ACTIONS, **more: Any) -> Path:
        path = self.log / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(checkpoint_table(actions, kinds), path, **more)
        return path

    def source(self, version: int | None = None) -> DeltaSource:
        return DeltaSource.open(ObjectStorage(), self.location, DeltaSourceOptions(version))

    def read(self, version: int | None = None) -> tuple[Snapshot, pa.Table]:
        source = self.source(version)
        snapshot = source.snapshot()
        batches = list(source.data_files(snapshot))
        return snapshot, pa.Table.from_batches(batches) if batches else pa.table({"path": pa.array([], pa.string())})

    def paths(self, version: int | None = None) -> list[str]:
        """The live files' locations below the table, sorted."""
        prefix = self.location + "/"
        return sorted(path.removeprefix(prefix) for path in self.read(version)[1]["path"].to_pylist())


def checkpoint_table(actions: Sequence[Action], kinds: Iterable[str] = ACTIONS) -> pa.Table:
    """Actions as a checkpoint's rows: one column a kind, all but one of them null in each row."""
    columns = {}
    for kind in kinds:
        type_ = pa.struct(ACTIONS[kind])
        columns[kind] = pa.array([_row(action.get(kind), type_) for action in actions], type_)
    return pa.table(columns)


def _row(content: Mapping[str, Any] | None, type_: pa.StructType) -> dict[str, Any] | None:
    if content is None:
        return None
    row = dict(content)
    for field in type_:
        value = row.get(field.name)
        if pa.types.is_map(field.type) and value is not None:
            row[field.name] = list(value.items())
        elif field.name == "format" and value is not None:
            row["format"] = {"provider": value["provider"], "options": list(value["options"].items())}
    return row
