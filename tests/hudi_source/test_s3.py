"""A table in an object store, where folders are no objects: listed or by its metadata table, it is the same."""

from __future__ import annotations

from pathlib import Path

import obstore
import pyarrow as pa
import pytest
from obstore.store import S3Store

from converters.hudi.source import HudiSource, HudiSourceOptions
from converters.storage import ObjectStorage
from tests.corpus import Corpus
from tests.hudi_source.tables import opened
from tests.s3 import S3Server

NAMES = [
    "hudi/cow_v6",
    "hudi/cow_v6_nomdt",
    "hudi/cow_v9_nomdt",
    "hudi/part_special",
    "hudi/part_slash",
    "hudi/clustered",
]


def _put(table: Path, place: str, s3: S3Server) -> None:
    store = S3Store(s3.bucket, config=s3.storage_options, client_options={"allow_http": True})  # type: ignore[arg-type]
    for file in table.rglob("*"):
        if file.is_file() and not file.name.endswith(".crc"):
            key = f"{place}/{file.relative_to(table)}".removeprefix(f"s3://{s3.bucket}/")
            obstore.put(store, key, file.read_bytes())


def _files(source: HudiSource, place: str) -> list[dict[str, object]]:
    files = pa.Table.from_batches(source.data_files(source.snapshot()))
    return [{**row, "path": row["path"].removeprefix(place)} for row in files.to_pylist()]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_on_s3(name: str, corpus: Corpus, s3: S3Server, s3_folder: str) -> None:
    table = corpus.path(name)
    place = f"{s3_folder}/a table"
    _put(table, place, s3)
    storage = ObjectStorage(s3_options=s3.storage_options)
    assert HudiSource.is_table(storage, place)
    source = HudiSource.open(storage, place, HudiSourceOptions())
    assert _files(source, place) == _files(opened(table), f"file://{table}")
