"""The actions of one commit, as far as they tell what it changed."""

from __future__ import annotations

import msgspec
import pyarrow as pa

from converters.delta.log.commits import CommitReader
from converters.delta.log.file_actions import file_actions
from converters.delta.log.listing import CommitFile
from converters.delta.log.replay import keyed, last_of_each
from converters.delta.log.state import SmallActions, small_actions

__all__ = ["CommitActions", "read_commit"]

_COLUMNS = ["path", "key", "is_add"]
_NO_ACTIONS = pa.table(
    {"path": pa.array([], pa.string()), "key": pa.array([], pa.string()), "is_add": pa.array([], pa.bool_())}
)


class CommitActions(msgspec.Struct, frozen=True):
    """One commit.

    Attributes:
        commit: Its file.
        small: What it says that is not about files.
        files: Its last action on each logical file: ``path`` (canonical), ``key`` (path and deletion vector) and
            ``is_add``.
    """

    commit: CommitFile
    small: SmallActions
    files: pa.Table

    @property
    def version(self) -> int:
        """The version that it made."""
        return self.commit.last


def read_commit(reader: CommitReader, commit: CommitFile, location: str) -> CommitActions:
    """Read a commit.

    Args:
        reader: Reads it and nothing else.
        commit: Its file.
        location: The table's.

    Raises:
        CorruptTable: It is missing or not understood.
    """
    small = SmallActions()
    pieces: list[pa.Table] = []
    for lines in reader.newest_first():
        small = small_actions(lines).before(small)
        if b'"add"' in lines.data or b'"remove"' in lines.data:
            found = file_actions(lines, content=False)
            pieces.append(keyed(found, location).select(_COLUMNS))
    files = pa.concat_tables([_NO_ACTIONS, *reversed(pieces)])
    return CommitActions(commit, small, last_of_each(files))
