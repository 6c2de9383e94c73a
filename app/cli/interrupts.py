"""Ctrl-C that works at once, also while a library waits for a storage that does not answer."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import click

__all__ = ["INTERRUPTED", "prompt_interrupts"]

INTERRUPTED = 130
"""Exit code of a command that was interrupted."""

_PATIENCE = 2.0


@contextmanager
def prompt_interrupts() -> Generator[None]:
    """End the process a moment after SIGINT if it has not ended by itself.

    Python raises ``KeyboardInterrupt`` only between its own instructions; what waits inside a library does not see it.
    A target that is being written stays as it was, or is complete.
    """
    reader, writer = socket.socketpair()
    writer.settimeout(0)
    finished = threading.Event()

    def watch() -> None:
        # Python's own signal handler writes the signal's number here, wherever the main thread is.
        while (received := reader.recv(1)) and received[0] != signal.SIGINT:
            pass
        if received and not finished.wait(_PATIENCE):
            click.echo("Interrupted.", err=True)
            os._exit(INTERRUPTED)

    previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        signal.set_wakeup_fd(previous)
        writer.close()
        watcher.join()
        reader.close()
