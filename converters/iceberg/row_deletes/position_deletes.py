"""Position delete files and the data files that they apply to (Iceberg spec, "Scan Planning")."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from pyroaring import BitMap64

from converters.errors import CorruptTable
from converters.iceberg.row_deletes.position_files import deleted_positions
from converters.storage.base import Storage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PositionDeletes"]

_READERS = 8
_AT_ONCE = 256


class PositionDeletes:
    """Those of one snapshot.

    One that is about a single data file applies to it; another one to the data files of its partition that it names.
    Either applies to data files that are no newer: whose data sequence number is not above its own.
    """

    def __init__(self, storage: Storage, files: pa.Table) -> None:
        """Take the delete files; nothing is read yet.

        Args:
            storage: Where they are.
            files: As ``read_delete_files`` returns them.
        """
        self._storage = storage
        table = pl.DataFrame(files.select(["path", "format", "sequence", "partition", "referenced"]))
        self._of_one_file = table.filter(pl.col("referenced").is_not_null()).drop("partition")
        self._of_partitions = table.filter(pl.col("referenced").is_null()).drop("referenced")
        self._partitions = set(self._of_partitions["partition"].to_list())
        self._read: dict[bytes, dict[str, list[tuple[int, BitMap64]]]] = {}

    def __bool__(self) -> bool:
        return len(self._of_one_file) + len(self._of_partitions) > 0

    def of(self, files: pl.DataFrame) -> Mapping[int, BitMap64]:
        """The deleted positions of data files, by row; rows without any are left out.

        Args:
            files: ``row``, ``path``, ``sequence`` and ``partition`` of each.

        Raises:
            CorruptTable: A delete file is missing or damaged.
            UnsupportedTableFeature: One is no Parquet file.
        """
        found: dict[int, BitMap64] = {}
        applying = files.join(
            self._of_one_file.rename({"path": "delete_path", "sequence": "delete_sequence"}),
            left_on="path",
            right_on="referenced",
        ).filter(pl.col("delete_sequence") >= pl.col("sequence"))
        wanted = applying.select("row", "path", "delete_path", "format").rows()
        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                for (row, *_), positions in zip(
                    part, pool.map(lambda each: self._of_file(*each[1:]), part), strict=True
                ):
                    found.setdefault(row, BitMap64()).update(positions)
        if self._partitions:
            self._add_of_partitions(files, found)
        return found

    def _of_file(self, path: str, delete_path: str, file_format: str) -> BitMap64:
        """What a file deletes that is about one data file."""
        deleted = BitMap64()
        for named, positions in deleted_positions(self._storage, delete_path, file_format):
            if named != path:
                raise CorruptTable(
                    f"The position delete file '{delete_path}' is said to be about the data file '{path}', but names "
                    f"'{named}'."
                )
            deleted.update(BitMap64(positions))
        return deleted

    def _add_of_partitions(self, files: pl.DataFrame, found: dict[int, BitMap64]) -> None:
        concerned = files.filter(pl.col("partition").is_in(list(self._partitions)))
        for (partition,), part in concerned.group_by("partition"):
            deleted = self._of_partition(partition)
            here = part.filter(pl.col("path").is_in(list(deleted)))
            for row, path, sequence in here.select("row", "path", "sequence").iter_rows():
                for delete_sequence, positions in deleted[path]:
                    if delete_sequence >= sequence:
                        found.setdefault(row, BitMap64()).update(positions)

    def _of_partition(self, partition: bytes) -> dict[str, list[tuple[int, BitMap64]]]:
        """By data file: the sequence numbers of deletes, and the positions; read once."""
        if partition not in self._read:
            read: dict[str, list[tuple[int, BitMap64]]] = {}
            files = self._of_partitions.filter(pl.col("partition") == partition)
            for path, file_format, sequence in files.select("path", "format", "sequence").iter_rows():
                for named, positions in deleted_positions(self._storage, path, file_format):
                    known = read.setdefault(named, [])
                    if known and known[-1][0] == sequence:
                        known[-1][1].update(BitMap64(positions))
                    else:
                        known.append((sequence, BitMap64(positions)))
            self._read[partition] = read
        return self._read[partition]
