"""Synthetic Delta tables of any size: a log like those that Spark writes, without most of the data files.

Ten columns with statistics and one date partition column; a classic checkpoint and ten small commits after it.  The
same arguments give the same paths and statistics.  Only files that are appended later are there, all the same one: a
Hudi source looks at the columns of new files.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["append_to_delta_table", "remove_from_delta_table", "write_delta_table"]

ROWS_PER_FILE = 1000
PARTITIONS = 100
TAIL_COMMITS = 10
TAIL_FILES = 10
CHECKPOINT_VERSION = 20
_FIRST_COMMIT_MS = 1_735_689_600_000
_FIRST_DAY = dt.date(2024, 1, 1)
_ROW_GROUP = 100_000

_COLUMNS = {
    "id": "long",
    "name": "string",
    "price": "double",
    "qty": "integer",
    "ts": "timestamp",
    "d": "date",
    "amount": "decimal(12,2)",
    "ratio": "float",
    "visits": "long",
    "city": "string",
    "dt": "date",
}

_MAP = pa.map_(pa.string(), pa.string())
_ADD = pa.struct(
    [
        ("path", pa.string()),
        ("partitionValues", _MAP),
        ("size", pa.int64()),
        ("modificationTime", pa.int64()),
        ("dataChange", pa.bool_()),
        ("stats", pa.string()),
    ]
)
_CHECKPOINT = pa.schema(
    [
        ("protocol", pa.struct([("minReaderVersion", pa.int32()), ("minWriterVersion", pa.int32())])),
        (
            "metaData",
            pa.struct(
                [
                    ("id", pa.string()),
                    ("name", pa.string()),
                    ("format", pa.struct([("provider", pa.string()), ("options", _MAP)])),
                    ("schemaString", pa.string()),
                    ("partitionColumns", pa.list_(pa.string())),
                    ("configuration", _MAP),
                    ("createdTime", pa.int64()),
                ]
            ),
        ),
        ("add", _ADD),
    ]
)


def write_delta_table(directory: Path, files: int) -> None:
    """Write a table of exactly ``files`` live files, replacing what is at ``directory``."""
    shutil.rmtree(directory, ignore_errors=True)
    log = directory / "_delta_log"
    log.mkdir(parents=True)
    in_checkpoint = files - TAIL_COMMITS * TAIL_FILES
    with pq.ParquetWriter(log / f"{CHECKPOINT_VERSION:020d}.checkpoint.parquet", _CHECKPOINT) as writer:
        for table in _checkpoint_parts(in_checkpoint):
            writer.write_table(table)
    (log / "_last_checkpoint").write_text(json.dumps({"version": CHECKPOINT_VERSION, "size": in_checkpoint + 2}))
    for number in range(TAIL_COMMITS + 1):
        first = in_checkpoint + (number - 1) * TAIL_FILES
        _write_commit(log, CHECKPOINT_VERSION + number, range(first, first + TAIL_FILES) if number else range(0))


def append_to_delta_table(directory: Path, files: int, *, present: int) -> None:
    """Add files to a table that ``write_delta_table`` made with ``present`` files, in one commit."""
    log = directory / "_delta_log"
    newest = max(int(path.stem) for path in log.glob("*.json"))
    content = _data_file()
    for index in range(present, present + files):
        path = directory / str(_add(index)["path"])
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    _write_commit(log, newest + 1, range(present, present + files), size=len(content))


def remove_from_delta_table(directory: Path, files: Sequence[int]) -> None:
    """Remove files, by number, from a table that ``write_delta_table`` made, in one commit."""
    log = directory / "_delta_log"
    newest = max(int(path.stem) for path in log.glob("*.json"))
    _write_commit(log, newest + 1, range(0), files)


def _data_file() -> bytes:
    types = {
        "long": pa.int64(),
        "integer": pa.int32(),
        "timestamp": pa.timestamp("us", "UTC"),
        "date": pa.date32(),
        "decimal(12,2)": pa.decimal128(12, 2),
        "float": pa.float32(),
        "double": pa.float64(),
        "string": pa.string(),
    }
    columns = {name: pa.nulls(ROWS_PER_FILE, types[kind]) for name, kind in _COLUMNS.items() if name != "dt"}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def _write_commit(
    log: Path, version: int, added: range, removed: Sequence[int] = (), *, size: int | None = None
) -> None:
    lines: list[dict[str, object]] = [{"commitInfo": {"timestamp": _commit_time(version), "operation": "WRITE"}}]
    lines += [{"remove": _remove(index, version)} for index in removed]
    lines += [{"add": {**_add(index), **({"size": size} if size else {})}} for index in added]
    (log / f"{version:020d}.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _checkpoint_parts(files: int) -> Iterator[pa.Table]:
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in _COLUMNS.items()]
    meta = {
        "id": str(uuid.UUID(int=files)),
        "name": "synthetic",
        "format": {"provider": "parquet", "options": []},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": ["dt"],
        "configuration": [],
        "createdTime": _FIRST_COMMIT_MS,
    }
    head = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": meta}]
    yield pa.Table.from_pylist(head, schema=_CHECKPOINT)
    for start in range(0, files, _ROW_GROUP):
        adds = [
            {**_add(index), "partitionValues": [("dt", _day(index))]}
            for index in range(start, min(start + _ROW_GROUP, files))
        ]
        column = pa.array(adds, _ADD)
        others = [pa.nulls(len(adds), field.type) for field in list(_CHECKPOINT)[:2]]
        yield pa.table([*others, column], schema=_CHECKPOINT)


def _commit_time(version: int) -> int:
    return _FIRST_COMMIT_MS + version * 60_000


def _day(index: int) -> str:
    return (_FIRST_DAY + dt.timedelta(days=index % PARTITIONS)).isoformat()


def _add(index: int) -> dict[str, object]:
    day, tag = _day(index), index * 2654435761 & 0xFFFFFFFFFFFF
    return {
        "path": f"dt={day}/part-{index:07d}-3f2504e0-4f89-41d3-9a0c-{tag:012x}-c000.snappy.parquet",
        "partitionValues": {"dt": day},
        "size": 1_000_000 + index % 9973,
        "modificationTime": _FIRST_COMMIT_MS,
        "dataChange": True,
        "stats": _stats(index),
    }


def _remove(index: int, version: int) -> dict[str, object]:
    add = _add(index)
    kept = {name: add[name] for name in ("path", "partitionValues", "size")}
    extended = {"deletionTimestamp": _commit_time(version), "dataChange": True, "extendedFileMetadata": True}
    return {**kept, **extended}


def _stats(index: int) -> str:
    first = index * ROWS_PER_FILE
    lower = (
        f'"id":{first},"name":"name-{index % 977:09d}","price":{index % 1000}.25,"qty":{index % 50},'
        f'"ts":"2024-06-01T00:{index % 60:02d}:00.000Z","d":"2024-03-{index % 14 + 1:02d}","amount":{index % 300}.10,'
        f'"ratio":0.5,"visits":{-index},"city":"Amsterdam"'
    )
    upper = (
        f'"id":{first + ROWS_PER_FILE - 1},"name":"name-{index % 977 + 5000:09d}","price":{index % 1000 + 500}.75,'
        f'"qty":{index % 50 + 900},"ts":"2024-06-02T00:{index % 60:02d}:59.999Z","d":"2024-03-{index % 14 + 15:02d}",'
        f'"amount":{index % 300 + 99}.90,"ratio":{index % 9 + 1}.5,"visits":{index},"city":"Zurich-{index % 500:03d}"'
    )
    nulls = ",".join(f'"{name}":{number % 3}' for number, name in enumerate(_COLUMNS) if name != "dt")
    return f'{{"numRecords":{ROWS_PER_FILE},"minValues":{{{lower}}},"maxValues":{{{upper}}},"nullCount":{{{nulls}}}}}'
