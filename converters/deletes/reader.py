"""Reading the blobs that deletion vectors refer to."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from converters.deletes.blob import MOST_BYTES, check_blob
from converters.errors import CorruptTable, LimitExceeded, ObjectNotFound
from converters.storage.base import Storage

__all__ = ["read_blobs"]

_WHOLE_FILE = 16 * 2**20


def read_blobs(storage: Storage, vectors: pa.Array, data_paths: pa.Array) -> Iterator[bytes]:
    """Read the checked blob of each vector, in order; neighbours in one file are read at once.

    Args:
        storage: Where they lie.
        vectors: Of type ``DELETION_VECTOR``, none of them null.
        data_paths: The data files that they belong to, for messages.

    Raises:
        CorruptTable: A blob is missing or damaged.
        LimitExceeded: A blob is too large.
    """
    held: tuple[str, int, bytes] = ("", 0, b"")
    for vector, data_path in zip(vectors.to_pylist(), data_paths.to_pylist(), strict=True):
        where = f"The deletion vector of the data file '{data_path}'"
        if vector["inline"] is not None:
            blob = vector["inline"]
        else:
            path, offset, length = vector["path"], vector["offset"], vector["length"]
            if not offset >= 0 or not length > 0:
                raise CorruptTable(f"{where} is damaged: it cannot lie at byte {offset}, with {length} bytes.")
            if length > MOST_BYTES:
                raise LimitExceeded(f"{where} has {length:,} bytes; at most {MOST_BYTES:,} are read.")
            if held[0] != path or not held[1] <= offset <= offset + length <= held[1] + len(held[2]):
                held = (path, offset, _read(storage, path, offset, max(length, _WHOLE_FILE), where))
            start = offset - held[1]
            blob = held[2][start : start + length]
        check_blob(blob, where)
        yield blob


def _read(storage: Storage, path: str, offset: int, length: int, where: str) -> bytes:
    try:
        return storage.get_range(path, offset, length)
    except ObjectNotFound as error:
        raise CorruptTable(f"{where} is missing: there is no file '{path}'.") from error
