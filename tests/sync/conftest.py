"""A source of each format, and how to change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.readers.tables import Format
from tests.tables import (
    append_delta,
    append_iceberg,
    delete_delta,
    read_rows,
    write_delta,
    write_iceberg,
)


@dataclass(frozen=True)
class Direction:
    """A conversion from a table that another writer made and can change."""

    source: Format
    target: Format
    write: Callable[[Path], Path]
    change: Callable[[Path], None]

    def source_rows(self, directory: Path) -> list[str]:
        """The source's rows, by its own reader."""
        return read_rows(self.source, directory)

    def target_rows(self, directory: Path) -> list[str]:
        """The target's rows, by a reader of that format."""
        return read_rows(self.target, directory)

    def metadata(self, directory: Path) -> Path:
        """Where the target's metadata is."""
        return directory / ("metadata" if self.target == "iceberg" else "_delta_log")


def _change_delta(directory: Path) -> None:
    append_delta(directory)
    delete_delta(directory)


DIRECTIONS = (
    Direction("delta", "iceberg", write_delta, _change_delta),
    Direction("iceberg", "delta", write_iceberg, append_iceberg),
)


@pytest.fixture(params=DIRECTIONS, ids=lambda direction: f"{direction.source}-to-{direction.target}")
def direction(request: pytest.FixtureRequest) -> Direction:
    """Each direction in turn."""
    return request.param
