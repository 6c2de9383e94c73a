"""Iceberg tables whose manifests fastavro writes, in any shape."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import zstandard

from converters.avro.container import blocks, open_avro, varint
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.model.snapshot import Snapshot
from converters.storage.object_store import ObjectStorage

SNAPSHOT_ID = 77
COLUMNS = [
    {"id": 1, "name": "id", "required": False, "type": "long"},
    {"id": 2, "name": "x", "required": False, "type": "double"},
    {"id": 3, "name": "s", "required": False, "type": "string"},
]


_SEQUENCES = [(3, "sequence_number"), (4, "file_sequence_number")]


def field(id_: int, name: str, type_: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "field-id": id_}


def id_map(key_id: int, value: str) -> list[Any]:
    """The type of a nullable map by field id."""
    pair = [field(key_id, "key", "int"), field(key_id + 1, "value", value)]
    items = {"type": "record", "name": f"k{key_id}_v{key_id + 1}", "fields": pair}
    return ["null", {"type": "array", "logicalType": "map", "items": items}]


def entry_schema(
    partition: Sequence[dict[str, Any]] = (), *, without: Sequence[int] = (), more: Any = (), newer: bool = False
) -> Any:
    """The Avro schema of a manifest's entries; a newer one has what versions 2 and 3 brought."""
    members = [
        field(134, "content", "int"),
        field(100, "file_path", "string"),
        field(101, "file_format", "string"),
        field(102, "partition", {"type": "record", "name": "r102", "fields": list(partition)}),
        field(103, "record_count", "long"),
        field(104, "file_size_in_bytes", "long"),
        field(108, "column_sizes", id_map(117, "long")),
        field(109, "value_counts", id_map(119, "long")),
        field(110, "null_value_counts", id_map(121, "long")),
        field(137, "nan_value_counts", id_map(138, "long")),
        field(125, "lower_bounds", id_map(126, "bytes")),
        field(128, "upper_bounds", id_map(129, "bytes")),
        field(131, "key_metadata", ["null", "bytes"]),
    ]
    if newer:
        members += [
            field(135, "equality_ids", ["null", {"type": "array", "items": "int"}]),
            field(143, "referenced_data_file", ["null", "string"]),
            field(144, "content_offset", ["null", "long"]),
            field(145, "content_size_in_bytes", ["null", "long"]),
        ]
    kept = [*(member for member in members if member["field-id"] not in without), *more]
    top = [
        field(0, "status", "int"),
        field(1, "snapshot_id", ["null", "long"]),
        *(field(id_, name, ["null", "long"]) for id_, name in _SEQUENCES if newer),
        field(2, "data_file", {"type": "record", "name": "r2", "fields": kept}),
    ]
    return {"type": "record", "name": "manifest_entry", "fields": top}


def list_schema(*, without: Sequence[int] = ()) -> Any:
    """The Avro schema of a manifest list."""
    members = [
        field(500, "manifest_path", "string"),
        field(501, "manifest_length", "long"),
        field(502, "partition_spec_id", "int"),
        field(517, "content", "int"),
        field(503, "added_snapshot_id", ["null", "long"]),
        field(504, "added_files_count", ["null", "int"]),
        field(505, "existing_files_count", ["null", "int"]),
        field(506, "deleted_files_count", ["null", "int"]),
    ]
    return {
        "type": "record",
        "name": "manifest_file",
        "fields": [each for each in members if each["field-id"] not in without],
    }


def pairs(values: dict[int, Any] | None) -> list[dict[str, Any]] | None:
    """A map by field id as manifests write it."""
    return None if values is None else [{"key": key, "value": value} for key, value in values.items()]


def entry(path: str, *, status: int = 1, rows: int = 10, size: int = 100, **members: Any) -> dict[str, Any]:
    """One entry; maps by field id are given as dicts."""
    maps = ("null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds", "value_counts", "column_sizes")
    data_file = {
        "content": 0,
        "file_path": path,
        "file_format": "parquet",
        "partition": {},
        "record_count": rows,
        "file_size_in_bytes": size,
        **{name: pairs(members.pop(name, None)) for name in maps},
        **members,
    }
    return {"status": status, "snapshot_id": SNAPSHOT_ID, "data_file": data_file}


