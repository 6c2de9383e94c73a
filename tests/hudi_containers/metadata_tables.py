"""Metadata tables made by hand, file by file, to have what real ones have only after accidents."""

import io
import struct
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from converters.hudi.containers.hfile_writer import HFileWriter
from converters.hudi.containers.log_block import data_block
from converters.hudi.metadata_table.keys import ALL_PARTITIONS, partition_key
from converters.hudi.metadata_table.records import files_value, partitions_value
from converters.hudi.metadata_table.schemas import COLUMN_STATS_SCHEMA, FILES_SCHEMA
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.table_config import read_table_config
from converters.hudi.timeline.active import read_timeline
from converters.storage.object_store import ObjectStorage

Files = Mapping[str, Mapping[str, int | None]]
"""By partition and name the size; None for a file that is deleted."""

SCHEMAS = {"files": FILES_SCHEMA, "column_stats": COLUMN_STATS_SCHEMA}
GROUPS = {"files": "files-0000-0", "column_stats": "col-stats-0000-0"}


def hfile(partition: str, records: Mapping[bytes, bytes]) -> bytes:
    sink = io.BytesIO()
    writer = HFileWriter(sink, schema=SCHEMAS[partition], record_key_range=True)
    keys = sorted(records)
    writer.add(pa.array(keys, pa.binary()), pa.array([records[key] for key in keys], pa.binary()))
    writer.close()
    return sink.getvalue()


def file_records(files: Files) -> dict[bytes, bytes]:
    """The records that say these changes; every partition is in the list of partitions, too."""
    records = {ALL_PARTITIONS.encode(): partitions_value(list(files))}
    for partition, entries in files.items():
        columns = {
            "name": pa.array(list(entries), pa.string()),
            "size": pa.array([size or 0 for size in entries.values()], pa.int64()),
            "deleted": pa.array([size is None for size in entries.values()], pa.bool_()),
        }
        records[partition_key(partition).encode()] = files_value(pa.table(columns))
    return records


def rollback_block(instant: str, target: str) -> bytes:
    """A command that takes back what an instant wrote."""
    texts = {0: instant, 1: target, 3: "0"}
    header = struct.pack(">i", len(texts))
    for name, text in texts.items():
        header += struct.pack(">ii", name, len(text)) + text.encode()
    body = struct.pack(">ii", 1, 0) + header + struct.pack(">q", 0) + struct.pack(">i", 0)
    return b"#HUDI#" + struct.pack(">q", len(body) + 8) + body + struct.pack(">q", len(body) + 14)


def delete_block(instant: str, keys: list[bytes]) -> bytes:
    """A block that takes records away."""
    records = b"".join(b"\x02" + bytes([2 * len(key)]) + key + b"\x00\x00" for key in keys)
    deletes = (bytes([2 * len(keys)]) + records if keys else b"") + b"\x00"
    content = struct.pack(">ii", 3, len(deletes)) + deletes
    header = struct.pack(">iii", 1, 0, len(instant)) + instant.encode()
    body = struct.pack(">ii", 1, 1) + header + struct.pack(">q", len(content)) + content + struct.pack(">i", 0)
    return b"#HUDI#" + struct.pack(">q", len(body) + 8) + body + struct.pack(">q", len(body) + 14)


class HandMade:
    """A table with nothing but its metadata table."""

    def __init__(self, folder: Path, version: int = 6) -> None:
        self.folder = folder
        self.version = version
        self.layout = 1 if version < 8 else 2
        self.hoodie = folder / ".hoodie"
        self.metadata = self.hoodie / "metadata"
        lines = {"hoodie.table.version": version, "hoodie.timeline.layout.version": self.layout}
        for place, name in ((self.hoodie, "t"), (self.metadata / ".hoodie", "t_metadata")):
            (place / "timeline").mkdir(parents=True)
            said = {**lines, "hoodie.table.name": name, "hoodie.table.metadata.partitions": "files,column_stats"}
            text = "".join(f"{key}={value}\n" for key, value in said.items())
            (place / "hoodie.properties").write_text(text, encoding="utf-8")

    def instant(self, time: str, action: str = "deltacommit", *, own: bool, completed_at: str | None = "") -> None:
        """Write an instant, of the table's own timeline or of the metadata table's; pending if completed_at is None."""
        place = self.hoodie if own else self.metadata / ".hoodie"
        place = place if self.layout == 1 else place / "timeline"
        (place / f"{time}.{action}.requested").write_bytes(b"")
        (place / f"{time}.{action}.inflight").write_bytes(b"")
        if completed_at is not None:
            name = f"{time}.{action}" if self.layout == 1 else f"{time}_{completed_at or time}.{action}"
            (place / name).write_bytes(b"")

    def commit(self, time: str, completed_at: str = "") -> None:
        """Complete an instant in both timelines."""
        self.instant(time, own=False, completed_at=completed_at)
        self.instant(time, "commit", own=True, completed_at=completed_at)

    def base(self, time: str, records: Mapping[bytes, bytes], partition: str = "files") -> None:
        place = self.metadata / partition
        place.mkdir(exist_ok=True)
        (place / f"{GROUPS[partition]}_0-0-0_{time}.hfile").write_bytes(hfile(partition, records))

    def log(self, name_time: str, version: int, *blocks: bytes, partition: str = "files", token: str = "0-0-0") -> None:
        place = self.metadata / partition
        place.mkdir(exist_ok=True)
        (place / f".{GROUPS[partition]}_{name_time}.log.{version}_{token}").write_bytes(b"".join(blocks))

    def block(self, time: str, records: Mapping[bytes, bytes], partition: str = "files") -> bytes:
        return data_block(time, SCHEMAS[partition], hfile(partition, records))

    def open(self) -> MetadataTable | None:
        storage, location = ObjectStorage(), self.folder.as_uri()
        config = read_table_config(storage, location)
        assert config is not None
        return MetadataTable.open(storage, location, config, read_timeline(storage, location, config))

    def files(self) -> dict[str, dict[str, int]]:
        """What is read: for each partition in the list its files."""
        table = self.open()
        assert table is not None
        found: dict[str, dict[str, int]] = {partition: {} for partition in table.partitions()}
        files = table.files()
        for partition, name, size in zip(*(files[each].to_pylist() for each in files.column_names), strict=True):
            assert name not in found[partition]
            found[partition][name] = size
        return found
