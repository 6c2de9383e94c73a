"""What lies in ``_delta_log``, and which of it makes up a version (Delta protocol, "Delta Log Entries", "Checkpoints").

The log is listed once.  ``_last_checkpoint`` is a hint that may be missing, stale or broken: nothing depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from converters.errors import CorruptTable, InvalidOption, SourceTableNotFound
from converters.storage.base import ObjectMeta, Storage
from converters.storage.location import join

__all__ = ["LOG_DIRECTORY", "Checkpoint", "CommitFile", "Listing", "Segment", "find_segment", "list_log"]

LOG_DIRECTORY = "_delta_log"

_COMMIT = re.compile(r"^(\d{20})\.json$")
_COMPACTED = re.compile(r"^(\d{20})\.(\d{20})\.compacted\.json$")
_CLASSIC = re.compile(r"^(\d{20})\.checkpoint\.parquet$")
_PART = re.compile(r"^(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet$")
_NAMED = re.compile(r"^(\d{20})\.checkpoint\.[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\.(json|parquet)$")


class CommitFile(msgspec.Struct, frozen=True):
    """A JSON file of actions: one commit (``first == last``), or several compacted into one."""

    first: int
    last: int
    file: ObjectMeta


class Checkpoint(msgspec.Struct, frozen=True):
    """All files of one complete checkpoint; ``json`` means that its (only) file is a v2 checkpoint in JSON."""

    version: int
    kind: Literal["parquet", "json"]
    files: tuple[ObjectMeta, ...]


class Listing(msgspec.Struct, frozen=True):
    """What was found in a log directory.

    Attributes:
        directory: The log directory.
        commits: Commit files by version.
        compacted: Log compaction files, by first and last version.
        checkpoints: Complete checkpoints by version.
        hint: ``_last_checkpoint``, if it is there.
    """

    directory: str
    commits: dict[int, CommitFile]
    compacted: tuple[CommitFile, ...]
    checkpoints: dict[int, Checkpoint]
    hint: ObjectMeta | None

    @property
    def is_empty(self) -> bool:
        """Whether there is no commit and no checkpoint, that is no table."""
        return not self.commits and not self.checkpoints

    @property
    def latest(self) -> int:
        """The newest version."""
        return max((*self.commits, *self.checkpoints))


class Segment(msgspec.Struct, frozen=True):
    """What has to be read to know a version: a checkpoint, and the commits after it in ascending order.

    ``is_latest`` tells whether the table has no newer version; ``commit`` is the version's own commit file, which is
    missing where the log was cleaned up to its checkpoint.
    """

    version: int
    is_latest: bool
    checkpoint: Checkpoint | None
    commits: tuple[CommitFile, ...]
    commit: CommitFile | None

    @property
    def modified_at(self) -> int:
        """When the version's newest file was written, milliseconds since the epoch."""
        if self.commit is not None:
            return self.commit.file.modified_at
        files = self.checkpoint.files if self.checkpoint is not None else [each.file for each in self.commits]
        return max(each.modified_at for each in files)


def list_log(storage: Storage, location: str) -> Listing:
    """List and classify a table's log; anything that is neither commit nor checkpoint is passed over."""
    directory = join(location, LOG_DIRECTORY)
    commits: dict[int, CommitFile] = {}
    compacted: list[CommitFile] = []
    single: dict[int, list[tuple[int, Checkpoint]]] = {}
    parts: dict[tuple[int, int], dict[int, ObjectMeta]] = {}
    hint: ObjectMeta | None = None
    for found in storage.list(directory):
        name = found.path.rpartition("/")[2]
        if match := _COMMIT.match(name):
            commits[int(match[1])] = CommitFile(int(match[1]), int(match[1]), found)
        elif name == "_last_checkpoint":
            hint = found
        elif match := _COMPACTED.match(name):
            compacted.append(CommitFile(int(match[1]), int(match[2]), found))
        elif found.size == 0:
            continue  # a writer died, or is still at it
        elif match := _CLASSIC.match(name):
            single.setdefault(int(match[1]), []).append((0, Checkpoint(int(match[1]), "parquet", (found,))))
        elif match := _PART.match(name):
            parts.setdefault((int(match[1]), int(match[3])), {})[int(match[2])] = found
        elif match := _NAMED.match(name):
            kind: Literal["parquet", "json"] = "json" if match[2] == "json" else "parquet"
            single.setdefault(int(match[1]), []).append((1, Checkpoint(int(match[1]), kind, (found,))))
    for (version, count), by_number in parts.items():
        if sorted(by_number) == list(range(1, count + 1)):
            files = tuple(by_number[number] for number in range(1, count + 1))
            single.setdefault(version, []).append((2, Checkpoint(version, "parquet", files)))
    checkpoints = {version: min(found, key=lambda each: each[0])[1] for version, found in single.items()}
    return Listing(directory, commits, tuple(compacted), checkpoints, hint)


def find_segment(listing: Listing, version: int | None = None) -> Segment:
    """Choose what has to be read for a version, the newest by default.

    Raises:
        SourceTableNotFound: The log is empty.
        InvalidOption: The version is not, or no longer, there.
        CorruptTable: A commit that is needed is missing.
    """
    if listing.is_empty:
        msg = f"'{listing.directory}' has no commit and no checkpoint."
        raise SourceTableNotFound(msg, hint="Is it the table's directory, and did its first write succeed?")
    latest = listing.latest
    wanted = latest if version is None else version
    if not 0 <= wanted <= latest:
        msg = f"The table has no version {wanted}; the newest is {latest}."
        raise InvalidOption(msg)
    usable = [each for each in listing.checkpoints if each <= wanted]
    checkpoint = listing.checkpoints[max(usable)] if usable else None
    first = 0 if checkpoint is None else checkpoint.version + 1
    if checkpoint is None and wanted != latest and min((*listing.commits, *listing.checkpoints)) > 0:
        msg = f"Version {wanted} can no longer be read: the log before it was cleaned up."
        raise InvalidOption(msg, hint=f"The oldest that can is {min(listing.checkpoints, default=latest)}.")
    commits = tuple(_cover(listing, first, wanted))
    return Segment(wanted, wanted == latest, checkpoint, commits, listing.commits.get(wanted))


def _cover(listing: Listing, first: int, last: int) -> Iterable[CommitFile]:
    """Choose files for every version from ``first`` to ``last``: the longest compaction where one fits."""
    longest: dict[int, CommitFile] = {}
    for each in listing.compacted:
        known = longest.get(each.first)
        if each.first <= each.last <= last and (known is None or known.last < each.last):
            longest[each.first] = each
    version = first
    while version <= last:
        chosen = longest.get(version) or listing.commits.get(version)
        if chosen is None:
            msg = f"The log in '{listing.directory}' lacks version {version}, which version {last} needs."
            hint = "Restore the missing commit, or a checkpoint after it."
            raise CorruptTable(msg, hint=hint)
        yield chosen
        version = chosen.last + 1
