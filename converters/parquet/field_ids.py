"""Parquet field ids in the data files of a Delta or Hudi table.

Iceberg's readers go by the ids of a file that has any, Delta's go by names unless the table maps its columns.  A table
made from Iceberg files by another converter has ids that its metadata does not know: they are looked for in a few
files, and where there are some, the schema takes them over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from converters.errors import CorruptTable, StorageError, UnsupportedTableFeature
from converters.model.schema import Schema
from converters.model.snapshot import FieldIds
from converters.model.types import ListType, MapType, StructType, Type
from converters.parquet.footers import Footer, read_footer, read_footers
from converters.storage.base import Storage

__all__ = ["FieldIdCheck", "Samples", "renumbered", "settle_field_ids"]

Path = tuple[str, ...]
_HINT = "Rewrite the table's data files with one writer."


def settle_field_ids(
    schema: Schema, footers: Sequence[Footer], *, mapped: bool, complete: bool
) -> tuple[Schema, FieldIds]:
    """Bring the schema's ids and those of some data files together.

    Args:
        schema: The table's, with the ids of column mapping or ids that were made up.
        footers: Of some of its files.
        mapped: Whether the ids are those of column mapping.
        complete: Whether the table promises ids for the members of lists and maps too (IcebergCompatV2).

    Returns:
        The schema, with the files' ids where it had none of its own; and whether all files are thought to have ids.

    Raises:
        UnsupportedTableFeature: The files contradict each other.
    """
    if mapped:
        stored = _stored_ids(schema)
        full = all(_id_of(footer, path) == id_ for footer in footers for path, id_ in stored if path in footer.columns)
        return schema, "all" if complete and footers and full else "unknown"
    found: dict[Path, int] = {}
    for footer in footers:
        for path, column in footer.columns.items():
            if column.field_id is not None and found.setdefault(path, column.field_id) != column.field_id:
                raise _refusal(f"The data files have two field ids for '{'.'.join(path)}'")
    if not found:
        return schema, "none"
    return renumbered(schema, found), "all"


def renumbered(schema: Schema, ids: Mapping[Path, int]) -> Schema:
    """The schema with other field ids: those given by path, and new ones above them for what is not among these."""
    return _Renumbered(ids).schema(schema)


class FieldIdCheck:
    """Makes sure, file by file, that what was settled by a few files holds.

    Every file is looked into where ids were taken from files, else two of each batch.
    """

    def __init__(self, storage: Storage, samples: Samples, schema: Schema, presence: FieldIds, mode: str) -> None:
        """Take what ``settle_field_ids`` said, and the table's mode of column mapping."""
        self._storage = storage
        self._samples = samples
        self._presence = presence
        self._ids = dict(_stored_ids(schema))
        self._paths = {id_: path for path, id_ in self._ids.items()}
        self._every = presence == "all" and mode == "none"
        # By id, a file may call a column as it likes: that is how readers of every format find it.
        self._free_names = mode == "id"

    def check(self, paths: pa.Array, sizes: pa.Array) -> None:
        """Look into files of one batch.

        Raises:
            UnsupportedTableFeature: A file has other ids than were settled, or lacks them.
            CorruptTable: Every file must be read, and one cannot be.
        """
        if self._every:
            names = paths.to_pylist()
            for path, footer in zip(names, read_footers(self._storage, names, sizes.to_pylist()), strict=True):
                self._check(path, footer)
            return
        for number in sorted({0, len(paths) - 1}):
            path = paths[number].as_py()
            readable = self._samples.footer(path, sizes[number].as_py())
            if readable is not None:
                self._check(path, readable)

    def _check(self, path: str, footer: Footer) -> None:
        if self._free_names:
            return
        for place, column in footer.columns.items():
            expected = self._ids.get(place)
            if column.field_id is None:
                if expected is not None and self._presence == "all":
                    raise _refusal(f"The data file '{path}' has no field id for '{'.'.join(place)}', as others have")
            elif self._presence == "none":
                raise _refusal(f"The data file '{path}' has a field id for '{'.'.join(place)}', as others have not")
            elif self._paths.get(column.field_id, place) != place or expected not in {None, column.field_id}:
                raise _refusal(
                    f"The data file '{path}' has the field id {column.field_id} for '{'.'.join(place)}', which the "
                    "table's schema does not"
                )


class Samples:
    """Footers of files that are only looked into to learn from them, each read once."""

    def __init__(self, storage: Storage) -> None:
        """Read nothing yet."""
        self._storage = storage
        self._read: dict[str, Footer | None] = {}

    def footer(self, path: str, size: int) -> Footer | None:
        """The footer of a file; None where it cannot be read."""
        if path not in self._read:
            try:
                self._read[path] = read_footer(self._storage, path, size)
            except (StorageError, CorruptTable, UnsupportedTableFeature):
                self._read[path] = None
        return self._read[path]


def _refusal(what: str) -> UnsupportedTableFeature:
    return UnsupportedTableFeature(f"{what}; readers of other formats would mix up columns.", hint=_HINT)


def _id_of(footer: Footer, path: Path) -> int | None:
    return footer.columns[path].field_id


def _stored_ids(schema: Schema) -> Iterator[tuple[Path, int]]:
    yield from _below(StructType(schema.fields), ())


def _below(type_: Type, path: Path) -> Iterator[tuple[Path, int]]:
    match type_:
        case StructType(fields):
            for field in fields:
                here = (*path, field.stored_name)
                yield here, field.id
                yield from _below(field.type, here)
        case ListType(element_id, element):
            yield (*path, "element"), element_id
            yield from _below(element, (*path, "element"))
        case MapType(key_id, key, value_id, value):
            yield (*path, "key"), key_id
            yield from _below(key, (*path, "key"))
            yield (*path, "value"), value_id
            yield from _below(value, (*path, "value"))
        case _:
            return


class _Renumbered:
    """A schema with given ids, and new ones above them for the rest."""

    def __init__(self, ids: Mapping[Path, int]) -> None:
        self._ids = ids
        self._next = max(ids.values()) + 1

    def schema(self, schema: Schema) -> Schema:
        type_ = self._type(StructType(schema.fields), ())
        assert isinstance(type_, StructType)
        return msgspec.structs.replace(schema, fields=type_.fields)

    def _id(self, path: Path) -> int:
        if path in self._ids:
            return self._ids[path]
        self._next += 1
        return self._next - 1

    def _type(self, type_: Type, path: Path) -> Type:
        match type_:
            case StructType(fields):
                members = [
                    msgspec.structs.replace(
                        field, id=self._id((*path, field.name)), type=self._type(field.type, (*path, field.name))
                    )
                    for field in fields
                ]
                return StructType(tuple(members))
            case ListType():
                here = (*path, "element")
                return msgspec.structs.replace(
                    type_, element_id=self._id(here), element=self._type(type_.element, here)
                )
            case MapType():
                key, value = (*path, "key"), (*path, "value")
                return msgspec.structs.replace(
                    type_,
                    key_id=self._id(key),
                    key=self._type(type_.key, key),
                    value_id=self._id(value),
                    value=self._type(type_.value, value),
                )
            case _:
                return type_
