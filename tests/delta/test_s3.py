"""A table in an object store: pieces, sidecars and footers are read over the network."""

from __future__ import annotations

from pathlib import Path

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import S3Store

from converters.delta import DeltaSource
from converters.delta.source import DeltaSourceOptions
from converters.storage import ObjectStorage
from tests.delta.logs import BASE, Table, add, protocol
from tests.s3 import S3Server


def test_a_table_on_s3(tmp_path: Path, s3: S3Server, s3_folder: str) -> None:
    table = Table(tmp_path / "t")
    sidecars = [{"sidecar": {"path": f"{n}.parquet", "sizeInBytes": 1, "modificationTime": 1}} for n in range(3)]
    for n in range(3):
        table.parquet(f"_sidecars/{n}.parquet", *(add(f"p=a%20b/f{n}-{m}") for m in range(100)))
    table.parquet(f"{5:020d}.checkpoint.parquet", protocol(3, 7, ["v2Checkpoint"]), BASE[1], *sidecars)
    for version in range(6, 26):
        table.commit(version, add(f"new {version}", rows=None))
        pq.write_table(pa.table({"id": [1] * version}), table.directory / f"new {version}")
    place = f"{s3_folder}/a table"
    store = S3Store(s3.bucket, config=s3.storage_options, client_options={"allow_http": True})  # type: ignore[arg-type]
    for file in table.directory.rglob("*"):
        if file.is_file():
            key = f"{place}/{file.relative_to(table.directory)}".removeprefix(f"s3://{s3.bucket}/")
            obstore.put(store, key, file.read_bytes())
    storage = ObjectStorage(s3_options=s3.storage_options)
    source = DeltaSource.open(storage, place, DeltaSourceOptions())
    snapshot = source.snapshot()
    files = pa.Table.from_batches(source.data_files(snapshot))
    counts = dict(zip(files["path"].to_pylist(), files["row_count"].to_pylist(), strict=True))
    expected = {f"{place}/new {version}": version for version in range(6, 26)}
    assert counts == expected | {f"{place}/p=a b/f{n}-{m}": 1 for n in range(3) for m in range(100)}
    assert snapshot.committed_at > 1_700_000_000_000
