"""Where a target says that it stands: which version of which source it equals."""

from __future__ import annotations

from converters.formats import TargetTable
from converters.model.snapshot import Snapshot
from converters.verification.report import Check

__all__ = ["Standing", "standing"]

Standing = tuple[Check, str | None]
"""The check ``state``, and the source version to compare with; None for the newest."""


def standing(base: TargetTable, newest: Snapshot) -> Standing:
    """Read a target's state.

    Args:
        base: The target.
        newest: The source's newest version.
    """
    state, source = base.state, newest.table
    if state is None:
        return _wrong("no conversion wrote this table: it has no sync state"), None
    if state.source_format is not None and state.source_format.upper() != source.format:
        return _wrong(f"the table was made from a {state.source_format} table"), None
    if state.mark is not None and state.mark.table_id != source.id:
        return _wrong(f"the table was made from another table (id {state.mark.table_id}, not {source.id})"), None
    version = state.source_version
    if base.changed is not None:
        return _wrong(f"somebody else changed the table since the last sync: {base.changed}"), version
    if version is None:
        return Check(name="state", result="ok", detail="it does not say which version of the source it equals"), None
    if version == newest.version:
        return Check(name="state", result="ok", detail=f"it says that it equals the source's version {version}"), None
    detail = f"it says that it equals the source's version {version}; the newest is {newest.version}"
    return Check(name="state", result="ok", detail=detail), version


def _wrong(detail: str) -> Check:
    return Check(name="state", result="differs", detail=detail)
