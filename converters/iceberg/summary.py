"""What a snapshot says of itself (Iceberg spec, appendix F, "Snapshot Summary").

Java's library, and engines that plan by it, expect the totals; XTable reads its state from here too.
"""

from __future__ import annotations

from collections.abc import Mapping

from converters.iceberg.entry_layout import ADDED, DELETED, EXISTING
from converters.iceberg.manifest_writer import ManifestWriter
from converters.sync.state import XTABLE_KEY

__all__ = ["snapshot_summary"]


def snapshot_summary(written: ManifestWriter, state: Mapping[str, str]) -> dict[str, str]:
    """Summarise a snapshot all of whose manifests were just written.

    Args:
        written: What was written, complete.
        state: The sync state as properties.
    """
    added, deleted, existing = (written.totals[status] for status in (ADDED, DELETED, EXISTING))
    if not deleted.files:
        operation = "append"
    elif added.files:
        operation = "overwrite"
    else:
        operation = "delete"
    counts = {
        "added-data-files": added.files,
        "added-records": added.rows,
        "added-files-size": added.size,
        "deleted-data-files": deleted.files,
        "deleted-records": deleted.rows,
        "removed-files-size": deleted.size,
    }
    totals = {
        "changed-partition-count": written.changed_partitions(),
        "total-records": added.rows + existing.rows,
        "total-files-size": added.size + existing.size,
        "total-data-files": added.files + existing.files,
        "total-delete-files": 0,
        "total-position-deletes": 0,
        "total-equality-deletes": 0,
    }
    return {
        "operation": operation,
        XTABLE_KEY: state[XTABLE_KEY],
        **{name: str(count) for name, count in counts.items() if count},
        **{name: str(total) for name, total in totals.items()},
    }
