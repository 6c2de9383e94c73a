"""A sync may die at any storage call: readers then see the old rows or the new, and the next sync finishes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

from converters.errors import StorageError
from converters.hudi.writing import update
from converters.hudi.writing.upkeep import Pace
from converters.storage import FaultyStorage, ObjectStorage
from tests.hudi_target.made import SPARKS, Delta, ids

When = Literal["before", "after"]


def _state(directory: Path) -> str:
    """What a reader finds in ``.hoodie``, as far as it does not differ from run to run."""
    digest = hashlib.sha256()
    for path in sorted((directory / ".hoodie").rglob("*")):
        if path.is_file():
            content = b"" if path.name.endswith(".requested") else path.read_bytes()
            digest.update(str(path.relative_to(directory)).encode() + content)
    return digest.hexdigest()


def _crashes(table: Delta, pristine: Path, when: When) -> Iterator[int]:
    """Let a sync die at each of its storage calls in turn; the table is as the crash left it."""
    counting = FaultyStorage(ObjectStorage())
    table.sync(counting)
    assert counting.calls > 10
    for call in range(1, counting.calls + 1):
        shutil.rmtree(table.directory)
        shutil.copytree(pristine, table.directory)
        with suppress(StorageError):
            table.sync(FaultyStorage(ObjectStorage(), fail_at=call, when=when))
        yield call


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_first_sync_is_all_or_nothing(tmp_path: Path, when: When) -> None:
    table = Delta(tmp_path / "t")
    table.append(0, 6)
    pristine = shutil.copytree(table.directory, tmp_path / "pristine")
    finished: set[str] = set()
    for _ in _crashes(table, pristine, when):
        is_there = (table.directory / ".hoodie/hoodie.properties").exists()
        if is_there:
            assert ids(SPARKS[0], table.directory) == table.ids()
        assert table.sync().ok
        assert table.sync().targets[0].status == "unchanged"
        left = [path.name for path in (table.directory / ".hoodie").rglob("*") if path.is_file()]
        assert len(left) == 13, left
        if not finished:
            assert ids(SPARKS[0], table.directory) == table.ids()
            finished.add("once")


@pytest.mark.parametrize("form", ["log", "base", "returning", "step", "step of base files"])
def test_a_later_sync_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    table = Delta(tmp_path / "t", retention_hours="0")
    table.options["sync.mode"] = "incremental" if "step" in form else "full"
    table.append(0, 6)
    version = table.version
    table.synced()
    if "base" in form:
        monkeypatch.setattr(update, "FILES_PACE", Pace(0, 0, 0))
        monkeypatch.setattr(update, "STATISTICS_PACE", Pace(0, 0, 0))
    states = [table.ids()]
    table.delete("id < 2")
    if form == "returning":
        table.synced()
        states = [table.ids()]
        table.restore(version)
    else:
        if "step" in form:
            states.append(table.ids())
        table.append(10, 6)
    states.append(table.ids())
    new = states[-1]
    pristine = shutil.copytree(table.directory, tmp_path / "pristine")
    seen: dict[str, list[int]] = {}
    after: set[str] = set()
    # What a crash before a call leaves is what one after the call before it leaves.
    for call in _crashes(table, pristine, "after"):
        state = _state(table.directory)
        if state not in seen:
            seen[state] = ids(SPARKS[0], table.directory)
            assert seen[state] in states, call
            for reader in SPARKS[1:] if form in {"log", "base"} else ():
                assert ids(reader, table.directory) == seen[state], (reader, call)
        if table.sync().targets[0].status != "unchanged":
            table.options["sync.mode"] = "incremental"
            assert table.sync().targets[0].status == "unchanged"
        table.options["sync.mode"] = "incremental" if "step" in form else "full"
        state = "\n".join(sorted(path.name for path in (table.directory / ".hoodie").rglob("*.*")))
        if state not in after:
            after.add(state)
            assert ids(SPARKS[0], table.directory) == new, call
    assert len({tuple(rows) for rows in seen.values()}) == len(states)
