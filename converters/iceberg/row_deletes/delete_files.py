"""The live delete files of a snapshot, and what of the table each applies to (Iceberg spec, "Delete Formats")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.iceberg.manifests.list_reader import ManifestFile
from converters.iceberg.manifests.reader import (
    CONTENT,
    DELETE_COLUMNS,
    EQUALITY_IDS,
    FORMAT,
    KEY_METADATA,
    LENGTH,
    LOWER,
    OFFSET,
    PATH,
    REFERENCED,
    ROWS,
    SEQUENCE,
    SIZE,
    UPPER,
    Entries,
    read_entries,
)
from converters.iceberg.partitions.keys import PartitionKeys
from converters.iceberg.statistics.reader import IdMap
from converters.storage.base import Storage
from converters.storage.location import canonical_all

__all__ = ["EQUALITY", "FILE_PATH_ID", "POSITION", "VECTOR", "of_kind", "read_delete_files"]

VECTOR, POSITION, EQUALITY = 0, 1, 2
"""Kinds: a deletion vector in a Puffin file, a file of positions, a file of values."""

FILE_PATH_ID = 2147483546
"""Field id of a position delete file's ``file_path`` (spec, "Reserved Field IDs")."""

_POSITION_DELETES, _EQUALITY_DELETES = 1, 2
_ENTRIES = 50_000

_SHAPE = pa.schema(
    [
        pa.field("kind", pa.int8()),
        pa.field("path", pa.string()),
        pa.field("format", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("sequence", pa.int64()),
        pa.field("spec_id", pa.int32()),
        pa.field("partition", pa.binary()),
        pa.field("referenced", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("equality_ids", pa.list_(pa.int32())),
    ]
)


def read_delete_files(storage: Storage, manifests: Sequence[ManifestFile], keys: PartitionKeys) -> pa.Table:
    """The delete files that delete manifests list.

    Args:
        storage: Where they lie.
        manifests: Delete manifests.
        keys: Of the table.

    Returns:
        A row a delete file or deletion vector: ``kind``; its ``path``, ``format``, ``size`` in bytes and ``rows``; its
        data ``sequence`` number; its ``spec_id`` and ``partition`` key; the only data file that it is about, where it
        is about one only (``referenced``, a canonical path); ``offset`` and ``length`` of a vector's blob;
        ``equality_ids``.

    Raises:
        CorruptTable: A manifest is missing, unreadable, or contradicts itself.
        UnsupportedTableFeature: A delete file is encrypted, or of an unknown kind.
    """
    parts = list(_parts(storage, manifests, keys))
    return pa.concat_tables([_SHAPE.empty_table(), *parts]).combine_chunks()


def of_kind(files: pa.Table, kind: int) -> pa.Table:
    """Those of one kind."""
    return files.filter(pc.equal(files.column("kind"), kind)).combine_chunks()


def _parts(storage: Storage, manifests: Sequence[ManifestFile], keys: PartitionKeys) -> Iterator[pa.Table]:
    for entries in read_entries(storage, manifests, _ENTRIES, DELETE_COLUMNS):
        if len(entries.table):
            yield _part(entries, keys)


def _part(entries: Entries, keys: PartitionKeys) -> pa.Table:
    table = entries.table
    paths = canonical_all(table.column(PATH).combine_chunks().cast(pa.string()))
    formats = pc.utf8_upper(table.column(FORMAT).combine_chunks().cast(pa.string()))
    kinds = _kinds(_column(table, CONTENT, pa.int32()), formats, paths)
    if KEY_METADATA in table.column_names and table.column(KEY_METADATA).null_count < len(table):
        path = paths.filter(table.column(KEY_METADATA).combine_chunks().is_valid())[0].as_py()
        raise UnsupportedTableFeature(f"The delete file '{path}' is encrypted, which is not supported.")
    found = pa.table(
        [
            kinds,
            paths,
            formats,
            table.column(ROWS).combine_chunks(),
            table.column(SIZE).combine_chunks(),
            table.column(SEQUENCE).combine_chunks(),
            pa.repeat(pa.scalar(entries.spec_id, pa.int32()), len(table)),
            keys.of(entries),
            _referenced(table, kinds),
            _column(table, OFFSET, pa.int64()),
            _column(table, LENGTH, pa.int64()),
            _column(table, EQUALITY_IDS, pa.list_(pa.int32())),
        ],
        schema=_SHAPE,
    )
    _check(found)
    return found


def _column(table: pa.Table, name: str, type_: pa.DataType) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(len(table), type_)
    return table.column(name).combine_chunks().cast(type_)


def _kinds(contents: pa.Array, formats: pa.Array, paths: pa.Array) -> pa.Array:
    known = contents.fill_null(0).to_numpy(zero_copy_only=False)
    unknown = np.flatnonzero((known != _POSITION_DELETES) & (known != _EQUALITY_DELETES))
    if len(unknown):
        place = int(unknown[0])
        raise UnsupportedTableFeature(
            f"The table has deletes of the unknown kind {known[place]}: '{paths[place].as_py()}'."
        )
    puffin = pc.equal(formats, "PUFFIN").to_numpy(zero_copy_only=False)
    return pa.array(np.where(known == _EQUALITY_DELETES, EQUALITY, np.where(puffin, VECTOR, POSITION)), pa.int8())


def _referenced(table: pa.Table, kinds: pa.Array) -> pa.Array:
    """The one data file that a file is about: by name, or because both bounds of ``file_path`` are it."""
    named = _column(table, REFERENCED, pa.string())
    if LOWER in table.column_names and UPPER in table.column_names:
        lower, upper = (IdMap(table.column(name)).get(FILE_PATH_ID) for name in (LOWER, UPPER))
        if lower is not None and upper is not None:
            only = pc.if_else(pc.equal(lower, upper), lower, pa.scalar(None, lower.type))
            named = pc.coalesce(named, _text(only))
    named = canonical_all(named)
    return pc.if_else(pc.equal(kinds, EQUALITY), pa.scalar(None, pa.string()), named)


def _text(values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid as error:
        raise CorruptTable(
            f"A position delete file has bounds of data files' paths that are no text: {error}."
        ) from error


def _check(files: pa.Table) -> None:
    vectors = of_kind(files, VECTOR)
    for name in ("referenced", "offset", "length"):
        column = vectors.column(name)
        if column.null_count:
            path = vectors.column("path").filter(column.is_null())[0].as_py()
            raise CorruptTable(
                f"The deletion vector in '{path}' does not say its {name.replace('referenced', 'data file')}."
            )
    if len(vectors):
        offset, length, size = (vectors.column(name) for name in ("offset", "length", "size"))
        wrong = pc.or_(pc.less(offset, 0), pc.less_equal(length, 0))
        wrong = pc.or_(wrong, pc.or_(pc.greater(length, size), pc.greater(offset, pc.subtract(size, length))))
        if pc.any(wrong).as_py():
            path = vectors.column("path").filter(wrong)[0].as_py()
            raise CorruptTable(f"The deletion vector in '{path}' does not lie within the file.")
    equality = of_kind(files, EQUALITY)
    lengths = pc.fill_null(pc.list_value_length(equality.column("equality_ids")), 0)
    if len(equality) and pc.min(lengths).as_py() == 0:
        path = equality.column("path").filter(pc.equal(lengths, 0))[0].as_py()
        raise CorruptTable(f"The equality delete file '{path}' does not say by which columns it deletes.")
