"""What one commit of the source did to the table: the step from one snapshot to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pyarrow as pa

from converters.model.snapshot import Snapshot

__all__ = ["NO_PATHS", "Change"]

NO_PATHS = pa.chunked_array([], pa.string())
"""For a change that removes nothing."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The difference that leads to a snapshot.

    Before and after stand for sets of live files by path: ``after = before - removed - paths(added) + added``.  A file
    of ``added`` that was live before takes the place of its former entry (its deletion vector or statistics changed).

    Attributes:
        snapshot: The table after it.
        added: Streams the ``DataFile`` batches of files that are new or changed, in the shape of ``snapshot``; can be
            called again, for a second attempt.  No path occurs twice.
        removed: Canonical paths of the files that are no longer live; none of them is among ``added``.
        adds_only_new: True when the source has proven that no file of ``added`` was live before, so that a target
            need not look for former entries.
    """

    snapshot: Snapshot
    added: Callable[[], Iterator[pa.RecordBatch]]
    removed: pa.ChunkedArray = NO_PATHS
    adds_only_new: bool = False
