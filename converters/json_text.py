"""JSON strings in Arrow columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["escaped", "json_string"]

_CONTROL_END = 0x20
_SPECIAL = '["\\\\\\x00-\\x1f]'
_ESCAPES = {code: f"\\u{code:04x}" for code in range(32)} | {ord('"'): '\\"', ord("\\"): "\\\\"}


def escaped(texts: pa.Array) -> pa.Array:
    """What stands between the quotes of JSON strings; nulls stay null."""
    if not _may_have_special(texts):
        return texts
    special = pc.fill_null(pc.match_substring_regex(texts, _SPECIAL), fill_value=False)
    if not pc.any(special).as_py():
        return texts
    changed = pa.array([each.translate(_ESCAPES) for each in texts.filter(special).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, special, changed)


def json_string(text: str) -> str:
    """A text as a JSON string, quotes included."""
    return f'"{text.translate(_ESCAPES)}"'


def _may_have_special(texts: pa.Array) -> bool:
    """Look at the bytes of all texts at once, those of nulls included."""
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return False
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    if not len(content):
        return False
    return bool(content.min() < _CONTROL_END or (content == ord('"')).any() or (content == ord("\\")).any())
