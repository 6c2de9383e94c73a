"""Holding all files of a snapshot back until the last of them is seen.

How a table is written depends on every file in it (a partition value that the target cannot say, a column that was
stored under two names), and nothing may be written before all are known.  A few batches are held in memory, more in a
temporary file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

import pyarrow as pa

__all__ = ["StagedFiles"]

_MOST_BYTES = 96 * 2**20


class StagedFiles:
    """``DataFile`` batches, to be read as often as needed; a context manager that deletes what it put on disk."""

    def __init__(self) -> None:
        """Start empty."""
        self.rows = 0
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None

    def __enter__(self) -> Self:
        """Nothing more than ``self``."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the temporary file, if there is one."""
        if self._file is not None:
            self._file.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take one more batch."""
        self.rows += len(batch)
        self._bytes += batch.nbytes
        if self._writer is not None:
            self._writer.write_batch(batch)
            return
        self._held.append(batch)
        if self._bytes > _MOST_BYTES:
            self._file = tempfile.NamedTemporaryFile(prefix="tablecast-", suffix=".arrow")  # noqa: SIM115 - __exit__
            writer = self._writer = pa.ipc.new_stream(self._file.name, batch.schema)
            for each in self._held:
                writer.write_batch(each)
            self._held.clear()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All batches, in order; no more can be added after this."""
        if self._file is None:
            yield from self._held
            return
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        with pa.memory_map(self._file.name) as source, pa.ipc.open_stream(source) as reader:
            yield from reader
