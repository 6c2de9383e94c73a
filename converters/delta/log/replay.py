"""Replaying a log segment: from the newest action back, the first one seen of a file decides.

Delta protocol, "Action Reconciliation".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.checkpoints import CheckpointReader
from converters.delta.log.commits import CommitReader
from converters.delta.log.file_actions import file_actions
from converters.delta.log.paths import locations

__all__ = ["keyed", "keys_of", "last_of_each", "live_files"]


def live_files(
    commits: CommitReader, checkpoint: CheckpointReader | None, location: str, *, content: bool = True
) -> Iterator[pa.Table]:
    """Stream the files of a version, newest commits first, then the checkpoint.

    Memory is bounded by a batch and the names of the files in the commits.

    Args:
        commits: The segment's commits.
        checkpoint: The segment's checkpoint, if it has one.
        location: The table's.
        content: Also read statistics and partition values.

    Yields:
        Tables with ``path`` (a canonical location), ``log_path`` (as it is written), ``deletion_vector``, ``size``,
        ``modified_at``; with ``content`` also ``stats``, ``partitions.values`` and sometimes ``stats_parsed`` (see
        ``CheckpointReader.adds``).

    Raises:
        CorruptTable: A part of the log is missing or not understood.
    """
    seen = _Seen()
    for actions in _newest_first(commits, location, content=content):
        newest = last_of_each(actions)
        unseen = seen.without(newest)
        seen.add(newest["key"])
        live = unseen.filter(unseen["is_add"])
        if len(live):
            yield live.drop_columns(["is_add", "key"])
    if checkpoint is not None:
        for adds in checkpoint.adds(content=content):
            live = seen.without(keyed(adds, location))
            if len(live):
                yield live.drop_columns(["key"])


def _newest_first(commits: CommitReader, location: str, *, content: bool) -> Iterator[pa.Table]:
    for lines in commits.newest_first():
        actions = file_actions(lines, content=content)
        if len(actions):
            yield keyed(actions, location)


def keyed(files: pa.Table, location: str) -> pa.Table:
    """Canonical paths, and what identifies a logical file: its path and its deletion vector."""
    path = locations(files["path"], location)
    key = keys_of(path, files["deletion_vector"].combine_chunks())
    files = files.append_column("log_path", files["path"])
    return files.set_column(files.schema.get_field_index("path"), "path", path).append_column("key", key)


def keys_of(paths: pa.Array, vector_ids: pa.Array) -> pa.Array:
    """What identifies logical files: the canonical path and the deletion vector's unique id."""
    if vector_ids.null_count == len(vector_ids):
        return paths
    return pc.coalesce(pc.binary_join_element_wise(paths, vector_ids, "\0"), paths)


def last_of_each(actions: pa.Table) -> pa.Table:
    """Of actions in order, the last on each logical file, by their column ``key``."""
    if pc.count_distinct(actions["key"]).as_py() == len(actions):
        return actions
    numbered = pa.table({"key": actions["key"], "row": pa.array(np.arange(len(actions)))})
    last = numbered.group_by("key").aggregate([("row", "max")])["row_max"]
    return actions.take(pa.array(np.sort(last.to_numpy())))


class _Seen:
    """The files that newer actions have decided."""

    def __init__(self) -> None:
        self._chunks: list[pa.Array] = []
        self._count = 0

    def add(self, keys: pa.ChunkedArray) -> None:
        self._chunks += [chunk for chunk in keys.chunks if len(chunk)]
        self._count += len(keys)

    def without(self, files: pa.Table) -> pa.Table:
        """The files that are not among them."""
        if not self._count or not len(files):
            return files
        known = pa.chunked_array(self._chunks)
        if self._count > len(files):
            # A hash table of the smaller side is made faster.
            known = known.filter(pc.is_in(known, value_set=files["key"]))
        hit = pc.is_in(files["key"], value_set=known)
        return files.filter(pc.invert(hit)) if pc.any(hit).as_py() else files
