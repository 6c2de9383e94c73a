"""Statistics of files, from their JSON text or a checkpoint's ``stats_parsed`` (Delta protocol, "Per-file Statistics").

What is missing, malformed or contradicts itself is unknown, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.engine import cursor
from converters.delta.statistics.bounds import bounds_of
from converters.delta.statistics.extremes import Column, Extremes, columns_of
from converters.delta.statistics.few_texts import few_stats
from converters.delta.statistics.parsed import read_parsed
from converters.delta.statistics.texts import TextStats
from converters.model.schema import Schema

__all__ = ["FileStats", "StatsReader"]

_COLUMNS_AT_ONCE = 200
"""DuckDB needs about 100 kB for each column that it takes out of JSON, however few the rows."""


class FileStats(msgspec.Struct, frozen=True):
    """Statistics of a batch of files.

    Attributes:
        row_count: Rows, the deleted ones included.
        tight: Whether the extremes are those of the rows that are not deleted; null means yes.
        columns: By field id what ``DataFile`` batches hold.
    """

    row_count: pa.Array
    tight: pa.Array
    columns: Mapping[int, Mapping[str, pa.Array]]


class StatsReader:
    """Reads the statistics of one schema's columns."""

    def __init__(self, schema: Schema) -> None:
        """Prepare for a schema."""
        self._columns = columns_of(schema.leaves)
        starts = range(0, max(1, len(self._columns)), _COLUMNS_AT_ONCE)
        self._groups = [self._columns[start : start + _COLUMNS_AT_ONCE] for start in starts]
        self._texts = [TextStats(group) for group in self._groups]

    def read(self, files: pa.Table) -> FileStats:
        """Read the statistics of some files.

        Args:
            files: Has ``stats`` (text), ``stats_parsed`` (a struct; the text counts where it is null), both or none;
                ``deletion_vector``, where it is there, is null for a file that has none.
        """
        found = self._read(files)
        if "deletion_vector" not in files.column_names or files["deletion_vector"].null_count == len(files):
            return found
        return _of_all_rows(found, pc.is_valid(files["deletion_vector"].combine_chunks()))

    def _read(self, files: pa.Table) -> FileStats:
        text = files["stats"] if "stats" in files.column_names else None
        if text is not None and text.null_count == len(text):
            text = None
        if "stats_parsed" not in files.column_names:
            return self._from_text(text) if text is not None else _nothing(len(files))
        record = files["stats_parsed"].combine_chunks()
        parsed = _file_stats([(self._columns, read_parsed(record, self._columns))])
        lacking = pc.is_null(parsed.row_count)
        if text is None or not pc.any(lacking).as_py():
            return parsed
        return _merged(lacking, self._from_text(text), parsed)

    def _from_text(self, text: pa.ChunkedArray) -> FileStats:
        few = few_stats(self._columns, text)
        if few is not None:
            return _file_stats([(self._columns, few)])
        connection = cursor()
        read = (reader.read(connection, text) for reader in self._texts)
        return _file_stats(zip(self._groups, read, strict=True))


def _file_stats(groups: Iterable[tuple[Sequence[Column], Extremes]]) -> FileStats:
    columns: dict[int, Mapping[str, pa.Array]] = {}
    rows, tight = pa.nulls(0, pa.int64()), pa.nulls(0, pa.bool_())
    for group, found in groups:
        rows, tight = found.row_count, found.tight
        rows = pc.if_else(pc.fill_null(pc.less(rows, 0), fill_value=False), pa.scalar(None, pa.int64()), rows)
        loose = pc.fill_null(pc.invert(found.tight), fill_value=False)
        loose = loose if pc.any(loose).as_py() else None
        for column, (lower, upper, nulls) in zip(group, found, strict=True):
            stats: dict[str, pa.Array] = {}
            if nulls is not None:
                stats["null_count"] = _null_counts(nulls, rows, loose)
            if lower is not None and upper is not None:
                stats |= bounds_of(column.kind, column.leaf.field.type, lower, upper)
                if loose is not None:
                    stats["exact"] = pc.and_(stats["exact"], pc.invert(loose))
            columns[column.leaf.field.id] = stats
    return FileStats(rows, tight, columns)


def _null_counts(counts: pa.Array, rows: pa.Array, loose: pa.Array | None) -> pa.Array:
    """Counts that can be; where bounds are loose only "none" and "all" mean anything."""
    wrong = pc.or_kleene(pc.less(counts, 0), pc.greater(counts, rows))
    if loose is not None:
        extreme = pc.or_kleene(pc.equal(counts, 0), pc.equal(counts, rows))
        wrong = pc.or_kleene(wrong, pc.and_(loose, pc.invert(pc.fill_null(extreme, fill_value=False))))
    if not pc.any(wrong).as_py():
        return counts
    return pc.if_else(pc.fill_null(wrong, fill_value=False), pa.scalar(None, pa.int64()), counts)


def _nothing(rows: int) -> FileStats:
    return FileStats(pa.nulls(rows, pa.int64()), pa.nulls(rows, pa.bool_()), {})


def _of_all_rows(given: FileStats, with_vector: pa.Array) -> FileStats:
    """Say of files with deleted rows only what is true of all of their rows (Delta protocol, "Per-file Statistics").

    Tight extremes and null counts leave out the deleted rows, which bounds may, because nobody reads these.
    """
    of_some = pc.and_(with_vector, pc.fill_null(given.tight, fill_value=True))
    columns = {
        id_: {name: _looser(name, values, with_vector, of_some) for name, values in stats.items()}
        for id_, stats in given.columns.items()
    }
    return FileStats(given.row_count, given.tight, columns)


def _looser(name: str, values: pa.Array, with_vector: pa.Array, of_some: pa.Array) -> pa.Array:
    if name == "exact":
        return pc.and_(values, pc.invert(with_vector))
    return pc.if_else(of_some, None, values) if name == "null_count" else values


def _merged(first: pa.Array, one: FileStats, other: FileStats) -> FileStats:
    """``one`` where ``first``, else ``other``; both have the same columns."""
    columns = {
        id_: {name: pc.if_else(first, values, other.columns[id_][name]) for name, values in stats.items()}
        for id_, stats in one.columns.items()
    }
    return FileStats(
        pc.if_else(first, one.row_count, other.row_count), pc.if_else(first, one.tight, other.tight), columns
    )
