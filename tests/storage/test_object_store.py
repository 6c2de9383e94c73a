"""Every storage keeps the promises of the protocol: local files, memory and a real S3."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.errors import AccessDenied, LimitExceeded, ObjectAlreadyExists, ObjectNotFound, StorageError
from converters.storage import FaultyStorage, ObjectStorage, Storage
from tests.s3 import S3Server

NAMES = ["plain.json", "with space/x", "p=a%20b/x", "ü#?*~|&[]{}^`'\"/x", "n:m/x", "..x/y"]


@pytest.fixture(params=["file", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Storage, str]:
    """A storage and an empty directory in it."""
    if request.param == "file":
        return ObjectStorage(), f"file://{tmp_path}/t"
    if request.param == "memory":
        return ObjectStorage(), "memory:///t"
    server = request.getfixturevalue("s3")
    return ObjectStorage(s3_options=server.storage_options), f"s3://{server.bucket}/{tmp_path.name}"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_put_is_what_is_got(place: tuple[Storage, str], name: str) -> None:
    storage, base = place
    path = f"{base}/{name}"
    assert storage.head(path) is None
    storage.put_if_absent(path, b"hello world")
    assert storage.get(path) == b"hello world"
    assert storage.get_range(path, 6, 5) == b"world"
    with storage.open(path) as file:
        file.seek(6)
        assert bytes(file.read(5)) == b"world"
    meta = storage.head(path)
    assert meta is not None
    assert (meta.path, meta.size) == (path, 11)
    assert [each.path for each in storage.list(path.rpartition("/")[0])] == [path]
    storage.delete(path)
    assert storage.head(path) is None
    storage.delete(path)


def test_put_if_absent_lets_one_writer_win(place: tuple[Storage, str]) -> None:
    storage, base = place
    outcomes: list[str] = []

    def write(text: str) -> None:
        try:
            storage.put_if_absent(f"{base}/commit", text.encode() * 1000)
        except ObjectAlreadyExists:
            outcomes.append("lost")
        else:
            outcomes.append(text)

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = [outcome for outcome in outcomes if outcome != "lost"]
    assert len(winner) == 1
    assert storage.get(f"{base}/commit") == winner[0].encode() * 1000


def test_put_takes_a_file_and_replaces(place: tuple[Storage, str]) -> None:
    storage, base = place
    storage.put_if_absent(f"{base}/big", io.BytesIO(b"x" * 20_000_000))
    meta = storage.head(f"{base}/big")
    assert meta is not None
    assert meta.size == 20_000_000
    storage.put(f"{base}/big", b"small")
    assert storage.get(f"{base}/big") == b"small"


def test_a_listing_is_one_directory_in_order(place: tuple[Storage, str]) -> None:
    storage, base = place
    for name in ("b", "a", "c/d", "10", "9"):
        storage.put(f"{base}/{name}", b"")
    assert [each.path.rpartition("/")[2] for each in storage.list(base)] == ["10", "9", "a", "b"]
    assert list(storage.list(f"{base}/nothing")) == []
    for name in ("d e/f", "a%20b/c", "c/g/h"):
        storage.put(f"{base}/{name}", b"")
    assert list(storage.directories(base)) == [f"{base}/{name}" for name in ("a%20b", "c", "d e")]
    assert list(storage.directories(f"{base}/nothing")) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda storage, path: storage.get(path),
        lambda storage, path: storage.get_range(path, 0, 1),
        lambda storage, path: storage.open(path).read(),
    ],
)
def test_a_missing_object_is_named(place: tuple[Storage, str], act: Callable[[Storage, str], object]) -> None:
    storage, base = place
    with pytest.raises(ObjectNotFound, match="missing"):
        act(storage, f"{base}/missing")


def test_an_enormous_object_is_not_read(place: tuple[Storage, str]) -> None:
    storage, base = place
    storage.put(f"{base}/big", b"x" * 1001)
    with pytest.raises(LimitExceeded, match="1,001 bytes"):
        storage.get(f"{base}/big", limit=1000)


def test_a_file_in_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    storage = ObjectStorage()
    assert storage.head(f"file://{tmp_path}/file/below") is None
    assert list(storage.list(f"file://{tmp_path}/file/below")) == []
    with pytest.raises(StorageError):
        storage.put_if_absent(f"file://{tmp_path}/file/below", b"")


def test_wrong_s3_credentials_are_denied_and_not_shown(s3: S3Server) -> None:
    options = {**s3.storage_options, "secret_access_key": "wrong-secret-value"}
    storage = ObjectStorage(s3_options=options)
    with pytest.raises(AccessDenied) as caught:
        storage.put_if_absent(f"s3://{s3.bucket}/denied", b"")
    assert "wrong-secret-value" not in str(caught.value)


def test_a_fault_strikes_before_or_after_the_call(tmp_path: Path) -> None:
    path = f"file://{tmp_path}/x"
    before = FaultyStorage(ObjectStorage(), fail_at=1, when="before")
    with pytest.raises(StorageError):
        before.put_if_absent(path, b"")
    assert not list(tmp_path.iterdir())
    after = FaultyStorage(ObjectStorage(), fail_at=1, when="after")
    with pytest.raises(StorageError):
        after.put_if_absent(path, b"")
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    with pytest.raises(StorageError):
        after.get(path)
