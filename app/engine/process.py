"""One worker process, seen from the service."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import app
from app.engine.messages import HEADER, READY

__all__ = ["WorkerDied", "WorkerProcess"]

_PACKAGE_ROOT = str(Path(app.__file__).resolve().parent.parent)


class WorkerDied(Exception):  # noqa: N818 - says what happened
    """A worker process ended while it was needed; the message says how."""


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
            env={**os.environ, "PYTHONPATH": path},
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

    async def run(self, message: bytes) -> bytes:
        """Hand over a task and wait for its outcome; when this is cancelled the process must be killed.

        Raises:
            WorkerDied: The process ended first.
        """
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(HEADER.pack(len(message)) + message)
            await pipe.drain()
        except ConnectionError as error:
            raise await self._died() from error
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
            raise await self._died() from error

    async def _died(self) -> WorkerDied:
        await self.kill()
        code = self._process.returncode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return WorkerDied(f"a worker process ended unexpectedly ({how})")
