"""A storage that fails on command: at the k-th call, before or after doing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa

from converters.errors import StorageError
from converters.storage.base import METADATA_LIMIT, Data, ObjectMeta, Storage
from converters.storage.roots import Roots

__all__ = ["FaultyStorage"]


class FaultyStorage:
    """Wraps a storage; the ``fail_at``-th call (from 1) raises ``StorageError``, and so does every later one.

    ``when="after"`` carries the call out first, as a network does that loses only the answer.  ``calls`` counts.
    """

    def __init__(
        self, inner: Storage, *, fail_at: int | None = None, when: Literal["before", "after"] = "before"
    ) -> None:
        """Wrap ``inner``; ``fail_at=None`` never fails and only counts."""
        self._inner = inner
        self._fail_at = fail_at
        self._when = when
        self.calls = 0

    @property
    def roots(self) -> Roots:
        """Where the wrapped storage may read and write."""
        return self._inner.roots

    def get(self, path: str, *, limit: int = METADATA_LIMIT) -> bytes:
        """``Storage.get``, or the fault."""
        self._before()
        result = self._inner.get(path, limit=limit)
        self._after()
        return result

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """``Storage.get_range``, or the fault."""
        self._before()
        result = self._inner.get_range(path, start, length)
        self._after()
        return result

    def open(self, path: str) -> pa.NativeFile:
        """``Storage.open``, or the fault."""
        self._before()
        result = self._inner.open(path)
        self._after()
        return result

    def head(self, path: str) -> ObjectMeta | None:
        """``Storage.head``, or the fault."""
        self._before()
        result = self._inner.head(path)
        self._after()
        return result

    def list(self, directory: str) -> Iterator[ObjectMeta]:
        """``Storage.list``, or the fault."""
        self._before()
        result = tuple(self._inner.list(directory))
        self._after()
        return iter(result)

    def directories(self, directory: str) -> Iterator[str]:
        """``Storage.directories``, or the fault."""
        self._before()
        result = tuple(self._inner.directories(directory))
        self._after()
        return iter(result)

    def put_if_absent(self, path: str, data: Data) -> None:
        """``Storage.put_if_absent``, or the fault."""
        self._before()
        self._inner.put_if_absent(path, data)
        self._after()

    def put(self, path: str, data: Data) -> None:
        """``Storage.put``, or the fault."""
        self._before()
        self._inner.put(path, data)
        self._after()

    def delete(self, path: str) -> None:
        """``Storage.delete``, or the fault."""
        self._before()
        self._inner.delete(path)
        self._after()

    def _due(self) -> bool:
        return self._fail_at is not None and self.calls >= self._fail_at

    def _before(self) -> None:
        self.calls += 1
        if self._due() and (self._when == "before" or self.calls > (self._fail_at or 0)):
            self._fail()

    def _after(self) -> None:
        if self._due():
            self._fail()

    def _fail(self) -> None:
        msg = f"Injected fault at call {self.calls}."
        raise StorageError(msg)
