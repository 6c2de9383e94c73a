"""What was committed to a Delta table since a sync, commit by commit, from its JSON log."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from converters.delta.log.commit_actions import CommitActions, read_commit
from converters.delta.log.listing import CommitFile
from converters.delta.log.protocol import DELETION_VECTORS
from converters.delta.log.reader import LogReader
from converters.delta.log.reconciliation import NO_FILES, Step, logical_files, step, step_unseen
from converters.delta.log.replay import live_files
from converters.delta.log.state import TableState
from converters.delta.reading.data_files import DataFiles
from converters.delta.reading.states import States, log_at
from converters.errors import FullSyncNeeded
from converters.model.change import Change
from converters.model.snapshot import Snapshot
from converters.sync.state import SyncState

__all__ = ["changes_since"]

_GROUP_BYTES = 32 * 2**20
_GROUP_COMMITS = 500
_SEARCHED_BYTES = 64 * 2**20
"""In more JSON than this, former entries are not looked for, unless deletion vectors make it necessary."""


def changes_since(log: LogReader, files: DataFiles, until: Snapshot, synced: SyncState) -> Iterator[Change]:
    """The changes from what a sync left; see ``Source.changes``.

    Args:
        log: The log, at the version of ``until``.
        files: Reads data files.
        until: The snapshot that they lead to.
        synced: What the sync left.
    """
    version, last = _version(synced), log.segment.version
    if version > last:
        raise FullSyncNeeded(f"version {version} was synced last, which is after version {last}")
    commits = [_commit(log, number) for number in range(version + 1, last + 1)]
    before = log_at(log, version)
    _check_same_history(before, synced)
    states = States(before, log, files, until)
    for group in _groups(commits):
        yield from _Group(log, files, states, group).changes(until)


class _Group:
    """Some commits in a row, whose files are looked for at once."""

    def __init__(self, log: LogReader, files: DataFiles, states: States, commits: list[CommitFile]) -> None:
        self._log = log
        self._files = files
        self._states = states
        self._commits = [read_commit(log.commits([commit.file]), commit, log.location) for commit in commits]

    def changes(self, until: Snapshot) -> Iterator[Change]:
        live = self._live_before()
        for commit in self._commits:
            if live is None:
                done = step_unseen(commit.files, commit.version)
            else:
                done = step(live, commit.files, commit.version)
                live = done.live
            snapshot = self._states.after(commit)
            small = commit.small
            if snapshot is until or done.has_adds or len(done.removed) or small.protocol or small.metadata:
                yield self._change(commit, done, snapshot, self._states.state)

    def _live_before(self) -> pa.Table | None:
        """Those of the files that the commits name which were live before; None where that is too dear to know."""
        named = pa.chunked_array([chunk for each in self._commits for chunk in each.files["path"].chunks], pa.string())
        if not len(named):
            return NO_FILES
        before = log_at(self._log, self._commits[0].version - 1)
        size = sum(each.file.size for each in before.segment.commits)
        if size > _SEARCHED_BYTES and not self._may_have_vectors():
            return None
        return logical_files(before.search(named.unique()))

    def _may_have_vectors(self) -> bool:
        protocols = [self._states.state.protocol, *(each.small.protocol for each in self._commits)]
        return any(each is not None and DELETION_VECTORS in (each.reader_features or ()) for each in protocols)

    def _change(self, commit: CommitActions, done: Step, snapshot: Snapshot, state: TableState) -> Change:
        log, files = self._log, self._files

        def added() -> Iterator[pa.RecordBatch]:
            if not done.has_adds:
                return
            found = live_files(log.commits([commit.commit.file]), None, log.location)
            yield from files.batches(found, snapshot.table, state, check_present=not log.segment.is_latest)

        return Change(snapshot=snapshot, added=added, removed=done.removed, adds_only_new=done.adds_only_new)


def _version(synced: SyncState) -> int:
    text = synced.source_version or ""
    if not text.isdecimal():
        raise FullSyncNeeded("the last sync did not note a version")
    return int(text)


def _commit(log: LogReader, version: int) -> CommitFile:
    commit = log.listing.commits.get(version)
    if commit is None:
        raise _missing(version)
    return commit


def _missing(version: int) -> FullSyncNeeded:
    return FullSyncNeeded(f"the log no longer has the commit of version {version}")


def _check_same_history(before: LogReader, synced: SyncState) -> None:
    """Make sure that the version is the one that was synced, and not another of that number.

    After a table was put back to an older state and written again, its commits are younger than the sync.  After it was
    copied only its files are.

    Raises:
        FullSyncNeeded: That cannot be told.
    """
    state = before.state()
    if before.committed_at(state) == synced.last_instant:
        return
    if before.segment.commit is None:
        raise _missing(before.segment.version)
    info = before.commit_info()
    written = info.timestamp if info is not None and not state.has_commit_times else None
    if not isinstance(written, int) or written > synced.last_instant:
        raise FullSyncNeeded(f"version {before.segment.version} is no longer the commit that was synced")


def _groups(commits: list[CommitFile]) -> Iterator[list[CommitFile]]:
    group: list[CommitFile] = []
    size = 0
    for commit in commits:
        if group and (size + commit.file.size > _GROUP_BYTES or len(group) == _GROUP_COMMITS):
            yield group
            group, size = [], 0
        group.append(commit)
        size += commit.file.size
    if group:
        yield group
