"""Names of the metadata table's partitions and files.

::

    <file group>_<token>_<instant>.hfile               a base file
    .<file group>_<instant>.log.<version>_<token>      a log file; the token may be missing
"""

from __future__ import annotations

import re

import msgspec

__all__ = ["COLUMN_STATS", "FILES", "MetadataFileName"]

FILES = "files"
COLUMN_STATS = "column_stats"

_BASE = re.compile(r"^([^_.][^_]*)_[^_]+_([0-9]{1,32})\.hfile$")
_LOG = re.compile(r"^\.([^_.][^_]*)_([0-9]{1,32})\.log\.([0-9]{1,9})(?:_([0-9]+-[0-9]+-[0-9]+))?$")


class MetadataFileName(msgspec.Struct, frozen=True):
    """What the name of a file says.

    Attributes:
        file_id: Its file group.
        instant: The instant in it.
        version: A log file's number; 0 for a base file.
        token: What makes a log file's name unique; may be empty.
    """

    file_id: str
    instant: str
    version: int = 0
    token: str = ""

    @property
    def is_base(self) -> bool:
        """Whether it is a base file's."""
        return self.version == 0

    @classmethod
    def of(cls, path: str) -> MetadataFileName | None:
        """Read the name at the end of a path; None where it is neither a base file's nor a log file's."""
        name = path.rpartition("/")[2]
        if match := _BASE.match(name):
            return cls(match[1], match[2])
        if match := _LOG.match(name):
            return cls(match[1], match[2], int(match[3]), match[4] or "")
        return None
