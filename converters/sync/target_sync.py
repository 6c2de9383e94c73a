"""Bringing one target up to date."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import msgspec
import pyarrow as pa

from converters.errors import (
    CommitConflict,
    CorruptTable,
    ForeignTarget,
    FullSyncNeeded,
    TablecastError,
    TargetChanged,
    UnsupportedTableFeature,
)
from converters.formats import Commit, Target, TargetTable
from converters.model.change import Change
from converters.sync.options import SyncOptions
from converters.sync.plan import is_up_to_date, why_full
from converters.sync.report import Progress, SyncMode, TargetError, TargetReport, TargetStatus
from converters.sync.source_reader import SourceReader
from converters.sync.state import SyncState

__all__ = ["Base", "TargetSync", "current"]

_ATTEMPTS = 6
_FIRST_PAUSE = 0.05
_NO_FILES: tuple[pa.RecordBatch, ...] = ()
_NEWS = "the source has changed"

Base = TargetTable | TablecastError | None
"""What is at a target, or why that cannot be read."""


class TargetSync:
    """One target in one call of ``convert``."""

    def __init__(
        self,
        target: Target,
        location: str,
        source: SourceReader,
        options: SyncOptions,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """Name the parts; nothing is read or written yet.

        Args:
            target: The target.
            location: Where it is.
            source: What it is to equal.
            options: How.
            on_progress: Called now and then while files are handled.
        """
        self._target = target
        self._location = location
        self._source = source
        self._options = options
        self._on_progress = on_progress
        self._written = _Written()

    def run(self, base: Base) -> TargetReport:
        """Bring it up to date; errors go into the report.

        Args:
            base: What is there, read before the source's snapshot.
        """
        try:
            if isinstance(base, TablecastError):
                raise base
            return self._with_retries(base)
        except TablecastError as error:
            return msgspec.structs.replace(self._report("failed"), error=TargetError.of(error))

    def _with_retries(self, base: TargetTable | None) -> TargetReport:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._attempt(base)
            except CommitConflict:
                time.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
                # The target first, the source second, as at the beginning.
                base = self._target.current()
                self._source.read_again()
        return self._attempt(base)

    def _attempt(self, base: TargetTable | None) -> TargetReport:
        snapshot = self._source.snapshot
        wanted = self._source.state(snapshot, self._target)
        if base is not None:
            if self._options.mode != "full" and is_up_to_date(base, wanted):
                notes = self._notes()
                return self._report("synced" if self._written.commits else "unchanged", base, notes)
            self._refuse_foreign(base)
        reason = why_full(base, wanted, self._options.mode)
        if reason is None:
            assert base is not None
            try:
                return self._incremental(base, wanted)
            except FullSyncNeeded as error:
                reason = error.message
            except (CorruptTable, UnsupportedTableFeature) as error:
                # A version on the way may be what cannot be carried, and the newest one may do without it.
                reason = f"a commit since the last sync cannot be carried by itself ({error.message.rstrip('.')})"
            if self._written.commits:
                base = self._target.current()
        return self._full(base, wanted, reason)

    def _full(self, base: TargetTable | None, wanted: SyncState, reason: str) -> TargetReport:
        notes = self._notes()
        snapshot = self._source.snapshot
        files = self._watched(self._source.data_files(), snapshot.file_count)
        commit = self._target.replace(snapshot, files, wanted, base)
        self._written.add(commit, base, wanted, "full", reason)
        return self._report("synced", notes=notes)

    def _incremental(self, base: TargetTable, wanted: SyncState) -> TargetReport:
        assert base.state is not None
        at, notes = base, self._notes()
        for change in self._changes(base.state, wanted):
            if self._options.max_commits == self._written.commits:
                return self._report("synced", notes=notes, is_behind=True)
            if self._written.commit is not None:
                at = self._next_base(self._written.commit)
            self._target.check(change.snapshot)
            state = self._source.state(change.snapshot, self._target)
            watched = msgspec.structs.replace(change, added=lambda each=change: self._watched(each.added(), None))
            commit = self._target.advance(watched, state, at)
            self._written.add(commit, base, state, "incremental", _NEWS)
        return self._report("synced", notes=notes)

    def _changes(self, since: SyncState, wanted: SyncState) -> Iterator[Change]:
        """The source's changes, and one more where they do not end at the wanted state (a new comment, options)."""
        last = since
        for change in self._source.changes(since):
            last = self._source.state(change.snapshot, self._target)
            yield change
        if last != wanted:
            yield Change(snapshot=self._source.snapshot, added=lambda: iter(_NO_FILES), adds_only_new=True)

    def _next_base(self, before: Commit) -> TargetTable:
        """The target after our own commit ``before``.

        Raises:
            CommitConflict: It is not what we left there.
        """
        found = self._target.current()
        if found is None or found.version != before.version or found.changed is not None:
            msg = f"Somebody else wrote to the {self._target.format_name} table at '{self._location}'."
            raise CommitConflict(msg)
        return found

    def _notes(self) -> tuple[str, ...]:
        return (*self._source.notes(), *self._target.check(self._source.snapshot))

    def _refuse_foreign(self, base: TargetTable) -> None:
        if self._options.on_conflict == "replace":
            return
        name = self._target.format_name
        hint = "Convert to another path, or replace it (sync.on-conflict=replace)."
        if base.state is None:
            msg = f"The {name} table at '{self._location}' was not written by a conversion."
            raise ForeignTarget(msg, hint=hint)
        if base.changed is not None:
            msg = f"The {name} table at '{self._location}' was changed since the last sync: {base.changed}."
            raise TargetChanged(msg, hint=hint)

    def _watched(self, batches: Iterator[pa.RecordBatch], total: int | None) -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in batches:
            yield batch
            done += len(batch)
            if self._on_progress is not None:
                progress = Progress(target=self._target.format_name, files_done=done, files_total=total)
                self._on_progress(progress)

    def _report(
        self,
        status: TargetStatus,
        base: TargetTable | None = None,
        notes: tuple[str, ...] = (),
        *,
        is_behind: bool = False,
    ) -> TargetReport:
        written = self._written
        at = written.commit or base
        stands = status != "failed"
        return TargetReport(
            format=self._target.format_name,
            location=self._location,
            status=status,
            mode=written.mode,
            reason=written.reason,
            source_version_before=written.source_version_before,
            source_version=(written.source_version or self._source.snapshot.version) if stands else None,
            metadata_path=at.metadata_path if at and stands else None,
            schema=at.schema_text if at and stands else None,
            version=at.version if at and stands else None,
            commits=written.commits,
            files_added=written.files_added,
            files_removed=written.files_removed,
            is_behind=is_behind,
            notes=notes,
        )


class _Written:
    """What this call has committed to the target so far."""

    def __init__(self) -> None:
        self.mode: SyncMode | None = None
        self.reason: str | None = None
        self.source_version_before: str | None = None
        self.source_version: str | None = None
        self.commit: Commit | None = None
        self.commits = 0
        self.files_added = 0
        self.files_removed = 0

    def add(self, commit: Commit, base: TargetTable | None, state: SyncState, mode: SyncMode, reason: str) -> None:
        if not self.commits and base is not None and base.state is not None:
            self.source_version_before = base.state.source_version
        self.mode, self.reason = mode, reason
        self.source_version = state.source_version
        self.commit = commit
        self.commits += 1
        self.files_added += commit.files_added
        self.files_removed += commit.files_removed


def current(target: Target) -> Base:
    """What is at a target, or why that cannot be read, which concerns no other target."""
    try:
        return target.current()
    except TablecastError as error:
        return error
