"""A storage that fails is told as such, and several tables can be read at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from converters.delta import DeltaSource
from converters.delta.source import DeltaSourceOptions
from converters.errors import StorageError
from converters.storage import FaultyStorage, ObjectStorage
from tests.delta.logs import BASE, Table, add, protocol

UUID = "3a0d65cd-4056-49b8-937b-95f9e3ee90e5"


def _table(directory: Path, files: int = 3) -> Table:
    table = Table(directory)
    sidecar = {"sidecar": {"path": "x.parquet", "sizeInBytes": 1, "modificationTime": 1}}
    table.parquet("_sidecars/x.parquet", *(add(f"f{n}", rows=n) for n in range(files)))
    table.json(f"{1:020d}.checkpoint.{UUID}.json", protocol(3, 7, ["v2Checkpoint"]), BASE[1], sidecar)
    table.text("_last_checkpoint", b"{}")
    table.commit(2, add("uncounted", rows=None))
    pq.write_table(pa.table({"id": [1, 2]}), table.directory / "uncounted")
    return table


def _read(storage: ObjectStorage | FaultyStorage, location: str) -> dict[str, int]:
    source = DeltaSource.open(storage, location, DeltaSourceOptions())
    files = pa.Table.from_batches(source.data_files(source.snapshot()))
    return dict(zip(files["path"].to_pylist(), files["row_count"].to_pylist(), strict=True))


def test_a_fault_at_every_call(tmp_path: Path) -> None:
    table = _table(tmp_path / "t")
    counting = FaultyStorage(ObjectStorage())
    expected = _read(counting, table.location)
    assert expected[f"{table.location}/uncounted"] == 2
    assert counting.calls > 5
    told = 0
    for call in range(1, counting.calls + 1):
        try:
            assert _read(FaultyStorage(ObjectStorage(), fail_at=call), table.location) == expected
        except StorageError:
            told += 1
    assert told == counting.calls


def test_many_tables_at_once(tmp_path: Path) -> None:
    tables = [_table(tmp_path / f"t{n}", files=10 * n + 1) for n in range(8)]
    storage = ObjectStorage()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda table: _read(storage, table.location), tables * 5))
    assert [len(each) for each in found] == [10 * n + 2 for n in range(8)] * 5
