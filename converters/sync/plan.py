"""Deciding how a target is brought up to date: not at all, change by change, or by comparing all files."""

from __future__ import annotations

from converters.formats import TargetTable
from converters.sync.state import SyncState

__all__ = ["is_up_to_date", "why_full"]


def is_up_to_date(base: TargetTable, wanted: SyncState) -> bool:
    """Whether the target equals the source already, as far as the states tell.

    Args:
        base: The target.
        wanted: The state that a sync would leave.
    """
    if base.state is None or base.changed is not None or base.damaged is not None:
        return False
    same = (base.state.source_format, base.state.source_version) == (wanted.source_format, wanted.source_version)
    # A commit that was running then may have ended since without becoming the newest.
    same = same and base.state.pending_instants == wanted.pending_instants
    # A state that XTable wrote has no mark.
    return same and base.state.mark is not None and base.state.mark.is_of_same(wanted.mark)


def why_full(base: TargetTable | None, wanted: SyncState, mode: str) -> str | None:
    """Why all files have to be compared; None where the source's changes since the last sync are enough.

    Args:
        base: The target; None where there is none yet.
        wanted: The state that a sync would leave.
        mode: What the caller asked for, as ``SyncOptions.mode``.
    """
    if base is None or base.state is None:
        return "first sync"
    known, mark = base.state, base.state.mark
    if mode == "full":
        return "asked for"
    if base.changed is not None:
        return f"somebody else changed the target: {base.changed}"
    if base.damaged is not None:
        return f"the target is damaged: {base.damaged}"
    if mark is None or known.source_version is None:
        # XTable leaves rows out in places: what it wrote is compared before it is built on.
        return "the last sync was another tool's"
    if known.source_format != wanted.source_format or wanted.mark is None or mark.table_id != wanted.mark.table_id:
        return "the last sync was from another table"
    if mark.settings != wanted.mark.settings:
        return "the last sync had other options"
    return None
