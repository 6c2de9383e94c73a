"""Writing deletion vectors (Delta protocol, "Deletion Vector Format"): files of blobs beside the data files."""

from __future__ import annotations

import contextlib
import uuid

import pyarrow as pa
import pyarrow.compute as pc

from converters.deletes.reader import read_blobs
from converters.delta.log import z85
from converters.delta.log.file_actions import VECTOR
from converters.errors import TablecastError
from converters.staging import Spool
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["VectorFiles"]

_VERSION = b"\x01"
_MOST_BYTES = 256 * 2**20
"""How large a file gets before another one is begun."""

_FRAME = 4 + 4
"""Bytes of a blob that ``sizeInBytes`` does not count: its length and its checksum."""


class VectorFiles:
    """The files of one commit; nothing is written before ``put``.  The stack closes their temporary files."""

    def __init__(self, storage: Storage, location: str, opened: contextlib.ExitStack) -> None:
        """Begin without any.

        Args:
            storage: Where the source's vectors lie, and the table.
            location: The table's directory.
            opened: Closes what is opened.
        """
        self._storage = storage
        self._location = location
        self._opened = opened
        self._files: list[tuple[uuid.UUID, Spool]] = []
        self._size = 0
        self._written: list[str] = []

    def add(self, vectors: pa.Array, data_paths: pa.Array) -> pa.StructArray:
        """Take in deletion vectors, their blobs as they are.

        Args:
            vectors: Of type ``DELETION_VECTOR``, none of them null.
            data_paths: The data files that they belong to.

        Returns:
            What the log says of them, as ``VECTOR``.

        Raises:
            CorruptTable: A blob is missing or damaged.
            LimitExceeded: A blob is too large.
        """
        places: list[str] = []
        offsets: list[int] = []
        sizes: list[int] = []
        for blob in read_blobs(self._storage, vectors, data_paths):
            if not self._files or self._size + len(blob) > _MOST_BYTES:
                self._begin()
            name, spool = self._files[-1]
            places.append(z85.encoded(name.bytes))
            offsets.append(self._size)
            sizes.append(len(blob) - _FRAME)
            spool.write(blob)
            self._size += len(blob)
        columns = [
            pa.repeat(pa.scalar("u"), len(places)),
            pa.array(places, pa.string()),
            pa.array(offsets, pa.int32()),
            pa.array(sizes, pa.int32()),
            pc.struct_field(vectors, "cardinality"),
        ]
        return pa.StructArray.from_arrays(columns, fields=list(VECTOR))

    def _begin(self) -> None:
        spool = self._opened.enter_context(Spool())
        spool.write(_VERSION)
        self._files.append((uuid.uuid4(), spool))
        self._size = len(_VERSION)

    def put(self) -> None:
        """Write them.

        Raises:
            StorageError: The storage failed; ``discard`` deletes what there is.
        """
        for name, spool in self._files:
            path = join(self._location, f"deletion_vector_{name}.bin")
            self._written.append(path)
            self._storage.put_if_absent(path, spool.content())

    def discard(self) -> None:
        """Delete them again, as far as the storage allows: no commit refers to them."""
        for path in self._written:
            with contextlib.suppress(TablecastError, OSError):
                self._storage.delete(path)
        self._written.clear()
