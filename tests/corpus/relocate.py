"""Move an Iceberg table: its metadata holds absolute paths, and so do position deletes and deletion vectors.

Delta's paths are relative. Hadoop's hidden ``.NAME.crc`` goes when its file is rewritten: a stale one breaks Spark.
"""

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

FILE_PATH_FIELD = 2147483546  # the id of `file_path` in a position delete file
PUFFIN_TAIL = 12  # length of the footer's payload, flags, magic
Rewrite = Callable[[str], str]


def _put(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)


def _rewrite_position_deletes(file: Path, rewrite: Rewrite) -> bool:
    schema = pq.read_schema(file)
    if schema.names[:2] != ["file_path", "pos"]:
        return False
    table = pq.read_table(file, schema=schema)
    paths = pa.array([rewrite(path) for path in table["file_path"].to_pylist()], schema.field(0).type)
    sink = pa.BufferOutputStream()
    pq.write_table(table.set_column(0, schema.field(0), paths).replace_schema_metadata(schema.metadata), sink)
    _put(file, sink.getvalue().to_pybytes())
    return True


def _rewrite_puffin(file: Path, rewrite: Rewrite) -> None:
    data = file.read_bytes()
    size, flags = struct.unpack("<ii", data[-PUFFIN_TAIL:-4])
    if flags & 1:
        raise ValueError(f"compressed Puffin footer in {file}")
    start = len(data) - PUFFIN_TAIL - size
    footer = rewrite(data[start : start + size].decode()).encode()
    _put(file, data[:start] + footer + struct.pack("<i", len(footer)) + data[-8:])


def _rewrite_avro(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with file.open("rb") as stream:
        reader = fastavro.reader(stream)
        header = dict(reader.metadata)
        records = [record for record in reader if isinstance(record, dict)]
    for record in records:
        change(record)
    schema = json.loads(header.pop("avro.schema"))
    codec = header.pop("avro.codec", "null")
    with file.open("wb") as stream:
        fastavro.writer(stream, schema, records, codec=codec, metadata=header)
    _put(file, file.read_bytes())


def _change_entry(record: dict[str, Any], rewrite: Rewrite, sizes: dict[str, int]) -> None:
    data_file = record["data_file"]
    data_file["file_path"] = rewrite(data_file["file_path"])
    if data_file.get("referenced_data_file"):
        data_file["referenced_data_file"] = rewrite(data_file["referenced_data_file"])
    for bounds in ("lower_bounds", "upper_bounds"):
        for bound in data_file.get(bounds) or []:
            if bound["key"] == FILE_PATH_FIELD:
                bound["value"] = rewrite(bound["value"].decode()).encode()
    size = sizes.get(data_file["file_path"].removeprefix("file://"))
    if size is not None:
        data_file["file_size_in_bytes"] = size


def _change_manifest(record: dict[str, Any], rewrite: Rewrite, metadata: Path) -> None:
    record["manifest_path"] = rewrite(record["manifest_path"])
    manifest = metadata / Path(record["manifest_path"]).name
    if manifest.exists():
        record["manifest_length"] = manifest.stat().st_size


def relocate_iceberg(table: Path, old: str, new: str) -> None:
    """Rewrite every path under `old` that the table's metadata holds to one under `new`, where the table now lies."""

    def rewrite(text: str) -> str:
        return text.replace(old + "/", new + "/")

    sizes: dict[str, int] = {}
    for file in sorted(table.glob("data/**/[!.]*.parquet")):
        if _rewrite_position_deletes(file, rewrite):
            sizes[str(file)] = file.stat().st_size
    for file in sorted(table.glob("data/**/[!.]*.puffin")):
        _rewrite_puffin(file, rewrite)
        sizes[str(file)] = file.stat().st_size
    metadata = table / "metadata"
    for file in sorted(metadata.glob("[!.]*.avro")):
        if not file.name.startswith("snap-"):
            _rewrite_avro(file, lambda record: _change_entry(record, rewrite, sizes))
    for file in sorted(metadata.glob("snap-*.avro")):
        _rewrite_avro(file, lambda record: _change_manifest(record, rewrite, metadata))
    for file in sorted(metadata.glob("[!.]*metadata.json*")):
        data = file.read_bytes()
        zipped = data.startswith(b"\x1f\x8b")
        text = rewrite((gzip.decompress(data) if zipped else data).decode()).encode()
        _put(file, gzip.compress(text) if zipped else text)
