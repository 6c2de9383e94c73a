"""What the service and its worker processes say to each other: MessagePack, each message behind its length.

Plain structs of this module only; nothing is unpickled on either side.
"""

from __future__ import annotations

import struct

import msgspec

__all__ = ["BEGUN", "HEADER", "READY", "Check", "Failure", "Outcome", "TargetOutcome", "Task", "Verification"]

HEADER = struct.Struct(">I")
"""Length of the message that follows, in bytes."""

READY = b"ready"
"""A worker's first message: it takes tasks from now on."""

BEGUN = b"begun"
"""A worker's answer to a task, before it touches anything: without it the task can be given to another."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One conversion: the arguments of ``converters.convert``, where it may read and write, and how it is verified."""

    source: str
    source_format: str
    targets: tuple[str, ...]
    table_name: str
    target_path: str | None
    options: dict[str, str]
    roots: tuple[str, ...]
    verify: str | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error: the name of its class in ``converters.errors``, its message and advice.

    ``trace`` is set, and ``type`` is the name of a foreign class, when nobody expected it.
    """

    type: str
    message: str
    hint: str = ""
    trace: str | None = None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One respect in which a target was compared; the members are those of ``converters.verification.Check``."""

    name: str
    result: str
    detail: str
    examples: tuple[str, ...] = ()


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one target; the members are those of ``converters.TargetVerification``."""

    result: str
    source_version: str | None = None
    checks: tuple[Check, ...] = ()


class TargetOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one target; the members are those of ``converters.TargetReport``.

    One that was converted but is not what it should be has both a ``verification`` and an ``error``.
    """

    format: str
    status: str
    mode: str | None = None
    reason: str | None = None
    source_version_before: str | None = None
    source_version: str | None = None
    commits: int = 0
    files_added: int = 0
    files_removed: int = 0
    is_behind: bool = False
    metadata_path: str | None = None
    schema: str | None = None
    notes: tuple[str, ...] = ()
    verification: Verification | None = None
    error: Failure | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task: its targets, or the error that ended it as a whole."""

    targets: tuple[TargetOutcome, ...] = ()
    error: Failure | None = None