def avro(schema: Any, rows: Sequence[Any], codec: str = "null", **metadata: str) -> bytes:
    """An Avro container file of small blocks."""
    out = io.BytesIO()
    plain = codec == "zstandard"  # fastavro wants another library for it
    parsed = fastavro.parse_schema(schema)
    fastavro.writer(out, parsed, rows, codec="null" if plain else codec, metadata=metadata, sync_interval=200)
    if not plain:
        return out.getvalue()
    file = open_avro(out.getvalue(), "it")
    packed = [(count, zstandard.compress(content)) for count, content in blocks(file)]
    return container(file.metadata | {"avro.codec": b"zstandard"}, packed)


def container(metadata: dict[str, bytes], packed: list[tuple[int, bytes]], *, negative_count: bool = False) -> bytes:
    """An Avro container file of these blocks."""
    header_pairs = b"".join(
        varint(len(key)) + key.encode() + varint(len(value)) + value for key, value in metadata.items()
    )
    count = varint(-len(metadata)) + varint(len(header_pairs)) if negative_count else varint(len(metadata))
    sync = b"0123456789abcdef"
    header = b"Obj\x01" + count + header_pairs + varint(0) + sync
    return header + b"".join(varint(rows) + varint(len(content)) + content + sync for rows, content in packed)


class Table:
    """A table in the making under a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "metadata").mkdir(parents=True)
        self.listed: list[dict[str, Any]] = []

    @property
    def location(self) -> str:
        return f"file://{self.folder}"

    def manifest(self, data: bytes, **listed: Any) -> Path:
        """Add a manifest."""
        path = self.folder / "metadata" / f"m{len(self.listed)}.avro"
        path.write_bytes(data)
        self.listed.append(
            {
                "manifest_path": f"file:{path}",
                "manifest_length": len(data),
                "partition_spec_id": 0,
                "content": 0,
                "added_snapshot_id": SNAPSHOT_ID,
                "added_files_count": 1,
                "existing_files_count": 0,
                "deleted_files_count": 0,
                **listed,
            }
        )
        return path

    def finish(self, *, list_data: bytes | None = None, snapshot: dict[str, Any] | None = None, **members: Any) -> None:
        """Write the manifest list and the metadata."""
        place = self.folder / "metadata" / "snap.avro"
        place.write_bytes(avro(list_schema(), self.listed) if list_data is None else list_data)
        named = {"manifest-list": str(place)} if snapshot is None else snapshot
        metadata = {
            "format-version": 2,
            "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
            "location": self.location,
            "last-sequence-number": 1,
            "last-updated-ms": 2000,
            "last-column-id": 3,
            "current-schema-id": 0,
            "schemas": [{"type": "struct", "schema-id": 0, "fields": COLUMNS}],
            "default-spec-id": 0,
            "partition-specs": [{"spec-id": 0, "fields": []}],
            "last-partition-id": 999,
            "current-snapshot-id": SNAPSHOT_ID,
            "snapshots": [{"snapshot-id": SNAPSHOT_ID, "timestamp-ms": 1000, "sequence-number": 1, **named}],
            **{name.replace("_", "-"): value for name, value in members.items()},
        }
        (self.folder / "metadata" / "v1.metadata.json").write_text(json.dumps(metadata))

    def read(self, **options: Any) -> tuple[Snapshot, list[dict[str, Any]]]:
        """What the source reads."""
        source = IcebergSource.open(ObjectStorage(), self.location, IcebergSourceOptions(**options))
        snapshot = source.snapshot()
        batches = list(source.data_files(snapshot))
        for batch in batches:
            batch.validate(full=True)
        return snapshot, [row for batch in batches for row in batch.to_pylist()]
