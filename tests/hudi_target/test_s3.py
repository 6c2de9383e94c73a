"""Tables on S3: written there, copied down, and read by Spark, which has no S3 client here."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deltalake import write_deltalake

import converters
from converters.storage import FaultyStorage, ObjectStorage
from tests.hudi_target.made import SPARKS, ids
from tests.s3 import S3Server
from tests.tables import sample


def _append(location: str, s3: S3Server, first: int) -> None:
    options = {f"aws_{key}": value for key, value in s3.storage_options.items()}
    options["aws_endpoint_url"] = options.pop("aws_endpoint")
    options["aws_allow_http"] = "true"
    write_deltalake(location, sample(first, 10), mode="append", storage_options=options)


def _down(storage: ObjectStorage, location: str, to: Path) -> Path:
    to.mkdir(parents=True, exist_ok=True)
    for meta in storage.list(location):
        (to / meta.path.rpartition("/")[2]).write_bytes(storage.get(meta.path))
    for directory in storage.directories(location):
        _down(storage, directory, to / directory.rpartition("/")[2])
    return to


def test_writers_on_many_threads_make_one_commit_after_another(s3: S3Server, s3_folder: str, tmp_path: Path) -> None:
    location = f"{s3_folder}/with space/t"
    for number in range(2):
        _append(location, s3, number * 10)
        start = threading.Barrier(3)

        def one(start: threading.Barrier = start) -> str:
            start.wait()
            storage = ObjectStorage(s3_options=s3.storage_options)
            report = converters.convert(location, ["hudi"], storage=storage, source_format="delta")
            return report.targets[0].status

        with ThreadPoolExecutor(3) as pool:
            outcomes = [each.result() for each in [pool.submit(one) for _ in range(3)]]
        assert sorted(outcomes) == ["synced", "unchanged", "unchanged"]
    table = _down(ObjectStorage(s3_options=s3.storage_options), location, tmp_path / "down")
    for reader in SPARKS:
        assert ids(reader, table) == list(range(20))


@pytest.mark.parametrize("back", [1, 2, 3])
def test_an_answer_that_was_lost_does_no_harm(s3: S3Server, s3_folder: str, tmp_path: Path, back: int) -> None:
    location = f"{s3_folder}/t"
    storage = ObjectStorage(s3_options=s3.storage_options)
    _append(location, s3, 0)
    converters.convert(location, ["hudi"], source_format="delta", storage=storage)
    _append(location, s3, 10)
    counting = FaultyStorage(storage)
    converters.convert(location, ["hudi"], source_format="delta", storage=counting)
    _append(location, s3, 20)
    faulty = FaultyStorage(storage, fail_at=counting.calls - back, when="after")
    converters.convert(location, ["hudi"], source_format="delta", storage=faulty)
    assert converters.convert(location, ["hudi"], source_format="delta", storage=storage).ok
    assert ids(SPARKS[0], _down(storage, location, tmp_path / "down")) == list(range(30))
