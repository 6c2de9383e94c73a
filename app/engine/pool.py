"""A few worker processes, a bounded line of waiting tasks, and a time limit that is kept by killing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import msgspec

from app.engine.messages import Outcome, Task
from app.engine.process import WorkerDied, WorkerGone, WorkerProcess
from app.settings import Settings

__all__ = ["ConversionTimeout", "Overloaded", "Pool", "new_pool"]

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0
_LONGEST_WARM_UP = 120.0
_HOPELESS = 3


class Overloaded(Exception):  # noqa: N818 - says what happened
    """As many tasks are waiting as may, or no worker became free in time."""


class ConversionTimeout(Exception):  # noqa: N818 - says what happened
    """A conversion took longer than allowed; its process was ended."""


class Pool:
    """Runs conversions in ``size`` processes that are kept warm and replaced when they end."""

    def __init__(self, *, size: int, queue: int, timeout: float) -> None:
        """Start nothing yet; see ``running``.

        Args:
            size: Processes, and so tasks at a time.
            queue: Tasks that may wait for a process.
            timeout: Seconds that a task may run, and that it may wait before.
        """
        self._size = size
        self._queue = queue
        self._timeout = timeout
        self._waiting = 0
        # Last in, first out: the process that has just worked has its caches warm.
        self._idle: asyncio.LifoQueue[WorkerProcess] = asyncio.LifoQueue()
        self._alive: set[WorkerProcess] = set()
        self._first_is_up = asyncio.Event()
        self._failed_starts = 0

    @property
    def ready(self) -> int:
        """Processes that take tasks, busy or not."""
        return sum(worker.alive for worker in self._alive)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Pool]:
        """Keep the processes running; they are started in the background and killed at the end."""
        keepers = [asyncio.create_task(self._keep_one(first=not index)) for index in range(self._size)]
        try:
            yield self
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)

    async def run(self, task: Task) -> Outcome:
        """Carry out one task.  Cancelling this ends the process that works on it.

        Raises:
            Overloaded: Too many are waiting already, or it waited too long.
            ConversionTimeout: It took too long.
            WorkerDied: Its process ended unexpectedly.
        """
        message = msgspec.msgpack.encode(task)
        for _ in range(self._size):
            with suppress(WorkerGone):
                return msgspec.msgpack.decode(await self._attempt(message), type=Outcome)
        return msgspec.msgpack.decode(await self._attempt(message), type=Outcome)

    async def _attempt(self, message: bytes) -> bytes:
        worker = await self._free_worker()
        finished = False
        try:
            # A process that has just started warms up first; that is not the conversion's time.
            await _within(_LONGEST_WARM_UP, worker.begin(message), Overloaded("A worker does not get ready."))
            too_long = ConversionTimeout(f"The conversion took longer than {self._timeout:g} seconds.")
            answer = await _within(self._timeout, worker.finish(), too_long)
            finished = True
        finally:
            if finished:
                self._idle.put_nowait(worker)
            else:
                await asyncio.shield(worker.kill())
        return answer

    async def _free_worker(self) -> WorkerProcess:
        starting = self._size - self.ready
        if self._idle.empty() and self._waiting >= self._queue + starting:
            raise Overloaded(f"{self._waiting} conversions are waiting already.")
        self._waiting += 1
        try:
            too_long = Overloaded(f"No worker became free in {self._timeout:g} seconds.")
            return await _within(self._timeout, self._next_idle(), too_long)
        finally:
            self._waiting -= 1

    async def _next_idle(self) -> WorkerProcess:
        while True:
            if self._failed_starts >= _HOPELESS and not self.ready:
                raise Overloaded("No worker process starts; the service's log says why.")
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    worker = await self._idle.get()
                if worker.alive:
                    return worker

    async def _keep_one(self, *, first: bool) -> None:
        if not first:
            # All at once they would take the processors from the one that makes the service ready.
            await self._first_is_up.wait()
        pause = 0.0
        while True:
            try:
                worker = await WorkerProcess.start()
            except (OSError, WorkerDied) as error:
                self._failed_starts += 1
                pause = min(max(2 * pause, 0.5), _LONGEST_PAUSE)
                _log.error("a worker process did not start; trying again in %g s: %s", pause, error)
                await asyncio.sleep(pause)
                continue
            pause = 0.0
            self._failed_starts = 0
            self._alive.add(worker)
            self._idle.put_nowait(worker)
            self._first_is_up.set()
            try:
                await worker.wait()
            finally:
                self._alive.discard(worker)
                await asyncio.shield(worker.kill())


async def _within(seconds: float, work: Awaitable[_Result], too_long: Exception) -> _Result:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise too_long from None


def new_pool(settings: Settings) -> Pool:
    """A pool as the settings ask for."""
    return Pool(size=settings.workers, queue=settings.queue, timeout=settings.conversion_timeout)
