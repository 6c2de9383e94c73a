"""Comparing deleted rows: how many each file has, and which they are."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.deletes.blob import positions_in
from converters.deletes.reader import read_blobs
from converters.storage.base import Storage
from converters.verification.listing import Part
from converters.verification.report import Check
from converters.verification.tally import Tally
from converters.verification.values import differ, member

__all__ = ["DeleteCheck"]

_MOST_BYTES = 256 * 2**20
"""How much of the source's deletion vectors is read to compare positions."""


class DeleteCheck:
    """The check ``deletes``."""

    def __init__(self, storage: Storage) -> None:
        """Start with nothing; ``storage`` is where the deletion vectors lie."""
        self._storage = storage
        self._tally = Tally()
        self._files = self._rows = self._positions = self._unread = self._bytes = 0

    def take(self, part: Part) -> None:
        """Compare one part."""
        if part.source is None or part.target is None:
            return
        ours, theirs = part.source.column("deletion_vector"), part.target.column("deletion_vector")
        left, right = member(ours, "cardinality"), member(theirs, "cardinality")
        paths = part.source.column("path")
        self._tally.add(
            differ(left, right),
            lambda place: (
                f"{paths[place]}: {left[place].as_py() or 0} rows are deleted in the source, "
                f"{right[place].as_py() or 0} in the target"
            ),
        )
        self._files += len(left) - left.null_count
        self._rows += pc.sum(left).as_py() or 0
        same = pc.fill_null(pc.equal(left, right), fill_value=False)
        self._compare_positions(paths.filter(same), ours.filter(same), theirs.filter(same))

    def _compare_positions(self, paths: pa.Array, ours: pa.Array, theirs: pa.Array) -> None:
        if not len(paths):
            return
        # In the order in which the blobs lie in the source's files, where many share one.
        order = pc.sort_indices(
            pa.table({"path": member(ours, "path"), "offset": member(ours, "offset")}),
            sort_keys=[("path", "ascending"), ("offset", "ascending")],
        )
        paths, ours, theirs = paths.take(order), ours.take(order), theirs.take(order)
        left, right = read_blobs(self._storage, ours, paths), read_blobs(self._storage, theirs, paths)
        for place, path in enumerate(paths.to_pylist()):
            if self._bytes >= _MOST_BYTES:
                self._unread += len(paths) - place
                return
            first, second = next(left), next(right)
            self._bytes += len(first)
            self._positions += 1
            where = f"The deletion vector of the data file '{path}'"
            if first != second and not np.array_equal(positions_in(first, where), positions_in(second, where)):
                self._tally.wrong += 1
                self._tally.examples.append(f"{path}: other rows are deleted in the target than in the source")

    def checks(self) -> Sequence[Check]:
        """What came of it."""
        if not self._tally.wrong and not self._files:
            return (Check(name="deletes", result="ok", detail="no row of a live file is deleted"),)
        aside = f"{self._rows:,} rows of {self._files:,} files are deleted, positions of {self._positions:,} compared"
        if self._unread:
            aside += f", those of {self._unread:,} not (they are large)"
        found = self._tally.check("deletes", "files' deleted rows", nothing="there are no files", aside=aside)
        return (msgspec.structs.replace(found, detail=aside) if found.result == "ok" else found,)
