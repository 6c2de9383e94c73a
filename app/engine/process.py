"""One worker process, seen from the service."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path

import app
from app.engine.messages import BEGUN, HEADER, READY
from app.tuning import PROCESS_ENVIRONMENT

__all__ = ["WorkerDied", "WorkerGone", "WorkerProcess"]

_PACKAGE_ROOT = str(Path(app.__file__).resolve().parent.parent)


class WorkerDied(Exception):  # noqa: N818 - says what happened
    """A worker process ended while it was needed; the message says how."""


class WorkerGone(WorkerDied):
    """It ended before it began with the task."""


class WorkerProcess:
    """A process that handles one task at a time."""

    def __init__(self, process: Process) -> None:
        """Take over a process that has just been started; see ``start``."""
        self._process = process

    @classmethod
    async def start(cls) -> WorkerProcess:
        """Start a process and wait until it takes tasks.

        Raises:
            WorkerDied: It ended before.
        """
        path = os.pathsep.join(filter(None, [_PACKAGE_ROOT, os.environ.get("PYTHONPATH")]))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working directory may hold another package called "app"
            "-m",
            "app.engine.worker",
            stdin=PIPE,
            stdout=PIPE,
            stderr=None if sys.stderr is not None else DEVNULL,
            env={**PROCESS_ENVIRONMENT, **os.environ, "PYTHONPATH": path},
        )
        worker = cls(process)
        try:
            greeting = await worker._receive()
        except BaseException:
            await worker.kill()
            raise
        assert greeting == READY
        return worker

    @property
    def alive(self) -> bool:
        """Whether the process still runs, as far as is known."""
        return self._process.returncode is None

    async def begin(self, message: bytes) -> None:
        """Hand over a task, and wait until the process turns to it.

        Raises:
            WorkerGone: The process ended before.
        """
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(HEADER.pack(len(message)) + message)
            await pipe.drain()
            begun = await self._receive()
        except (ConnectionError, WorkerDied) as error:
            raise WorkerGone("a worker process ended before it began") from error
        assert begun == BEGUN

    async def finish(self) -> bytes:
        """Wait for the outcome of the task that was begun; when this is cancelled the process must be killed.

        Raises:
            WorkerDied: The process ended before it was done.
        """
        return await self._receive()

    async def wait(self) -> None:
        """Wait until the process has ended."""
        await self._process.wait()

    async def kill(self) -> None:
        """End the process at once, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _receive(self) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        try:
            (length,) = HEADER.unpack(await pipe.readexactly(HEADER.size))
            return await pipe.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            # It is about to end by itself; killing what has just ended confuses asyncio about its exit code.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 1)
            await self.kill()
            code = self._process.returncode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise WorkerDied(f"a worker process ended unexpectedly ({how})") from error
