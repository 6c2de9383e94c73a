"""What a commit is written to before it is committed: memory while it is small, a temporary file when it is not."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator
from types import TracebackType
from typing import IO, Self

from converters.errors import StorageError
from converters.storage.base import Data

__all__ = ["Spool", "no_room"]

_IN_MEMORY = 16 * 2**20


class Spool:
    """Collects bytes; a context manager that deletes what it put on disk."""

    def __init__(self) -> None:
        """Start empty, in memory."""
        self._pieces: list[bytes] = []
        self._size = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Nothing more than ``self``."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the temporary file, if there is one."""
        if self._file is not None:
            self._file.close()

    def write(self, data: bytes | memoryview) -> None:
        """Add to the end.

        Raises:
            OSError: There is no room for a temporary file.
        """
        self._size += len(data)
        if self._file is None and self._size <= _IN_MEMORY:
            self._pieces.append(bytes(data))
            return
        if self._file is None:
            self._file = tempfile.NamedTemporaryFile(prefix="tablecast-", suffix=".spool")  # noqa: SIM115 - __exit__
            self._file.write(b"".join(self._pieces))
            self._pieces.clear()
        self._file.write(data)

    def content(self) -> Data:
        """All of it, for a storage to write."""
        if self._file is None:
            return b"".join(self._pieces)
        self._file.flush()
        self._file.seek(0)
        return self._file


@contextlib.contextmanager
def no_room() -> Generator[None]:
    """Temporary files are ours; that they fail is the machine's state, not the table's.

    Raises:
        StorageError: There is no room for them.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"A temporary file could not be written: {error}.", hint="Free some space.") from error
