"""A table's data files by listing its directories, for tables without a metadata table.

Source: ``FileSystemBackedTableMetadata``.

A directory that holds ``.hoodie_partition_metadata`` is a partition; nothing below it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from converters.hudi.table_config import PARTITION_MARK
from converters.storage.base import ObjectMeta, Storage
from converters.storage.location import join, relative_to

__all__ = ["FILE_COLUMNS", "list_files", "list_partitions"]

FILE_COLUMNS = pa.schema([("partition", pa.string()), ("name", pa.string()), ("size", pa.int64())])
"""What ``list_files`` returns: the partition's path (``""`` for the table's own directory), name, size in bytes."""

_LISTERS = 16
_HIDDEN = (".", "_delta_log")

_Listed = tuple[list[ObjectMeta], list[str]]


def list_files(storage: Storage, location: str, known_partitions: Iterable[str] = ()) -> pa.Table:
    """Every file in a partition, whatever it is.

    Args:
        storage: Where the table is.
        location: The table's directory.
        known_partitions: Partitions that the timeline names: they count although nothing marks them.

    Returns:
        A table of ``FILE_COLUMNS``, ordered by partition and name.
    """
    found: dict[str, list[ObjectMeta]] = {}
    with ThreadPoolExecutor(_LISTERS) as pool:
        level = [""]
        while level:
            listed = pool.map(lambda path: _list(storage, location, path), level)
            below: list[str] = []
            for partition, (objects, folders) in zip(level, listed, strict=True):
                if any(_is_mark(each) for each in objects):
                    found[partition] = objects
                else:
                    below += folders
            level = below
        lacking = [path for path in dict.fromkeys(known_partitions) if path not in found]
        for partition, (objects, _) in zip(
            lacking, pool.map(lambda path: _list(storage, location, path), lacking), strict=True
        ):
            found[partition] = objects
    return _table(found)


def list_partitions(storage: Storage, location: str, partitions: Iterable[str]) -> pa.Table:
    """Every file in some partitions; arguments and result are those of ``list_files``."""
    wanted = list(dict.fromkeys(partitions))
    with ThreadPoolExecutor(_LISTERS) as pool:
        listed = pool.map(lambda path: list(storage.list(join(location, path) if path else location)), wanted)
        return _table(dict(zip(wanted, listed, strict=True)))


def _table(found: Mapping[str, Sequence[ObjectMeta]]) -> pa.Table:
    rows = [(partition, each) for partition in sorted(found) for each in found[partition]]
    columns = [
        pa.array([partition for partition, _ in rows], pa.string()),
        pa.array([_name(each) for _, each in rows], pa.string()),
        pa.array([each.size for _, each in rows], pa.int64()),
    ]
    return pa.table(columns, schema=FILE_COLUMNS)


def _list(storage: Storage, location: str, partition: str) -> _Listed:
    directory = join(location, partition) if partition else location
    objects = list(storage.list(directory))
    if any(_is_mark(each) for each in objects):
        return objects, []
    folders = [relative_to(each, location) or "" for each in storage.directories(directory)]
    return objects, [each for each in folders if each and not each.rpartition("/")[2].startswith(_HIDDEN)]


def _is_mark(meta: ObjectMeta) -> bool:
    # With the base files' format as ending where the table says so.
    name = _name(meta)
    return name == PARTITION_MARK or name.startswith(PARTITION_MARK + ".")


def _name(meta: ObjectMeta) -> str:
    return meta.path.rpartition("/")[2]
