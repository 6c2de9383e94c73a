"""Comparing which files are live, their sizes and their row counts."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.compute as pc

from converters.verification.listing import Part
from converters.verification.report import Check
from converters.verification.tally import Tally
from converters.verification.values import differ

__all__ = ["FileCheck"]


class FileCheck:
    """The checks ``files``, ``sizes`` and ``row-counts``."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._shared = 0
        self._lost, self._foreign, self._twice = Tally(), Tally(), Tally()
        self._sizes, self._counts, self._uncounted = Tally(), Tally(), 0

    def take(self, part: Part) -> None:
        """Compare one part."""
        self._lost.add_all(part.missing, "the target lacks it")
        self._foreign.add_all(part.extra, "the source has no such file")
        self._twice.add_all(part.repeated, "the target has it more than once")
        if part.source is None or part.target is None:
            return
        self._shared += len(part.source)
        paths = part.source.column("path")
        sizes, formats = (
            [side.column(name) for side in (part.source, part.target)] for name in ("size", "file_format")
        )
        self._sizes.add(
            pc.or_(differ(*sizes), differ(*formats)),
            lambda place: (
                f"{paths[place]}: {sizes[0][place]} bytes of {formats[0][place]} in the source, "
                f"{sizes[1][place]} bytes of {formats[1][place]} in the target"
            ),
        )
        ours, theirs = part.source.column("row_count"), part.target.column("row_count")
        known = pc.is_valid(theirs)
        self._uncounted += known.false_count
        ours, theirs, paths = ours.filter(known), theirs.filter(known), paths.filter(known)
        self._counts.add(
            differ(ours, theirs),
            lambda place: f"{paths[place]}: {ours[place]} rows in the source, {theirs[place]} in the target",
        )

    def checks(self) -> Sequence[Check]:
        """What came of it."""
        lost, foreign, twice = self._lost, self._foreign, self._twice
        if lost.wrong or foreign.wrong or twice.wrong:
            detail = (
                f"{lost.wrong:,} missing, {foreign.wrong:,} extra, {twice.wrong:,} repeated, {self._shared:,} shared"
            )
            examples = (*lost.examples, *foreign.examples, *twice.examples)
            files = Check(name="files", result="differs", detail=detail, examples=examples)
        else:
            files = Check(name="files", result="ok", detail=f"{self._shared:,} live files")
        unsaid = f"of {self._uncounted:,} files the target does not say it" if self._uncounted else ""
        return (
            files,
            self._sizes.check("sizes", "sizes and formats", nothing="there are no files"),
            self._counts.check("row-counts", "row counts", nothing="there are no row counts", aside=unsaid),
        )
