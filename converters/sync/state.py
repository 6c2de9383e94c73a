"""What a sync leaves in a target, so that the next one knows where it stands.

``XTABLE_METADATA`` is Apache XTable's, byte for byte (its ``TableSyncMetadata``): compact JSON, members in a fixed
order, null members left out, and no member of our own, because the Java reader fails on unknown ones.  What more we
need goes under ``TABLECAST_SOURCE``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from converters.errors import CorruptTable

__all__ = ["SOURCE_KEY", "XTABLE_KEY", "SourceMark", "SyncState", "XTableMetadata", "format_instant", "parse_instant"]

XTABLE_KEY = "XTABLE_METADATA"
"""Property name of the state that XTable shares with us."""

SOURCE_KEY = "TABLECAST_SOURCE"
"""Property name of what only we remember."""

_STATE_VERSION = 0


class XTableMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """XTable's ``TableSyncMetadata``.  Instants are ISO-8601 in UTC, as ``java.time.Instant`` prints them."""

    lastInstantSynced: str  # noqa: N815 - XTable's spelling
    instantsToConsiderForNextSync: list[str] | None = None  # noqa: N815
    version: int = msgspec.field(default=-1)  # omit_defaults must not drop the 0 that XTable writes
    sourceTableFormat: str | None = None  # noqa: N815
    sourceIdentifier: str | None = None  # noqa: N815


class SourceMark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which source table was synced.

    Attributes:
        table_id: The source table's own unique id.
        fingerprint: Digest of everything else that was carried over: schema, specs, name, options.
        settings: Digest of the options alone; empty where an older version of this library wrote the state.
        memory: ``Snapshot.memory`` of what was synced.
    """

    table_id: str
    fingerprint: str
    settings: str = ""
    memory: str = ""

    def is_of_same(self, other: SourceMark | None) -> bool:
        """Whether both stand for the same table in the same state, whatever is remembered of it."""
        return other is not None and msgspec.structs.replace(self, memory=other.memory) == other


class SyncState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one target.

    Attributes:
        last_instant: When the last synced source version was committed, milliseconds since the epoch.
        source_format: The source's format, upper case; None in states that old XTable versions wrote.
        source_version: XTable's ``sourceIdentifier``; None as above.
        pending_instants: Instants that were still running in the source, milliseconds since the epoch.
        mark: What only we remember; None when XTable wrote the state.
    """

    last_instant: int
    source_format: str | None
    source_version: str | None
    pending_instants: tuple[int, ...] = ()
    mark: SourceMark | None = None

    def properties(self) -> dict[str, str]:
        """The state as properties of the target table."""
        metadata = XTableMetadata(
            lastInstantSynced=format_instant(self.last_instant),
            instantsToConsiderForNextSync=[format_instant(each) for each in self.pending_instants],
            version=_STATE_VERSION,
            sourceTableFormat=self.source_format,
            sourceIdentifier=self.source_version,
        )
        properties = {XTABLE_KEY: msgspec.json.encode(metadata).decode()}
        if self.mark is not None:
            properties[SOURCE_KEY] = msgspec.json.encode(self.mark).decode()
        return properties

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> SyncState | None:
        """Read the state back; None where no sync left one.

        Raises:
            CorruptTable: It is there but not understood.
        """
        text = properties.get(XTABLE_KEY)
        if text is None:
            return None
        try:
            metadata = msgspec.json.decode(text, type=XTableMetadata)
            mark = msgspec.json.decode(properties[SOURCE_KEY], type=SourceMark) if SOURCE_KEY in properties else None
            if metadata.version > _STATE_VERSION:
                msg = (
                    f"The target's {XTABLE_KEY} has version {metadata.version}; versions to {_STATE_VERSION} are known."
                )
                raise CorruptTable(msg, hint="A newer XTable wrote it: replace the target, or upgrade.")
            return cls(
                last_instant=parse_instant(metadata.lastInstantSynced),
                source_format=metadata.sourceTableFormat,
                source_version=metadata.sourceIdentifier,
                pending_instants=tuple(parse_instant(each) for each in metadata.instantsToConsiderForNextSync or ()),
                mark=mark,
            )
        except (msgspec.DecodeError, ValueError) as error:
            msg = f"The target's {XTABLE_KEY} is not understood: {error}."
            raise CorruptTable(msg, hint="Replace the target to sync it anew.") from error


_MILLIS = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"^(\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$")


def format_instant(millis: int) -> str:
    """Milliseconds since the epoch as ``java.time.Instant`` prints them: no fraction when it is zero.

    Raises:
        CorruptTable: The time is outside the years 1 to 9999, so no writer can have meant it.
    """
    seconds, fraction = divmod(millis, _MILLIS)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    except OverflowError as error:
        msg = f"A commit time of {millis} ms since the epoch is no date."
        raise CorruptTable(msg) from error
    return f"{text}.{fraction:03d}Z" if fraction else f"{text}Z"


def parse_instant(text: str) -> int:
    """The inverse of ``format_instant``; digits beyond milliseconds are dropped.

    Raises:
        ValueError: It is no instant.
    """
    match = _INSTANT.match(text)
    if match is None:
        msg = f"'{text[:64]}' is no instant"
        raise ValueError(msg)
    seconds = int(datetime.fromisoformat(match[1] + "+00:00").timestamp())
    return seconds * _MILLIS + int((match[2] or "0").ljust(3, "0")[:3])
