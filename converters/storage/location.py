"""Absolute locations of tables and files.

A location is a URI whose path is **not** percent-encoded, as Iceberg metadata has it: ``file:///a/b c``,
``s3://bucket/key``, ``memory:///a``.  One object has one canonical location, so that two can be compared as text.
"""

from __future__ import annotations

import os
import re

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import InvalidRequest

__all__ = [
    "SCHEMES",
    "canonical",
    "canonical_all",
    "is_absolute",
    "join",
    "local_path",
    "parent",
    "relative_to",
    "split",
]

SCHEMES = ("file", "s3", "memory")
"""Schemes that the built-in storage serves."""

_ALIASES = {"s3a": "s3", "s3n": "s3"}
_URI = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]+):(.*)$", re.DOTALL)
_DOT_SEGMENT = re.compile(r"(?:^|/)\.\.?(?:/|$)")


def canonical(path: str, *, relative_to_cwd: bool = False) -> str:
    """The one way to write a location.

    ``/a``, ``file:/a`` and ``file:///a`` become ``file:///a``; ``s3a://`` and ``s3n://`` become ``s3://``; doubled
    and trailing slashes go.

    Args:
        path: A URI or an absolute local path.
        relative_to_cwd: Also take local paths relative to the working directory (for people at a terminal), and
            resolve ``.`` and ``..`` in local paths.

    Raises:
        InvalidRequest: It is empty, relative, has a NUL byte, a ``.`` or ``..`` segment, or an unknown scheme.
    """
    if not path or "\0" in path:
        msg = "The path is empty." if not path else "The path contains a NUL character."
        raise InvalidRequest(msg, hint="Give an absolute path, or a URI such as s3://bucket/table.")
    match = _URI.match(path)
    if match is None:
        if relative_to_cwd:
            path = os.path.abspath(path)  # noqa: PTH100 - Path.resolve would follow symlinks, which roots must see
        if not path.startswith("/"):
            msg = f"The path '{path}' is not absolute."
            raise InvalidRequest(msg, hint="Give an absolute path, or a URI such as s3://bucket/table.")
        return _checked("file", "", path, path)
    scheme = _ALIASES.get(match[1].lower(), match[1].lower())
    if scheme not in SCHEMES:
        msg = f"The scheme of '{path}' is not supported."
        raise InvalidRequest(msg, hint=f"Supported schemes: {', '.join(SCHEMES)} (s3a and s3n mean s3).")
    rest = match[2]
    if scheme == "file":
        authority, rest = _split_authority(rest)
        if authority not in {"", "localhost"}:
            msg = f"The path '{path}' names the host '{authority}'."
            raise InvalidRequest(msg, hint="Only files of this machine can be read: file:///dir/table.")
        return _checked("file", "", rest, path)
    authority, rest = _split_authority(rest)
    if scheme == "s3" and not authority:
        msg = f"The path '{path}' names no bucket."
        raise InvalidRequest(msg, hint="Write s3://bucket/key.")
    return _checked(scheme, authority, rest, path)


def _split_authority(rest: str) -> tuple[str, str]:
    if not rest.startswith("//"):
        return "", rest
    authority, slash, path = rest[2:].partition("/")
    return authority, slash + path


def _checked(scheme: str, authority: str, path: str, given: str) -> str:
    if _DOT_SEGMENT.search(path):
        msg = f"The path '{given}' has a '.' or '..' segment."
        raise InvalidRequest(msg, hint="Give the path without them.")
    path = re.sub("/{2,}", "/", path).rstrip("/")
    if path and not path.startswith("/"):
        msg = f"The path '{given}' is not absolute."
        raise InvalidRequest(msg, hint="Give an absolute path, or a URI such as s3://bucket/table.")
    return f"{scheme}://{authority}{path or ('/' if not authority else '')}"


def canonical_all(paths: pa.Array) -> pa.Array:
    """``canonical`` for a column of absolute locations, without its checks.

    Roots check what comes of it (``Roots.check_all``).
    """
    paths = pc.replace_substring_regex(paths, r"^(?:file:/*|/+)", "file:///")
    return pc.replace_substring_regex(paths, r"^s3[an]://", "s3://")


def split(location: str) -> tuple[str, str, str]:
    """Split a canonical location into scheme, authority (the bucket; empty for files) and path with leading slash."""
    scheme, _, rest = location.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme, authority, slash + path


def local_path(location: str) -> str | None:
    """The path on this machine, or None where the location is elsewhere."""
    scheme, _, path = split(location)
    return path if scheme == "file" else None


def join(base: str, relative: str) -> str:
    """The location of ``relative`` (not percent-encoded) under the directory ``base``."""
    return f"{base.rstrip('/')}/{relative}"


def parent(location: str) -> str:
    """The directory that the location lies in."""
    return location.rpartition("/")[0]


def relative_to(location: str, base: str) -> str | None:
    """The part of ``location`` below the directory ``base``, or None where it lies elsewhere."""
    prefix = base.rstrip("/") + "/"
    return location[len(prefix) :] if location.startswith(prefix) else None


def is_absolute(path: str) -> bool:
    """Whether a path found in metadata stands alone (has a scheme or a leading slash)."""
    return path.startswith("/") or _URI.match(path) is not None
