"""The statistics of manifest entries: maps from field id to counts and bounds (Iceberg spec, ``data_file``)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import VALUE, BoolArray, add_tag, chosen_rows, numbers_of, presence
from converters.avro.writer import EMPTY, Cells, RowJoiner, varint, varints
from converters.iceberg.manifests.entry_layout import LeafLayout, statistic
from converters.iceberg.statistics.bounds_encoding import cut, encode_values
from converters.model.types import Type

__all__ = ["add_metrics"]


class _Map:
    """A map from field id to something, each row with the items that are known in it."""

    def __init__(self, missing: BoolArray | None = None) -> None:
        """Start a map without items; rows that are ``missing`` have null instead of a map."""
        self._missing = missing
        self._pieces: list[bytes | Cells] = []
        self._everywhere = 0
        self._masks: list[BoolArray] = []

    def add_numbers(self, field_id: int, values: pa.Array) -> None:
        """Add an item where the number is known."""
        if self._missing is not None:
            values = pc.if_else(pa.array(self._missing), pa.scalar(None, pa.int64()), values)
        if values.null_count == len(values):
            return
        present = self._count(values)
        if present is not None:
            values = pc.fill_null(values, 0)
        self._pieces.append(varints(numbers_of(values), prefix=varint(field_id), present=present))

    def add_values(self, field_id: int, values: pa.Array, type_: Type) -> None:
        """Add an item where the bound is known."""
        if values.null_count == len(values):
            return
        present = self._count(values)
        encoded = encode_values(values, type_)
        key = varint(field_id)
        if isinstance(encoded, np.ndarray):
            key += varint(encoded.shape[1])
            self._pieces += [key, encoded] if present is None else [chosen_rows(encoded, present, key)]
            return
        self._pieces += [varints(numbers_of(pc.binary_length(encoded)), prefix=key, present=present), encoded]

    def write(self, row: RowJoiner) -> None:
        """Write the map; one without items is empty, not null."""
        add_tag(row, None if self._missing is None else ~self._missing)
        if self._masks:
            counts = np.full(len(self._masks[0]), self._everywhere, np.int64)
            for mask in self._masks:
                counts += mask
            row.add(varints(counts, present=counts > 0))
        elif self._everywhere:
            row.add(varint(self._everywhere))
        for piece in self._pieces:
            row.add(piece)
        if self._missing is None:
            row.add(EMPTY)
        else:
            row.add(varints(np.zeros(len(self._missing)), present=~self._missing))

    def _count(self, values: pa.Array) -> BoolArray | None:
        present = presence(values)
        if present is None:
            self._everywhere += 1
        else:
            self._masks.append(present)
        return present


def _write_value_counts(row: RowJoiner, leaves: tuple[LeafLayout, ...], rows: Cells) -> None:
    """Write the row count as every column's value count."""
    if not leaves:
        row.add(VALUE + EMPTY)
        return
    row.add(VALUE + varint(len(leaves)))
    keys = [varint(leaf.field_id) for leaf in leaves]
    if isinstance(rows, np.ndarray):
        for key in keys:
            row.add(key)
            row.add(rows)
    else:
        row.add(_repeated(keys, rows))
    row.add(EMPTY)


def _repeated(keys: list[bytes], numbers: pa.Array) -> pa.Array:
    """Every key, followed by the row's number each time: built for rows whose number is equally long at once."""
    lengths = numbers_of(pc.binary_length(numbers))
    groups: list[pa.Array] = []
    places: list[npt.NDArray[np.int64]] = []
    for length in np.unique(lengths):
        place = np.flatnonzero(lengths == length)
        matrix = np.frombuffer(numbers.take(place).buffers()[2], np.uint8)[: len(place) * length]
        part = RowJoiner(len(place))
        for key in keys:
            part.add(key)
            part.add(matrix.reshape(len(place), length))
        groups.append(part.join())
        places.append(place)
    back = np.empty(len(numbers), np.int64)
    back[np.concatenate(places)] = np.arange(len(numbers))
    return pa.concat_arrays(groups).take(back)


def add_metrics(row: RowJoiner, stats: pa.Array, leaves: tuple[LeafLayout, ...], rows: Cells) -> None:
    """Write the counts and bounds of every column.

    Args:
        row: What is written to.
        stats: The batch's statistics.
        leaves: The columns.
        rows: The files' row counts, encoded.
    """
    _write_value_counts(row, leaves, rows)
    null_counts = _Map(_without_null_counts(stats, leaves))
    nan_counts, lower, upper = (_Map() for _ in range(3))
    for leaf in leaves:
        id_, type_ = leaf.field_id, leaf.type
        null_counts.add_numbers(id_, statistic(stats, leaf, "null_count"))
        nans = statistic(stats, leaf, "nan_count")
        nan_counts.add_numbers(id_, nans)
        lower.add_values(id_, cut(statistic(stats, leaf, "lower"), type_, "lower")[0], type_)
        upper.add_values(id_, cut(_above_nan(statistic(stats, leaf, "upper"), nans), type_, "upper")[0], type_)
    for each in (null_counts, nan_counts, lower, upper):
        each.write(row)


def _without_null_counts(stats: pa.Array, leaves: tuple[LeafLayout, ...]) -> BoolArray | None:
    """Files that must have no null counts at all, because a column with a bound lacks its own.

    Java takes such a column for one without nulls (``StrictMetricsEvaluator``), and a DELETE by it drops whole files.
    """
    found: BoolArray | None = None
    for leaf in leaves:
        counts = statistic(stats, leaf, "null_count")
        if counts.null_count == 0:
            continue
        bounded = pc.or_(statistic(stats, leaf, "lower").is_valid(), statistic(stats, leaf, "upper").is_valid())
        here = pc.and_(bounded, counts.is_null()).to_numpy(zero_copy_only=False)
        if here.any():
            found = here if found is None else found | here
    return found


def _above_nan(upper: pa.Array, nans: pa.Array) -> pa.Array:
    """Upper bounds without those of files that have NaN: engines that sort NaN last would skip its rows."""
    if nans.null_count == len(nans) or not pc.any(pc.greater(nans, 0)).as_py():
        return upper
    return pc.if_else(pc.fill_null(pc.greater(nans, 0), fill_value=False), pa.scalar(None, upper.type), upper)
