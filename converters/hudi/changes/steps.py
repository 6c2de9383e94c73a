"""Which writes were completed since a sync, from the timeline.

A state is named as XTable names it: by the time of the newest write, and by the times of the writes that had begun
before that one and were not completed.  In timeline layout 1 the newest is the one with the largest time, in layout 2
the one that was completed last.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from converters.errors import FullSyncNeeded
from converters.hudi.reading.table_state import NO_VERSION, TableState
from converters.hudi.timeline.active import Instant
from converters.hudi.timeline.archive import archived_commits
from converters.hudi.timeline.instants import instant_millis
from converters.hudi.timeline.rollbacks import undone_times

__all__ = ["Steps", "find_steps"]


class Steps(msgspec.Struct, frozen=True):
    """The way from a former state.

    Attributes:
        before: The table as it was.
        after: The table after each further write, in the order of completion.
    """

    before: TableState
    after: tuple[TableState, ...]

    @property
    def new(self) -> tuple[Instant, ...]:
        """The further writes, one a step."""
        known = {each.time for each in self.before.writes}
        return tuple(each for each in self.after[-1].writes if each.time not in known) if self.after else ()


def find_steps(state: TableState, version: str | None, pending: Collection[int]) -> Steps:
    """Find the writes since a state.

    Args:
        state: The table.
        version: The newest write then; None where nobody noted it.
        pending: The writes that were not completed then, milliseconds since the epoch.

    Raises:
        FullSyncNeeded: The timeline does not tell all of them.
        CorruptTable: A rollback cannot be read.
    """
    if version is None:
        raise FullSyncNeeded("the last sync did not note which version it was of")
    known = _known(state, version, pending)
    before = [each for each in state.writes if each.time in known]
    new = [each for each in state.writes if each.time not in known]
    _refuse_undone(state, version, pending)
    after = tuple(state.at((*before, *new[: number + 1])) for number in range(len(new)))
    return Steps(state.at(before), after)


def _known(state: TableState, version: str, pending: Collection[int]) -> frozenset[str]:
    """Times of the writes of the active timeline that the state had."""
    if version == NO_VERSION:
        if _has_archive(state):
            raise FullSyncNeeded("the table's first commits are archived")
        return frozenset()
    last = next((each for each in state.writes if each.time == version), None)
    if last is None:
        if version < state.timeline.first_time:
            raise FullSyncNeeded(f"the instant {version} that was synced last is archived")
        raise FullSyncNeeded(f"the instant {version} that was synced last was rolled back")
    first = state.timeline.first_time
    if version < first and _has_archive(state):
        # A savepoint keeps an instant while those after it are archived.
        raise FullSyncNeeded(f"instants after {version}, which was synced last, may be archived")
    there = {instant_millis(each.time, each.where) for each in state.timeline.instants if each.is_write}
    gone = [millis for millis in pending if millis not in there]
    if first and any(millis < instant_millis(first, last.where) for millis in gone) and _has_archive(state):
        # Whether they were completed or rolled back, only the archive says.
        raise FullSyncNeeded(f"instants that were pending when {version} was synced may be archived")
    order = state.writes.index(last)
    return frozenset(
        each.time for each in state.writes[: order + 1] if instant_millis(each.time, each.where) not in pending
    )


def _refuse_undone(state: TableState, version: str, pending: Collection[int]) -> None:
    """Refuse a history in which a write that the state had was rolled back: nobody says what it had written.

    Raises:
        FullSyncNeeded: There may be one.
    """
    if version == NO_VERSION:
        return
    last = next(each for each in state.writes if each.time == version)
    for undoing in state.timeline.instants:
        if undoing.action not in {"rollback", "restore"} or undoing.order <= last.order:
            continue
        for time in _undone(state, undoing):
            if _was_there(state, time, last) and instant_millis(time, undoing.where) not in pending:
                raise FullSyncNeeded(f"the instant {time} was rolled back by {undoing.time}")


def _was_there(state: TableState, time: str, last: Instant) -> bool:
    """Whether an instant that was undone may have been completed when ``last`` was the newest one."""
    return not state.timeline.is_completed(time) and time <= last.order[0]


def _has_archive(state: TableState) -> bool:
    return next(archived_commits(state.storage, state.location, state.config), None) is not None


def _undone(state: TableState, undoing: Instant) -> tuple[str, ...]:
    if undoing.is_completed:
        return undone_times(state.storage, undoing)
    requested = next(
        (file for file in state.timeline.files.get(undoing.time, ()) if file.path.endswith(".requested")), None
    )
    if requested is None:
        return ()
    return undone_times(state.storage, msgspec.structs.replace(undoing, state="requested", path=requested.path))
