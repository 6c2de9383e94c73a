"""Statistics of files, from their JSON text or a checkpoint's ``stats_parsed`` (Delta protocol, "Per-file Statistics").

What is missing, malformed or contradicts itself is unknown, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.bounds import ColumnKind, bounds_of, column_kind
from converters.delta.engine import json_shape, query
from converters.delta.exact import ExactReader, decimals, integers
from converters.delta.parsed_stats import parsed_extremes
from converters.model.schema import Leaf, Schema
from converters.model.types import PRIMITIVE_KINDS, arrow_type

if TYPE_CHECKING:
    import duckdb

__all__ = ["FileStats", "StatsReader"]

_JSON_TYPES: dict[ColumnKind, str] = {
    "integer": "BIGINT",
    "floating": "DOUBLE",
    "decimal": "DOUBLE",
    "date": "DATE",
    "instant": "TIMESTAMPTZ",
    "text": "VARCHAR",
}
_EXACT_IN_DOUBLE = 2**53


class FileStats(msgspec.Struct, frozen=True):
    """Statistics of a batch of files: row counts, and by field id what ``DataFile`` batches hold."""

    row_count: pa.Array
    columns: Mapping[int, Mapping[str, pa.Array]]


class _Extremes(msgspec.Struct, frozen=True):
    """What a writer noted: of all files their row counts and tightness, of each leaf its extremes and nulls."""

    row_count: pa.Array
    tight: pa.Array
    lower: Sequence[pa.Array | None]
    upper: Sequence[pa.Array | None]
    nulls: Sequence[pa.Array | None]


class StatsReader:
    """Reads the statistics of one schema's columns, which files know by their stored names."""

    def __init__(self, schema: Schema) -> None:
        """Prepare for a schema."""
        self._leaves = schema.leaves
        self._kinds: list[ColumnKind] = [column_kind(leaf.field.type) for leaf in self._leaves]
        self._shape = _shape(self._leaves, self._kinds)
        places = dict(_places(self._shape))
        self._places = {
            name: [places.get((name, *leaf.stored_path)) for leaf in self._leaves]
            for name in ("minValues", "maxValues", "nullCount")
        }
        self._large = [n for n, kind in enumerate(self._kinds) if kind == "large_decimal"]
        paths = [self._leaves[n].stored_path for n in self._large]
        self._large_reader = ExactReader(paths) if paths else None

    def read(self, connection: duckdb.DuckDBPyConnection, files: pa.Table) -> FileStats:
        """Read the statistics of some files.

        Args:
            connection: Parses the JSON.
            files: Has ``stats`` (text), ``stats_parsed`` (a struct; the text counts where it is null), both or none.
        """
        text = files["stats"] if "stats" in files.column_names else None
        if text is not None and text.null_count == len(text):
            text = None
        if "stats_parsed" not in files.column_names:
            return self._finished(self._from_text(connection, text)) if text is not None else _nothing(len(files))
        parsed = self._finished(self._from_parsed(files["stats_parsed"].combine_chunks()))
        lacking = pc.is_null(parsed.row_count)
        if text is None or not pc.any(lacking).as_py():
            return parsed
        return _merged(lacking, self._finished(self._from_text(connection, text)), parsed)

    def _from_text(self, connection: duckdb.DuckDBPyConnection, text: pa.ChunkedArray) -> _Extremes:
        # TRY: a text that is no JSON says nothing.
        sql = f"SELECT TRY(from_json(stats, {json_shape(self._shape)})) AS record FROM files"  # noqa: S608 - quoted
        record = query(connection, sql, files=pa.table({"stats": text}))["record"].combine_chunks()
        lower: list[pa.Array | None] = []
        upper: list[pa.Array | None] = []
        for number, (leaf, kind) in enumerate(zip(self._leaves, self._kinds, strict=True)):
            low, high = (self._member(record, name, number, kind) for name in ("minValues", "maxValues"))
            if leaf.field.type == PRIMITIVE_KINDS["long"] and low is not None and high is not None:
                low, high = _exact_integers(text, leaf, low, high)
            lower.append(low)
            upper.append(high)
        if self._large_reader is not None:
            for number, texts in zip(self._large, self._large_reader.read(text), strict=True):
                type_ = arrow_type(self._leaves[number].field.type)
                lower[number] = decimals(texts["lower"], type_, "lower")
                upper[number] = decimals(texts["upper"], type_, "upper")
        return _Extremes(
            pc.struct_field(record, "numRecords"),
            pc.struct_field(record, "tightBounds"),
            lower,
            upper,
            [self._member(record, "nullCount", number, "integer") for number in range(len(self._leaves))],
        )

    def _member(self, record: pa.StructArray, name: str, number: int, kind: ColumnKind) -> pa.Array | None:
        place = self._places[name][number]
        if place is None:
            return None
        found = pc.struct_field(record, place)
        return found.cast(pa.int64()) if kind == "instant" else found

    def _from_parsed(self, record: pa.StructArray) -> _Extremes:
        types = [leaf.field.type for leaf in self._leaves]
        sides = [
            [
                parsed_extremes(record, (name, *leaf.stored_path), kind, type_, up=up)
                for leaf, kind, type_ in zip(self._leaves, self._kinds, types, strict=True)
            ]
            for name, up in (("minValues", False), ("maxValues", True))
        ]
        return _Extremes(
            parsed_extremes(record, ("numRecords",), "integer", None),
            parsed_extremes(record, ("tightBounds",), "none", None),
            sides[0],
            sides[1],
            [parsed_extremes(record, ("nullCount", *leaf.stored_path), "integer", None) for leaf in self._leaves],
        )

    def _finished(self, found: _Extremes) -> FileStats:
        rows = found.row_count
        rows = pc.if_else(pc.fill_null(pc.less(rows, 0), fill_value=False), pa.scalar(None, pa.int64()), rows)
        loose = pc.fill_null(pc.invert(found.tight), fill_value=False)
        loose = loose if pc.any(loose).as_py() else None
        columns: dict[int, Mapping[str, pa.Array]] = {}
        for number, (leaf, kind) in enumerate(zip(self._leaves, self._kinds, strict=True)):
            lower, upper = found.lower[number], found.upper[number]
            nulls = found.nulls[number]
            stats: dict[str, pa.Array] = {}
            if nulls is not None:
                stats["null_count"] = _null_counts(nulls, rows, loose)
            if lower is not None and upper is not None:
                stats |= bounds_of(kind, leaf.field.type, lower, upper)
                if loose is not None:
                    stats["exact"] = pc.and_(stats["exact"], pc.invert(loose))
            columns[leaf.field.id] = stats
        return FileStats(rows, columns)


