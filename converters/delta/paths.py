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

__all__ = ["locations", "lying_at"]

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


def lying_at(paths: pa.Array, table_location: str, wanted: pa.Array) -> pa.Array:
    """Which of the paths that the log has mean one of some canonical locations; false for null.

    Where a log spells its paths in the plainest way, as most do, they are compared as they are.

    Raises:
        CorruptTable: As for ``locations``.
    """
    paths = paths.combine_chunks() if isinstance(paths, pa.ChunkedArray) else paths
    if not _are_plain(paths):
        return pc.is_in(locations(paths, table_location), value_set=wanted, skip_nulls=True)
    prefix = table_location.rstrip("/") + "/"
    below = wanted.filter(pc.starts_with(wanted, prefix))
    return pc.is_in(paths, value_set=pc.utf8_slice_codeunits(below, len(prefix)), skip_nulls=True)


def _are_plain(paths: pa.Array) -> bool:
    """Whether no path is encoded, absolute or empty; by their bytes, which is quick."""
    if not len(paths):
        return True
    offsets = np.frombuffer(paths.buffers()[1], np.int32)[paths.offset : paths.offset + len(paths) + 1]
    data = paths.buffers()[2]
    text = data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes() if data is not None else b""
    if b"%" in text or b":" in text:
        return False
    firsts = offsets[:-1][offsets[1:] > offsets[:-1]] - offsets[0]
    slashes: np.ndarray = np.frombuffer(text, np.uint8)[firsts] == ord("/")
    return len(firsts) == len(paths) - paths.null_count and not slashes.any()


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
