"""What a table's configuration and timeline say of its state: which commits count, the schema, what was replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import msgspec
import pyarrow as pa

from converters.errors import CorruptTable, SourceTableNotFound, UnsupportedTableFeature
from converters.hudi.reading.time_travel import check_as_of
from converters.hudi.table_config import PROPERTIES_FILE, TableConfig, hoodie_directory, read_table_config
from converters.hudi.timeline.active import REPLACING, Instant, Timeline, read_timeline
from converters.hudi.timeline.archive import archived_commits
from converters.hudi.timeline.commit_metadata import REPLACED, WRITE_STATS, CommitMetadata, read_commit
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["NO_VERSION", "TableState", "read_table_state"]

NO_VERSION = "0"
"""The version of a table that nothing was written to."""


class TableState(msgspec.Struct, frozen=True, dict=True):
    """A table's configuration and timeline, and what commits say as far as it is asked for.

    Attributes:
        storage: Where the table is.
        location: Its directory.
        config: Its properties.
        timeline: Its active timeline.
        as_of: The time of the last instant to take into account; empty for all.
        only: Times of the completed writes of the active timeline that count; None for all.
        commits: What was read of commits, by their paths.
    """

    storage: Storage
    location: str
    config: TableConfig
    timeline: Timeline
    as_of: str = ""
    only: frozenset[str] | None = None
    commits: dict[str, CommitMetadata] = msgspec.field(default_factory=dict)

    def at(self, writes: Iterable[Instant]) -> TableState:
        """The table when only these of its completed writes, and those that are archived, had been completed."""
        return msgspec.structs.replace(self, only=frozenset(each.time for each in writes))

    @cached_property
    def writes(self) -> tuple[Instant, ...]:
        """Completed instants that wrote data files, in the order in which they count."""
        return tuple(each for each in self.timeline.writes() if self._counts(each.time))

    @property
    def newest(self) -> Instant | None:
        """The newest of them; None where there is none."""
        return self.writes[-1] if self.writes else None

    @property
    def pending(self) -> tuple[Instant, ...]:
        """Writes that are still running, or broke off, and began before the newest one that is completed."""
        if self.newest is None:
            return ()
        done = {each.time for each in self.writes}
        writes = (each for each in self.timeline.instants if each.is_write and each.time not in done)
        return tuple(each for each in writes if each.time < self.newest.time)

    @property
    def version(self) -> str:
        """The newest write's time; ``"0"`` where there is none."""
        return NO_VERSION if self.newest is None else self.newest.time

    def is_committed(self, time: str) -> bool:
        """Whether what the instant of this time wrote is to be seen."""
        if self.timeline.is_completed(time):
            return self._counts(time)
        return self._is_in_time(time) and self.timeline.is_committed(time)

    def log_time(self, time: str) -> str | None:
        """By which time a log file belongs to a file slice, from the instant in its name.

        In layout 1 that is the slice's own; in layout 2 it is when the log file's instant was completed, and what was
        not completed does not count (``CompletionTimeQueryView``).
        """
        if self.config.timeline_layout == 1:
            return time
        if not self.is_committed(time):
            return None
        return self._completion_times.get(time, time)

    def commit(self, instant: Instant) -> CommitMetadata:
        """What a completed write did, without the files that it wrote; each is read once.

        Raises:
            CorruptTable: It cannot be read.
        """
        known = self.commits.get(instant.path)
        if known is None:
            known = self.commits[instant.path] = read_commit(self.storage, instant, with_files=False)
        return known

    def whole_commit(self, instant: Instant) -> CommitMetadata:
        """What a completed write did, with the files that it wrote.

        Raises:
            CorruptTable: It cannot be read.
        """
        found = self.commits[instant.path] = read_commit(self.storage, instant)
        return found

    def replaced(self) -> pa.Table:
        """``partition`` and ``file_id`` of the file groups that completed instants have replaced.

        Raises:
            CorruptTable: One of the instants cannot be read.
        """
        return pa.concat_tables([REPLACED.empty_table(), *(each.replaced for each in self.replacements())])

    def replacements(self) -> list[CommitMetadata]:
        """The completed instants of the active timeline that may have replaced file groups, without their files.

        Raises:
            CorruptTable: One of the instants cannot be read.
        """
        return [self.commit(each) for each in self.writes if each.action in REPLACING]

    def schema_text(self) -> tuple[str, str]:
        """The table's Avro schema, and what it is from, for messages (``TableSchemaResolver``).

        Raises:
            CorruptTable: A commit cannot be read.
            UnsupportedTableFeature: The table has no schema yet.
        """
        for commit in self._commits_from_newest():
            if commit.schema is not None and commit.may_change_schema:
                return commit.schema, f"{commit.instant.where}: its schema"
        properties = join(hoodie_directory(self.location), PROPERTIES_FILE)
        if self.config.create_schema is not None:
            return self.config.create_schema, f"The schema in '{properties}'"
        raise UnsupportedTableFeature(
            f"The Hudi table at '{self.location}' has no schema: no completed commit and no table property says one.",
            hint="Convert it once something was written to it.",
        )

    def newest_files(self) -> pa.Table:
        """The files that the newest write wrote: ``CommitMetadata.write_stats``.

        Raises:
            CorruptTable: The commit cannot be read.
        """
        if self.newest is None:
            return WRITE_STATS.empty_table()
        return read_commit(self.storage, self.newest).write_stats

    def _counts(self, time: str) -> bool:
        return self._is_in_time(time) and (self.only is None or time in self.only)

    def _is_in_time(self, time: str) -> bool:
        return not self.as_of or time <= self.as_of

    def _commits_from_newest(self) -> Iterator[CommitMetadata]:
        yield from map(self.commit, reversed(self.writes))
        yield from archived_commits(self.storage, self.location, self.config)

    @cached_property
    def _completion_times(self) -> dict[str, str]:
        return {each.time: each.completed_at for each in self.writes if each.completed_at is not None}


def read_table_state(storage: Storage, location: str, as_of: str | None = None) -> TableState:
    """Read a table's configuration and list its timeline.

    Args:
        storage: Where the table is.
        location: Its directory.
        as_of: The time of the last instant to take into account; all by default.

    Raises:
        SourceTableNotFound: No table is there.
        InvalidOption: The table cannot be told as of that time any more, or was not there yet.
        CorruptTable: Its properties cannot be read.
        UnsupportedTableFeature: It is of a version that is not supported.
    """
    config = read_table_config(storage, location)
    if config is None:
        msg = f"No Hudi table is at '{location}': it has no {join('.hoodie', PROPERTIES_FILE)}."
        raise SourceTableNotFound(msg, hint="Is it the table's directory?")
    try:
        timeline = read_timeline(storage, location, config)
    except ValueError as error:
        raise CorruptTable(f"The timeline of the Hudi table at '{location}' cannot be read: {error}.") from error
    if as_of is not None:
        check_as_of(storage, timeline, as_of)
    return TableState(storage, location, config, timeline, as_of or "")
