"""Putting a new version of a table in place: everything it refers to first, then ``vN.metadata.json`` if absent.

Source: Iceberg spec, "File System Tables"; the names are those of Java's ``HadoopTableOperations``.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from converters.errors import (
    AccessDenied,
    CommitConflict,
    ObjectAlreadyExists,
    ObjectNotFound,
    StorageError,
    TablecastError,
)
from converters.iceberg.metadata.location import METADATA_DIRECTORY, VERSION_HINT
from converters.storage.base import Storage
from converters.storage.location import join, local_path

__all__ = ["NewFile", "Publication", "metadata_directory", "metadata_name", "write_hint"]

NewFile = tuple[str, Callable[[], bytes]]
"""A file to be written: its location, and what gives its bytes."""

_UPLOADS = 8
_LONGEST_HINT = 64


def metadata_directory(location: str) -> str:
    """Where a table's metadata lies."""
    return join(location, METADATA_DIRECTORY)


def metadata_name(version: int) -> str:
    """The file name of a version's table metadata."""
    return f"v{version}.metadata.json"


def write_hint(storage: Storage, location: str, version: int) -> None:
    """Make the version hint say ``version``, where it does not; readers manage with a stale one, so failing is fine."""
    directory = metadata_directory(location)
    path, wanted = join(directory, VERSION_HINT), str(version).encode()
    with contextlib.suppress(StorageError):
        try:
            if storage.get(path, limit=_LONGEST_HINT) == wanted:
                return
        except StorageError:
            pass
        storage.put(path, wanted)
        if local_path(location) is not None:
            # Hadoop keeps a checksum beside each file that it writes, and will not read the file when it is stale.
            storage.delete(join(directory, f".{VERSION_HINT}.crc"))


class Publication:
    """The files of one attempt to commit."""

    def __init__(self, storage: Storage, location: str) -> None:
        """Write nothing yet; ``location`` is the table's directory."""
        self._storage = storage
        self._location = location
        self._written: list[str] = []

    def put_all(self, files: Iterable[NewFile]) -> None:
        """Write files with names that nobody else uses; on a store that is far away, several at once.

        Raises:
            StorageError: One could not be written; all are deleted again as far as possible.
        """
        try:
            if local_path(self._location) is not None:
                for path, data in files:
                    self._put(path, data())
                return
            with ThreadPoolExecutor(_UPLOADS) as pool:
                running: deque[Future[None]] = deque()
                for path, data in files:
                    running.append(pool.submit(self._put, path, data()))
                    if len(running) > _UPLOADS:
                        running.popleft().result()
                for each in running:
                    each.result()
        except BaseException:
            self.abandon()
            raise

    def publish(self, version: int, data: bytes) -> str:
        """Make the new version visible.

        Returns:
            The location of its metadata file.

        Raises:
            CommitConflict: The version is taken; what was written before is deleted again as far as possible.
            StorageError: The storage failed, and the version was not made as far as can be told.
        """
        path = join(metadata_directory(self._location), metadata_name(version))
        try:
            self._storage.put_if_absent(path, data)
        except StorageError as error:
            # A storage that only loses its answer, or that retries by itself, may have done it all the same.
            if self._is_ours(path, data, error):
                return path
            if isinstance(error, ObjectAlreadyExists):
                raise CommitConflict(
                    f"Version {version} of the Iceberg table at '{self._location}' is taken."
                ) from error
            raise
        return path

    def abandon(self) -> None:
        """Delete what was written, as far as the storage allows."""
        for path in self._written:
            with contextlib.suppress(StorageError):
                self._storage.delete(path)
        self._written.clear()

    def _put(self, path: str, data: bytes) -> None:
        self._written.append(path)
        # The name is unique: who finds it taken has written it before and only missed the answer.
        with contextlib.suppress(ObjectAlreadyExists):
            self._storage.put_if_absent(path, data)

    def _is_ours(self, path: str, data: bytes, error: StorageError) -> bool:
        try:
            if self._storage.get(path) == data:
                return True
            refused = True
        except ObjectNotFound:
            # A far-away storage may still be at it; then what the version refers to must stay.
            refused = isinstance(error, AccessDenied) or local_path(path) is not None
        except TablecastError:
            refused = False
        if refused:
            self.abandon()
        return False
