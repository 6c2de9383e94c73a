"""Counting differences, and keeping the first few to show."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from converters.verification.report import Check, CheckName

__all__ = ["MOST_EXAMPLES", "Tally"]

MOST_EXAMPLES = 5


class Tally:
    """How many things were compared, and how many of them differ."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.compared = 0
        self.wrong = 0
        self.examples: list[str] = []

    def add(self, wrong: pa.Array, describe: Callable[[int], str], *, counted: bool = True) -> None:
        """Take in as many comparisons as ``wrong`` is long.

        Args:
            wrong: Where there is a difference; never null.
            describe: Says in words what is different at a position.
            counted: False where these are among the compared already.
        """
        self.compared += len(wrong) if counted else 0
        found = pc.sum(wrong).as_py() or 0
        if not found:
            return
        self.wrong += found
        places = pc.indices_nonzero(wrong)[: MOST_EXAMPLES - len(self.examples)]
        self.examples += [describe(place) for place in places.to_pylist()]

    def add_all(self, paths: pa.Array, what: str) -> None:
        """Take in paths each of which is a difference."""
        self.wrong += len(paths)
        self.examples += [f"{path}: {what}" for path in paths[: MOST_EXAMPLES - len(self.examples)].to_pylist()]

    def check(self, name: CheckName, things: str, *, nothing: str, aside: str = "") -> Check:
        """What came of it.

        Args:
            name: The check's.
            things: What was compared, in the plural.
            nothing: Why nothing was, where nothing was.
            aside: What else is to be said.
        """
        tail = f"; {aside}" if aside else ""
        if self.wrong:
            detail = f"{self.wrong:,} of {self.compared:,} {things} differ{tail}"
            return Check(name=name, result="differs", detail=detail, examples=tuple(self.examples))
        if not self.compared:
            return Check(name=name, result="not-compared", detail=nothing + tail)
        return Check(name=name, result="ok", detail=f"{self.compared:,} {things}{tail}")
