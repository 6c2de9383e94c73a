"""Only one writes at a time; who crashed is found out and cleaned up after."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import converters
from converters.errors import CommitConflict
from converters.formats import Commit
from converters.hudi.table_config import TableConfig, read_table_config
from converters.hudi.timeline.active import Timeline, read_timeline
from converters.hudi.writing import claim as claims
from converters.hudi.writing.claim import Claim
from converters.hudi.writing.owners import Owner, requested_content
from converters.storage import ObjectStorage
from tests.hudi_target.made import SPARKS, Delta, ids
from tests.hudi_target.steps import Steps

LATER = "20990101000000000"
EARLIER = "20200101000000000"


def _table(tmp_path: Path) -> Delta:
    table = Delta(tmp_path / "t")
    table.append(0, 6)
    table.synced()
    table.append(10, 3)
    return table


def _parts(table: Delta) -> tuple[str, TableConfig, Timeline]:
    location = f"file://{table.directory}"
    config = read_table_config(ObjectStorage(), location)
    assert config is not None
    return location, config, read_timeline(ObjectStorage(), location, config)


def _leave(table: Delta, time_: str, owner: Owner | None) -> Path:
    """A pending instant, as a writer leaves it that stops after its claim."""
    path = table.directory / f".hoodie/{time_}.replacecommit.requested"
    path.write_bytes(b"" if owner is None else requested_content(owner))
    return path


def test_four_writers_at_once_make_one_commit(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t")
    for number in range(4):
        table.append(number * 10, 6)
        start = threading.Barrier(4)

        def one(start: threading.Barrier = start) -> converters.ConversionReport:
            start.wait()
            return table.sync()

        with ThreadPoolExecutor(4) as pool:
            reports = [each.result() for each in [pool.submit(one) for _ in range(4)]]
        assert sorted(report.targets[0].status for report in reports) == ["synced", *["unchanged"] * 3], reports
    assert len(list((table.directory / ".hoodie").glob("*.requested"))) == 4
    assert ids(SPARKS[0], table.directory) == table.ids()


def test_of_two_claims_the_later_one_gives_way(tmp_path: Path) -> None:
    location, config, base = _parts(_table(tmp_path))
    first = Claim(ObjectStorage(), location, config, LATER)
    first.take(base)
    second = Claim(ObjectStorage(), location, config, LATER[:-1] + "1")
    with pytest.raises(CommitConflict):
        second.take(base)
    first.withdraw()
    assert not read_timeline(ObjectStorage(), location, config).pending()


def test_the_earlier_claim_waits_for_the_later_one_to_give_way(tmp_path: Path) -> None:
    location, config, base = _parts(_table(tmp_path))
    later = Claim(ObjectStorage(), location, config, LATER[:-1] + "1")
    later.take(base)
    threading.Timer(0.2, later.withdraw).start()
    earlier = Claim(ObjectStorage(), location, config, LATER)
    earlier.take(base)
    earlier.withdraw()


def test_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    table = _table(tmp_path)
    owner = Owner.begin()
    left = _leave(table, LATER, owner)
    report = table.sync().targets[0]
    assert report.error is not None
    assert report.error.type == "CommitConflict"
    assert left.exists()
    owner.end()
    table.synced()
    assert not left.exists()
    assert ids(SPARKS[0], table.directory) == table.ids()


def test_a_writer_whose_process_is_gone_is_cleaned_up_after_at_once(tmp_path: Path) -> None:
    table = _table(tmp_path)
    code = "from converters.hudi.writing.owners import Owner; print(Owner.begin().text)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    owner = Owner.parse(said)
    assert owner is not None
    left = _leave(table, EARLIER, owner)
    table.synced()
    assert not left.exists()


@pytest.mark.parametrize("age", [200, 400])
def test_an_unknown_writer_keeps_its_claim_until_its_lease_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    monkeypatch.setattr(claims, "_PATIENCE_SECONDS", 0.1)
    table = _table(tmp_path)
    left = _leave(table, EARLIER, None)
    os.utime(left, (time.time() - age, time.time() - age))
    report = table.sync().targets[0]
    assert (report.status == "synced") == (age > claims.LEASE_SECONDS)
    assert left.exists() == (age < claims.LEASE_SECONDS)


def test_a_claim_that_was_held_for_too_long_makes_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = _table(tmp_path)
    before = table.ids()[:-3]
    monkeypatch.setattr(claims, "_FENCE_SECONDS", -1.0)
    report = table.sync().targets[0]
    assert report.error is not None
    assert report.error.type == "CommitConflict"
    assert ids(SPARKS[0], table.directory) == before
    monkeypatch.undo()
    table.synced()
    assert ids(SPARKS[0], table.directory) == table.ids()


def test_a_commit_that_came_between_is_noticed(tmp_path: Path) -> None:
    table = _table(tmp_path)
    location, config, base = _parts(table)
    table.synced()
    late = Claim(ObjectStorage(), location, config, LATER)
    with pytest.raises(CommitConflict):
        late.take(base)
    assert not read_timeline(ObjectStorage(), location, config).pending()


def test_another_writers_process_on_another_machine_is_not_known_to_be_gone() -> None:
    assert not Owner("elsewhere", 1, "1", "x").is_gone()
    assert not Owner("", 1, "1", "x").is_gone()
    mine = Owner.begin()
    assert not mine.is_gone()
    assert Owner(mine.machine, mine.pid, mine.started + "0", mine.id).is_gone()
    mine.end()
    assert mine.is_gone()
    assert Owner.parse(mine.text) == mine
    assert Owner.parse("{") is None


def test_of_four_writers_of_one_change_one_commits_it(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t")
    table.append(0, 6)
    steps = Steps(table.directory)
    steps.replace()
    for number in range(1, 5):
        table.append(number * 10, 6)
        base = steps.current()
        writers = [steps.advancing(base=base) for _ in range(4)]
        start = threading.Barrier(4)

        def one(advance: Callable[[], Commit], start: threading.Barrier = start) -> str:
            start.wait()
            try:
                return advance().version
            except CommitConflict:
                return ""

        with ThreadPoolExecutor(4) as pool:
            versions = list(pool.map(one, writers))
        assert sorted(map(bool, versions)) == [False, False, False, True]
        assert steps.current().version in versions
        steps.was_done()
    assert ids(SPARKS[0], table.directory) == table.ids()


def test_a_step_removes_what_a_dead_writer_left(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t")
    table.append(0, 6)
    steps = Steps(table.directory)
    steps.replace()
    mine = Owner.begin()
    dead = _leave(table, EARLIER, Owner(mine.machine, mine.pid, mine.started + "0", mine.id))
    mine.end()
    table.append(10, 3)
    steps.advance()
    assert not dead.exists()
    assert ids(SPARKS[0], table.directory) == table.ids()
