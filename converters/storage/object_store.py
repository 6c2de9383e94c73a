"""The built-in storage: local files, S3 and memory, through ``obstore``."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
import pyarrow as pa
from obstore import exceptions as oe

from converters.errors import (
    AccessDenied,
    InvalidRequest,
    LimitExceeded,
    ObjectAlreadyExists,
    ObjectNotFound,
    StorageError,
)
from converters.storage.base import METADATA_LIMIT, Data, ObjectMeta
from converters.storage.local_files import write_file
from converters.storage.location import split
from converters.storage.roots import Roots

if TYPE_CHECKING:
    from obstore import ListResult, ReadableFile
    from obstore import ObjectMeta as ObstoreMeta
    from obstore.store import ObjectStore
    from typing_extensions import Buffer

__all__ = ["ObjectStorage"]


class ObjectStorage:
    """``Storage`` over local files, S3 and memory.

    One store is opened per bucket and kept.  S3 credentials come from ``s3_options`` where given, else from the
    environment's default chain (environment, profile, container, instance).
    """

    def __init__(self, *, roots: Roots | None = None, s3_options: Mapping[str, str] | None = None) -> None:
        """Open nothing yet.

        Args:
            roots: Where reading and writing is allowed; everywhere by default.
            s3_options: Configuration of ``obstore.store.S3Store`` (``access_key_id``, ``endpoint``, ``region`` …).
        """
        self._roots = roots or Roots.everywhere()
        self._s3_options = dict(s3_options or {})
        self._stores: dict[tuple[str, str], ObjectStore] = {}
        self._lock = threading.Lock()

    @property
    def roots(self) -> Roots:
        """Where this storage may read and write."""
        return self._roots

    def get(self, path: str, *, limit: int = METADATA_LIMIT) -> bytes:
        """Read a whole object; see ``Storage.get``."""
        store, key = self._resolve(path)
        with _translated(path):
            result = obstore.get(store, key)
            if result.meta["size"] > limit:
                msg = f"'{path}' has {result.meta['size']:,} bytes; at most {limit:,} are read."
                raise LimitExceeded(msg)
            return bytes(result.bytes())

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """Read part of an object; see ``Storage.get_range``."""
        store, key = self._resolve(path)
        with _translated(path):
            return bytes(obstore.get_range(store, key, start=start, length=length))

    def open(self, path: str) -> pa.NativeFile:
        """Open an object for random access; see ``Storage.open``."""
        store, key = self._resolve(path)
        with _translated(path):
            if split(path)[0] == "file":
                return pa.OSFile(split(path)[2])
            return pa.PythonFile(_RandomAccess(obstore.open_reader(store, key), path), mode="r")

    def head(self, path: str) -> ObjectMeta | None:
        """The object's size and time, or None; see ``Storage.head``."""
        store, key = self._resolve(path)
        try:
            with _translated(path):
                meta = obstore.head(store, key)
        except ObjectNotFound:
            return None
        return ObjectMeta(path, meta["size"], _millis(meta["last_modified"].timestamp()))

    def list(self, directory: str) -> Iterator[ObjectMeta]:
        """The objects directly in a directory, ordered by name; see ``Storage.list``."""
        base = directory.rstrip("/")
        for meta in sorted(self._listed(directory)["objects"], key=lambda each: each["path"]):
            name = meta["path"].rpartition("/")[2]
            yield ObjectMeta(f"{base}/{name}", meta["size"], _millis(meta["last_modified"].timestamp()))

    def directories(self, directory: str) -> Iterator[str]:
        """The locations of the directories directly in a directory; see ``Storage.directories``."""
        base = directory.rstrip("/")
        for prefix in sorted(self._listed(directory)["common_prefixes"]):
            yield f"{base}/{prefix.rstrip('/').rpartition('/')[2]}"

    def _listed(self, directory: str) -> ListResult[Sequence[ObstoreMeta]]:
        store, key = self._resolve(directory)
        try:
            with _translated(directory):
                return obstore.list_with_delimiter(store, key.rstrip("/") + "/")
        except ObjectNotFound:
            return {"common_prefixes": [], "objects": []}

    def put_if_absent(self, path: str, data: Data) -> None:
        """Create an object, whole or not at all; see ``Storage.put_if_absent``."""
        store, key = self._resolve(path)
        with _translated(path):
            if split(path)[0] == "file" and not isinstance(data, bytes):
                write_file(split(path)[2], data, only_if_absent=True)
            else:
                obstore.put(store, key, data, mode="create", use_multipart=False)

    def put(self, path: str, data: Data) -> None:
        """Create or replace an object; see ``Storage.put``."""
        store, key = self._resolve(path)
        with _translated(path):
            if split(path)[0] == "file" and not isinstance(data, bytes):
                write_file(split(path)[2], data, only_if_absent=False)
            else:
                obstore.put(store, key, data, mode="overwrite")

    def delete(self, path: str) -> None:
        """Delete an object, if it is there; see ``Storage.delete``."""
        store, key = self._resolve(path)
        try:
            with _translated(path):
                obstore.delete(store, key)
        except ObjectNotFound:
            return

    def _resolve(self, path: str) -> tuple[ObjectStore, str]:
        self._roots.check(path)
        scheme, authority, key = split(path)
        with self._lock:
            store = self._stores.get((scheme, authority))
            if store is None:
                store = self._stores[scheme, authority] = self._opened(scheme, authority)
        return store, key.lstrip("/")

    def _opened(self, scheme: str, authority: str) -> ObjectStore:
        from obstore.store import LocalStore, MemoryStore  # noqa: PLC0415 - S3 support loads only when used

        if scheme == "file":
            return LocalStore()
        if scheme == "memory":
            return MemoryStore()
        if scheme == "s3":
            from converters.storage.s3 import open_bucket  # noqa: PLC0415

            return open_bucket(authority, self._s3_options)
        msg = f"The scheme '{scheme}' is not supported."
        raise InvalidRequest(msg)


