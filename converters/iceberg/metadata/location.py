"""Finding and reading a table's current metadata file.

Two kinds of names exist (Iceberg spec, "File System Tables" and "Metastore Tables"): ``v3.metadata.json``, where a
commit is the creation of the next number and ``version-hint.text`` says where to start looking, and catalog-style
``00003-<uuid>.metadata.json``, where only the catalog knows which one is current.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import msgspec

from converters.errors import (
    AmbiguousTable,
    CorruptTable,
    InvalidRequest,
    LimitExceeded,
    ObjectNotFound,
    SourceTableNotFound,
    UnsupportedTableFeature,
)
from converters.iceberg.metadata.file import decode_metadata
from converters.iceberg.metadata.structs import TableMetadata
from converters.storage.base import Storage
from converters.storage.location import canonical, join, parent

__all__ = ["LoadedTable", "file_location", "has_metadata", "load_table", "table_directory"]

METADATA_DIRECTORY = "metadata"
VERSION_HINT = "version-hint.text"

LARGEST_METADATA = 128 * 2**20
"""Largest table metadata, in bytes after decompression, that is read."""

_LONGEST_HINT = 4096
_METADATA_NAME = re.compile(r"^[^.].*?(?:\.gz)?\.metadata\.json(?:\.gz)?$")
_NUMBERED = re.compile(r"^v(\d{1,18})(?:\.gz)?\.metadata\.json(?:\.gz)?$")
_CATALOG = re.compile(r"^(\d{1,18})-.+?(?:\.gz)?\.metadata\.json(?:\.gz)?$")
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31


class LoadedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table's metadata and where it was found.

    Attributes:
        path: Location of the metadata file.
        location: The directory that holds ``metadata/`` as the caller gave it; for a metadata file that lies in no
            such directory, what the metadata says.
        version: The number in a name like ``v3.metadata.json``; None for other names.
        data: The metadata file, decompressed.
        metadata: The same, decoded.
    """

    path: str
    location: str
    version: int | None
    data: bytes
    metadata: TableMetadata


def has_metadata(storage: Storage, location: str) -> bool:
    """Whether a table seems to be at the location; cheap, reads no metadata."""
    if _METADATA_NAME.match(location.rpartition("/")[2]):
        return storage.head(location) is not None
    directory = join(location, METADATA_DIRECTORY)
    if storage.head(join(directory, VERSION_HINT)) is not None:
        return True
    return any(_NUMBERED.match(name) or _CATALOG.match(name) for name in _names(storage, directory))


def load_table(storage: Storage, location: str) -> LoadedTable:
    """Find and read the current metadata of a table.

    Args:
        storage: Where the table lies.
        location: Canonical location of the table's directory, or of one of its metadata files.

    Raises:
        SourceTableNotFound: No table is there.
        AmbiguousTable: Several metadata files could be the current one; the message names them.
        CorruptTable: The metadata cannot be read.
        UnsupportedTableFeature: The metadata is of a newer format version.
    """
    if _METADATA_NAME.match(location.rpartition("/")[2]):
        directory = parent(location)
        in_place = directory.rpartition("/")[2] == METADATA_DIRECTORY
        return _load(storage, location, parent(directory) if in_place else None)
    directory = join(location, METADATA_DIRECTORY)
    names = list(_names(storage, directory))
    hint = _hint(storage, directory) if VERSION_HINT in names else None
    if hint is not None and hint in names and not _NUMBERED.match(hint):
        return _load(storage, join(directory, hint), location)
    numbered = _numbered(names)
    catalog = _newest_of_catalog(names, directory)
    if numbered:
        found = _load(storage, join(directory, numbered[_current_number(numbered, hint)]), location)
        if catalog is None:
            return found
        return _newer(found, _load(storage, join(directory, catalog), location), hinted=hint is not None)
    if catalog is None:
        raise SourceTableNotFound(
            f"No Iceberg table was found at '{location}'.",
            hint="Expected a directory with metadata/*.metadata.json, or such a file itself.",
        )
    return _load(storage, join(directory, catalog), location)


def table_directory(storage: Storage, location: str) -> str:
    """The directory of the table that ``load_table`` finds at a location.

    Raises:
        TablecastError: As ``load_table``, where only a metadata file says where its table is.
    """
    if not _METADATA_NAME.match(location.rpartition("/")[2]):
        return location
    return load_table(storage, location).location


