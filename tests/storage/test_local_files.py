"""Large files are written in one step, from a stream."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from converters.errors import AccessDenied, ObjectAlreadyExists, StorageError
from converters.storage import ObjectStorage
from converters.storage.local_files import write_file


def test_a_stream_is_created_once(tmp_path: Path) -> None:
    storage, path = ObjectStorage(), f"file://{tmp_path}/a b/c%20d/object"
    storage.put_if_absent(path, io.BytesIO(b"first"))
    with pytest.raises(ObjectAlreadyExists):
        storage.put_if_absent(path, io.BytesIO(b"second"))
    assert storage.get(path) == b"first"
    storage.put(path, io.BytesIO(b"third"))
    assert storage.get(path) == b"third"
    assert [each.name for each in (tmp_path / "a b" / "c%20d").iterdir()] == ["object"]


def test_a_stream_that_fails_leaves_nothing(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_file(str(tmp_path / "object"), Failing(), only_if_absent=True)
    assert not list(tmp_path.iterdir())
    with pytest.raises(StorageError, match="no space left"):
        ObjectStorage().put_if_absent(f"file://{tmp_path}/object", Failing())


def test_a_place_that_is_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((StorageError, AccessDenied)):
        ObjectStorage().put_if_absent(f"file://{tmp_path}/file/object", io.BytesIO(b"x"))
