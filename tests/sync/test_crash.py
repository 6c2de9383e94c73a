"""A conversion may die at any storage call: the target is then the old table or the new, and the next call finishes."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

import converters
from converters.errors import StorageError
from converters.storage import FaultyStorage, ObjectStorage
from tests.sync.conftest import Direction


def _convert(
    direction: Direction, table: Path, storage: converters.Storage | None = None
) -> converters.ConversionReport:
    return converters.convert(str(table), [direction.target], source_format=direction.source, storage=storage)


def _try(direction: Direction, table: Path, storage: FaultyStorage) -> None:
    """Convert until the fault, which either ends the call or is reported for the target."""
    with suppress(StorageError):
        _convert(direction, table, storage)


def _target_exists(direction: Direction, table: Path) -> bool:
    pattern = "*.metadata.json" if direction.target == "iceberg" else "*.json"
    return any(direction.metadata(table).glob(pattern)) if direction.metadata(table).exists() else False


def _copy(source: Path, to: Path) -> Path:
    """Put a copy where the original was: metadata of some formats has absolute paths."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(source, to)
    return to


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_first_sync_is_all_or_nothing(direction: Direction, tmp_path: Path, when: Literal["before", "after"]) -> None:
    table = direction.write(tmp_path / "t")
    rows = direction.source_rows(table)
    pristine = _copy(table, tmp_path / "pristine")
    counting = FaultyStorage(ObjectStorage())
    _convert(direction, table, counting)
    assert counting.calls > 3
    for call in range(1, counting.calls + 1):
        _copy(pristine, table)
        _try(direction, table, FaultyStorage(ObjectStorage(), fail_at=call, when=when))
        if _target_exists(direction, table):
            assert direction.target_rows(table) == rows
        report = _convert(direction, table)
        assert report.ok, report
        assert direction.target_rows(table) == rows
        assert _convert(direction, table).targets[0].status == "unchanged"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_later_sync_is_all_or_nothing(direction: Direction, tmp_path: Path, when: Literal["before", "after"]) -> None:
    table = direction.write(tmp_path / "t")
    _convert(direction, table)
    old = direction.target_rows(table)
    direction.change(table)
    new = direction.source_rows(table)
    assert old != new
    pristine = _copy(table, tmp_path / "pristine")
    counting = FaultyStorage(ObjectStorage())
    _convert(direction, table, counting)
    for call in range(1, counting.calls + 1):
        _copy(pristine, table)
        _try(direction, table, FaultyStorage(ObjectStorage(), fail_at=call, when=when))
        assert direction.target_rows(table) in (old, new)
        assert _convert(direction, table).ok
        assert direction.target_rows(table) == new
