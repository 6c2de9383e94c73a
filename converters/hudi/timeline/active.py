"""The active timeline: what was done to a table, when, and how far it got.

Names of the files (``InstantFileNameParser``, ``InstantGenerator``; tech spec, "Timeline"), ``i`` being the
instant's time and ``c`` its completion time::

    <i>.<action>.requested      <i>.<action>.inflight       <i>.inflight for the action ``commit``
    <i>.<action>                completed, layout 1 (``.hoodie/``)
    <i>_<c>.<action>            completed, layout 2 (``.hoodie/timeline/``)

Some actions are called otherwise once they are done: ``compaction`` completes as ``commit``, ``logcompaction`` as
``deltacommit``, ``clustering`` (layout 2) as ``replacecommit``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import msgspec

from converters.hudi.table_config import TableConfig
from converters.storage.base import ObjectMeta, Storage

__all__ = ["REPLACING", "WRITES", "Instant", "State", "Timeline", "read_timeline"]

State = Literal["requested", "inflight", "completed"]

WRITES = frozenset({"commit", "deltacommit", "replacecommit", "clustering", "compaction", "logcompaction"})
"""Actions that write data files."""

REPLACING = frozenset({"replacecommit", "clustering"})
"""Actions that may replace file groups."""

_ACTIONS = WRITES | {"clean", "savepoint", "rollback", "restore", "indexing", "schemacommit"}
_COMPLETES_AS = {"compaction": "commit", "logcompaction": "deltacommit", "clustering": "replacecommit"}
_STATES: tuple[State, ...] = ("requested", "inflight", "completed")
_NAME = re.compile(r"^([0-9]{1,32})(?:_([0-9]{1,32}))?\.([a-z]+)(?:\.([a-z]+))?$")


class Instant(msgspec.Struct, frozen=True):
    """Something that was done to the table, or is being done.

    Attributes:
        time: When it was asked for; its identity, together with the action.
        action: ``commit``, ``deltacommit``, ``replacecommit``, ``clean``, …; a pending compaction is ``compaction``,
            a completed one ``commit``.
        state: How far it got.
        completed_at: When it was completed; None for a pending instant and in layout 1, which does not say.
        path: The file of its furthest state.
        modified_at: When that file was written, milliseconds since the epoch.
    """

    time: str
    action: str
    state: State
    completed_at: str | None
    path: str
    modified_at: int

    @property
    def is_completed(self) -> bool:
        """Whether it is done, so that readers see its outcome."""
        return self.state == "completed"

    @property
    def is_write(self) -> bool:
        """Whether it writes data files."""
        return self.action in WRITES

    @property
    def order(self) -> tuple[str, str]:
        """Instants compare by this in the order of their completion."""
        return self.completed_at or self.time, self.time

    @property
    def where(self) -> str:
        """What it is, for messages."""
        return f"The Hudi {self.action} '{self.path}'"


class Timeline(msgspec.Struct, frozen=True, dict=True):
    """The instants of the active timeline.

    Attributes:
        instants: One for each time and action, at its furthest state; ordered by time.
        files: Every file of the timeline by its instant's time, in order of states; for those who delete instants.
    """

    instants: tuple[Instant, ...] = ()
    files: Mapping[str, tuple[ObjectMeta, ...]] = {}

    def completed(self, *actions: str) -> tuple[Instant, ...]:
        """Completed instants, of these actions or (none given) of all; ordered by time."""
        return tuple(each for each in self.instants if each.is_completed and (not actions or each.action in actions))

    def pending(self, *actions: str) -> tuple[Instant, ...]:
        """Instants that are not completed, of these actions or (none given) of all; ordered by time."""
        return tuple(
            each for each in self.instants if not each.is_completed and (not actions or each.action in actions)
        )

    def writes(self) -> tuple[Instant, ...]:
        """Completed instants that wrote data files, in the order of completion.

        Layout 1 does not say when an instant was completed; there it is the order of their times, by which Hudi
        decides which file is newer in such tables.
        """
        return tuple(sorted((each for each in self.instants if each.is_completed and each.is_write), key=_order))

    def is_completed(self, time: str) -> bool:
        """Whether the instant of this time wrote data files and is completed and still in the active timeline."""
        return time in self._completed_writes

    def is_pending(self, time: str) -> bool:
        """Whether a write of this time is not completed."""
        return time in self._pending_writes

    def is_committed(self, time: str) -> bool:
        """Whether what the instant of this time wrote is to be seen: it is completed, or was and is archived.

        A time before the start of the active timeline is an archived one
        (``HoodieTimeline.containsOrBeforeTimelineStarts``); an instant leaves the timeline only when it is completed
        or all that it wrote is gone.
        """
        return self.is_completed(time) or (time < self.first_time and not self.is_pending(time))

    @cached_property
    def first_time(self) -> str:
        """The time of the first write in the active timeline, ``""`` when there is none.

        Whatever is kept only because of a savepoint does not count (``getFirstNonSavepointCommit``).
        """
        saved = {each.time for each in self.instants if each.action == "savepoint"}
        times = [each.time for each in self.instants if _starts(each) and each.time not in saved]
        return min(times, default="")

    @cached_property
    def last_time(self) -> str:
        """The largest time in use, of any action and state; ``""`` when there is none."""
        times = (time for each in self.instants for time in (each.time, each.completed_at or ""))
        return max(times, default="")

    @cached_property
    def all_files(self) -> tuple[ObjectMeta, ...]:
        """Every file of the timeline, by time and state."""
        return tuple(file for time in sorted(self.files) for file in self.files[time])

    @cached_property
    def _completed_writes(self) -> frozenset[str]:
        return frozenset(each.time for each in self.instants if each.is_completed and each.is_write)

    @cached_property
    def _pending_writes(self) -> frozenset[str]:
        return frozenset(each.time for each in self.instants if not each.is_completed and each.is_write)


def read_timeline(storage: Storage, location: str, config: TableConfig) -> Timeline:
    """List the active timeline of a table, or of a metadata table.

    Args:
        storage: Where it is.
        location: The table's directory, which has ``.hoodie``.
        config: Its properties.
    """
    furthest: dict[tuple[str, str], Instant] = {}
    files: dict[str, list[tuple[int, ObjectMeta]]] = {}
    for meta in storage.list(config.timeline_directory(location)):
        instant = _instant(meta)
        if instant is None:
            continue
        rank = _STATES.index(instant.state)
        files.setdefault(instant.time, []).append((rank, meta))
        key = instant.time, _COMPLETES_AS.get(instant.action, instant.action)
        known = furthest.get(key)
        if known is None or rank > _STATES.index(known.state):
            furthest[key] = instant
    return Timeline(
        tuple(furthest[key] for key in sorted(furthest)),
        {time: tuple(meta for _, meta in sorted(found, key=_rank)) for time, found in files.items()},
    )


def _instant(meta: ObjectMeta) -> Instant | None:
    """What the name of a file in the timeline says; None for another file."""
    match = _NAME.match(meta.path.rpartition("/")[2])
    if match is None:
        return None
    time, completed_at, action, suffix = match.groups()
    state: State
    if action == "inflight" and suffix is None:
        action, state = "commit", "inflight"
    elif suffix is None:
        state = "completed"
    elif suffix in {"requested", "inflight"}:
        state = "requested" if suffix == "requested" else "inflight"
    else:
        return None
    if action not in _ACTIONS:
        return None
    return Instant(time, action, state, completed_at if state == "completed" else None, meta.path, meta.modified_at)


def _starts(instant: Instant) -> bool:
    """Whether an instant may be the start of the timeline: a write that is completed, or a pending compaction."""
    return instant.is_write and (instant.is_completed or instant.action == "compaction")


def _order(instant: Instant) -> tuple[str, str]:
    return instant.order


def _rank(file: tuple[int, ObjectMeta]) -> tuple[int, str]:
    return file[0], file[1].path
