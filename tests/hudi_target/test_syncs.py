"""One sync after another: each reader sees the source's rows now, and those of each instant that is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.hudi.writing import update
from converters.hudi.writing.upkeep import Pace
from converters.storage import ObjectStorage
from converters.sync.detection import open_source
from tests.hudi_target.made import SPARKS, Delta, HudiMade, ids, schema_of
from tests.readers import hudi


def _instants(directory: Path) -> set[str]:
    return {path.name.partition(".")[0] for path in (directory / ".hoodie").glob("*.replacecommit")}


def _stray(directory: Path) -> None:
    """Put files in the table's directories that it does not list."""
    for folder in directory.glob("p=*"):
        shutil.copy(next(folder.glob("*.parquet")), folder / "stray.parquet")


def test_every_instant_that_is_kept_can_be_travelled_to(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t")
    table.append(0, 10)
    states = {table.synced(): table.ids()}
    table.append(10, 4)
    states[table.synced()] = table.ids()
    table.delete("id < 3")
    states[table.synced()] = table.ids()
    table.append(20, 1)
    states[table.synced()] = table.ids()
    _stray(table.directory)
    assert set(states) == _instants(table.directory)
    for reader in SPARKS:
        assert ids(reader, table.directory) == table.ids(), reader
        for instant, rows in states.items():
            assert ids(reader, table.directory, version=instant) == rows, (reader, instant)


def test_log_files_become_a_base_file_after_ten_syncs(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t", column_stats="true")
    table.append(0, 3)
    table.synced()
    for number in range(1, 13):
        table.append(number * 10, 3)
        table.synced()
    files = [path.name for path in (tmp_path / "t/.hoodie/metadata/files").iterdir()]
    assert sum(name.endswith(".hfile") for name in files) == 2
    for reader in SPARKS:
        assert ids(reader, table.directory) == table.ids(), reader
        assert ids(reader, table.directory, "id > 115") == [120, 121, 122], reader


@pytest.mark.parametrize("partitioned", [True, False])
def test_a_file_that_comes_back_is_seen_again(tmp_path: Path, partitioned: bool) -> None:
    table = Delta(tmp_path / "t", partitioned=partitioned)
    table.append(0, 10)
    table.synced()
    table.append(10, 10)
    before, rows = table.version, table.ids()
    table.synced()
    table.delete("id >= 10")
    removed = table.synced()
    table.append(30, 3)
    states = {table.synced(): table.ids()}
    table.restore(before)
    states[table.synced()] = table.ids()
    assert table.ids() == rows
    # What came before would hide the file, and is given up; what is kept is right.
    assert removed not in _instants(table.directory)
    table.append(40, 3)
    states[table.synced()] = table.ids()
    for reader in SPARKS:
        assert ids(reader, table.directory) == table.ids(), reader
        for instant in _instants(table.directory) & set(states):
            assert ids(reader, table.directory, version=instant) == states[instant], (reader, instant)


def test_old_commits_are_given_up_and_the_files_that_they_removed_may_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "FILES_PACE", Pace(2, 2, 0))
    monkeypatch.setattr(update, "STATISTICS_PACE", Pace(1, 1, 0))
    table = Delta(tmp_path / "t", retention_hours="0")
    table.append(0, 9)
    instants = [table.synced()]
    table.delete("id < 4")
    instants.append(table.synced())
    for number in range(1, 6):
        table.append(number * 10, 3)
        instants.append(table.synced())
    kept = _instants(table.directory)
    assert instants[-1] in kept
    assert instants[0] not in kept
    assert len(kept) < len(instants)
    live = set(_live(table.directory))
    for path in table.directory.glob("p=*/*.parquet"):
        if path.name not in live:
            path.unlink()
    for reader in SPARKS:
        assert ids(reader, table.directory) == table.ids(), reader


def test_giving_up_goes_on_where_a_crash_stopped_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Delta(tmp_path / "t", retention_hours="0")
    table.append(0, 9)
    first = table.synced()
    with monkeypatch.context() as patched:
        patched.setattr(update, "FILES_PACE", Pace(0, 0, 0))
        patched.setattr(update, "STATISTICS_PACE", Pace(0, 0, 0))
        patched.setattr(update.Update, "_clean_up", lambda *_, **__: None)
        table.append(10, 3)
        table.synced()
    assert first in _instants(table.directory)
    assert ids(SPARKS[0], table.directory) == table.ids()
    table.append(20, 3)
    table.synced()
    assert first not in _instants(table.directory)
    assert ids(SPARKS[0], table.directory) == table.ids()


def test_a_file_that_was_overwritten_is_read_as_it_is_now(tmp_path: Path) -> None:
    rows = pa.table({"id": pa.array(range(5), pa.int64())})
    table = HudiMade(tmp_path, schema_of(rows.schema))
    table.write("a.parquet", rows)
    table.write("b.parquet", pa.table({"id": pa.array([9], pa.int64())}))
    table.sync()
    table.write("a.parquet", pa.table({"id": pa.array(range(100, 2100), pa.int64())}))
    commit = table.sync()
    assert (commit.files_added, commit.files_removed) == (0, 0)
    for reader in SPARKS:
        assert ids(reader, tmp_path) == sorted(table.rows["id"].to_pylist())
        assert ids(reader, tmp_path, "id >= 100 AND id < 103") == [100, 101, 102]


def test_columns_come_and_become_wider(tmp_path: Path) -> None:
    old = pa.schema([("id", pa.int32()), ("v", pa.float64())])
    table = HudiMade(tmp_path, schema_of(old))
    table.write("a.parquet", pa.table({"id": [1, 2], "v": [0.5, None]}, old))
    table.sync()
    new = pa.schema([("id", pa.int64()), ("v", pa.float64()), ("w", pa.string())])
    grown = HudiMade(tmp_path, schema_of(new), promotions={1: "int"})
    grown.version = 5
    first = pa.table({"id": [1, 2], "v": [0.5, None]}, new.remove(2))
    grown.write("a.parquet", first)
    pq.write_table(first.cast(old), tmp_path / "a.parquet", store_decimal_as_integer=True)
    grown.write("b.parquet", pa.table({"id": [2**40], "v": [1e300], "w": ["x"]}, new))
    grown.sync()
    for reader in SPARKS:
        found = hudi.query(reader, tmp_path, "SELECT * FROM t ORDER BY id").rows
        assert found.to_pylist() == [
            {"id": 1, "v": 0.5, "w": None},
            {"id": 2, "v": None, "w": None},
            {"id": 2**40, "v": 1e300, "w": "x"},
        ], reader
        assert ids(reader, tmp_path, "id >= 2 AND id < 3") == [2], reader


def test_the_same_sync_again_writes_nothing(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t")
    table.append(0, 5)
    table.synced()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert table.sync().targets[0].status == "unchanged"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_empty_table_and_its_first_rows(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.int64())])
    table = HudiMade(tmp_path, schema_of(schema))
    table.sync()
    for reader in SPARKS:
        assert ids(reader, tmp_path) == []
    table.write("a.parquet", pa.table({"id": [1]}, schema))
    table.sync()
    table.write("b.parquet", pa.table({"id": [7]}, schema))
    table.sync()
    for reader in SPARKS:
        assert ids(reader, tmp_path) == [1, 7]
        assert ids(reader, tmp_path, "id > 3") == [7]


def _live(directory: Path) -> list[str]:

    source = open_source(str(directory), "hudi", {}, ObjectStorage())

    return [
        path.rpartition("/")[2] for batch in source.data_files(source.snapshot()) for path in batch["path"].to_pylist()
    ]
