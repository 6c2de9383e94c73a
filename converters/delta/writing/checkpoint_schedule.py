"""When a target gets a checkpoint.

A checkpoint costs what the whole table does, and spares readers the commits before it.  Delta's own writers make one
every ten commits; of a table with a million files that would make each tenth sync take ten seconds.  So a large table
waits for more commits, or for commits that together are as large as it is.
"""

from __future__ import annotations

from converters.delta.writing.base import Base

__all__ = ["checkpoint_is_due"]

_INTERVAL_KEY = "delta.checkpointInterval"
_USUAL_INTERVAL = 10
_BYTES_A_COMMIT = 256 * 2**10
"""For so many bytes of the last checkpoint one commit more is waited for: some 20 ms of writing them again."""

_BYTES_A_FILE = 150
"""What a file takes in a checkpoint, about."""

_MANY_FILES = 50_000
_MANY_BYTES = 32 * 2**20
"""Commits with more than this get a checkpoint at once, so that readers need not parse them."""


def checkpoint_is_due(base: Base | None, files_added: int) -> bool:
    """Whether to write a checkpoint with the next commit.

    Args:
        base: The table before it.
        files_added: How many files it adds.
    """
    if base is None:
        return files_added > _MANY_FILES
    segment = base.segment
    last, size = 0, 0
    if segment.checkpoint is not None:
        last, size = segment.checkpoint.version, sum(each.size for each in segment.checkpoint.files)
    if files_added > max(_MANY_FILES, size // _BYTES_A_FILE):
        return True
    if sum(each.file.size for each in segment.commits) > max(_MANY_BYTES, 2 * size):
        return True
    asked = base.state.metadata.properties.get(_INTERVAL_KEY, "")
    interval = max(1, int(asked)) if asked.isdecimal() else _USUAL_INTERVAL + size // _BYTES_A_COMMIT
    return base.version + 1 - last >= interval
