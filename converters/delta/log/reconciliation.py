"""What one commit does to a table's files (Delta protocol, "Action Reconciliation").

A logical file is a path with a deletion vector.  A ``remove`` concerns just the logical file that it names; an ``add``
of one that is there already gives it other statistics or tags.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.file_actions import unique_ids
from converters.delta.log.replay import keys_of
from converters.errors import FullSyncNeeded

__all__ = ["NO_FILES", "Step", "logical_files", "step", "step_unseen"]

NO_FILES = pa.table({"path": pa.array([], pa.string()), "key": pa.array([], pa.string())})
"""Logical files: ``path`` (canonical location) and ``key``, which is made of path and deletion vector."""


class Step(msgspec.Struct, frozen=True):
    """The difference that a commit makes.

    Attributes:
        removed: Paths that are no longer live.
        has_adds: Whether files are new or changed.
        adds_only_new: Whether it is known that no added path was live before.
        live: Of the files that were looked at, those that are live after it, as ``NO_FILES``.
    """

    removed: pa.ChunkedArray
    has_adds: bool
    adds_only_new: bool
    live: pa.Table


def logical_files(entries: pa.Table) -> pa.Table:
    """The logical files of live entries (``ENTRY``), as ``NO_FILES``."""
    path, vector = (entries[name].combine_chunks() for name in ("path", "vector"))
    ids = unique_ids(vector) if vector.null_count < len(vector) else pa.nulls(len(vector), pa.string())
    return pa.table({"path": path, "key": keys_of(path, ids)})


def step(live: pa.Table, actions: pa.Table, version: int) -> Step:
    """Apply a commit.

    Args:
        live: The files that were live before it, as ``NO_FILES``: at least those that it names.
        actions: Its last action on each logical file: ``path``, ``key``, ``is_add``.
        version: Its version, for messages.

    Raises:
        FullSyncNeeded: After it, two logical files would have one path.
    """
    adds, removes = _parted(actions, version)
    named = _is_in(live["path"], actions["path"])
    former, others = live.filter(named), live.filter(pc.invert(named))
    gone = _is_in(former["key"], removes["key"])
    kept, removed = former.filter(pc.invert(gone)), former.filter(gone)["path"]
    added_again = _is_in(kept["path"], adds["path"])
    beside = pc.and_(added_again, pc.invert(_is_in(kept["key"], adds["key"])))
    if pc.any(beside).as_py():
        raise _twice(version, kept.filter(beside)["path"][0].as_py())
    return Step(
        removed=removed.filter(pc.invert(_is_in(removed, adds["path"]))),
        has_adds=len(adds) > 0,
        adds_only_new=not pc.any(_is_in(former["path"], adds["path"])).as_py(),
        live=pa.concat_tables([others, kept.filter(pc.invert(added_again)), adds.select(NO_FILES.column_names)]),
    )


def step_unseen(actions: pa.Table, version: int) -> Step:
    """As ``step``, in a table without deletion vectors whose live files were not looked at."""
    adds, removes = _parted(actions, version)
    removed = removes["path"].filter(pc.invert(_is_in(removes["path"], adds["path"])))
    return Step(removed=removed, has_adds=len(adds) > 0, adds_only_new=len(adds) == 0, live=NO_FILES)


def _parted(actions: pa.Table, version: int) -> tuple[pa.Table, pa.Table]:
    is_add = actions["is_add"]
    # All paths of a large commit need not be there twice.
    adds = actions if pc.all(is_add).as_py() else actions.filter(is_add)
    removes = actions.filter(pc.invert(is_add))
    if pc.count_distinct(adds["path"]).as_py() < len(adds):
        counts = pc.value_counts(adds["path"].combine_chunks())
        double = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        raise _twice(version, double[0].as_py())
    return adds, removes


def _is_in(values: pa.ChunkedArray, known: pa.ChunkedArray) -> pa.ChunkedArray:
    if not len(values) or not len(known):
        return pa.chunked_array([pa.repeat(pa.scalar(value=False), len(values))])
    return pc.is_in(values, value_set=known)


def _twice(version: int, path: str) -> FullSyncNeeded:
    return FullSyncNeeded(f"version {version} lists the data file '{path}' twice")
