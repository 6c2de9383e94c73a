"""Escapes in the names of partition directories (``PartitionPathEncodeUtils``, which are Hive's)."""

from __future__ import annotations

import re

__all__ = ["unescaped"]

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def unescaped(text: str) -> str:
    """The text that ``%XX`` escapes stand for; each is one character below 256, and what is no escape stays."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
