"""Escapes in the names of partition directories (``PartitionPathEncodeUtils``, which are Hive's)."""

from __future__ import annotations

import re

__all__ = ["escaped", "unescaped"]

_SPECIAL = re.compile(r"""[\x01-\x1f"#%'*/:=?\\\x7f{\[\]^]""")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def unescaped(text: str) -> str:
    """The text that ``%XX`` escapes stand for; each is one character below 256, and what is no escape stays."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def escaped(text: str) -> str:
    """A text as it stands in the name of a directory (``escapePathName``)."""
    return _SPECIAL.sub(lambda match: f"%{ord(match[0]):02X}", text)
