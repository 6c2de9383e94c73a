"""What a snapshot says of itself (Iceberg spec, appendix F, "Snapshot Summary").

Java's library, and engines that plan by it, expect the totals; XTable reads its state from here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from converters.sync.state import XTABLE_KEY

__all__ = ["Count", "DeleteKind", "Tally", "snapshot_summary"]

DeleteKind = Literal["dvs", "position-delete-files"]


class Count(msgspec.Struct):
    """Files, their rows (or positions, of delete files), and their bytes."""

    files: int = 0
    rows: int = 0
    size: int = 0

    def add(self, files: int, rows: int, size: int) -> None:
        """Count some more."""
        self.files += files
        self.rows += rows
        self.size += size


class Tally(msgspec.Struct, kw_only=True):
    """What a snapshot adds and removes.

    Attributes:
        added: Data files.
        removed: Data files.
        added_deletes: Delete files.
        removed_deletes: Delete files.
        changed_partitions: How many partitions it touches; None = not counted.
    """

    added: Count = msgspec.field(default_factory=Count)
    removed: Count = msgspec.field(default_factory=Count)
    added_deletes: Count = msgspec.field(default_factory=Count)
    removed_deletes: Count = msgspec.field(default_factory=Count)
    changed_partitions: int | None = 0

    @property
    def operation(self) -> str:
        """What Java's library calls such a snapshot (``OverwriteFiles``, ``RowDelta``)."""
        loses = self.removed.files or self.added_deletes.files
        wins = self.added.files or self.removed_deletes.files
        if not loses and not self.removed_deletes.files:
            return "append"
        # A removed data file takes its deletes along.
        if not self.added.files and self.removed_deletes.files <= self.removed.files + self.added_deletes.files:
            return "delete"
        return "overwrite" if wins else "delete"


_TOTALS = ("total-records", "total-files-size", "total-data-files", "total-delete-files", "total-position-deletes")


def snapshot_summary(
    tally: Tally, state: Mapping[str, str], before: Mapping[str, str] | None, delete_kind: DeleteKind
) -> dict[str, str]:
    """Summarise a snapshot.

    Args:
        tally: What it adds and removes.
        state: The sync state as properties.
        before: The summary of the snapshot that it follows; None where it follows none.
        delete_kind: What delete files are.
    """
    added, removed, deletes, undone = tally.added, tally.removed, tally.added_deletes, tally.removed_deletes
    counts = {
        "added-data-files": added.files,
        "added-records": added.rows,
        "deleted-data-files": removed.files,
        "deleted-records": removed.rows,
        "added-delete-files": deletes.files,
        f"added-{delete_kind}": deletes.files,
        "added-position-deletes": deletes.rows,
        "removed-delete-files": undone.files,
        f"removed-{delete_kind}": undone.files,
        "removed-position-deletes": undone.rows,
        "added-files-size": added.size + deletes.size,
        "removed-files-size": removed.size + undone.size,
    }
    change = (
        added.rows - removed.rows,
        added.size + deletes.size - removed.size - undone.size,
        added.files - removed.files,
        deletes.files - undone.files,
        deletes.rows - undone.rows,
    )
    known = dict.fromkeys((*_TOTALS, "total-equality-deletes"), "0") if before is None else before
    totals = {
        name: str(int(known[name]) + difference)
        for name, difference in zip(_TOTALS, change, strict=True)
        if known.get(name, "").isdecimal()
    }
    return {
        "operation": tally.operation,
        XTABLE_KEY: state[XTABLE_KEY],
        **{name: str(count) for name, count in counts.items() if count},
        **({} if tally.changed_partitions is None else {"changed-partition-count": str(tally.changed_partitions)}),
        **totals,
        **({"total-equality-deletes": "0"} if known.get("total-equality-deletes") == "0" else {}),
    }
