"""The files that a target is to have, as they come from the source: all of them, in columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.hudi.partitions.target_paths import Located

__all__ = ["SOURCE_FILES", "SourceFiles", "file_keys", "partition_runs"]

SOURCE_FILES = pa.schema(
    [
        pa.field("partition", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("row_count", pa.int64(), nullable=False),
    ]
)
"""Columns of ``SourceFiles.table``."""


class SourceFiles:
    """Collects files batch by batch."""

    def __init__(self) -> None:
        """Start with none."""
        self._codes: dict[str, int] = {}
        self._partitions: list[npt.NDArray[np.int32]] = []
        self._names: list[pa.Array] = []
        self._sizes: list[pa.Array] = []
        self._row_counts: list[pa.Array] = []

    def add(self, located: Located, batch: pa.RecordBatch) -> None:
        """Take the files of one more batch.

        Raises:
            CorruptTable: A row count is not known.
        """
        row_counts = batch.column("row_count")
        if row_counts.null_count:
            path = batch.column("path").filter(row_counts.is_null())[0].as_py()
            raise CorruptTable(f"The row count of the data file '{path}' is not known.")
        known = self._codes
        codes = [known.setdefault(each, len(known)) for each in located.partition.dictionary.to_pylist()]
        self._partitions.append(np.array(codes, np.int32)[located.partition.indices.to_numpy()])
        self._names.append(located.name)
        self._sizes.append(batch.column("size"))
        self._row_counts.append(row_counts)

    def table(self) -> pa.Table:
        """All files, in the order in which they came, in one chunk; columns are those of ``SOURCE_FILES``.

        Raises:
            UnsupportedTableFeature: A file is there twice.
        """
        codes = np.concatenate([np.empty(0, np.int32), *self._partitions])
        partition = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(self._codes), pa.string()))
        columns = [
            partition,
            pa.concat_arrays([pa.array([], pa.string()), *self._names]),
            pa.concat_arrays([pa.array([], pa.int64()), *self._sizes]),
            pa.concat_arrays([pa.array([], pa.int64()), *self._row_counts]),
        ]
        found = pa.table(columns, schema=SOURCE_FILES)
        _refuse_duplicates(found)
        return found


def file_keys(files: pa.Table, name: str = "name") -> pa.Array:
    """What names a file in the table: its partition and its name (or another column of texts).

    Args:
        files: With the columns ``partition`` (string, or dictionary encoded) and ``name``.
        name: The second column.
    """
    partition = files["partition"].combine_chunks()
    if isinstance(partition, pa.DictionaryArray):
        partition = partition.dictionary.take(partition.indices)
    return pc.binary_join_element_wise(partition, files[name].combine_chunks(), "\0")


def partition_runs(files: pa.Table) -> tuple[pa.Table, list[tuple[str, int, int]]]:
    """Order files by partition.

    Args:
        files: With a dictionary encoded column ``partition``.

    Returns:
        The files ordered, and for each partition that has any: its path, its first row and the row after its last.
    """
    if not len(files):
        return files, []
    partition = files["partition"].combine_chunks()
    codes = partition.indices.to_numpy()
    paths = partition.dictionary.to_pylist()
    rank = np.empty(len(paths), np.int64)
    rank[sorted(range(len(paths)), key=paths.__getitem__)] = np.arange(len(paths))
    ranks = rank[codes]
    order = np.argsort(ranks, kind="stable")
    ordered = ranks[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.append(starts[1:], len(ordered))
    runs = [(paths[codes[order[start]]], int(start), int(end)) for start, end in zip(starts, ends, strict=True)]
    return files.take(pa.array(order)), runs


def _refuse_duplicates(files: pa.Table) -> None:
    keys = file_keys(files)
    if pc.count_distinct(keys).as_py() == len(keys):
        return
    counted = keys.value_counts()
    twice = counted.filter(pc.greater(counted.field("counts"), 1)).field("values")[0].as_py()
    raise UnsupportedTableFeature(
        f"The table lists the data file '{twice.replace(chr(0), '/').lstrip('/')}' more than once, so that its rows "
        "count more than once; Hudi counts a file once.",
        hint="Rewrite the table's data files.",
    )
