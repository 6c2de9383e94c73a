"""What a conversion tells its caller."""

from __future__ import annotations

from typing import Literal, Self

import msgspec

from converters.errors import TablecastError

__all__ = [
    "ConversionReport",
    "Progress",
    "SourceSummary",
    "SyncMode",
    "TargetError",
    "TargetReport",
    "TargetStatus",
]

TargetStatus = Literal["synced", "unchanged", "failed"]
SyncMode = Literal["incremental", "full"]


class SourceSummary(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """The source as it was read: its format, location, version, and when that was committed (ms since the epoch)."""

    format: str
    location: str
    version: str
    committed_at: int
    name: str | None = None


class TargetError(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Why a target failed: the error's class name, message and advice."""

    type: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: TablecastError) -> Self:
        """What an error says, for a report."""
        return cls(type=type(error).__name__, message=error.message, hint=error.hint)


class TargetReport(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What became of one target.

    Attributes:
        format: The target's format, upper case.
        location: The directory that holds its metadata directory.
        status: ``synced`` (a commit was written), ``unchanged`` (it was up to date) or ``failed``.
        mode: ``incremental`` (a commit for each of the source's) or ``full`` (all files were compared, one commit);
            None when no commit was written.
        reason: Why that mode, in words.
        source_version_before: The source version that the target equalled before; None when it is new or unchanged.
        source_version: The source version that the target equals now; None when it failed.
        metadata_path: What to open; None when it failed.
        schema: The schema in the target's own serialisation; None when it failed.
        version: The target's own version; None when it failed.
        commits: Commits written.
        files_added: Data files newly listed.
        files_removed: Data files no longer listed.
        is_behind: Whether the source has more commits, which the next sync takes (``sync.max-commits``).
        notes: What a person should know about a conversion that is right.
        error: Why it failed.
    """

    format: str
    location: str
    status: TargetStatus
    mode: SyncMode | None = None
    reason: str | None = None
    source_version_before: str | None = None
    source_version: str | None = None
    metadata_path: str | None = None
    schema: str | None = None
    version: str | None = None
    commits: int = 0
    files_added: int = 0
    files_removed: int = 0
    is_behind: bool = False
    notes: tuple[str, ...] = ()
    error: TargetError | None = None


class ConversionReport(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A whole conversion: the source, each target, and the wall time in seconds."""

    source: SourceSummary
    targets: tuple[TargetReport, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether no target failed."""
        return all(target.status != "failed" for target in self.targets)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a conversion is: the target's format, data files handled, and how many there are if that is known."""

    target: str
    files_done: int
    files_total: int | None
