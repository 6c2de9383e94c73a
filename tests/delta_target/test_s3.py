"""Delta tables on S3, their files inside and elsewhere."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from converters.errors import CommitConflict
from converters.storage import ObjectStorage
from tests.delta_target.made import Made, schema_of
from tests.readers import Reader, canonical_rows, read
from tests.s3 import S3Server

READERS: tuple[Reader, ...] = ("duckdb", "deltalake")
ROWS = pa.table({"id": [1, 2, 3], "s": ["a", None, "é"]})


@pytest.fixture
def made(tmp_path: Path, s3: S3Server, s3_folder: str) -> Made:
    """A table whose files are on S3."""
    made = Made(tmp_path / "t", schema_of(ROWS.schema))
    made.write("a b/1 é.parquet", ROWS.slice(0, 2))
    made.write("2.parquet", ROWS.slice(2))
    location = f"{s3_folder}/t"
    s3.upload(made.directory, location.removeprefix(f"{s3.url}/"))
    made.location = location
    made.table = msgspec.structs.replace(made.table, location=location)
    return made


def test_files_inside(made: Made, s3: S3Server) -> None:
    storage = ObjectStorage(s3_options=s3.storage_options)
    made.sync(storage=storage)
    # polars does not decode paths on S3.
    for reader in READERS:
        assert canonical_rows(read("delta", made.location, reader, store=s3)) == canonical_rows(ROWS)
    base = made.target(storage).current()
    assert base is not None
    assert base.changed is None
    made.version += 1
    made.sync(storage=storage)
    with pytest.raises(CommitConflict):
        made.target(storage).replace(made.snapshot(), made.batches(), made.state(), base)
    made.delete("a b/1 é.parquet", 1)
    made.advance(storage=storage)
    for reader in READERS:
        assert canonical_rows(read("delta", made.location, reader, store=s3)) == canonical_rows(made.rows)


def test_files_elsewhere(made: Made, s3: S3Server) -> None:
    elsewhere = f"{made.location}-elsewhere"
    storage = ObjectStorage(s3_options=s3.storage_options)
    made.sync(storage=storage, to=elsewhere)
    assert canonical_rows(read("delta", elsewhere, "deltalake", store=s3)) == canonical_rows(ROWS)
    made.delete("a b/1 é.parquet", 1)
    made.advance(storage=storage, to=elsewhere)
    made.drop("2.parquet")
    made.advance(storage=storage, to=elsewhere)
    assert canonical_rows(read("delta", elsewhere, "deltalake", store=s3)) == canonical_rows(made.rows)
