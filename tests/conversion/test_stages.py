"""Tables of the corpus as they live: each version of the source is a version of the target, whenever one syncs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from converters.errors import StorageError
from converters.storage import FaultyStorage, ObjectStorage
from tests.conversion.outcomes import REFUSED, REFUSED_AT, pairs
from tests.corpus import Case, Corpus
from tests.histories.staged import Staged
from tests.readers import Format, Reader

# Other versions of Hudi travel in the targets that were synced after each stage.
TRAVELLERS: Mapping[Format, tuple[Reader, ...]] = {
    "delta": ("deltalake",),
    "iceberg": ("pyiceberg",),
    "hudi": ("spark-hudi-1.0.2", "spark-hudi-0.15.0"),
}
# Old snapshots of the Iceberg table cannot be read by the names that columns had before they were renamed.
LEFT_OUT = {("hudi/schema_on_read", "iceberg")}
LIVES = [
    (case, target)
    for case, target in pairs()
    if case.stages
    and (case.name, target) not in LEFT_OUT
    and (case.name in REFUSED_AT or case.name not in REFUSED[target])
]


def _assert_that_nothing_is_left_out(life: Staged) -> None:
    versions = life.versions_on_the_way()
    found = [past.source_version for past in life.history()]
    assert [version for version in dict.fromkeys(found) if version in versions] == versions


def _assert_that_history_is_true(life: Staged, *readers: Reader) -> None:
    """Whatever version of the target one travels to has the rows of the source's version that its state names."""
    for past in life.history():
        wanted = life.wanted(past.source_version)
        if wanted:
            for reader in (None, *readers):
                assert life.rows(reader, past.version) in wanted, (reader, past)


@pytest.mark.parametrize("case,target", LIVES, ids=str)
def test_a_sync_after_each_stage(case: Case, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = Staged(case, target, corpus, tmp_path)
    for stage in range(1, len(life) + 1):
        if stage > 1:
            life.go_to(stage)
        report = life.sync()
        refused = life.refused
        assert (report.error is not None) == (refused is not None), f"stage {stage}: {report.error}"
        if report.error is not None:
            assert str(refused) in report.error.message
            continue
        assert life.rows() == life.contents.sha256, f"stage {stage}: {life.contents.note}"
        assert life.source_version == report.source_version
    _assert_that_nothing_is_left_out(life)
    _assert_that_history_is_true(life, *TRAVELLERS[target])


@pytest.mark.parametrize("case,target", LIVES, ids=str)
def test_one_sync_after_all_stages(case: Case, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = _behind(case, target, corpus, tmp_path)
    report = life.sync()
    assert report.error is None
    assert life.rows() == life.contents.sha256
    if report.mode == "incremental":
        _assert_that_nothing_is_left_out(life)
    _assert_that_history_is_true(life)
    assert life.sync().status == "unchanged"


@pytest.mark.parametrize("case,target", LIVES, ids=str)
def test_a_crash_in_the_middle(case: Case, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = _behind(case, target, corpus, tmp_path)
    life.save(tmp_path / "before")
    counting = FaultyStorage(ObjectStorage())
    life.sync(counting)
    for share in (0.3, 0.55, 0.8):
        life.restore(tmp_path / "before")
        with suppress(StorageError):
            life.sync(FaultyStorage(ObjectStorage(), fail_at=round(counting.calls * share), when="after"))
        wanted = life.wanted(life.source_version)
        assert not wanted or life.rows() in wanted
        report = life.sync()
        assert report.error is None
        assert life.rows() == life.contents.sha256
        states = [str(past.state) for past in life.history()]
        assert len(states) == len(set(states))
    _assert_that_history_is_true(life)


def _behind(case: Case, target: Format, corpus: Corpus, tmp_path: Path) -> Staged:
    """A table that was synced at its first stage that can be, and is at its last now."""
    life = Staged(case, target, corpus, tmp_path)
    while life.refused:
        life.go_to(life.stage + 1)
    report = life.sync()
    assert report.error is None
    life.go_to_the_end()
    return life
