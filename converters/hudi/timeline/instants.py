"""Instant times: ``yyyyMMddHHmmssSSS``, compared as text.

Source: ``HoodieInstantTimeGenerator``.  A time has 17 digits; 14 before Hudi 0.10, which count as the last
millisecond of their second; more than 17 in metadata tables before Hudi 1.0, whose rest is a suffix.  It is local
time of the writer unless the table says ``hoodie.table.timeline.timezone=UTC``.  Which zone that was nobody writes
down, so such times are read as UTC here, as XTable does: their order is right, their distance from now may not be.
"""

from __future__ import annotations

import datetime as dt
import re

from converters.errors import CorruptTable

__all__ = ["TIME_DIGITS", "instant_millis", "instant_time", "next_instant"]

TIME_DIGITS = 17

_SECONDS_DIGITS = 14
_SECONDS = "%Y%m%d%H%M%S"
_LAST_MILLISECOND = "999"
_DIGITS = re.compile(r"^[0-9]{17}$")
_INITIAL = re.compile(r"^0{8}[0-9]*$")


def instant_time(millis: int) -> str:
    """The time as instants have it, in UTC.

    Args:
        millis: Milliseconds since the epoch.

    Raises:
        ValueError: The year has not four digits.
    """
    seconds, rest = divmod(millis, 1000)
    try:
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError(f"{millis} milliseconds since the epoch are no year of four digits.") from error
    return f"{moment.year:04d}{moment:%m%d%H%M%S}{rest:03d}"


def instant_millis(time: str, where: str = "The timeline") -> int:
    """Milliseconds since the epoch of an instant's time, read as UTC.

    The first instants of metadata tables (``00000000000000010``) are no dates; they count as the epoch.

    Args:
        time: 14 or 17 digits, or more.
        where: What names the instant, for messages.

    Raises:
        CorruptTable: It is no date.
    """
    if _INITIAL.match(time):
        return 0
    text = time + _LAST_MILLISECOND if len(time) == _SECONDS_DIGITS else time[:TIME_DIGITS]
    if _DIGITS.match(text) is None:
        raise _no_date(time, where)
    try:
        moment = dt.datetime.strptime(text[:_SECONDS_DIGITS], _SECONDS).replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise _no_date(time, where) from error
    seconds = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1)
    return seconds * 1000 + int(text[_SECONDS_DIGITS:])


def next_instant(after: str, wanted_millis: int) -> str:
    """A time for a new instant: the wanted one, or the first one after all that are there.

    Args:
        after: The largest time in use; empty where there is none.
        wanted_millis: Milliseconds since the epoch.

    Returns:
        17 digits, larger as text than ``after``.

    Raises:
        CorruptTable: ``after`` is no date, so nothing can be put behind it.
    """
    wanted = instant_time(wanted_millis)
    if wanted > after:
        return wanted
    # The text of a time with a suffix is larger than that of its first 17 digits, and less than the next one's.
    return instant_time(instant_millis(after) + 1)


def _no_date(time: str, where: str) -> CorruptTable:
    return CorruptTable(f"{where} has an instant '{time[:64]}', which is no date and time.")
