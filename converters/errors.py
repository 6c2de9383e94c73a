# ruff: noqa: N818 - these names are the `type` of wire errors, which have no suffix
"""What can go wrong in a conversion, as one tree.

::

    TablecastError                      root; ``hint`` says what to do next
    ├── InvalidRequest                  the caller's arguments make no sense
    │   ├── UnknownFormat               no such table format is installed
    │   └── InvalidOption               an option's name or value is not understood
    ├── SourceTableNotFound             nothing is there, or what is there is no table
    │   └── AmbiguousTable              more than one table could be meant
    ├── CorruptTable                    the metadata contradicts itself, is truncated or has gaps
    │   └── LimitExceeded               the metadata is larger than the configured limits
    ├── UnsupportedTableFeature         valid, but no equal exists in the target (or we do not know it)
    ├── TargetConflict                  the target is not ours to change as it stands
    │   ├── ForeignTarget               a table is there that no conversion of this source wrote
    │   └── TargetChanged               somebody else wrote to the target since the last sync
    ├── FullSyncNeeded                  the difference cannot be told: all files are compared; leaves no conversion
    ├── CommitConflict                  lost the race for a commit more often than we retry
    ├── VerificationFailed              a target does not equal its source, or could not be compared with it
    └── StorageError                    the storage said no, or nothing
        ├── ObjectNotFound
        ├── ObjectAlreadyExists         put-if-absent found the name taken
        ├── AccessDenied                the storage refuses these credentials, or the file system this user
        └── PathNotAllowed              the path lies outside the allowed roots

Every message says what was wrong and where (path, file, column, version); ``hint`` says what to do.
Messages never contain credentials.
"""

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "AmbiguousTable",
    "CommitConflict",
    "CorruptTable",
    "ForeignTarget",
    "FullSyncNeeded",
    "InvalidOption",
    "InvalidRequest",
    "LimitExceeded",
    "ObjectAlreadyExists",
    "ObjectNotFound",
    "PathNotAllowed",
    "SourceTableNotFound",
    "StorageError",
    "TablecastError",
    "TargetChanged",
    "TargetConflict",
    "UnknownFormat",
    "UnsupportedTableFeature",
    "VerificationFailed",
]


class TablecastError(Exception):
    """Root of all errors this library raises on purpose.

    Attributes:
        message: What was wrong and where.
        hint: What the caller can do about it; empty when nothing helps.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        # The default would drop the keyword-only hint when an error crosses a process boundary.
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(kind: type[TablecastError], message: str, hint: str) -> TablecastError:
    return kind(message, hint=hint)


class InvalidRequest(TablecastError):
    """The caller's arguments make no sense together or alone."""


class UnknownFormat(InvalidRequest):
    """No installed plug-in serves this table format."""


class InvalidOption(InvalidRequest):
    """An option's name is unknown or its value is not understood."""


class SourceTableNotFound(TablecastError):
    """Nothing is at the path, or what is there is not a table of the named format."""


class AmbiguousTable(SourceTableNotFound):
    """More than one table, or more than one current version of a table, could be meant."""


class CorruptTable(TablecastError):
    """The table's metadata is truncated, contradicts itself or has gaps."""


class LimitExceeded(CorruptTable):
    """The table's metadata is larger, deeper or more compressed than the limits allow."""


class UnsupportedTableFeature(TablecastError):
    """The table is valid, but uses something that cannot be carried to the target, or that we do not know."""


class TargetConflict(TablecastError):
    """The target is not ours to change as it stands."""


class ForeignTarget(TargetConflict):
    """A table is at the target that no conversion of this source wrote."""


class TargetChanged(TargetConflict):
    """Somebody else wrote to the target since the last sync."""


class FullSyncNeeded(TablecastError):
    """What happened since the last sync cannot be told, or not be said to the target, step by step.

    The message is a clause that gives the reason, for the report: "the log no longer has version 12".
    """


class CommitConflict(TablecastError):
    """The commit lost its race more often than we retry; the target is as the winner left it."""


class VerificationFailed(TablecastError):
    """A target does not equal its source, or could not be compared with it; what was converted stays as it is."""


class StorageError(TablecastError):
    """The storage failed for a reason that is neither of the below."""


class ObjectNotFound(StorageError):
    """No object has this name."""


class ObjectAlreadyExists(StorageError):
    """A put-if-absent found the name taken."""


class AccessDenied(StorageError):
    """The storage refuses these credentials, or the file system refuses this user."""


class PathNotAllowed(StorageError):
    """The path lies outside the roots that this process may touch."""
