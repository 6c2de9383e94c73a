"""Extremes from the JSON text of statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.engine import json_shape, query
from converters.delta.log.members import StructMembers
from converters.delta.statistics.bounds import ColumnKind
from converters.delta.statistics.exact_numbers import ExactReader, decimals, integers
from converters.delta.statistics.extremes import Column, Extremes
from converters.model.schema import Leaf
from converters.model.types import PRIMITIVE_KINDS, arrow_type

if TYPE_CHECKING:
    import duckdb

__all__ = ["TextStats"]

_JSON_TYPES: dict[ColumnKind, str] = {
    "integer": "BIGINT",
    "floating": "DOUBLE",
    "decimal": "DOUBLE",
    "date": "DATE",
    "instant": "TIMESTAMPTZ",
    "text": "VARCHAR",
}
_EXACT_IN_DOUBLE = 2**53
_SIDES = ("minValues", "maxValues")


class TextStats:
    """Reads the statistics of some columns; many columns are best read in several groups."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Name the columns, which files know by their stored names."""
        self._columns = columns
        shape = _shape(columns)
        # TRY: a text that is no JSON says nothing.
        self._sql = f"SELECT TRY(from_json(stats, {json_shape(shape)})) AS record FROM files"  # noqa: S608 - quoted
        self._places = dict(_places(shape))
        self._large = [n for n, column in enumerate(columns) if column.kind == "large_decimal"]
        self._large_reader = ExactReader([columns[n].leaf.stored_path for n in self._large]) if self._large else None

    def read(self, connection: duckdb.DuckDBPyConnection, text: pa.ChunkedArray) -> Extremes:
        """Read the texts of some files; what is missing or malformed is null."""
        record = query(connection, self._sql, files=pa.table({"stats": text}))["record"].combine_chunks()
        members = StructMembers(record)
        lower, upper = ([self._member(members, side, column) for column in self._columns] for side in _SIDES)
        for number, column in enumerate(self._columns):
            low, high = lower[number], upper[number]
            if column.leaf.field.type == PRIMITIVE_KINDS["long"] and low is not None and high is not None:
                lower[number], upper[number] = _exact_integers(text, column.leaf, low, high)
        if self._large_reader is not None:
            for number, texts in zip(self._large, self._large_reader.read(text), strict=True):
                type_ = arrow_type(self._columns[number].leaf.field.type)
                lower[number] = decimals(texts["lower"], type_, "lower")
                upper[number] = decimals(texts["upper"], type_, "upper")
        nulls = [self._member(members, "nullCount", column) for column in self._columns]
        return Extremes(members.at([0]), members.at([1]), lower, upper, nulls)

    def _member(self, members: StructMembers, name: str, column: Column) -> pa.Array | None:
        place = self._places.get((name, *column.leaf.stored_path))
        if place is None:
            return None
        found = members.at(place)
        return found.cast(pa.int64()) if pa.types.is_timestamp(found.type) else found


def _shape(columns: Sequence[Column]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    for column in columns:
        _put(counts, column.leaf.stored_path, "BIGINT")
        if column.kind in _JSON_TYPES:
            _put(bounds, column.leaf.stored_path, _JSON_TYPES[column.kind])
    shape: dict[str, Any] = {"numRecords": "BIGINT", "tightBounds": "BOOLEAN"}
    shape |= dict.fromkeys(_SIDES, bounds) if bounds else {}
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
