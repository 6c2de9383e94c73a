"""The beginning of a commit in JSON that has everything but the list of the files it wrote.

Our own commits have that list last; for others, the whole commit has to be read.
"""

from __future__ import annotations

from converters.errors import StorageError
from converters.storage.base import Storage

__all__ = ["HEAD_END", "HEAD_START", "read_head"]

HEAD_START = b'{"extraMetadata":{'
HEAD_END = b',"partitionToWriteStats":{'
"""Stands nowhere else: within a JSON string, a quote follows a backslash."""

_FIRST_BYTES = 256 * 2**10


def read_head(storage: Storage, path: str) -> bytes | None:
    """What is in a commit without its files, or all of a small commit; None where only the whole commit says it.

    Args:
        storage: Where it is.
        path: Its location.
    """
    try:
        data = storage.get_range(path, 0, _FIRST_BYTES)
    except StorageError:
        return None  # it is gone or empty, as who reads all of it will say
    end = data.find(HEAD_END) if data.startswith(HEAD_START) else -1
    if end > 0:
        return data[:end] + b"}"
    return data if 0 < len(data) < _FIRST_BYTES else None
