"""Storages under which a sync dies, and what they are told."""

from __future__ import annotations

import os
import signal
from typing import Literal, NoReturn

from converters.storage import FaultyStorage, ObjectStorage
from converters.storage.base import Data, Storage

__all__ = ["Fault", "KillingStorage", "Recorder"]

When = Literal["before", "after"]
Fault = tuple[int, When]
"""The call that fails, and whether it was carried out all the same."""


class Recorder(FaultyStorage):
    """Counts calls, and knows which of them wrote."""

    def __init__(self, inner: Storage | None = None) -> None:
        super().__init__(inner or ObjectStorage())
        self.writes: list[int] = []

    def put_if_absent(self, path: str, data: Data) -> None:
        self._note()
        super().put_if_absent(path, data)

    def put(self, path: str, data: Data) -> None:
        self._note()
        super().put(path, data)

    def delete(self, path: str) -> None:
        self._note()
        super().delete(path)

    def _note(self) -> None:
        self.writes.append(self.calls + 1)

    def faults(self) -> list[Fault]:
        """Every way to die that differs from the others.

        A call that reads leaves the storage as it is, so that to die after it is to die before the next; and to die
        before anything was written is always the same, but for the first call and the last.
        """
        first = self.writes[0]
        early: list[Fault] = [(1, "before"), (first // 2 + 1, "before")]
        late: list[Fault] = [(call, "before") for call in range(first, self.calls + 1)]
        return sorted({*early, *late, *((call, "after") for call in self.writes)})


class KillingStorage(FaultyStorage):
    """Kills the process at a call, as nothing can be done against."""

    def _fail(self) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError
