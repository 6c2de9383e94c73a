"""Instants by the names of their files, in both layouts."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.hudi.table_config import TableConfig, read_table_config
from converters.hudi.timeline.active import Instant, Timeline, read_timeline
from converters.storage import ObjectStorage

CORPUS = Path("/corpus/hudi")
OLD = TableConfig({"hoodie.table.version": "6"})
NEW = TableConfig({"hoodie.table.version": "9"})
A, B, C, D = "20240101000000000", "20240102000000000", "20240103000000000", "20240104000000000"


def _timeline(table: Path, *names: str, config: TableConfig = OLD) -> Timeline:
    directory = table / ".hoodie" if config.timeline_layout == 1 else table / ".hoodie/timeline"
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(b"")
    return read_timeline(ObjectStorage(), f"file://{table}", config)


def _told(timeline: Timeline) -> list[tuple[str, str, str]]:
    return [(each.time, each.action, each.state) for each in timeline.instants]


def test_each_instant_is_at_its_furthest_state(tmp_path: Path) -> None:
    timeline = _timeline(
        tmp_path,
        *(f"{A}.commit.requested", f"{A}.inflight", f"{A}.commit"),
        *(f"{B}.deltacommit.requested", f"{B}.deltacommit.inflight"),
        f"{C}.replacecommit.requested",
    )
    assert _told(timeline) == [
        (A, "commit", "completed"),
        (B, "deltacommit", "inflight"),
        (C, "replacecommit", "requested"),
    ]
    assert [each.path.rpartition("/")[2] for each in timeline.instants] == [
        f"{A}.commit",
        f"{B}.deltacommit.inflight",
        f"{C}.replacecommit.requested",
    ]
    assert [each.path.rpartition("/")[2] for each in timeline.all_files] == [
        *(f"{A}.commit.requested", f"{A}.inflight", f"{A}.commit"),
        *(f"{B}.deltacommit.requested", f"{B}.deltacommit.inflight"),
        f"{C}.replacecommit.requested",
    ]
    assert [each.time for each in timeline.pending()] == [B, C]
    assert timeline.is_pending(B)
    assert not timeline.is_completed(B)


def test_some_actions_are_called_otherwise_when_they_are_done(tmp_path: Path) -> None:
    old = _timeline(
        tmp_path,
        *(f"{A}.compaction.requested", f"{A}.compaction.inflight", f"{A}.commit"),
        *(f"{B}.logcompaction.requested", f"{B}.logcompaction.inflight", f"{B}.deltacommit"),
        f"{C}.compaction.requested",
    )
    assert _told(old) == [(A, "commit", "completed"), (B, "deltacommit", "completed"), (C, "compaction", "requested")]
    new = _timeline(
        tmp_path,
        *(f"{A}.clustering.requested", f"{A}.clustering.inflight", f"{A}_{B}.replacecommit"),
        f"{C}.clustering.inflight",
        config=NEW,
    )
    assert _told(new) == [(A, "replacecommit", "completed"), (C, "clustering", "inflight")]


def test_a_savepoint_has_the_time_of_its_commit(tmp_path: Path) -> None:
    timeline = _timeline(tmp_path, f"{A}.commit", f"{A}.savepoint.inflight", f"{A}.savepoint")
    assert _told(timeline) == [(A, "commit", "completed"), (A, "savepoint", "completed")]


@pytest.mark.parametrize(
    "name",
    [
        "hoodie.properties",
        ".commits_.archive.1_1-0-1",
        f"{A}.commit.crc",
        f".{A}.commit.crc",
        f"{A}.unknown",
        f"{A}.commit.tmp",
        f"{A}",
        f"x{A}.commit",
        f"{A}_{B}_0.parquet",
        f"{A}_.commit",
    ],
)
def test_other_files_are_passed_over(tmp_path: Path, name: str) -> None:
    assert not _timeline(tmp_path, name).instants


def test_writes_are_in_the_order_of_completion(tmp_path: Path) -> None:
    timeline = _timeline(tmp_path, f"{A}_{D}.commit", f"{B}_{C}.deltacommit", f"{C}_{D}.clean", config=NEW)
    assert [each.time for each in timeline.writes()] == [B, A]
    assert [each.completed_at for each in timeline.writes()] == [C, D]
    assert timeline.last_time == D


def test_instants_of_before_an_upgrade_are_completed_at_their_time(tmp_path: Path) -> None:
    timeline = _timeline(tmp_path, f"{A}.commit", f"{B}_{C}.commit", config=NEW)
    assert [(each.time, each.completed_at) for each in timeline.writes()] == [(A, None), (B, C)]


def test_what_lies_before_the_timeline_was_committed(tmp_path: Path) -> None:
    timeline = _timeline(tmp_path, f"{A}.savepoint", f"{A}.commit", f"{B}.inflight", f"{C}.commit", f"{D}.inflight")
    assert timeline.first_time == C
    assert timeline.is_committed(A)
    assert timeline.is_committed("20231231000000000")
    assert timeline.is_committed(C)
    assert not timeline.is_committed(B), "it is pending, though before the first completed one"
    assert not timeline.is_committed(D)
    assert not timeline.is_committed("20240103000000001")


def test_an_empty_timeline_has_no_times(tmp_path: Path) -> None:
    timeline = read_timeline(ObjectStorage(), f"file://{tmp_path}", OLD)
    assert (timeline.instants, timeline.first_time, timeline.last_time) == ((), "", "")
    assert not timeline.is_committed(A)


_TIMES = st.sampled_from([A, B, C, D])
_NAMES = st.builds(
    "{}.{}{}".format,
    _TIMES,
    st.sampled_from(["commit", "deltacommit", "replacecommit", "clean", "rollback", "compaction", "savepoint"]),
    st.sampled_from(["", ".requested", ".inflight"]),
)


@given(st.sets(_NAMES))
def test_every_file_belongs_to_one_instant_whatever_is_there(names: set[str]) -> None:
    storage = ObjectStorage()
    location = f"memory:///{uuid.uuid4()}"
    for name in names:
        storage.put_if_absent(f"{location}/.hoodie/{name}", b"")
    timeline = read_timeline(storage, location, OLD)
    assert {file.path.rpartition("/")[2] for file in timeline.all_files} == names
    times = [(each.time, each.action) for each in timeline.instants]
    assert len(set(times)) == len(times)
    assert [time for time, _ in times] == sorted(time for time, _ in times)
    for name in names:
        assert any(each.time == name[:17] for each in timeline.instants)


@pytest.mark.parametrize("case", sorted(path.name for path in CORPUS.iterdir()))
def test_every_file_of_a_real_timeline_is_understood(case: str) -> None:
    for table in (CORPUS / case, CORPUS / case / ".hoodie/metadata"):
        location = f"file://{table}"
        config = read_table_config(ObjectStorage(), location)
        if config is None:
            continue
        timeline = read_timeline(ObjectStorage(), location, config)
        directory = Path(config.timeline_directory(location).removeprefix("file://"))
        there = {path.name for path in directory.iterdir() if path.is_file() and path.name[0].isdigit()}
        assert {file.path.rpartition("/")[2] for file in timeline.all_files} == there
        assert not timeline.pending()
        assert all((each.completed_at is None) == (config.timeline_layout == 1) for each in timeline.instants)


def test_an_instant_says_what_it_is() -> None:
    assert Instant(A, "commit", "completed", None, "file:///t/x", 0).where == "The Hudi commit 'file:///t/x'"
