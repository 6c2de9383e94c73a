"""Tables of the corpus as they live: each version of the source is a version of the target, whenever one syncs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

import converters
from converters.errors import StorageError
from converters.storage import FaultyStorage, ObjectStorage
from tests.conversion.outcomes import pairs, refused_at
from tests.corpus import Case, Corpus
from tests.histories.staged import Staged
from tests.readers import Format, Reader

# Other versions of Hudi travel in the targets that were synced after each stage.
TRAVELLERS: Mapping[Format, tuple[Reader, ...]] = {
    "delta": ("deltalake",),
    "iceberg": ("pyiceberg",),
    "hudi": ("spark-hudi-1.0.2", "spark-hudi-0.15.0"),
}
# What is carried by request only.
OPTIONS: Mapping[tuple[str, Format], Mapping[str, str]] = {
    ("iceberg/equality_deletes", "delta"): {"iceberg.source.read-data": "true"},
}
# Where a sync compares all files although there was one before, and the words by which the report says why.
COMPARED: Mapping[tuple[str, Format], tuple[str, ...]] = {
    ("delta/log_truncated", "iceberg"): ("version 6 is no longer the commit",),
    ("delta/log_truncated", "hudi"): ("version 6 is no longer the commit",),
    ("iceberg/expired", "delta"): ("has expired",),
    ("iceberg/expired", "hudi"): ("has expired",),
    ("iceberg/py_partitioned", "delta"): ("must be asked how they hold it",),
    ("iceberg/tr_void", "delta"): ("the partitioning",),
    ("hudi/archived", "delta"): ("is archived", "were cleaned"),
    ("hudi/archived", "iceberg"): ("is archived", "were cleaned"),
    ("hudi/evolve", "delta"): ("must be asked how they hold it",),
    ("hudi/evolve", "iceberg"): ("becomes another type",),
    ("hudi/schema_on_read", "delta"): ("must be asked how they hold it",),
    ("hudi/schema_on_read", "iceberg"): ("Columns were renamed",),
    ("hudi/w0150_archived", "delta"): ("is archived",),
    ("hudi/w0150_archived", "iceberg"): ("is archived",),
    # It was written again after its stages, under another name.
    ("hudi/w0150_cow_v6", "delta"): ("another table",),
    ("hudi/w0150_cow_v6", "iceberg"): ("another table",),
}


def _lives() -> Iterator[tuple[Case, Format]]:
    """Tables that can be carried at some time of their lives."""
    for case, target in pairs():
        if any(refused_at(case, target, stage) is None for stage in range(1, len(case.stages) + 1)):
            yield case, target


LIVES = list(_lives())


def _life(case: Case, target: Format, corpus: Corpus, root: Path) -> Staged:
    return Staged(case, target, corpus, root, OPTIONS.get((case.name, target)))


def _assert_that_it_went_step_by_step(life: Staged, report: converters.TargetReport) -> None:
    if report.mode == "full":
        words = COMPARED.get((life.case.name, life.target), ())
        assert any(each in str(report.reason) for each in words), report.reason


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
    life = _life(case, target, corpus, tmp_path)
    synced = ""
    for stage in range(1, len(life) + 1):
        if stage > 1:
            life.go_to(stage)
        report = life.sync()
        refused = life.refused
        assert (report.error is not None) == (refused is not None), f"stage {stage}: {report.error}"
        if report.error is not None:
            assert str(refused) in report.error.message
            assert not synced or life.rows() == synced
            continue
        assert life.rows() == life.contents.sha256, f"stage {stage}: {life.contents.note}"
        assert life.source_version == report.source_version
        if synced:
            _assert_that_it_went_step_by_step(life, report)
        synced = life.contents.sha256
    _assert_that_nothing_is_left_out(life)
    _assert_that_history_is_true(life, *TRAVELLERS[target])


@pytest.mark.parametrize("case,target", LIVES, ids=str)
def test_one_sync_after_all_stages(case: Case, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = _behind(case, target, corpus, tmp_path)
    report = life.sync()
    assert report.error is None
    assert life.rows() == life.contents.sha256
    _assert_that_it_went_step_by_step(life, report)
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
    life = _life(case, target, corpus, tmp_path)
    while life.refused:
        life.go_to(life.stage + 1)
    report = life.sync()
    assert report.error is None
    life.go_to_the_end()
    return life
