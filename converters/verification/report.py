"""What a verification tells its caller: check by check, what was compared and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from converters.errors import VerificationFailed
from converters.sync.report import SourceSummary, TargetError

__all__ = ["Check", "CheckName", "TargetVerification", "VerificationResult", "VerifyMode", "VerifyReport", "result_of"]

VerifyMode = Literal["metadata", "rows"]
CheckName = Literal[
    "state",
    "schema",
    "files",
    "sizes",
    "row-counts",
    "deletes",
    "partitions",
    "null-counts",
    "bounds",
    "rows",
]
VerificationResult = Literal["equal", "behind", "differs", "unverified"]


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One respect in which a target was compared with the source.

    Attributes:
        name: Which.
        result: ``ok``, ``differs``, or ``not-compared``.
        detail: What was compared and found, or why nothing was.
        examples: The first differences, for people.
    """

    name: CheckName
    result: Literal["ok", "differs", "not-compared"]
    detail: str
    examples: tuple[str, ...] = ()


class TargetVerification(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What was found about one target.

    Attributes:
        format: The target's format, upper case.
        location: The directory that holds its metadata directory.
        result: ``equal`` to the source's current version; ``behind``: equal to an older one; ``differs``; or
            ``unverified``: it could not be compared, and ``error`` or a check says why.
        version: The target's own version that was read; None where none was.
        source_version: The source version that it was compared with; None where it was not.
        checks: Each respect.
        error: What kept it from being compared.
    """

    format: str
    location: str
    result: VerificationResult
    version: str | None = None
    source_version: str | None = None
    checks: tuple[Check, ...] = ()
    error: TargetError | None = None

    @property
    def ok(self) -> bool:
        """Whether the target was compared and is right, be it behind."""
        return self.result in {"equal", "behind"}

    @property
    def failure(self) -> TargetError | None:
        """What is wrong, as the error that it is where the target was to be right; None when nothing is."""
        if self.ok:
            return None
        wrong = [check for check in self.checks if check.result == "differs"]
        wrong = wrong or [check for check in self.checks if check.result == "not-compared"]
        said = [
            f"{check.name}: {check.detail}{''.join(f' ({each})' for each in check.examples[:1])}" for check in wrong
        ]
        what = "does not equal the source" if self.result == "differs" else "could not be compared with the source"
        reasons = [*said, self.error.message] if self.error is not None else said
        message = f"The {self.format} table at '{self.location}' {what}: {'; '.join(reasons).rstrip('.')}."
        return TargetError(type=VerificationFailed.__name__, message=message)


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A whole verification: the source's current version, each target, and the wall time in seconds."""

    source: SourceSummary
    mode: VerifyMode
    targets: tuple[TargetVerification, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every target was compared and is right."""
        return all(target.ok for target in self.targets)


def result_of(checks: Sequence[Check], *, is_behind: bool) -> VerificationResult:
    """What the checks of one target come to."""
    if any(check.result == "differs" for check in checks):
        return "differs"
    # Without its files, or the rows that the caller asked for, nothing is known of the target.
    if any(check.result == "not-compared" and check.name in {"files", "rows"} for check in checks):
        return "unverified"
    return "behind" if is_behind else "equal"
