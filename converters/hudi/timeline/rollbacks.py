"""Which instants a rollback or a restore undid (``HoodieRollbackMetadata``, ``HoodieRestoreMetadata``, their plans)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from converters.hudi.timeline.active import Instant
from converters.hudi.timeline.instant_content import decode_avro, is_avro, read_content
from converters.storage.base import Storage

__all__ = ["undone_times"]


def undone_times(storage: Storage, instant: Instant) -> tuple[str, ...]:
    """The times of the instants that a rollback or restore undid, or is to undo where it is not completed.

    Args:
        storage: Where the table is.
        instant: A rollback or restore.  An inflight one says nothing by itself; take its ``.requested`` file.

    Raises:
        CorruptTable: The file is gone, empty, or no such thing.
    """
    data = read_content(storage, instant)
    if not is_avro(data):
        return ()
    return tuple(dict.fromkeys(_times(decode_avro(data, instant.where))))


def _times(record: dict[str, Any]) -> Iterator[str]:
    # A rollback names what it undid, a restore has the rollbacks that it consisted of, a plan has what is to be undone.
    yield from _texts(record.get("commitsRollback"))
    yield from _texts(record.get("instantsToRollback"))
    for rollbacks in (record.get("hoodieRestoreMetadata") or {}).values():
        for rollback in rollbacks:
            yield from _texts(rollback.get("commitsRollback"))
    if isinstance(planned := record.get("instantToRollback"), dict):
        yield from _texts([planned.get("commitTime")])


def _texts(values: Any) -> Iterator[str]:
    """The times among the values: texts, or records that have one."""
    for value in values or ():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict) and isinstance(value.get("commitTime"), str):
            yield value["commitTime"]
