"""Equality delete files, resolved to positions of rows (Iceberg spec, "Equality Delete Files", "Scan Planning")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pyroaring import BitMap64

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.iceberg.partitions.keys import PartitionKeys
from converters.iceberg.row_deletes.key_columns import KeyColumns

__all__ = ["DataFileRows", "EqualityDeletes", "Scopes", "newest_by_scope"]

_ROWS_HELD = 4_000_000
"""Most rows of delete files that are kept in memory; beyond, they are read again for every data file."""

_ROW = "row"
_Ids = tuple[int, ...]


class DataFileRows(msgspec.Struct, frozen=True, kw_only=True):
    """A data file that is to be looked into.

    Attributes:
        path: Where it is.
        file_format: Upper case.
        row_count: As its manifest says.
        sequence: Its data sequence number.
        partition: Its partition's key.
        constants: Its identity partition values by the source column's field id.
    """

    path: str
    file_format: str
    row_count: int
    sequence: int
    partition: bytes
    constants: Mapping[int, pa.Scalar]


class _DeleteFile(msgspec.Struct, frozen=True):
    path: str
    rows: int
    sequence: int
    ids: _Ids


class Scopes(msgspec.Struct, frozen=True):
    """The highest sequence number of equality deletes, for all data files and by partition key."""

    everywhere: int
    by_partition: Mapping[bytes, int]

    def applies_to(self, sequences: npt.NDArray[np.int64], partitions: pa.Array) -> npt.NDArray[np.bool_]:
        """Which data files, of these data sequence numbers and partition keys, have deletes that apply."""
        applies: npt.NDArray[np.bool_] = sequences < self.everywhere
        if self.by_partition:
            encoded = partitions.dictionary_encode()
            newest = np.array([self.by_partition.get(key, -1) for key in encoded.dictionary.to_pylist()], np.int64)
            applies |= sequences < newest[encoded.indices.to_numpy()]
        return applies


def newest_by_scope(files: pa.Table, keys: PartitionKeys) -> Scopes:
    """The scopes of equality delete files, as ``read_delete_files`` returns them."""
    everywhere, by_partition = -1, dict[bytes, int]()
    names = ("sequence", "spec_id", "partition")
    for sequence, spec_id, partition in zip(*(files.column(name).to_pylist() for name in names), strict=True):
        if keys.is_everywhere(spec_id):
            everywhere = max(everywhere, sequence)
        else:
            by_partition[partition] = max(by_partition.get(partition, -1), sequence)
    return Scopes(everywhere, by_partition)


class EqualityDeletes:
    """Those of one snapshot.

    One applies to the data files of its partition (to all, if its spec is unpartitioned) that are older: whose data
    sequence number is below its own.
    """

    def __init__(self, files: pa.Table, keys: PartitionKeys, columns: KeyColumns) -> None:
        """Take the delete files; nothing is read yet.

        Args:
            files: As ``read_delete_files`` returns them.
            keys: Of the table.
            columns: Of the table.

        Raises:
            UnsupportedTableFeature: One is no Parquet file.
        """
        self._columns = columns
        self._everywhere: list[_DeleteFile] = []
        self._by_partition: dict[bytes, list[_DeleteFile]] = {}
        names = ["path", "format", "rows", "sequence", "spec_id", "partition", "equality_ids"]
        for path, file_format, rows, sequence, spec_id, partition, ids in zip(
            *(files.column(name).to_pylist() for name in names), strict=True
        ):
            if file_format != "PARQUET":
                raise UnsupportedTableFeature(
                    f"The equality delete file '{path}' is of the format {file_format[:32]}; only Parquet is read.",
                    hint="Compact the table first (rewrite_data_files).",
                )
            file = _DeleteFile(path, rows, sequence, tuple(sorted(set(ids))))
            if keys.is_everywhere(spec_id):
                self._everywhere.append(file)
            else:
                self._by_partition.setdefault(partition, []).append(file)
        self._scopes = newest_by_scope(files, keys)
        self._held: tuple[tuple[_DeleteFile, ...], list[pl.DataFrame]] = ((), [])

    def applies_to(self, sequences: npt.NDArray[np.int64], partitions: pa.Array) -> npt.NDArray[np.bool_]:
        """Which data files have deletes that apply; see ``Scopes.applies_to``."""
        return self._scopes.applies_to(sequences, partitions)

    def positions(self, file: DataFileRows) -> BitMap64:
        """The positions of the rows that are deleted from a data file.

        Raises:
            CorruptTable: It, or a delete file, is missing or unreadable.
            UnsupportedTableFeature: It cannot be looked into, or a column cannot be compared.
        """
        where = f"The data file '{file.path}'"
        if file.file_format != "PARQUET":
            raise UnsupportedTableFeature(
                f"{where} has equality deletes, and is of the format {file.file_format[:32]}; only Parquet is read.",
                hint="Compact the table first (rewrite_data_files).",
            )
        groups: dict[_Ids, list[_DeleteFile]] = {}
        for delete in (*self._everywhere, *self._by_partition.get(file.partition, ())):
            if delete.sequence > file.sequence:
                groups.setdefault(delete.ids, []).append(delete)
        ids = sorted({id_ for group in groups for id_ in group})
        deleted = BitMap64()
        start = 0
        for frame in self._columns.read(file.path, ids, where, constants=file.constants):
            rows = frame.with_row_index(_ROW, start)
            for group, deletes in groups.items():
                on = [str(id_) for id_ in group]
                for keys in self._deleted_keys(group, tuple(deletes)):
                    hits = rows.join(keys, on=on, how="semi", nulls_equal=True)[_ROW]
                    deleted.update(BitMap64(hits.to_numpy().astype(np.uint64)))
            start += len(frame)
        if start != file.row_count:
            raise CorruptTable(f"{where} has {start:,} rows; its manifest says {file.row_count:,}.")
        return deleted

    def _deleted_keys(self, ids: _Ids, files: tuple[_DeleteFile, ...]) -> Iterator[pl.DataFrame]:
        """The values that files delete, in parts; those of the files that were asked for last are kept."""
        if self._held[0] == files:
            yield from self._held[1]
            return
        if sum(file.rows for file in files) > _ROWS_HELD:
            for file in files:
                yield from self._read(ids, file)
            return
        frames = [frame for file in files for frame in self._read(ids, file)]
        held = [pl.concat(frames).unique()] if frames else []
        self._held = (files, held)
        yield from held

    def _read(self, ids: Sequence[int], file: _DeleteFile) -> Iterator[pl.DataFrame]:
        return self._columns.read(file.path, ids, f"The equality delete file '{file.path}'", may_lack=False)