def file_location(path: str, where: str) -> str:
    """The canonical location of a metadata file that other metadata names.

    Args:
        path: As it is recorded.
        where: What names it, for messages.

    Raises:
        CorruptTable: It is no absolute location.
        UnsupportedTableFeature: It lies where no storage of ours reaches.
    """
    try:
        return canonical(path)
    except InvalidRequest as error:
        kind = UnsupportedTableFeature if "://" in path else CorruptTable
        raise kind(f"{where} names a file that cannot be read. {error.message}") from error


def _names(storage: Storage, directory: str) -> Iterable[str]:
    return (found.path.rpartition("/")[2] for found in storage.list(directory))


def _numbered(names: Iterable[str]) -> dict[int, str]:
    """Files like ``v3.metadata.json`` by number; uncompressed before compressed, as Java looks for them."""
    found: dict[int, str] = {}
    for name in sorted(names, key=len):
        match = _NUMBERED.match(name)
        if match:
            found.setdefault(int(match[1]), name)
    return found


def _newest_of_catalog(names: Iterable[str], directory: str) -> str | None:
    by_number: dict[int, list[str]] = {}
    for name in names:
        match = _CATALOG.match(name)
        if match:
            by_number.setdefault(int(match[1]), []).append(name)
    if not by_number:
        return None
    newest = by_number[max(by_number)]
    if len(newest) > 1:
        raise AmbiguousTable(
            f"Several metadata files in '{directory}' could be the current one: {', '.join(sorted(newest)[:4])}.",
            hint="Give the path of the metadata file that the catalog names.",
        )
    return newest[0]


def _hint(storage: Storage, directory: str) -> str | None:
    """What the hint names: a file name, or ``v<number>.``; None where it says nothing."""
    try:
        text = storage.get(join(directory, VERSION_HINT), limit=_LONGEST_HINT).decode("utf-8", "replace").strip()
    except (LimitExceeded, ObjectNotFound):
        return None
    if text.isascii() and text.isdigit():
        return f"v{text}.metadata.json"
    if not text or "/" in text:
        return None
    return text if _METADATA_NAME.match(text) else f"{text}.metadata.json"


def _current_number(numbered: dict[int, str], hint: str | None) -> int:
    """Start at the hint and walk forward, as Java's ``HadoopTableOperations`` does; without one, the highest."""
    match = _NUMBERED.match(hint or "")
    number = int(match[1]) if match else -1
    if number not in numbered:
        return max(numbered)
    while number + 1 in numbered:
        number += 1
    return number


def _newer(numbered: LoadedTable, catalog: LoadedTable, *, hinted: bool) -> LoadedTable:
    """Decide between two kinds of names, which happens when a table was registered in, or copied from, a catalog."""
    ours, theirs = numbered.metadata, catalog.metadata
    same_table = ours.table_uuid == theirs.table_uuid
    same_state = (ours.current_snapshot_id, ours.current_schema_id, ours.default_spec_id, ours.properties) == (
        theirs.current_snapshot_id,
        theirs.current_schema_id,
        theirs.default_spec_id,
        theirs.properties,
    )
    if same_table and (same_state or (hinted and ours.last_updated_ms >= theirs.last_updated_ms)):
        return numbered
    raise AmbiguousTable(
        f"Two metadata files could be the current one: '{numbered.path}' and '{catalog.path}'.",
        hint="Give the path of the metadata file that is meant.",
    )


def _load(storage: Storage, path: str, location: str | None) -> LoadedTable:
    try:
        data = _decompressed(storage.get(path, limit=LARGEST_METADATA), path)
    except ObjectNotFound as error:
        raise SourceTableNotFound(f"No Iceberg table was found: '{path}' does not exist.") from error
    metadata = decode_metadata(data, path)
    match = _NUMBERED.match(path.rpartition("/")[2])
    return LoadedTable(
        path=path,
        location=location if location is not None else file_location(metadata.location, f"'{path}'"),
        version=int(match[1]) if match else None,
        data=data,
        metadata=metadata,
    )


def _decompressed(data: bytes, path: str) -> bytes:
    """Undo gzip, which the name may or may not tell."""
    if not data.startswith(_GZIP_MAGIC):
        return data
    parts: list[bytes] = []
    room = LARGEST_METADATA
    while data:
        inflater = zlib.decompressobj(_GZIP_WINDOW)
        try:
            part = inflater.decompress(data, room + 1)
        except zlib.error as error:
            raise CorruptTable(f"The table metadata '{path}' cannot be decompressed: {error}.") from error
        room -= len(part)
        if room < 0:
            raise LimitExceeded(f"The table metadata '{path}' has more than {LARGEST_METADATA:,} bytes decompressed.")
        if not inflater.eof:
            raise CorruptTable(f"The table metadata '{path}' is truncated.")
        parts.append(part)
        data = inflater.unused_data
    return b"".join(parts)
