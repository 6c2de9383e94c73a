"""Whether a table can still be told as it was at a former time."""

from __future__ import annotations

from converters.errors import InvalidOption
from converters.hudi.timeline.active import Timeline
from converters.hudi.timeline.instant_content import read_record
from converters.storage.base import Storage

__all__ = ["check_as_of"]

_DIGITS = (14, 17)


def check_as_of(storage: Storage, timeline: Timeline, time: str) -> None:
    """Make sure that the files of a former state were not cleaned, as far as the timeline says.

    Args:
        storage: Where the table is.
        timeline: Its active timeline.
        time: The time of the last instant to take into account.

    Raises:
        InvalidOption: They may have been, the table was not there yet, or the time is none.
        CorruptTable: A clean of the table cannot be read.
    """
    if len(time) not in _DIGITS or not (time.isascii() and time.isdecimal()):
        raise InvalidOption(f"'{time[:64]}' is no instant.", hint="Instants have 14 or 17 digits: yyyyMMddHHmmssSSS.")
    if not timeline.first_time or time < timeline.first_time:
        raise InvalidOption(
            f"The table's timeline begins at {timeline.first_time or 'no time'}, after {time}.",
            hint="What was before is archived.",
        )
    for clean in timeline.completed("clean"):
        if clean.time <= time:
            continue
        kept = read_record(storage, clean).get("earliestCommitToRetain") or ""
        if not kept or kept > time:
            raise InvalidOption(
                f"Files of the table's state at {time} were cleaned at {clean.time}.",
                hint=f"What is from {kept or clean.time} on can be converted.",
            )
