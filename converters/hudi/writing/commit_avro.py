"""Completed commits of tables from version 8 on: one record in an Avro object container.

Records are ``HoodieReplaceCommitMetadata`` and ``HoodieCommitMetadata`` with those fields that are used; all others
have defaults in every reader's schema.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import VALUE, add_text, numbers_of
from converters.avro.writer import EMPTY, RowJoiner, avro_bytes, varint, varints
from converters.hudi.reading.file_names import EXTERNAL
from converters.hudi.writing.source_files import partition_runs
from converters.staging import Spool

__all__ = ["delta_commit", "write_avro"]

_ROWS_AT_ONCE = 50_000
_ZERO = VALUE + varint(0)
_STRING: Any = {"type": "string", "avro.java.string": "String"}
_TEXTS = {"type": "map", "values": _STRING, "avro.java.string": "String"}


def _optional(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}


def _counts(*names: str) -> list[dict[str, Any]]:
    return [_optional(name, "long") for name in names]


_STAT: dict[str, Any] = {
    "type": "record",
    "name": "HoodieWriteStat",
    "fields": [
        _optional("fileId", _STRING),
        _optional("path", _STRING),
        _optional("prevCommit", _STRING),
        *_counts("numWrites", "numDeletes", "numUpdateWrites", "totalWriteBytes", "totalWriteErrors"),
        _optional("partitionPath", _STRING),
        _optional("fileSizeInBytes", "long"),
        _optional("numInserts", "long"),
    ],
}
_STATS = {"type": "map", "values": {"type": "array", "items": _STAT}, "avro.java.string": "String"}
_IDS = {"type": "map", "values": {"type": "array", "items": _STRING}, "avro.java.string": "String"}
_COMMON = [
    _optional("partitionToWriteStats", _STATS),
    _optional("extraMetadata", _TEXTS),
    {"name": "version", "type": ["int", "null"], "default": 1},
    _optional("operationType", _STRING),
]
_COMPACTED = _optional("compacted", "boolean")
_REPLACED = _optional("partitionToReplaceFileIds", _IDS)
_END = VALUE + b"\x00"
"""``compacted``: false."""


def _schema(name: str, fields: Sequence[Mapping[str, Any]]) -> bytes:
    encoded: bytes = msgspec.json.encode(
        {"type": "record", "name": name, "namespace": "org.apache.hudi.avro.model", "fields": fields}
    )
    return encoded


_COMMIT_SCHEMA = _schema("HoodieCommitMetadata", [*_COMMON, _COMPACTED])
_REPLACE_SCHEMA = _schema("HoodieReplaceCommitMetadata", [*_COMMON, _COMPACTED, _REPLACED])


def write_avro(
    out: Spool,
    instant: str,
    extra: Mapping[str, str],
    added: pa.Table,
    replaced: Mapping[str, Iterable[str]],
) -> None:
    """Write a completed replace commit; arguments are those of ``commit_files.write_json``."""
    files, runs = partition_runs(added)
    with Spool() as record:
        record.write(VALUE)
        for partition, start, end in runs:
            record.write(varint(1) + avro_bytes(partition.encode()))
            for first in range(start, end, _ROWS_AT_ONCE):
                part = files.slice(first, min(_ROWS_AT_ONCE, end - first))
                record.write(varint(len(part)))
                record.write(_joined(_stats(partition, part, instant)))
            record.write(EMPTY)
        record.write(EMPTY + _texts(extra) + varint(0) + varint(1) + VALUE + avro_bytes(b"UNKNOWN") + _END)
        record.write(VALUE)
        for partition, ids in replaced.items():
            listed = [each.encode() for each in ids]
            record.write(varint(1) + avro_bytes(partition.encode()) + varint(len(listed)))
            record.write(b"".join(map(avro_bytes, listed)) + EMPTY)
        record.write(EMPTY)
        _container(out, _REPLACE_SCHEMA, record)


def delta_commit(commit: Mapping[str, Any]) -> bytes:
    """A completed delta commit of a metadata table: the same as in JSON, in Avro."""
    row = [VALUE]
    for partition, stats in commit["partitionToWriteStats"].items():
        row += [varint(1), avro_bytes(partition.encode()), varint(len(stats)), *map(_stat, stats), EMPTY]
    row += [EMPTY, _texts(commit["extraMetadata"]), varint(0), varint(1)]
    row += [VALUE, avro_bytes(commit["operationType"].encode()), _END]
    with Spool() as out, Spool() as record:
        record.write(b"".join(row))
        _container(out, _COMMIT_SCHEMA, record)
        content = out.content()
        return content if isinstance(content, bytes) else content.read()


def _container(out: Spool, schema: bytes, record: Spool) -> None:
    """An object container file with one block of one record, not compressed."""
    sync = secrets.token_bytes(16)
    header = {b"avro.schema": schema, b"avro.codec": b"null"}
    out.write(b"Obj\x01" + varint(len(header)))
    out.write(b"".join(avro_bytes(key) + avro_bytes(value) for key, value in header.items()) + EMPTY + sync)
    content = record.content()
    data = content if isinstance(content, bytes) else content.read()
    out.write(varint(1) + varint(len(data)))
    out.write(data)
    out.write(sync)


def _texts(texts: Mapping[str, str]) -> bytes:
    pairs = b"".join(avro_bytes(key.encode()) + avro_bytes(value.encode()) for key, value in texts.items())
    return VALUE + (varint(len(texts)) + pairs if texts else b"") + EMPTY


def _stat(stat: Mapping[str, Any]) -> bytes:
    """One ``HoodieWriteStat``."""
    cells: list[bytes] = []
    for field in _STAT["fields"]:
        value = stat.get(field["name"])
        if value is None:
            cells.append(EMPTY)
        else:
            cells.append(VALUE + (avro_bytes(value.encode()) if isinstance(value, str) else varint(value)))
    return b"".join(cells)


def _stats(partition: str, files: pa.Table, instant: str) -> pa.Array:
    """A ``HoodieWriteStat`` for each of a partition's files."""
    name = files["name"].combine_chunks()
    rows = varints(numbers_of(files["row_count"].combine_chunks()))
    size = varints(numbers_of(files["size"].combine_chunks()))
    folder = f"{partition}/" if partition else ""
    row = RowJoiner(len(files))
    row.add(VALUE)
    add_text(row, name)
    row.add(VALUE)
    add_text(row, pc.binary_join_element_wise(folder, name, f"_{instant}_{EXTERNAL}", ""))
    row.add(EMPTY + VALUE)
    row.add(rows)
    row.add(_ZERO + _ZERO + VALUE)
    row.add(size)
    row.add(_ZERO + VALUE + avro_bytes(partition.encode()) + VALUE)
    row.add(size)
    row.add(VALUE)
    row.add(rows)
    return row.join()


def _joined(values: pa.Array) -> bytes:
    """Binary values, one after another."""
    joined: bytes = pc.binary_join(pa.ListArray.from_arrays([0, len(values)], values), b"")[0].as_py()
    return joined
