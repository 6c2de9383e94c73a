"""Finding the entries of some files in manifests, without decoding all of them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from converters.storage.location import canonical_all

__all__ = ["PathFilter"]

_FEW = 32
"""How many names are looked for in the bytes of a block; more cost more than decoding it."""


class PathFilter:
    """Some files, by path."""

    def __init__(self, paths: pa.Array | pa.ChunkedArray) -> None:
        """Name the files.

        Args:
            paths: Their canonical locations.
        """
        self._paths = paths.combine_chunks() if isinstance(paths, pa.ChunkedArray) else paths
        # The last part of a path is written in one way, whatever scheme is before it.
        few = len(self._paths) <= _FEW
        self._names = {path.rpartition("/")[2].encode() for path in self._paths.to_pylist()} if few else None

    def may_be_in(self, content: bytes) -> bool:
        """Whether these bytes of a manifest, decompressed, may have an entry of one of the files."""
        return self._names is None or any(name in content for name in self._names)

    def mask(self, paths: pa.Array) -> pa.Array:
        """Which of the paths, as manifests write them, are among the files'."""
        return pc.is_in(canonical_all(paths.cast(pa.string())), value_set=self._paths)
