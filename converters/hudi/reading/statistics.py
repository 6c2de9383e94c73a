"""Row counts and statistics of a table's files: from the metadata table where it has them, else from the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from converters.model.data_file import STAT_NAMES
from converters.model.schema import Leaf
from converters.parquet.statistics import FileStatistics, LeafStatistics, Shape, read_statistics
from converters.storage.base import Storage

__all__ = ["ReadStatistics", "StatisticsIndex", "StatisticsReader", "model_statistics"]


class StatisticsIndex(Protocol):
    """Where statistics are without a look at the files themselves."""

    def read(self, files: pa.Table, leaves: Sequence[Leaf], /) -> FileStatistics | None:
        """What is known of some files; None where there are no statistics at all."""
        ...


class ReadStatistics:
    """Statistics that were read from the files before."""

    def __init__(self, statistics: FileStatistics) -> None:
        """Take them: of all columns of the files that will be asked for."""
        self.statistics = statistics

    def read(self, _files: pa.Table, leaves: Sequence[Leaf], /) -> FileStatistics:
        """See ``StatisticsIndex.read``."""
        columns = {leaf.field.id: self.statistics.columns[leaf.field.id] for leaf in leaves}
        return FileStatistics(self.statistics.row_count, columns, self.statistics.shapes)


class StatisticsReader:
    """Reads statistics of files of one table."""

    def __init__(self, storage: Storage, index: StatisticsIndex | None) -> None:
        """Take the statistics that are known, where there are some."""
        self._storage = storage
        self._index = index

    @property
    def has_no_index(self) -> bool:
        """Whether all statistics have to come from the files."""
        return self._index is None

    def indexed(self, files: pa.Table, leaves: Sequence[Leaf]) -> FileStatistics:
        """What the metadata table says; everything may be unknown."""
        found = None if self._index is None else self._index.read(files, leaves)
        return found or _nothing(len(files), leaves)

    def completed(
        self, known: FileStatistics, wanted: pa.Array, files: pa.Table, paths: pa.Array, leaves: Sequence[Leaf]
    ) -> FileStatistics:
        """Statistics with those of some files taken from the files.

        Args:
            known: What is known.
            wanted: A mask of the files to read.
            files: The files: ``size``.
            paths: Their locations.
            leaves: The columns.

        Raises:
            CorruptTable: A file is missing or cannot be read.
        """
        if not pc.any(wanted).as_py():
            return known
        found = read_statistics(
            self._storage, paths.filter(wanted).to_pylist(), files["size"].filter(wanted).to_pylist(), leaves
        )
        return _merged(known, wanted, found)


def model_statistics(statistics: FileStatistics) -> Mapping[int, Mapping[str, pa.Array]]:
    """Statistics as ``data_file_batch`` takes them."""
    return {
        id_: {name: getattr(leaf, name) for name in STAT_NAMES if hasattr(leaf, name)}
        for id_, leaf in statistics.columns.items()
    }


def _nothing(count: int, leaves: Sequence[Leaf]) -> FileStatistics:
    columns = {leaf.field.id: LeafStatistics.unknown(leaf.field.type, count) for leaf in leaves}
    return FileStatistics(pa.nulls(count, pa.int64()), columns)


def _merged(known: FileStatistics, mask: pa.Array, found: FileStatistics) -> FileStatistics:
    if len(found.row_count) == len(known.row_count):
        return found
    columns: dict[int, LeafStatistics] = {}
    for id_, leaf in known.columns.items():
        other = found.columns[id_]
        columns[id_] = LeafStatistics(
            *(
                pc.replace_with_mask(getattr(leaf, name), mask, getattr(other, name))
                for name in ("present", "null_count", "lower", "upper", "exact")
            )
        )
    shapes: tuple[Shape, ...] = (*known.shapes, *found.shapes)
    return FileStatistics(pc.replace_with_mask(known.row_count, mask, found.row_count), columns, shapes)
