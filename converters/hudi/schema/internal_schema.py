"""Hudi's internal schema: columns with ids, so that renames and changed types are known (schema on read).

A table has one once ``ALTER TABLE`` was used with ``hoodie.schema.on.read.enable``.  Its current version is the
``latest_schema`` of the newest commit (``TableSchemaResolver.getTableInternalSchemaFromCommitMetadata``), all versions
are in the newest ``.hoodie/.schema/<i>[_<c>].schemacommit`` (``FileBasedInternalSchemaStorageManager``, JSON by
``SerDeHelper``)::

    {"schemas": [{"max_column_id": 9, "version_id": 20261121095126397, "type": "record", "fields": [
        {"id": 5, "name": "id", "optional": true, "type": "int"},
        {"id": 6, "name": "tags", …, "type": {"type": "array", "element-id": 7, "element": "string", …}}, …]}, …]}

The version of a data file is the last one that is not after the file's commit (``InternalSchemaCache``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from converters.errors import CorruptTable, LimitExceeded
from converters.hudi.schema.avro_names import META_COLUMNS
from converters.hudi.table_config import hoodie_directory
from converters.hudi.timeline.active import Timeline
from converters.hudi.timeline.commit_metadata import CommitMetadata
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["LATEST_SCHEMA", "InternalColumn", "InternalSchema", "SchemaVersions", "read_schema_versions"]

LATEST_SCHEMA = "latest_schema"
"""Name of the internal schema among what a commit's writer notes."""

_SUFFIX = ".schemacommit"
_MOST_LEVELS = 64
_MOST_COLUMNS = 200_000

Path = tuple[str, ...]


class InternalColumn(msgspec.Struct, frozen=True):
    """A place in one version: where it is by its names, and its type in Hudi's words.

    Types are ``int``, ``long``, ``string``, ``timestamp``, ``decimal(12, 2)``, … and, for what has members,
    ``record``, ``array``, ``map``.
    """

    path: Path
    type: str


class InternalSchema(msgspec.Struct, frozen=True):
    """One version of a table's columns.

    Attributes:
        version: The time of the commit that made it, as a number; 0 for what was before the first change.
        columns: Every place by its id, members of lists and maps (``element``, ``key``, ``value``) included.  Ids
            start at 0, with Hudi's own columns.
    """

    version: int
    columns: Mapping[int, InternalColumn]


class SchemaVersions(msgspec.Struct, frozen=True):
    """All versions of a table's columns.

    Attributes:
        current: The one in force.
        versions: All that are known, oldest first; never empty.
    """

    current: InternalSchema
    versions: tuple[InternalSchema, ...]

    def at(self, time: str) -> InternalSchema:
        """What the files of a commit have: their columns under the names and types there.

        Args:
            time: The commit's time.
        """
        numbers = [each.version for each in self.versions]
        return self.versions[max(bisect_right(numbers, int(time)) - 1, 0)]

    def names_are_stable(self) -> bool:
        """Whether each current column has had one name, and that name was no other column's."""
        by_id, by_path = self._names()
        columns = self.current.columns.items()
        return all(len(by_id[id_]) == 1 and by_path[column.path] == {id_} for id_, column in columns)

    def field_ids(self, *, keep_meta_columns: bool) -> dict[Path, int]:
        """Field ids for the current columns, by path: Hudi's ids moved so that the first column's is 1.

        They are the ids that ``schema.reader`` makes up for a schema that was never changed, so they stay what they
        were when a table is changed for the first time.

        Args:
            keep_meta_columns: Whether the ``_hoodie_*`` columns are among the table's columns.
        """
        skipped = self._skipped(keep_meta_columns=keep_meta_columns)
        return {column.path: id_ - skipped + 1 for id_, column in self.current.columns.items() if id_ >= skipped}

    def stored_columns(self, time: str, *, keep_meta_columns: bool) -> dict[int, InternalColumn]:
        """What the files of a commit have of the current columns, by field id.

        A column that is not among them is null in these files, even where they have another one of its name.

        Args:
            time: The commit's time.
            keep_meta_columns: As for ``field_ids``.
        """
        skipped = self._skipped(keep_meta_columns=keep_meta_columns)
        found = self.at(time).columns
        return {id_ - skipped + 1: found[id_] for id_ in self.current.columns if id_ >= skipped and id_ in found}

    def first_types(self, *, keep_meta_columns: bool) -> dict[int, str]:
        """The first type of each current column whose type was changed since, by field id, in Hudi's words.

        Args:
            keep_meta_columns: As for ``field_ids``.
        """
        skipped = self._skipped(keep_meta_columns=keep_meta_columns)
        first: dict[int, str] = {}
        for version in self.versions:
            for id_, column in version.columns.items():
                first.setdefault(id_, column.type)
        return {
            id_ - skipped + 1: first[id_]
            for id_, column in self.current.columns.items()
            if id_ >= skipped and first.get(id_, column.type) != column.type
        }

    def _skipped(self, *, keep_meta_columns: bool) -> int:
        """How many ids at the beginning are of columns that are left out."""
        meta = sorted(id_ for id_, column in self.current.columns.items() if column.path[0] in META_COLUMNS)
        return 0 if keep_meta_columns or meta != list(range(len(meta))) else len(meta)

    def _names(self) -> tuple[dict[int, set[Path]], dict[Path, set[int]]]:
        by_id: dict[int, set[Path]] = {}
        by_path: dict[Path, set[int]] = {}
        for version in (*self.versions, self.current):
            for id_, column in version.columns.items():
                by_id.setdefault(id_, set()).add(column.path)
                by_path.setdefault(column.path, set()).add(id_)
        return by_id, by_path


