"""Reading the footer of a Puffin file (Iceberg spec, "Puffin", "Footer")."""

from __future__ import annotations

import msgspec

from converters.errors import CorruptTable, ObjectNotFound
from converters.iceberg.metadata.file import decode_json
from converters.iceberg.writing.puffin_writer import MAGIC
from converters.storage.base import Storage

__all__ = ["BlobJson", "read_blob_list"]

_TRAILER = 4 + 4 + len(MAGIC)
_FIRST_READ = 2**16
_LARGEST_FOOTER = 256 * 2**20


class BlobJson(msgspec.Struct, frozen=True):
    """Where a blob lies, and what it says of itself."""

    offset: int
    length: int
    properties: dict[str, str] = {}


class _Footer(msgspec.Struct, frozen=True):
    blobs: tuple[BlobJson, ...]


def read_blob_list(storage: Storage, path: str) -> tuple[BlobJson, ...]:
    """The blobs of a Puffin file.

    Raises:
        CorruptTable: The file is missing, or none that we would have written.
    """
    where = f"The Puffin file '{path}'"
    found = storage.head(path)
    if found is None:
        raise CorruptTable(f"{where} does not exist.")
    try:
        tail = _tail(storage, path, found.size, _FIRST_READ)
        length = int.from_bytes(tail[-_TRAILER : -_TRAILER + 4], "little")
        whole = len(MAGIC) + length + _TRAILER
        if not tail.endswith(MAGIC) or whole > min(found.size, _LARGEST_FOOTER) or any(tail[-8:-4]):
            raise CorruptTable(f"{where} has a footer that cannot be read.")
        if whole > len(tail):
            tail = _tail(storage, path, found.size, whole)
    except ObjectNotFound as error:
        raise CorruptTable(f"{where} does not exist.") from error
    return decode_json(tail[-whole + len(MAGIC) : -_TRAILER], _Footer, where).blobs


def _tail(storage: Storage, path: str, size: int, length: int) -> bytes:
    start = max(0, size - length)
    return storage.get_range(path, start, size - start)
