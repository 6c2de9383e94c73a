"""A worker process: reads tasks from its standard input, converts, writes outcomes to its standard output.

It ends when its input does, so it never outlives the service.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import IO

import msgspec

import converters
from app.engine.messages import BEGUN, HEADER, READY, Failure, Outcome, TargetOutcome, Task
from app.engine.verification import verified
from app.engine.warm_up import warm_up
from app.settings import Settings
from app.telemetry.logs import configure
from converters.storage.location import canonical

__all__ = ["main", "perform"]


def main() -> None:
    """Serve tasks until the input ends."""
    # The service decides when a worker ends; a Ctrl-C at the terminal reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    configure(Settings.from_environment())
    with _own_channel() as (tasks, outcomes):
        _send(outcomes, READY)
        warm_up()
        for message in _messages(tasks):
            _send(outcomes, BEGUN)
            _send(outcomes, msgspec.msgpack.encode(perform(msgspec.msgpack.decode(message, type=Task))))


def perform(task: Task) -> Outcome:
    """Carry out one conversion; every error becomes part of the outcome."""
    try:
        if task.verify is not None:
            converters.check_verify_mode(task.verify)
        report = converters.convert(
            canonical(task.source),
            task.targets,
            source_format=task.source_format,
            table_name=task.table_name,
            target_path=None if task.target_path is None else canonical(task.target_path),
            options=task.options,
            storage=_storage(task.roots),
        )
        targets = tuple(map(_target, report.targets))
        return Outcome(targets=targets if task.verify is None else verified(task, targets, _storage(task.roots)))
    except converters.TablecastError as error:
        return Outcome(error=Failure(type=type(error).__name__, message=error.message, hint=error.hint))
    except Exception as error:  # noqa: BLE001 - whatever it is, the service must hear of it
        return Outcome(
            error=Failure(
                type=type(error).__name__, message=str(error), trace="".join(traceback.format_exception(error))
            )
        )


def _target(report: converters.TargetReport) -> TargetOutcome:
    error = report.error
    return TargetOutcome(
        format=report.format,
        status=report.status,
        mode=report.mode,
        reason=report.reason,
        source_version_before=report.source_version_before,
        source_version=report.source_version,
        commits=report.commits,
        files_added=report.files_added,
        files_removed=report.files_removed,
        is_behind=report.is_behind,
        metadata_path=report.metadata_path,
        schema=report.schema,
        notes=report.notes,
        error=None if error is None else Failure(type=error.type, message=error.message, hint=error.hint),
    )


@lru_cache(maxsize=16)
def _storage(roots: tuple[str, ...]) -> converters.ObjectStorage:
    """A storage is kept between tasks, for its connections and credentials."""
    return converters.ObjectStorage(roots=converters.Roots(roots))


@contextmanager
def _own_channel() -> Generator[tuple[IO[bytes], IO[bytes]]]:
    """Standard input and output for the service alone: what a library prints goes to standard error."""
    with os.fdopen(os.dup(0), "rb") as tasks, os.fdopen(os.dup(1), "wb") as outcomes:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        yield tasks, outcomes


def _messages(tasks: IO[bytes]) -> Iterator[bytes]:
    while len(header := tasks.read(HEADER.size)) == HEADER.size:
        yield tasks.read(HEADER.unpack(header)[0])


def _send(outcomes: IO[bytes], message: bytes) -> None:
    outcomes.write(HEADER.pack(len(message)) + message)
    outcomes.flush()


if __name__ == "__main__":
    main()
