"""Where a process may read and write: an allow-list of directories.

Comparison is on whole path segments of canonical locations, so ``/data/a`` never grants ``/data/ab``.  Local paths
are also resolved through symbolic links, because metadata and callers choose them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import InvalidRequest, PathNotAllowed
from converters.storage.location import canonical, local_path

__all__ = ["Roots"]


class Roots:
    """An allow-list of directories; ``Roots.everywhere()`` allows all."""

    def __init__(self, directories: Iterable[str] | None) -> None:
        """Take the allowed directories (URIs or local paths); None allows every place."""
        self._prefixes: tuple[str, ...] | None = None
        if directories is not None:
            prefixes: set[str] = set()
            for directory in directories:
                location = canonical(directory, relative_to_cwd=True)
                prefixes.add(_with_slash(location))
                prefixes.add(_with_slash(_resolved(location)))
            self._prefixes = tuple(sorted(prefixes))

    @classmethod
    def everywhere(cls) -> Roots:
        """Allow every place that the process itself can reach."""
        return cls(None)

    @property
    def directories(self) -> tuple[str, ...] | None:
        """The allowed directories, or None where all are."""
        return self._prefixes

    def check(self, location: str) -> None:
        """Refuse a canonical location outside the roots, also one that leaves them through a symbolic link.

        Raises:
            PathNotAllowed: It lies outside.
        """
        if self._prefixes is None:
            return
        for place in (location, _resolved(location)):
            if not _with_slash(place).startswith(self._prefixes):
                raise self._refusal(location)

    def check_all(self, locations: pa.Array) -> None:
        """Refuse a column of data file locations if any lies outside the roots or has a ``..`` segment.

        Local directories are resolved once each, not once a file.

        Raises:
            PathNotAllowed: One lies outside; the message names it.
        """
        if self._prefixes is None or len(locations) == 0:
            return
        dotted = pc.match_substring_regex(locations, r"/\.\.?(/|$)")
        if pc.any(dotted).as_py():
            raise self._refusal(locations.filter(dotted)[0].as_py())
        inside = pa.repeat(pa.scalar(value=False), len(locations))
        for prefix in self._prefixes:
            inside = pc.or_(inside, pc.starts_with(locations, prefix))
        if not pc.all(inside).as_py():
            raise self._refusal(locations.filter(pc.invert(inside))[0].as_py())
        for directory in pc.unique(pc.replace_substring_regex(locations, r"/[^/]*$", "")).to_pylist():
            self.check(directory)

    def _refusal(self, location: str) -> PathNotAllowed:
        msg = f"The path '{location}' lies outside the allowed roots."
        return PathNotAllowed(
            msg, hint="Move the table under an allowed root, or have the operator allow its directory."
        )


def _with_slash(location: str) -> str:
    return location if location.endswith("/") else location + "/"


def _resolved(location: str) -> str:
    path = local_path(location)
    if path is None:
        return location
    try:
        return "file://" + os.path.realpath(path)
    except (OSError, ValueError) as error:
        msg = f"The path '{location}' cannot be resolved."
        raise InvalidRequest(msg) from error
