"""Comparing statistics: a target's bounds must contain the source's, and its counts equal them.

A target's reader may take bounds from the data files where its metadata has none, and a format may keep them finer than
the source does.  So a bound that is tighter than the source's, or that the source does not have, is held against the
file's own footer before it is called wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.model.data_file import stat
from converters.model.schema import Leaf
from converters.model.snapshot import Table
from converters.storage.base import Storage
from converters.verification.listing import Part
from converters.verification.report import Check
from converters.verification.tally import Tally
from converters.verification.values import alike, differ, is_known

__all__ = ["BoundsCheck"]

_MOST_FOOTERS = 2_000
_Side = Literal["lower", "upper"]


class _Column(msgspec.Struct, frozen=True):
    """A column that both tables have: the source's leaf, and the field id in the target."""

    leaf: Leaf
    target_id: int

    @property
    def name(self) -> str:
        return ".".join(self.leaf.path)


class _Doubt(msgspec.Struct, frozen=True):
    """One column's bounds of one side in one part: those of the target that the source's do not vouch for."""

    column: _Column
    side: _Side
    ours: pa.Array
    theirs: pa.Array
    tighter: pa.Array
    invented: pa.Array


class BoundsCheck:
    """The checks ``null-counts`` and ``bounds``."""

    def __init__(self, source: Table, target: Table, storage: Storage) -> None:
        """See which columns both tables have; ``storage`` is where the data files lie."""
        theirs = {leaf.path: leaf.field.id for leaf in target.schema.leaves}
        self._columns = [_Column(leaf, theirs[leaf.path]) for leaf in source.schema.leaves if leaf.path in theirs]
        self._storage = storage
        self._bounds, self._counts = Tally(), Tally()
        self._footers = self._unseen = 0

    def take(self, part: Part) -> None:
        """Compare one part.

        Raises:
            CorruptTable: A data file whose bounds are in doubt cannot be read.
        """
        if part.source is None or part.target is None:
            return
        doubts: list[_Doubt] = []
        for column in self._columns:
            self._compare_counts(part.source, part.target, column)
            for side in ("lower", "upper"):
                doubt = self._doubt(part.source, part.target, column, side)
                if doubt is not None:
                    doubts.append(doubt)
        if doubts:
            self._settle(part.source, doubts)

    def _compare_counts(self, source: pa.RecordBatch, target: pa.RecordBatch, column: _Column) -> None:
        for what in ("null_count", "nan_count"):
            left, right = stat(source, column.leaf.field.id, what), stat(target, column.target_id, what)
            known = is_known(left, right)
            left, right = left.filter(known), right.filter(known)
            words = f"{what.replace('_', ' ')} of {column.name}"
            paths = source.column("path").filter(known)
            self._counts.add(differ(left, right), _describer(paths, words, left, right))

    def _doubt(self, source: pa.RecordBatch, target: pa.RecordBatch, column: _Column, side: _Side) -> _Doubt | None:
        left, right = stat(source, column.leaf.field.id, side), stat(target, column.target_id, side)
        self._bounds.compared += len(right) - right.null_count
        tighter = _is_tighter(left, right, side)
        invented = pc.and_(pc.is_null(left), pc.is_valid(right))
        if not pc.any(pc.or_(tighter, invented)).as_py():
            return None
        return _Doubt(column, side, left, right, tighter, invented)

    def _settle(self, files: pa.RecordBatch, doubts: Sequence[_Doubt]) -> None:
        """Ask the footers of the files that are in doubt."""
        from converters.parquet.statistics import read_statistics  # noqa: PLC0415 - heavy and rarely needed

        doubtful = doubts[0].tighter
        for doubt in doubts:
            doubtful = pc.or_(doubtful, pc.or_(doubt.tighter, doubt.invented))
        places = pc.indices_nonzero(doubtful)
        asked, unasked = places[: _MOST_FOOTERS - self._footers], places[_MOST_FOOTERS - self._footers :]
        self._footers += len(asked)
        self._unseen += len(unasked)
        leaves = [column.leaf for column in {id(doubt.column): doubt.column for doubt in doubts}.values()]
        paths, sizes = files.column("path").take(asked), files.column("size").take(asked)
        found = read_statistics(self._storage, paths.to_pylist(), sizes.to_pylist(), leaves)
        for doubt in doubts:
            words = f"{doubt.side} bound of {doubt.column.name}"
            statistics = found.columns[doubt.column.leaf.field.id]
            true = statistics.lower if doubt.side == "lower" else statistics.upper
            ours, theirs = doubt.ours.take(asked), doubt.theirs.take(asked)
            unlike = pc.or_(_is_tighter(true, theirs, doubt.side), pc.and_(pc.is_null(true), pc.is_valid(theirs)))
            wrong = pc.and_(unlike, pc.or_(doubt.tighter, doubt.invented).take(asked))
            self._bounds.add(wrong.filter(wrong), _describer(paths, words, ours, theirs, wrong), counted=False)
            rest, ours, theirs = doubt.tighter.take(unasked), doubt.ours.take(unasked), doubt.theirs.take(unasked)
            unread = files.column("path").take(unasked)
            self._bounds.add(rest.filter(rest), _describer(unread, words, ours, theirs, rest), counted=False)

    def checks(self) -> Sequence[Check]:
        """What came of it."""
        aside = ""
        if self._footers:
            aside = f"for some of {self._footers:,} files these come from the files' footers, and were compared there"
        if self._unseen:
            aside += f"; {self._unseen:,} more have some that the source does not know"
        return (
            self._counts.check("null-counts", "null and NaN counts", nothing="no count is known in both tables"),
            self._bounds.check("bounds", "bounds", nothing="the target has no bounds", aside=aside),
        )


def _is_tighter(ours: pa.Array, theirs: pa.Array, side: _Side) -> pa.Array:
    """Where values between our bounds lie outside theirs; false where one is unknown."""
    pair = alike(ours, theirs)
    if pair is None:
        return is_known(ours, theirs)
    return pc.fill_null(pc.greater(pair[1], pair[0]) if side == "lower" else pc.less(pair[1], pair[0]), False)  # noqa: FBT003 - Arrow's call


def _describer(
    paths: pa.Array, words: str, ours: pa.Array, theirs: pa.Array, chosen: pa.Array | None = None
) -> Callable[[int], str]:
    def describe(place: int) -> str:
        if chosen is not None:
            place = pc.indices_nonzero(chosen)[place].as_py()
        return f"{paths[place]}: {words} is {ours[place]} in the source, {theirs[place]} in the target"

    return describe
