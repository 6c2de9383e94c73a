"""Paths of data files: percent-encoded URIs in the log, canonical locations outside of it, both ways.

Delta protocol, "Add File and Remove File": a path is a URI (RFC 2396), relative to the table or absolute.  It is
decoded exactly once: a directory that is called ``a%20b`` on disk stands in the log as ``a%2520b``.
"""

from __future__ import annotations

from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable
from converters.storage.location import canonical_all

__all__ = ["locations"]

_ABSOLUTE = r"^(?:/|[A-Za-z][A-Za-z0-9+.\-]+:)"


def locations(paths: pa.Array, table_location: str) -> pa.Array:
    """The canonical locations of files, from their paths as the log has them.

    Raises:
        CorruptTable: A path is empty or not UTF-8 once decoded.
    """
    paths = paths.combine_chunks() if isinstance(paths, pa.ChunkedArray) else paths
    if not len(paths):
        return paths
    decoded = _decoded(paths)
    if pc.any(pc.equal(decoded, "")).as_py():
        msg = f"The log of '{table_location}' has a file without a path."
        raise CorruptTable(msg)
    joined = pc.binary_join_element_wise(pa.scalar(table_location.rstrip("/")), decoded, "/")
    if not _any_absolute(paths):
        return joined
    return pc.if_else(pc.match_substring_regex(paths, _ABSOLUTE), canonical_all(decoded), joined)


def _any_absolute(paths: pa.Array) -> bool:
    """Rule out the usual case without a regular expression."""
    return bool(pc.any(pc.starts_with(paths, "/")).as_py() or pc.any(pc.match_substring(paths, ":")).as_py())


def _decoded(paths: pa.Array) -> pa.Array:
    """Undo percent-encoding: directory by directory, because a few directories hold many files."""
    encoded = pc.match_substring(paths, "%")
    if not pc.any(encoded).as_py():
        return paths
    affected = paths.filter(encoded)
    parts = pc.extract_regex(affected, r"(?s)^(?P<directory>(?:.*/)?)(?P<name>[^/]*)$")
    directory, name = (_decoded_texts(pc.struct_field(parts, each)) for each in ("directory", "name"))
    return pc.replace_with_mask(paths, encoded, pc.binary_join_element_wise(directory, name, ""))


def _decoded_texts(texts: pa.Array) -> pa.Array:
    encoded = pc.match_substring(texts, "%")
    if not pc.any(encoded).as_py():
        return texts
    distinct = pc.dictionary_encode(texts)
    decoded = pa.array([_unquoted(each) for each in distinct.dictionary.to_pylist()], pa.string())
    return decoded.take(pa.array(np.asarray(distinct.indices)))


def _unquoted(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        msg = f"The path '{text[:512]}' in the log is not UTF-8 once decoded."
        raise CorruptTable(msg) from error
    if "\0" in decoded:
        msg = f"The path '{text[:512]}' in the log has a NUL character."
        raise CorruptTable(msg)
    return decoded
