r"""JSON inside Arrow string columns, and JSON inside JSON.

Statistics stand in a commit as text within a JSON string, but in a checkpoint as they are.  So that they are built
once, their text holds ``QUOTE`` and ``BACKSLASH`` where JSON has ``"`` and ``\``; control characters never occur in
JSON, and a pass over the bytes of a whole batch makes either form of them.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["BACKSLASH", "QUOTE", "as_nested", "as_plain", "escaped", "json_string"]

QUOTE = "\x01"
BACKSLASH = "\x02"

_SPECIAL = '["\\\\\\x00-\\x1f]'
_PLAIN_BYTES = bytes.maketrans(f"{QUOTE}{BACKSLASH}".encode(), b'"\\')


def _table(quote: str, backslash: str) -> dict[int, str]:
    table = {code: f"{backslash}u{code:04x}" for code in range(32)}
    return table | {ord('"'): backslash + quote, ord("\\"): backslash * 2}


_DIRECT = _table('"', "\\")
_STAND_IN = _table(QUOTE, BACKSLASH)


def escaped(texts: pa.Array, *, stand_ins: bool = False) -> pa.Array:
    """What stands between the quotes of JSON strings; nulls stay null.

    Args:
        texts: Any text.
        stand_ins: Write ``QUOTE`` and ``BACKSLASH`` for the characters that they stand for.
    """
    special = pc.match_substring_regex(texts, _SPECIAL)
    if not pc.any(special).as_py():
        return texts
    special = pc.fill_null(special, fill_value=False)
    table = _STAND_IN if stand_ins else _DIRECT
    changed = pa.array([each.translate(table) for each in texts.filter(special).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, special, changed)


def json_string(text: str, *, stand_ins: bool = False) -> str:
    """A text as a JSON string, quotes included."""
    quote = QUOTE if stand_ins else '"'
    return f"{quote}{text.translate(_STAND_IN if stand_ins else _DIRECT)}{quote}"


def as_nested(data: bytes) -> bytes:
    """JSON with stand-ins as it is inside a JSON string."""
    return data.replace(QUOTE.encode(), b'\\"').replace(BACKSLASH.encode(), b"\\\\")


def as_plain(texts: pa.Array) -> pa.Array:
    """A column of JSON with stand-ins as JSON."""
    validity, offsets, data = texts.buffers()
    if data is None:
        return texts
    replaced = pa.py_buffer(data.to_pybytes().translate(_PLAIN_BYTES))
    return pa.Array.from_buffers(texts.type, len(texts), [validity, offsets, replaced], offset=texts.offset)
