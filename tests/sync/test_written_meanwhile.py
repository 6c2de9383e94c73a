"""A source that is written to while a sync reads it: the target equals one of its versions, whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import converters
from converters.storage import FaultyStorage, ObjectStorage
from tests.histories.past import history
from tests.readers import canonical_rows, read
from tests.sync.conftest import Direction


class _MeddlingStorage(FaultyStorage):
    """Lets somebody write to the source at a call."""

    def __init__(self, at: int, meddle: Callable[[], None]) -> None:
        super().__init__(ObjectStorage())
        self._at = at
        self._meddle = meddle

    def _before(self) -> None:
        super()._before()
        if self.calls == self._at:
            self._meddle()


@pytest.mark.parametrize("is_first", [True, False])
def test_the_target_equals_a_version_of_the_source(direction: Direction, tmp_path: Path, is_first: bool) -> None:
    counting = FaultyStorage(ObjectStorage())
    _sync(direction, _table(direction, tmp_path / "counted", is_first=is_first), counting)
    for call in range(1, counting.calls + 1, 1 + counting.calls // 8):
        table = _table(direction, tmp_path / f"t{call}", is_first=is_first)
        _sync(direction, table, _MeddlingStorage(call, partial(direction.change, table)))
        for past in history(direction.target, table):
            wanted = read(direction.source, table, "duckdb", version=int(past.source_version))
            found = read(direction.target, table, "duckdb", version=past.version)
            assert canonical_rows(found) == canonical_rows(wanted), call
        _sync(direction, table)
        assert direction.target_rows(table) == direction.source_rows(table)


def _table(direction: Direction, directory: Path, *, is_first: bool) -> Path:
    table = direction.write(directory)
    if not is_first:
        _sync(direction, table)
        direction.change(table)
    return table


def _sync(direction: Direction, table: Path, storage: converters.Storage | None = None) -> None:
    report = converters.convert(str(table), [direction.target], source_format=direction.source, storage=storage)
    assert report.ok, report
