"""Which snapshots lie between two: along the parents, and back where a line of history was given up."""

from __future__ import annotations

import msgspec

from converters.errors import FullSyncNeeded
from converters.iceberg.metadata.structs import SnapshotJson, TableMetadata

__all__ = ["Step", "steps_between"]


class Step(msgspec.Struct, frozen=True):
    """From one state of the table to the next; None is the table before its first snapshot."""

    before: SnapshotJson | None
    after: SnapshotJson | None


def steps_between(metadata: TableMetadata, since: int | None, until: int | None) -> list[Step]:
    """The steps that lead from one snapshot to another, oldest first.

    Where the first is no ancestor of the second (a rollback, a cherry-pick, another branch), the first step leads to
    their last common ancestor; where the metadata has none, a single step leads straight to the second.

    Args:
        metadata: The table.
        since: Id of the first; None for the table without snapshots.
        until: Likewise of the second.

    Raises:
        FullSyncNeeded: The table does not have the first any more.
    """
    if since == until:
        return []
    known = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    if since is not None and since not in known:
        raise FullSyncNeeded(f"the snapshot {since} has expired")
    after = _line(known, until)
    before = _line(known, since)
    at = known.get(since) if since is not None else None
    if at is not None:
        shared = {snapshot.snapshot_id for snapshot in after}
        ancestor = next((each for each in before if each.snapshot_id in shared), None)
        if ancestor is None:
            return [Step(at, after[0] if after else None)]
        new = after[: after.index(ancestor)]
        steps = [] if ancestor is at else [Step(at, ancestor)]
        at = ancestor
    else:
        new, steps = after, []
    for snapshot in reversed(new):
        steps.append(Step(at, snapshot))
        at = snapshot
    return steps


def _line(known: dict[int, SnapshotJson], snapshot_id: int | None) -> list[SnapshotJson]:
    """A snapshot and its ancestors, as far as the metadata has them, newest first."""
    line: list[SnapshotJson] = []
    seen: set[int] = set()
    while snapshot_id is not None and snapshot_id in known and snapshot_id not in seen:
        seen.add(snapshot_id)
        line.append(known[snapshot_id])
        snapshot_id = known[snapshot_id].parent_snapshot_id
    return line
