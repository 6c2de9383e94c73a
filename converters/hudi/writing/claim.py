"""The right to write: a pending instant of one's own, and no other's.

A writer first puts its ``.requested`` file and then lists the timeline.  Of two that do so at the same time, the one
that lists last sees the other, so never do both find themselves alone.  Of two that see each other, the one with the
larger time withdraws, and the other waits for that.

Whoever crashed leaves a pending instant.  It is abandoned when its process is known to be gone, or when it is older
than the lease by the storage's own clock; then whoever holds the next claim removes it (``recovery``).  A writer that
has held its claim for nearly that long must not make its commit visible any more.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from converters.errors import CommitConflict, CorruptTable, ObjectNotFound, TablecastError
from converters.hudi.table_config import PROPERTIES_FILE, TableConfig, hoodie_directory
from converters.hudi.timeline.active import Instant, Timeline, read_timeline
from converters.hudi.timeline.instant_content import read_record
from converters.hudi.timeline.instant_files import InstantFiles
from converters.hudi.writing.owners import OWNER_KEY, Owner, requested_content
from converters.hudi.writing.put_new import put_new
from converters.hudi.writing.recovery import remove_pending
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["LEASE_SECONDS", "Claim"]

LEASE_SECONDS = 300.0
"""How old a pending instant of an unknown writer must be to count as abandoned."""

_FENCE_SECONDS = 240.0
_PATIENCE_SECONDS = 3.0
_PAUSE_SECONDS = 0.02


class Claim:
    """A claim on one table.

    Attributes:
        files: Of the instant that is claimed.
        times: The times of all instants that are written under the claim.
    """

    def __init__(self, storage: Storage, location: str, config: TableConfig, time_: str) -> None:
        """Name it; nothing is written yet.

        Args:
            storage: Where the table is.
            location: Its directory.
            config: Its properties, or those that it will have.
            time_: The instant's time, larger than all in use.
        """
        self._storage = storage
        self._location = location
        self._config = config
        self._directory = config.timeline_directory(location)
        self.files = InstantFiles(self._directory, config.timeline_layout, time_, "replacecommit")
        self.times = [time_]
        self._is_first = False
        self._owner = Owner.begin()
        self._since = time.monotonic()

    def take(self, base: Timeline | None) -> Timeline:
        """Claim the table, and remove what abandoned writers left.

        Args:
            base: The timeline that the commit builds on; None where there is no table yet.

        Returns:
            The timeline under the claim, with nothing pending but the claim.

        Raises:
            CommitConflict: Somebody else is writing, or has written since; nothing of ours is left.
        """
        try:
            put_new(self._storage, self.files.requested, requested_content(self._owner))
        except BaseException:
            self._owner.end()
            raise
        try:
            return self._be_alone(base)
        except BaseException:
            self.withdraw()
            raise

    def announce(self, time_: str) -> InstantFiles:
        """Begin one more instant under the claim.

        Raises:
            CommitConflict: Somebody else has begun it.
        """
        files = InstantFiles(self._directory, self._config.timeline_layout, time_, "replacecommit")
        self.times.append(time_)
        put_new(self._storage, files.requested, requested_content(self._owner))
        return files

    def check(self) -> None:
        """Make sure that the claim still holds, before the commit is made visible.

        Raises:
            CommitConflict: It was held for too long, and may be somebody else's now.
        """
        if time.monotonic() - self._since > _FENCE_SECONDS:
            raise CommitConflict(
                f"Writing to the Hudi table at '{self._location}' took longer than {_FENCE_SECONDS:.0f} seconds, after "
                "which others may take over.",
                hint="Try again; turn column statistics off if the storage is slow.",
            )

    def release(self) -> None:
        """The commit is made, or all that was written for it is removed."""
        self._owner.end()

    def withdraw(self) -> None:
        """Remove the claim, as far as the storage allows; nothing else was written for it."""
        with contextlib.suppress(TablecastError):
            self._storage.delete(self.files.requested)
        self.release()

    def undo(self) -> None:
        """Remove the claim and all that was written for it, as far as the storage allows, unless it is completed."""
        with contextlib.suppress(TablecastError):
            if time.monotonic() - self._since <= _FENCE_SECONDS and not self._is_table_complete():
                timeline = self._timeline()
                mine = [each for each in timeline.instants if each.time in self.times]
                if self._is_first or not any(each.is_completed for each in mine):
                    remove_pending(self._storage, self._location, self._config, mine, whole=self._is_first)
        self.release()

    def _be_alone(self, base: Timeline | None) -> Timeline:
        self._is_first = base is None
        until = time.monotonic() + _PATIENCE_SECONDS
        while others := self._others(timeline := self._timeline()):
            self._check_absent()
            living = [each for each in others if not self._is_abandoned(each, timeline)]
            if not living:
                self._remove(others)
            elif time.monotonic() > until or any(each.time < self.files.time for each in living):
                raise self._conflict()
            else:
                time.sleep(_PAUSE_SECONDS)
        self._check_absent()
        if base is not None and _completed(base) != _completed(timeline):
            raise self._conflict()
        return timeline

    def _others(self, timeline: Timeline) -> tuple[Instant, ...]:
        found = timeline.instants if self._is_first else timeline.pending()
        return tuple(each for each in found if each.time != self.files.time)

    def _remove(self, others: Sequence[Instant]) -> None:
        # Its writer is gone, so what a new look shows is what it left for good.
        again = self._others(self._timeline())
        if {each.path for each in again} != {each.path for each in others}:
            return
        self._check_absent()
        remove_pending(self._storage, self._location, self._config, again, whole=self._is_first)

    def _is_abandoned(self, instant: Instant, timeline: Timeline) -> bool:
        files = timeline.files.get(instant.time, ())
        requested = next((each for each in files if each.path.endswith(".requested")), None)
        mine = next((each for each in timeline.files.get(self.files.time, ())), None)
        if mine is None:
            raise self._conflict()
        newest = max(each.modified_at for each in files)
        if mine.modified_at - newest > LEASE_SECONDS * 1000:
            return True
        if requested is None or instant.action != "replacecommit":
            return False
        try:
            announced = Instant(instant.time, instant.action, "requested", None, requested.path, requested.modified_at)
            note = read_record(self._storage, announced).get("extraMetadata") or {}
        except (CorruptTable, ObjectNotFound):
            return False
        owner = Owner.parse(note.get(OWNER_KEY))
        return owner is not None and owner.is_gone()

    def _check_absent(self) -> None:
        if self._is_first and self._is_table_complete():
            raise self._conflict()

    def _is_table_complete(self) -> bool:
        if not self._is_first:
            return False
        return self._storage.head(join(hoodie_directory(self._location), PROPERTIES_FILE)) is not None

    def _timeline(self) -> Timeline:
        return read_timeline(self._storage, self._location, self._config)

    def _conflict(self) -> CommitConflict:
        return CommitConflict(f"Somebody else is writing, or has written, to the Hudi table at '{self._location}'.")


def _completed(timeline: Timeline) -> set[tuple[str, str]]:
    return {(each.time, each.action) for each in timeline.completed()}
