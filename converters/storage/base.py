"""What a converter may ask of a storage: one small protocol, with put-if-absent as its only commit primitive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Protocol

import msgspec
import pyarrow as pa

from converters.storage.roots import Roots

__all__ = ["METADATA_LIMIT", "Data", "ObjectMeta", "Storage"]

METADATA_LIMIT = 512 * 2**20
"""Largest metadata object, in bytes, that is read into memory as a whole."""

Data = bytes | IO[bytes]


class ObjectMeta(msgspec.Struct, frozen=True):
    """An object's absolute location, size in bytes and modification time in milliseconds since the epoch."""

    path: str
    size: int
    modified_at: int


class Storage(Protocol):
    """Objects under absolute locations (see ``converters.storage.location``).

    Every call raises ``PathNotAllowed`` for a path outside ``roots``, ``AccessDenied`` when the storage refuses the
    credentials, and ``StorageError`` for what is left.
    """

    @property
    def roots(self) -> Roots:
        """Where this storage may read and write."""
        ...

    def get(self, path: str, *, limit: int = METADATA_LIMIT) -> bytes:
        """Read a whole object.

        Raises:
            ObjectNotFound: There is none.
            LimitExceeded: It is larger than ``limit`` bytes.
        """
        ...

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """Read ``length`` bytes from ``start`` (fewer at the end of the object).

        Raises:
            ObjectNotFound: There is none.
        """
        ...

    def open(self, path: str) -> pa.NativeFile:
        """Open an object for random access; for Parquet files, which are read in parts.

        Raises:
            ObjectNotFound: There is none.
        """
        ...

    def head(self, path: str) -> ObjectMeta | None:
        """The object's size and time, or None where there is no object."""
        ...

    def list(self, directory: str) -> Iterator[ObjectMeta]:
        """The objects directly in a directory, ordered by name; nothing where there is no directory."""
        ...

    def directories(self, directory: str) -> Iterator[str]:
        """The locations of the directories directly in a directory, ordered by name; nothing where there are none.

        On object storage a directory is there as long as there is an object below it; a local one may be empty.
        """
        ...

    def put_if_absent(self, path: str, data: Data) -> None:
        """Create an object, whole or not at all.

        Raises:
            ObjectAlreadyExists: The name is taken; what is there stays as it is.
        """
        ...

    def put(self, path: str, data: Data) -> None:
        """Create or replace an object, whole or not at all; only for hints that can be made anew."""
        ...

    def delete(self, path: str) -> None:
        """Delete an object that a conversion wrote itself; no error where there is none."""
        ...
