"""What is at a Hudi target before a sync: its configuration and timeline, and what its commits note."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import msgspec

from converters.errors import CorruptTable
from converters.hudi.table_config import TableConfig, read_table_config
from converters.hudi.timeline.active import Instant, Timeline, read_timeline
from converters.hudi.timeline.commit_metadata import read_commit
from converters.hudi.writing.commit_files import HEAD_END, HEAD_START
from converters.storage.base import Storage
from converters.sync.state import XTABLE_KEY

__all__ = ["Base", "CommitHead", "read_base", "read_head"]

_HEAD = 64 * 2**10
_LARGEST_HEAD = 256 * 2**20
_LOOKED_AT = 50
_UNDOING = frozenset({"rollback", "restore"})


class CommitHead(msgspec.Struct, frozen=True):
    """What a commit says before it comes to the files that it added.

    Attributes:
        extra: What its writer noted.
        replaced: Ids of the file groups that it replaced, by partition.
    """

    extra: Mapping[str, str]
    replaced: Mapping[str, list[str]]


class _Json(msgspec.Struct):
    extraMetadata: dict[str, str]  # noqa: N815 - Hudi's spelling
    partitionToReplaceFileIds: dict[str, list[str]]  # noqa: N815


class Base:
    """A Hudi table that a sync builds on.

    Attributes:
        config: Its properties.
        timeline: Its active timeline.
        noted: What the newest commit that carries the state of a sync notes; where there is none, the newest commit's.
        changed: What somebody else did to the table since that commit, for people; None if nothing.
    """

    def __init__(self, storage: Storage, location: str, config: TableConfig) -> None:
        """Read its timeline and its newest commit.

        Raises:
            CorruptTable: They cannot be read.
        """
        self.storage = storage
        self.location = location
        self.config = config
        self.timeline: Timeline = read_timeline(storage, location, config)
        self._heads: dict[str, CommitHead] = {}
        self.noted: Mapping[str, str] = {}
        self.changed: str | None = None
        self._look_back()

    @property
    def writes(self) -> tuple[Instant, ...]:
        """Completed instants that wrote data files, in the order in which they count."""
        return self.timeline.writes()

    @property
    def version(self) -> str:
        """The time of the newest of them; empty where there is none."""
        return self.writes[-1].time if self.writes else ""

    @cached_property
    def schema_text(self) -> str:
        """Its Avro schema; empty where no commit says one."""
        for instant in reversed(self.writes[-_LOOKED_AT:]):
            if schema := self.head(instant).extra.get("schema"):
                return schema
        return self.config.create_schema or ""

    def head(self, instant: Instant) -> CommitHead:
        """What a completed write says besides its files; each is read once.

        Raises:
            CorruptTable: It cannot be read.
        """
        known = self._heads.get(instant.path)
        if known is None:
            known = self._heads[instant.path] = read_head(self.storage, instant)
        return known

    def _look_back(self) -> None:
        newest = self.writes[::-1]
        for number, instant in enumerate(newest[:_LOOKED_AT]):
            noted = self.head(instant).extra
            if number == 0:
                self.noted = noted
            if XTABLE_KEY in noted:
                self.noted = noted
                later = [each for each in self.timeline.completed(*_UNDOING) if each.time > instant.time]
                other = newest[number - 1] if number else next(iter(later), None)
                if other is not None:
                    self.changed = f"the {other.action} {other.time} was written by somebody else"
                return


def read_base(storage: Storage, location: str) -> Base | None:
    """Read what is at a target; None where there is no Hudi table.

    Raises:
        CorruptTable: What is there cannot be read.
        UnsupportedTableFeature: It is of a table version that is not supported.
    """
    config = read_table_config(storage, location)
    return None if config is None else Base(storage, location, config)


def read_head(storage: Storage, instant: Instant) -> CommitHead:
    """Read the beginning of a commit of ours, or the whole of another's.

    Raises:
        CorruptTable: It cannot be read.
    """
    size = _HEAD
    data = storage.get_range(instant.path, 0, size)
    if data.startswith(HEAD_START):
        while HEAD_END not in data and len(data) == size and size < _LARGEST_HEAD:
            size *= 8
            data = storage.get_range(instant.path, 0, size)
        end = data.find(HEAD_END)
        if end >= 0:
            try:
                found = msgspec.json.decode(data[:end] + b"}", type=_Json)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CorruptTable(f"{instant.where} is damaged: {error}.") from error
            return CommitHead(found.extraMetadata, found.partitionToReplaceFileIds)
    commit = read_commit(storage, instant)
    replaced: dict[str, list[str]] = {}
    for partition, file_id in zip(
        commit.replaced["partition"].to_pylist(), commit.replaced["file_id"].to_pylist(), strict=True
    ):
        replaced.setdefault(partition, []).append(file_id)
    return CommitHead(commit.extra, replaced)
