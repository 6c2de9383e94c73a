"""Giving up old commits: what a new base file of ``files`` leaves out, and what is deleted after the commit.

A commit may go when no block of a log file depends on it and no file that it replaced is listed any more; were a
block's commit gone, its rows would no longer count, and were a replaced file still listed, it would be live again.  So
a base file is written first, without the files that commits before the *cut* replaced; then those commits go, oldest
first.  Which ones, the commit notes, so that the next sync goes on where a crash stopped this.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import time_ns

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.metadata_table.file_names import MetadataFileName
from converters.hudi.metadata_table.slices import MetadataSlice
from converters.hudi.reading.file_names import EXTERNAL
from converters.hudi.timeline.active import Timeline
from converters.hudi.timeline.instants import instant_time
from converters.hudi.writing.source_files import file_keys
from converters.hudi.writing.target_files import TargetFiles
from converters.storage.base import Storage

__all__ = ["PRUNED_KEY", "delete_before", "delete_older_slices", "keep_from", "still_listed"]

_HOUR = 3_600_000

PRUNED_KEY = "TABLECAST_PRUNED_BEFORE"
"""What a commit notes: instants before this time are given up."""


def keep_from(retention_hours: int) -> str:
    """The time before which commits may be given up."""
    return instant_time(max(0, time_ns() // 1_000_000 - retention_hours * _HOUR))


def still_listed(target: TargetFiles, cut: str) -> pa.Array:
    """Which of the listed files a reader of some instant from ``cut`` on may need.

    Returns:
        A mask over ``target.listed``.
    """
    gone = target.replaced.filter(pc.less(target.replaced["instant"], cut))
    groups = file_keys(target.parsed, "file_id")
    kept = pc.invert(pc.is_in(groups, value_set=file_keys(gone, "file_id"))).to_numpy(zero_copy_only=False)
    kept = kept & ~_superseded(groups, target.parsed["instant"].combine_chunks(), cut)
    parsed = target.parsed
    recorded = pc.if_else(
        parsed["external"],
        pc.binary_join_element_wise(parsed["name"], parsed["instant"], EXTERNAL, "_"),
        parsed["name"],
    )
    named = pa.table({"partition": parsed["partition"], "name": recorded}).filter(pa.array(kept))
    return pc.is_in(file_keys(target.listed), value_set=file_keys(named))


def _superseded(groups: pa.Array, instants: pa.Array, cut: str) -> npt.NDArray[np.bool_]:
    """Files of slices that are followed by another of the same group at or before the cut."""
    found = np.zeros(len(groups), np.bool_)
    if pc.count_distinct(groups).as_py() == len(groups):
        return found
    table = pa.table({"group": groups, "instant": instants, "row": np.arange(len(groups))})
    ordered = table.take(pc.sort_indices(table, sort_keys=[("group", "ascending"), ("instant", "ascending")]))
    group, instant = ordered["group"].combine_chunks(), ordered["instant"].combine_chunks()
    followed = pc.and_(pc.equal(group[:-1], group[1:]), pc.less_equal(instant[1:], cut))
    found[ordered["row"].to_numpy()[:-1][followed.to_numpy(zero_copy_only=False)]] = True
    return found


def delete_before(storage: Storage, timeline: Timeline, cut: str) -> None:
    """Delete the completed instants before a time, oldest first; what is left of one is always completed.

    Raises:
        StorageError: One could not be deleted; it and the later ones are still there.
    """
    pending = {each.time for each in timeline.pending()}
    for time in sorted(timeline.files):
        if time < cut and time not in pending:
            for file in timeline.files[time]:
                storage.delete(file.path)


def delete_older_slices(storage: Storage, directory: str, slices: Iterable[MetadataSlice]) -> str:
    """Delete the files of slices of a metadata partition that two newer ones follow; running readers may use the last.

    Args:
        storage: Where it is.
        directory: The partition's.
        slices: The present ones.

    Returns:
        The instant that the oldest of the slices that are left begins with; empty where that is not known.

    Raises:
        StorageError: One could not be deleted.
    """
    present = {each.file_id: each.base_instant or "" for each in slices if each.base is not None}
    files = [(name, meta.path) for meta in storage.list(directory) if (name := MetadataFileName.of(meta.path))]
    left = ""
    for file_id, newest in present.items():
        mine = [(name, path) for name, path in files if name.file_id == file_id]
        bases = [name.instant for name, _ in mine if name.is_base and name.instant < newest]
        previous = max(bases, default=newest)
        for name, path in mine:
            if name.instant < previous:
                storage.delete(path)
        left = min(left or previous, previous)
    return left if len(present) == len({name.file_id for name, _ in files}) else ""
