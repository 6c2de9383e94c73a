"""Writing a file that nobody else may have written."""

from __future__ import annotations

from converters.errors import CommitConflict, ObjectAlreadyExists
from converters.storage.base import Data, Storage

__all__ = ["put_new"]


def put_new(storage: Storage, path: str, data: Data) -> None:
    """Create an object, whole or not at all.

    Raises:
        CommitConflict: The name is taken: somebody else is writing.
    """
    try:
        storage.put_if_absent(path, data)
    except ObjectAlreadyExists as error:
        raise CommitConflict(f"Somebody else has written '{path}'.") from error
