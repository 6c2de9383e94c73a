"""Which columns' bounds are no minimum and maximum, and how readers are told.

A bound may be wider than the values.  Spark nevertheless answers ``SELECT max(c)`` from bounds, unless the table says
that it collects counts alone for the column (``SparkScanBuilder.pushAggregation``; for strings it never does so while
the mode is ``truncate``).  Filters use the bounds whatever the mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.manifests.entry_layout import LeafLayout, statistic
from converters.iceberg.statistics.bounds_encoding import LONGEST_BINARY, LONGEST_STRING
from converters.model.schema import Schema
from converters.model.types import FixedType, PrimitiveType, Type

__all__ = ["InexactColumns", "inexact_columns", "with_metrics_modes"]

_DEFAULT_KEY = "write.metadata.metrics.default"
_COLUMN_PREFIX = "write.metadata.metrics.column."
_COUNTS = "counts"
_WITHOUT_BOUNDS = {"none", _COUNTS}


class InexactColumns:
    """Looks at each batch for columns of which some bound is not known to be a value."""

    def __init__(self, leaves: Iterable[LeafLayout]) -> None:
        """Assume that all bounds are exact."""
        self._exact = list(leaves)
        self.field_ids: set[int] = set()

    def see(self, batch: pa.RecordBatch) -> None:
        """Take note of a batch."""
        stats = batch.column("stats")
        found = [leaf for leaf in self._exact if _is_inexact(stats, leaf)]
        if found:
            self.field_ids.update(leaf.field_id for leaf in found)
            self._exact = [leaf for leaf in self._exact if leaf.field_id not in self.field_ids]


def _is_inexact(stats: pa.Array, leaf: LeafLayout) -> bool:
    bounds = [statistic(stats, leaf, name) for name in ("lower", "upper")]
    if all(bound.null_count == len(bound) for bound in bounds):
        return False
    bounded = pc.or_(bounds[0].is_valid(), bounds[1].is_valid())
    exact = pc.fill_null(statistic(stats, leaf, "exact"), fill_value=False)
    if pa.types.is_floating(bounds[0].type):
        # The greatest value is NaN where there is one; the sign of a zero bound is rounded outwards.
        exact = pc.and_(exact, pc.fill_null(pc.equal(statistic(stats, leaf, "nan_count"), 0), fill_value=False))
        for bound in bounds:
            exact = pc.and_(exact, pc.fill_null(pc.not_equal(bound, pa.scalar(0.0, bound.type)), fill_value=True))
    if pc.any(pc.and_not(bounded, exact)).as_py():
        return True
    return any(_is_cut(bound, leaf.type) for bound in bounds)


def _is_cut(bound: pa.Array, type_: Type) -> bool:
    match type_:
        case PrimitiveType("string"):
            return bool((pc.max(pc.utf8_length(bound)).as_py() or 0) > LONGEST_STRING)
        case PrimitiveType("binary") | FixedType():
            return bool((pc.max(pc.binary_length(bound)).as_py() or 0) > LONGEST_BINARY)
        case _:
            return False


def inexact_columns(properties: Mapping[str, str], schema: Schema) -> set[int]:
    """The columns that a table's properties say counts alone are collected of, by field id."""
    return {node.id for node in schema.nodes if properties.get(_COLUMN_PREFIX + node.dotted, "").lower() == _COUNTS}


def with_metrics_modes(properties: Mapping[str, str], schema: Schema, inexact: Iterable[int]) -> dict[str, str]:
    """The table's properties, so that no minimum or maximum is taken from bounds that are none.

    Modes of columns that are gone go too: Java refuses to write to a table that has them.
    """
    names = {node.dotted for node in schema.nodes}
    kept = {
        key: value
        for key, value in properties.items()
        if not key.startswith(_COLUMN_PREFIX) or key.removeprefix(_COLUMN_PREFIX) in names
    }
    default = kept.get(_DEFAULT_KEY, "")
    for field_id in sorted(inexact):
        node = schema.by_id[field_id]
        key = _COLUMN_PREFIX + node.dotted
        mode = kept.get(key, default).lower()
        by_value = mode == "full" or node.type != PrimitiveType("string")
        if mode not in _WITHOUT_BOUNDS and by_value:
            kept[key] = _COUNTS
    return kept
