"""What a target's metadata table says of its files: records of ``files`` and of ``column_stats``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from converters.hudi.metadata_table.keys import ALL_PARTITIONS, partition_key
from converters.hudi.metadata_table.records import (
    ColumnStatistics,
    column_stats_records,
    files_value,
    partitions_value,
)
from converters.hudi.metadata_table.writer import Records
from converters.hudi.writing.column_index import ColumnIndex
from converters.hudi.writing.commit_files import external_names
from converters.hudi.writing.source_files import partition_runs

__all__ = ["StatisticsOfFiles", "files_entries", "files_records"]

_BYTES_AT_ONCE = 32 * 2**20

BoolArray = npt.NDArray[np.bool_]


def files_entries(parts: Sequence[pa.Table], instants: Sequence[str]) -> pa.Table:
    """What ``files`` has to say of files.

    Args:
        parts: The files that each of some commits adds, of ``SOURCE_FILES``.
        instants: The commits' times.

    Returns:
        ``partition`` (dictionary encoded), ``name`` (as recorded), ``size`` and ``deleted``.
    """
    names = [external_names(part["name"].combine_chunks(), time) for part, time in zip(parts, instants, strict=True)]
    together = pa.concat_tables(parts)
    return pa.table(
        {
            "partition": together["partition"].combine_chunks(),
            "name": pa.concat_arrays(names),
            "size": together["size"].combine_chunks(),
            "deleted": np.zeros(len(together), np.bool_),
        }
    )


def files_records(entries: pa.Table) -> Records:
    """The records of ``files``, ascending by key: of the partitions that have entries, and the list of these.

    Args:
        entries: As ``files_entries`` returns them.
    """
    ordered, runs = partition_runs(entries)
    content = ordered.select(["name", "size", "deleted"])
    found: list[tuple[bytes, tuple[int, int] | None]] = [
        (partition_key(path).encode(), (start, end)) for path, start, end in runs
    ]
    found.append((ALL_PARTITIONS.encode(), None))
    keys: list[bytes] = []
    values: list[bytes] = []
    size = 0
    for key, rows in sorted(found, key=lambda each: each[0]):
        if rows is None:
            value = partitions_value([path for path, _, _ in runs])
        else:
            value = files_value(content.slice(rows[0], rows[1] - rows[0]))
        keys.append(key)
        values.append(value)
        size += len(value)
        if size > _BYTES_AT_ONCE:
            yield pa.array(keys, pa.binary()), pa.array(values, pa.large_binary())
            keys, values, size = [], [], 0
    if keys:
        yield pa.array(keys, pa.binary()), pa.array(values, pa.large_binary())


class StatisticsOfFiles:
    """The statistics of all files of the source, batch by batch, as far as all indexed columns' are known."""

    def __init__(self, index: ColumnIndex, files: pa.Table, batches: Sequence[pa.RecordBatch]) -> None:
        """Find the files that have them.

        Args:
            index: The indexed columns.
            files: All files, of ``SOURCE_FILES``.
            batches: The same files as ``DataFile`` rows, in the same order; they may be on disk.
        """
        self._index = index
        self._batches = batches
        self._files = files
        masks = [index.complete(batch) for batch in batches]
        self.complete: BoolArray = np.concatenate(masks) if masks else np.zeros(len(files), np.bool_)

    def records(self, chosen: BoolArray | None = None, columns: Sequence[str] | None = None) -> Records:
        """Records of those of the chosen files that have statistics.

        Args:
            chosen: Which files; all when None.
            columns: Names of the columns; all indexed ones when None.
        """
        mask = self.complete if chosen is None else self.complete & chosen
        if not mask.any():
            return ()
        part = self._files.filter(pa.array(mask))
        partition = part["partition"].combine_chunks()
        index = self._index if columns is None else self._index.only(columns)
        return column_stats_records(
            partition.dictionary.take(partition.indices),
            part["name"].combine_chunks(),
            self._columns(index, mask),
        )

    def _columns(self, index: ColumnIndex, mask: BoolArray) -> Iterator[ColumnStatistics]:
        for column in index.in_key_order():
            found: list[ColumnStatistics] = []
            start = 0
            for batch in self._batches:
                rows = mask[start : start + len(batch)]
                start += len(batch)
                if rows.any():
                    found.append(_filtered(index.of_column(batch, column), None if rows.all() else pa.array(rows)))
            yield _joined(found)


def _filtered(statistics: ColumnStatistics, rows: pa.Array | None) -> ColumnStatistics:
    if rows is None:
        return statistics
    return ColumnStatistics(
        statistics.column,
        *(
            each.filter(rows)
            for each in (statistics.value_count, statistics.null_count, statistics.lower, statistics.upper)
        ),
    )


def _joined(parts: Sequence[ColumnStatistics]) -> ColumnStatistics:
    if len(parts) == 1:
        return parts[0]
    return ColumnStatistics(
        parts[0].column,
        *(
            pa.concat_arrays(arrays)
            for arrays in (
                [each.value_count for each in parts],
                [each.null_count for each in parts],
                [each.lower for each in parts],
                [each.upper for each in parts],
            )
        ),
    )