def _shape(leaves: Sequence[Leaf], kinds: Sequence[ColumnKind]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    for leaf, kind in zip(leaves, kinds, strict=True):
        _put(counts, leaf.stored_path, "BIGINT")
        if kind not in {"none", "large_decimal"}:
            _put(bounds, leaf.stored_path, _JSON_TYPES[kind])
    shape: dict[str, Any] = {"numRecords": "BIGINT", "tightBounds": "BOOLEAN"}
    if bounds:
        shape |= {"minValues": bounds, "maxValues": bounds}
    return shape | ({"nullCount": counts} if counts else {})


def _put(tree: dict[str, Any], path: tuple[str, ...], type_: str) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = type_


def _places(
    tree: Mapping[str, Any], path: tuple[str, ...] = (), place: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """Where each leaf is, by numbers: Arrow cannot look up every name that JSON can have."""
    for number, (name, below) in enumerate(tree.items()):
        if isinstance(below, dict):
            yield from _places(below, (*path, name), (*place, number))
        else:
            yield (*path, name), [*place, number]


def _exact_integers(text: pa.ChunkedArray, leaf: Leaf, lower: pa.Array, upper: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Read large integers again that may have been written as reals, and then were rounded to a double."""
    suspect = _may_be_double(lower) | _may_be_double(upper)
    if not suspect.any():
        return lower, upper
    mask = pa.array(suspect)
    texts = ExactReader([leaf.stored_path]).read(text.filter(mask))[0]
    return (
        pc.replace_with_mask(lower, mask, integers(texts["lower"], "lower")),
        pc.replace_with_mask(upper, mask, integers(texts["upper"], "upper")),
    )


def _may_be_double(values: pa.Array) -> np.ndarray:
    extremes = pc.min_max(values).as_py()
    if extremes["min"] is None or -_EXACT_IN_DOUBLE < extremes["min"] <= extremes["max"] < _EXACT_IN_DOUBLE:
        return np.zeros(len(values), dtype=bool)
    numbers = np.asarray(values.fill_null(0)).astype(np.int64)
    large = (numbers >= _EXACT_IN_DOUBLE) | (numbers <= -_EXACT_IN_DOUBLE)
    with np.errstate(invalid="ignore"):
        suspect: np.ndarray = large & (numbers.astype(np.float64).astype(np.int64) == numbers)
    return suspect


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
    return FileStats(pa.nulls(rows, pa.int64()), {})


def _merged(first: pa.Array, one: FileStats, other: FileStats) -> FileStats:
    """``one`` where ``first``, else ``other``; both have the same columns."""
    columns = {
        id_: {name: pc.if_else(first, values, other.columns[id_][name]) for name, values in stats.items()}
        for id_, stats in one.columns.items()
    }
    return FileStats(pc.if_else(first, one.row_count, other.row_count), columns)