def read_schema_versions(
    storage: Storage, location: str, timeline: Timeline, newest: CommitMetadata
) -> SchemaVersions | None:
    """The versions of a table's columns.

    Args:
        storage: Where the table is.
        location: The table's directory.
        timeline: Its timeline.
        newest: The commit with the largest time among the completed ones.

    Returns:
        None where schema on read is not in force: files are read by the names of the Avro schema.

    Raises:
        CorruptTable: An internal schema cannot be understood.
    """
    text = newest.extra.get(LATEST_SCHEMA)
    if not text:
        return None
    where = f"The internal schema in {newest.instant.path!r}"
    current = _schema(_parsed(text.encode(), where), where)
    found = _history(storage, location, timeline)
    known = {each.version: each for each in found} or {current.version: current}
    return SchemaVersions(current, tuple(known[version] for version in sorted(known)))


def _history(storage: Storage, location: str, timeline: Timeline) -> list[InternalSchema]:
    newest: tuple[str, str] | None = None
    for meta in storage.list(join(hoodie_directory(location), ".schema")):
        name = meta.path.rpartition("/")[2]
        time = name.removesuffix(_SUFFIX).partition("_")[0]
        if name.endswith(_SUFFIX) and time.isdecimal() and timeline.is_committed(time):
            newest = max(newest or ("", ""), (time, meta.path))
    if newest is None:
        return []
    where = f"The history of schemas '{newest[1]}'"
    content = _parsed(storage.get(newest[1]), where)
    schemas = content.get("schemas")
    if not isinstance(schemas, list):
        raise CorruptTable(f"{where} has no schemas.")
    return [_schema(each, where) for each in schemas]


def _parsed(data: bytes, where: str) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CorruptTable(f"{where} is no JSON: {error}.") from error
    if not isinstance(content, dict):
        raise CorruptTable(f"{where} is no object.")
    return content


def _schema(json: Any, where: str) -> InternalSchema:
    columns: dict[int, InternalColumn] = {}
    try:
        for id_, column in _columns(json, (), where):
            if id_ in columns or not isinstance(id_, int) or isinstance(id_, bool) or id_ < 0:
                raise CorruptTable(f"{where} has the column id {str(id_)[:32]} twice, or it is none.")
            columns[id_] = column
            if len(columns) > _MOST_COLUMNS:
                raise LimitExceeded(f"{where} has more columns than are read.")
        return InternalSchema(int(json.get("version_id", 0)), columns)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise CorruptTable(f"{where} is damaged: {error!r}.") from error


def _columns(type_: Any, path: Path, where: str) -> Iterator[tuple[Any, InternalColumn]]:
    if len(path) > _MOST_LEVELS:
        raise LimitExceeded(f"{where} has more levels than are read.")
    if isinstance(type_, str):
        return
    for id_, name, member in _members(type_):
        kind = member if isinstance(member, str) else str(member["type"])
        yield id_, InternalColumn((*path, str(name)), kind)
        yield from _columns(member, (*path, str(name)), where)


def _members(type_: Any) -> list[tuple[Any, Any, Any]]:
    match type_["type"]:
        case "record":
            return [(field["id"], field["name"], field["type"]) for field in type_["fields"]]
        case "array":
            return [(type_["element-id"], "element", type_["element"])]
        case "map":
            return [(type_["key-id"], "key", type_["key"]), (type_["value-id"], "value", type_["value"])]
        case other:
            raise ValueError(other)
