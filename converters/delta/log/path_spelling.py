"""Locations of data files as the log has them: percent-encoded, relative to the table where they lie in it.

Delta protocol, "Add File and Remove File": a path is a URI (RFC 2396).  ``converters.delta.log.paths`` goes the other
way.
"""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.storage.location import local_path, split

__all__ = ["log_paths"]

_AS_IT_IS = "/=-._~"
_NEEDS_ENCODING = r"[^A-Za-z0-9/=\-._~]"


def log_paths(locations: pa.Array, table_location: str) -> pa.Array:
    """The paths of files in the log of a table.

    A local file outside of a local table gets an absolute path without a scheme: of all forms, this is the one that
    most readers take (Spark, DuckDB and delta-rs).

    Args:
        locations: Canonical locations.
        table_location: The table's, canonical.
    """
    if not len(locations):
        return locations
    prefix = table_location.rstrip("/") + "/"
    inside = pc.starts_with(locations, prefix)
    if pc.all(inside).as_py():
        return _encoded(pc.utf8_slice_codeunits(locations, len(prefix)))
    outside = pa.array([_absolute(each, table_location) for each in locations.filter(pc.invert(inside)).to_pylist()])
    below = _encoded(pc.utf8_slice_codeunits(locations.filter(inside), len(prefix)))
    order = np.argsort(np.argsort(~np.asarray(inside), kind="stable"), kind="stable")
    return pa.concat_arrays([below, outside]).take(pa.array(order))


def _absolute(location: str, table_location: str) -> str:
    path = local_path(location)
    if path is not None and local_path(table_location) is not None:
        return quote(path, safe=_AS_IT_IS)
    scheme, authority, path = split(location)
    return f"{scheme}://{authority}{quote(path, safe=_AS_IT_IS)}"


def _encoded(paths: pa.Array) -> pa.Array:
    odd = pc.match_substring_regex(paths, _NEEDS_ENCODING)
    if not pc.any(odd).as_py():
        return paths
    directories: dict[str, str] = {}

    def encoded(path: str) -> str:
        directory, slash, name = path.rpartition("/")
        if directory not in directories:
            directories[directory] = quote(directory, safe=_AS_IT_IS)
        return directories[directory] + slash + quote(name, safe=_AS_IT_IS)

    return pc.replace_with_mask(paths, odd, pa.array([encoded(each) for each in paths.filter(odd).to_pylist()]))
