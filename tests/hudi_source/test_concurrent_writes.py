"""Writes that overlap: what began first and ended last is told once it has ended, and nothing is told twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from converters.errors import FullSyncNeeded
from converters.hudi.timeline.instants import instant_millis
from tests.corpus import Corpus
from tests.hudi_source.made import HudiTable
from tests.hudi_source.tables import opened, timeline_files, uncommit
from tests.hudi_source.test_changes import check_chain, state_of


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "p": pa.array(["x"] * len(ids))})


def three_commits(folder: Path) -> tuple[Path, list[str]]:
    table = HudiTable(folder / "whole")
    commits = []
    for number in range(3):
        table.write("", rows(*range(number * 50, number * 50 + 50)))
        commits.append(table.commit())
    return table.path, commits


def still_running(table: Path, time: str, place: Path) -> Path:
    """A copy of a table as it was while one of its commits was not completed."""
    shutil.copytree(table, place)
    hoodie = place / ".hoodie"
    (hoodie / f"{time}.commit").rename(hoodie / f"{time}.inflight")
    return place


def test_a_commit_that_began_first_and_ended_last_is_told_when_it_has_ended(tmp_path: Path) -> None:
    whole, commits = three_commits(tmp_path)
    running = still_running(whole, commits[1], tmp_path / "running")
    first = opened(running).snapshot()
    assert first.pending_instants == (instant_millis(commits[1]),)
    assert check_chain([running, whole]) == [1]
    source = opened(whole)
    (change,) = source.changes(state_of(first), source.snapshot())
    (batch,) = change.added()
    assert batch.column("row_count").to_pylist() == [50]
    assert commits[1] in batch.column("path")[0].as_py()
    assert change.snapshot.version == commits[2]  # the newest by its time, as before
    assert change.snapshot.pending_instants == ()


def test_while_it_still_runs_the_next_sync_goes_on_without_it(tmp_path: Path) -> None:
    whole, commits = three_commits(tmp_path)
    both = still_running(whole, commits[0], tmp_path / "both")
    hoodie = both / ".hoodie"
    earlier = still_running(both, commits[2], tmp_path / "earlier")
    (earlier / ".hoodie" / f"{commits[2]}.inflight").unlink()
    # Synced: with the first pending; then the third; then the first, which ended last of all.
    assert check_chain([earlier, both, whole]) == [1, 2, 1]
    source = opened(both)
    (change,) = source.changes(state_of(opened(earlier).snapshot()), source.snapshot())
    assert change.snapshot.pending_instants == (instant_millis(commits[0]),)
    assert hoodie.exists()


@pytest.mark.parametrize(
    "name", ["hudi/cow_v6", "hudi/cow_v6_nomdt", "hudi/cow_v8", "hudi/cow_v9", "hudi/cow_v9_nomdt"]
)
def test_so_it_is_in_tables_of_all_versions(name: str, corpus: Corpus, tmp_path: Path) -> None:
    running = corpus.copy(name, tmp_path)
    uncommit(running, -2)
    check_chain([running, corpus.path(name)])


@pytest.mark.parametrize("name", ["hudi/mor_v6", "hudi/mor_v9"])
def test_a_compaction_that_ends_after_later_writes_is_told(name: str, corpus: Corpus, tmp_path: Path) -> None:
    running = corpus.copy(name, tmp_path)
    uncommit(running, -2)
    assert check_chain([running, corpus.path(name)], read_optimized=True) == [1]


@pytest.mark.parametrize("name", ["hudi/clustered", "hudi/w0150_clustered"])
def test_a_clustering_that_ends_after_later_writes_is_told(name: str, corpus: Corpus, tmp_path: Path) -> None:
    running = corpus.copy(name, tmp_path)
    uncommit(running, -2)
    assert check_chain([running, corpus.path(name)]) == [1]


def test_a_commit_that_was_undone_is_not_told(corpus: Corpus, tmp_path: Path) -> None:
    synced = state_of(opened(corpus.path("hudi/cow_v9")).snapshot())
    undone = corpus.copy("hudi/cow_v9", tmp_path)
    for file in timeline_files(undone)[-3:]:
        file.unlink()
    source = opened(undone)
    with pytest.raises(FullSyncNeeded, match="was rolled back"):
        next(source.changes(synced, source.snapshot()))


def test_a_commit_that_broke_off_is_forgotten(tmp_path: Path) -> None:
    whole, commits = three_commits(tmp_path)
    running = still_running(whole, commits[1], tmp_path / "running")
    synced = state_of(opened(running).snapshot())
    (running / ".hoodie" / f"{commits[1]}.inflight").unlink()
    source = opened(running)
    assert source.snapshot().pending_instants == ()
    assert list(source.changes(synced, source.snapshot())) == []
