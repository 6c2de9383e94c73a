"""A sync may die at any storage call: the target then equals a version that the source had, and the next sync finishes.

Of every kind of sync, in every direction.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from converters.storage import FaultyStorage, ObjectStorage
from tests.conversion.outcomes import REFUSED, others
from tests.corpus import Corpus, case
from tests.histories.staged import Staged
from tests.readers import Format
from tests.sync.dying import Fault, Recorder


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of sync, shown by a table of the corpus that goes from one stage to another; 0: there is no target yet."""

    name: str
    cases: tuple[str, ...]
    since: int
    until: int
    mode: str = "incremental"


KINDS = (
    Kind("first", ("delta/simple", "iceberg/simple", "hudi/simple"), 0, 2),
    Kind("adds", ("delta/simple", "iceberg/simple", "hudi/simple"), 1, 2),
    Kind("removes", ("delta/dml_nodv", "iceberg/cow_dml", "hudi/cow_v9"), 1, 2),
    Kind("several commits", ("delta/restore", "iceberg/overwrites", "hudi/overwrites"), 1, 3),
    Kind("full", ("delta/dml_nodv", "iceberg/cow_dml", "hudi/w0150_cow_v6"), 1, 3, "full"),
    Kind("deletion vectors", ("delta/dml_dv", "iceberg/mor_dv_v3", "iceberg/mor_posdel_v2"), 1, 3),
    Kind("a new column", ("delta/evolve", "iceberg/evolve", "hudi/evolve"), 1, 2),
)
SYNCS = [
    (kind, name, target)
    for kind in KINDS
    for name in kind.cases
    for target in others(case(name).format)
    if name not in REFUSED[target]
]


class Rows:
    """The rows of a target, read once for each of its states: Spark takes its time."""

    def __init__(self, life: Staged) -> None:
        self._life = life
        self._known: dict[str, str] = {}

    def __call__(self) -> str:
        state = hashlib.sha256()
        for path in sorted(self._life.place.rglob("*")):
            if path.is_file() and path.suffix != ".parquet" and not path.name.endswith(".requested"):
                state.update(f"{path}\n".encode() + path.read_bytes())
        if state.hexdigest() not in self._known:
            self._known[state.hexdigest()] = self._life.rows()
        return self._known[state.hexdigest()]


def _ready(kind: Kind, name: str, target: Format, corpus: Corpus, tmp_path: Path) -> Staged:
    life = Staged(case(name), target, corpus, tmp_path)
    if kind.since:
        life.go_to(kind.since)
        assert life.sync().error is None
    for stage in range(max(kind.since, 1) + 1, kind.until + 1):
        life.go_to(stage)
    return life


def _die(life: Staged, kind: Kind, fault: Fault) -> None:
    call, when = fault
    storage = FaultyStorage(ObjectStorage(), fail_at=call, when=when)
    report = life.sync(storage, **{"sync.mode": kind.mode})
    # The last call of all may have been what follows the commit.
    assert report.error is None or report.error.type in {"StorageError", "CommitConflict"}, (fault, report.error)


@pytest.mark.parametrize("kind,name,target", SYNCS, ids=lambda part: getattr(part, "name", part).replace("/", "-"))
def test_a_sync_that_dies(kind: Kind, name: str, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = _ready(kind, name, target, corpus, tmp_path)
    pristine = tmp_path / "pristine"
    life.save(pristine)
    recorder = Recorder()
    assert life.sync(recorder, **{"sync.mode": kind.mode}).error is None
    rows = Rows(life)
    for fault in recorder.faults():
        life.restore(pristine)
        _die(life, kind, fault)
        if life.history():
            assert rows() in life.wanted(life.source_version), fault
        else:
            assert not kind.since
        report = life.sync()
        assert report.error is None, (fault, report.error)
        assert rows() == life.contents.sha256, fault
        states = [str(past.state) for past in life.history()]
        assert len(states) == len(set(states)), fault
        assert life.sync().status == "unchanged", fault
    for past in life.history():
        assert life.rows(version=past.version) in life.wanted(past.source_version), past
