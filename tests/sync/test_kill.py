"""A process that syncs is killed: what it leaves is a table, and the next sync finishes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.conversion.outcomes import others
from tests.corpus import Corpus, case
from tests.histories.staged import Staged
from tests.readers import Format
from tests.sync.child import start
from tests.sync.dying import Fault, Recorder

DIRECTIONS = [
    (name, target)
    for name in ("delta/restore", "iceberg/overwrites", "hudi/overwrites")
    for target in others(case(name).format)
]


def _faults(recorder: Recorder) -> list[Fault]:
    """The first write, the last, and some between."""
    writes = recorder.writes
    between = [writes[len(writes) * part // 4] for part in (1, 2, 3)]
    return [(writes[0], "after"), *((call, "before") for call in between), (writes[-1], "before")]


@pytest.mark.parametrize("name,target", DIRECTIONS)
def test_a_process_that_is_killed(name: str, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = Staged(case(name), target, corpus, tmp_path)
    assert life.sync().error is None
    life.go_to_the_end()
    life.save(tmp_path / "pristine")
    recorder = Recorder()
    assert life.sync(recorder).error is None
    said = {"source": str(life.table), "source_format": life.case.format, "target": target}
    for call, when in _faults(recorder):
        life.restore(tmp_path / "pristine")
        process = start(**said, fail_at=call, when=when)
        assert process.wait(timeout=60) == -signal.SIGKILL
        _assert_that_it_goes_on(life)
        process.communicate()


@pytest.mark.parametrize("name,target", DIRECTIONS[::3])
def test_a_process_that_is_killed_at_any_time(name: str, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = Staged(case(name), target, corpus, tmp_path)
    assert life.sync().error is None
    life.go_to_the_end()
    life.save(tmp_path / "pristine")
    said = {"source": str(life.table), "source_format": life.case.format, "target": target}
    began = time.monotonic()
    start(**said).communicate(timeout=60)
    took = time.monotonic() - began
    for share in (0.6, 0.7, 0.8, 0.9):
        life.restore(tmp_path / "pristine")
        process = start(**said)
        time.sleep(took * share)
        process.kill()
        process.communicate(timeout=60)
        _assert_that_it_goes_on(life)


def _assert_that_it_goes_on(life: Staged) -> None:
    assert life.rows() in life.wanted(life.source_version)
    assert life.sync().error is None
    assert life.rows() == life.contents.sha256
    states = [str(past.state) for past in life.history()]
    assert len(states) == len(set(states))
