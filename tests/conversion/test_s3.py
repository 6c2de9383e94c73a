"""Tables on S3 convert as local ones do, with commits by put-if-absent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deltalake import write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

import converters
from converters.errors import AccessDenied
from converters.storage import FaultyStorage, ObjectStorage
from tests.corpus import Corpus, case
from tests.readers import Reader, assert_same_rows, canonical_rows, digest, read
from tests.readers.tables import Format
from tests.s3 import S3Server
from tests.tables import sample


def _write_delta(location: str, s3: S3Server, _: Path) -> None:
    options = {f"aws_{key}": value for key, value in s3.storage_options.items()}
    options["aws_endpoint_url"] = options.pop("aws_endpoint")
    options["aws_allow_http"] = "true"
    write_deltalake(location, sample(0, 20), partition_by=["region"], storage_options=options)
    write_deltalake(location, sample(20, 10), mode="append", storage_options=options)


def _write_iceberg(location: str, s3: S3Server, tmp_path: Path) -> None:
    catalog = SqlCatalog(
        "s3",
        uri=f"sqlite:///{tmp_path}/catalog.db",
        **{
            "s3.endpoint": s3.endpoint,
            "s3.access-key-id": s3.access_key,
            "s3.secret-access-key": s3.secret_key,
            "s3.region": s3.region,
        },
    )
    catalog.create_namespace("db")
    catalog.create_table("db.t", sample(0, 1).schema, location=location).append(sample(0, 30))


@pytest.mark.parametrize("source,target", [("delta", "iceberg"), ("iceberg", "delta")])
def test_a_table_on_s3(s3: S3Server, s3_folder: str, tmp_path: Path, source: Format, target: Format) -> None:
    location = f"{s3_folder}/with space/t"
    (_write_delta if source == "delta" else _write_iceberg)(location, s3, tmp_path)
    storage = ObjectStorage(s3_options=s3.storage_options)
    report = converters.convert(location, [target], source_format=source, storage=storage)
    assert report.targets[0].error is None
    expected = sample(0, 30)
    second: Reader = "pyiceberg" if target == "iceberg" else "deltalake"
    assert_same_rows(target, location, expected, ("duckdb", second), store=s3)
    again = converters.convert(location, [target], source_format=source, storage=storage)
    assert again.targets[0].status == "unchanged"
    assert converters.inspect(location, storage=storage).rows == 30


@pytest.mark.parametrize("name", ["hudi/simple", "hudi/w0150_cow_v6", "hudi/cow_v9_nomdt"])
def test_a_hudi_table_on_s3(s3: S3Server, s3_folder: str, corpus: Corpus, name: str) -> None:
    location = s3.upload(corpus.path(name), f"{s3_folder}/t".removeprefix(f"{s3.url}/"))
    storage = ObjectStorage(s3_options=s3.storage_options)
    report = converters.convert(location, ["delta", "iceberg"], source_format="hudi", storage=storage)
    assert [target.error for target in report.targets] == [None, None]
    for target in ("delta", "iceberg"):
        rows = read(target, location, "duckdb", store=s3)
        assert digest(canonical_rows(rows)) == case(name).contents.sha256


def test_s3a_is_the_same_place(s3: S3Server, s3_folder: str, tmp_path: Path) -> None:
    _write_delta(f"{s3_folder}/t", s3, tmp_path)
    storage = ObjectStorage(s3_options=s3.storage_options)
    converters.convert(f"{s3_folder}/t".replace("s3://", "s3a://"), ["iceberg"], storage=storage)
    assert canonical_rows(read("iceberg", f"{s3_folder}/t", "duckdb", store=s3)) == canonical_rows(sample(0, 30))


def test_writers_on_many_threads_make_one_commit(s3: S3Server, s3_folder: str, tmp_path: Path) -> None:
    location = f"{s3_folder}/t"
    _write_delta(location, s3, tmp_path)
    start = threading.Barrier(4)

    def one() -> str:
        start.wait()
        storage = ObjectStorage(s3_options=s3.storage_options)
        return converters.convert(location, ["iceberg"], storage=storage, source_format="delta").targets[0].status

    with ThreadPoolExecutor(4) as pool:
        outcomes = [each.result() for each in [pool.submit(one) for _ in range(4)]]
    assert sorted(outcomes) == ["synced", "unchanged", "unchanged", "unchanged"]


def test_an_answer_that_was_lost_does_no_harm(s3: S3Server, s3_folder: str, tmp_path: Path) -> None:
    location = f"{s3_folder}/t"
    _write_delta(location, s3, tmp_path)
    inner = ObjectStorage(s3_options=s3.storage_options)
    counting = FaultyStorage(inner)
    converters.convert(location, ["iceberg"], source_format="delta", storage=counting)
    for call in range(counting.calls - 3, counting.calls + 1):
        target = f"{s3_folder}/target-{call}"
        faulty = FaultyStorage(inner, fail_at=call, when="after")
        converters.convert(location, ["iceberg"], source_format="delta", target_path=target, storage=faulty)
        report = converters.convert(location, ["iceberg"], source_format="delta", target_path=target, storage=inner)
        assert report.ok
        rows = read("iceberg", target, "duckdb", store=s3)
        assert canonical_rows(rows) == canonical_rows(sample(0, 30))


def test_denied_credentials_are_an_error_without_the_secret(s3: S3Server, s3_folder: str, tmp_path: Path) -> None:
    _write_delta(f"{s3_folder}/t", s3, tmp_path)
    options = {**s3.storage_options, "secret_access_key": "not-the-secret"}
    with pytest.raises(AccessDenied) as caught:
        converters.convert(
            f"{s3_folder}/t", ["iceberg"], source_format="delta", storage=ObjectStorage(s3_options=options)
        )
    assert "not-the-secret" not in str(caught.value)