class _RandomAccess(io.RawIOBase):
    """An obstore reader as the file object that Arrow asks for."""

    def __init__(self, reader: ReadableFile, path: str) -> None:
        super().__init__()
        self._reader = reader
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        with _translated(self._path):
            data = bytes(self._reader.read(len(target))) if len(target) else b""
        target[: len(data)] = data
        return len(data)


def _millis(seconds: float) -> int:
    return int(seconds * 1000)


_KINDS: tuple[tuple[tuple[type[Exception], ...], Callable[[str], StorageError]], ...] = (
    (
        (oe.AlreadyExistsError, oe.PreconditionError, FileExistsError),
        lambda p: ObjectAlreadyExists(f"'{p}' already exists."),
    ),
    ((FileNotFoundError,), lambda p: ObjectNotFound(f"'{p}' does not exist.")),
    (
        (oe.PermissionDeniedError, oe.UnauthenticatedError, PermissionError),
        lambda p: AccessDenied(f"Access to '{p}' is denied.", hint="Check the credentials and the permissions."),
    ),
)


@contextmanager
def _translated(path: str) -> Generator[None]:
    """Turn what obstore raises into our errors; its texts are long and may quote request headers."""
    try:
        yield
    except (oe.BaseError, OSError, ValueError) as error:  # ValueError: a path with control characters
        for kinds, make in _KINDS:
            if isinstance(error, kinds):
                raise make(path) from error
        raise _generic(path, error) from error


_REASONS = (
    ("Not a directory", ObjectNotFound, "does not exist: a part of the path is a file"),
    ("Is a directory", ObjectNotFound, "is a directory, not a file"),
    ("Permission denied", AccessDenied, "may not be accessed by this user"),
    ("Read-only file system", AccessDenied, "lies on a read-only file system"),
    ("No space left on device", StorageError, "cannot be written: no space left on the device"),
    ("File name too long", StorageError, "has a name longer than the file system allows"),
    ("File too large", StorageError, "cannot be written: the file system allows no file of this size"),
    ("status code: 401", AccessDenied, "may not be accessed with these credentials"),
    ("status code: 403", AccessDenied, "may not be accessed with these credentials"),
    ("NoSuchBucket", ObjectNotFound, "does not exist: there is no such bucket"),
)


def _generic(path: str, error: Exception) -> StorageError:
    text = str(error)
    for needle, kind, reason in _REASONS:
        if needle in text:
            return kind(f"'{path}' {reason}.")
    # What precedes the cause is the request, which is ours to know.
    first = (text.splitlines() or [type(error).__name__])[0]
    return StorageError(f"The storage failed at '{path}': {first.rpartition(' - ')[2][:200]}")
