"""One change after another: each is one commit, which says no more than the change does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from converters.delta.writing import checkpoint_schedule
from converters.errors import CommitConflict, FullSyncNeeded, StorageError, UnsupportedTableFeature
from converters.model import Field, Schema
from converters.model.types import PRIMITIVE_KINDS
from converters.storage import FaultyStorage, ObjectStorage
from tests.delta_target.made import Made, identity, schema_of, with_ids
from tests.readers import Reader, assert_same_rows, canonical_rows, read

SHAPE = pa.schema([("id", pa.int64()), ("p", pa.string())])
NOT_POLARS: tuple[Reader, ...] = ("spark", "duckdb", "deltalake")


def _rows(*numbers: int, p: str = "a") -> pa.Table:
    return pa.table({"id": list(numbers), "p": [p] * len(numbers)}, SHAPE)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    schema = schema_of(SHAPE)
    made = Made(tmp_path / "t", schema, partition_by=identity(schema, "p"))
    made.write("p=a/1 x.parquet", _rows(1, 2, 3, 4), p="a")
    made.write("p=b/2.parquet", _rows(5, 6, p="b"), p="b")
    made.sync()
    return made


def _log(made: Made) -> list[Path]:
    return sorted((made.directory / "_delta_log").glob("*.json"))


def _actions(made: Made, version: int = -1) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in _log(made)[version].read_text().splitlines():
        ((kind, content),) = json.loads(line).items()
        found.setdefault(kind, []).append(content)
    return found


def _delta_rows(made: Made) -> list[str]:
    return canonical_rows(read("delta", made.directory, "deltalake"))


def _vector_files(made: Made) -> list[Path]:
    return sorted(made.directory.glob("deletion_vector_*.bin"))


def test_each_change_is_a_commit_that_can_be_travelled_to(made: Made) -> None:
    stages = [made.rows]
    made.write("p=b/3.parquet", _rows(7, p="b"), p="b")
    commit = made.advance()
    assert (commit.version, commit.files_added, commit.files_removed) == ("1", 1, 0)
    assert sorted(_actions(made)) == ["add", "commitInfo", "metaData"]
    stages.append(made.rows)
    made.drop("p=a/1 x.parquet")
    made.write("p=a/4.parquet", _rows(8, 9), p="a")
    commit = made.advance()
    assert (commit.files_added, commit.files_removed) == (1, 1)
    found = _actions(made)
    (remove,) = found["remove"]
    first = _actions(made, 0)["add"][0]
    assert [remove[name] for name in ("path", "partitionValues", "size")] == [
        first[name] for name in ("path", "partitionValues", "size")
    ]
    assert "deletionVector" not in remove
    assert [each["path"] for each in found["add"]] == ["p=a/4.parquet"]
    stages.append(made.rows)
    made.version += 1
    commit = made.advance()
    assert (commit.version, commit.files_added, commit.files_removed) == ("3", 0, 0)
    assert sorted(_actions(made)) == ["commitInfo", "metaData"]
    assert made.current().state == made.state()
    assert made.current().changed is None
    for version, rows in enumerate(stages):
        found_rows = read("delta", made.directory, "deltalake", version=version)
        assert canonical_rows(found_rows) == canonical_rows(rows)


def test_deleted_rows_are_read_by_nobody(made: Made) -> None:
    """Bounds stay those of the whole file, so that engines must not answer from them."""
    stages = [made.rows]
    made.delete("p=a/1 x.parquet", 0, 3)
    commit = made.advance()
    assert (commit.files_added, commit.files_removed) == (0, 0)
    stages.append(made.rows)
    found = _actions(made)
    assert found["protocol"] == [
        {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["appendOnly", "deletionVectors", "invariants"],
        }
    ]
    (add,), (remove,) = found["add"], found["remove"]
    assert add["path"] == remove["path"]
    assert "deletionVector" not in remove
    assert add["deletionVector"]["storageType"] == "u"
    assert add["deletionVector"]["cardinality"] == 2
    stats = json.loads(add["stats"])
    assert stats["numRecords"] == 4
    assert stats["tightBounds"] is False
    made.delete("p=a/1 x.parquet", 0, 1, 3)
    made.delete("p=b/2.parquet", 1)
    made.advance()
    stages.append(made.rows)
    found = _actions(made)
    assert "protocol" not in found
    assert [each.get("deletionVector") for each in found["remove"]] == [add["deletionVector"], None]
    assert len(_vector_files(made)) == 2
    made.write("p=c/new.parquet", _rows(*range(100, 200), p="c"), p="c")
    made.delete("p=c/new.parquet", *range(0, 100, 2))
    made.delete("p=b/2.parquet")
    made.advance()
    stages.append(made.rows)
    assert_same_rows("delta", made.directory, made.rows, NOT_POLARS)
    for version, rows in enumerate(stages):
        for reader in ("deltalake", "spark"):
            assert canonical_rows(read("delta", made.directory, reader, version=version)) == canonical_rows(rows)


def test_a_full_sync_writes_vectors_and_keeps_those_that_are_the_same(made: Made) -> None:
    made.delete("p=a/1 x.parquet", 0, 3)
    made.delete("p=b/2.parquet", 0)
    made.sync()
    assert _delta_rows(made) == canonical_rows(made.rows)
    (file,) = _vector_files(made)
    made.version += 1
    made.sync()
    assert "add" not in _actions(made)
    made.delete("p=b/2.parquet", 0, 1)
    commit = made.sync()
    assert (commit.files_added, commit.files_removed) == (0, 0)
    found = _actions(made)
    assert [each["path"] for each in found["add"]] == ["p=b/2.parquet"]
    assert [each["path"] for each in found["remove"]] == ["p=b/2.parquet"]
    assert found["remove"][0]["deletionVector"]["cardinality"] == 1
    assert _delta_rows(made) == canonical_rows(made.rows)
    made.delete("p=b/2.parquet")
    made.drop("p=a/1 x.parquet")
    made.sync()
    found = _actions(made)
    assert all("deletionVector" in each for each in found["remove"])
    assert _delta_rows(made) == canonical_rows(made.rows)
    assert file in _vector_files(made)


def test_a_vector_that_somebody_else_has_changed_is_written_anew(made: Made) -> None:
    """Spark keeps our tags when it deletes more rows."""
    made.delete("p=a/1 x.parquet", 0, 3)
    made.sync()
    add = _actions(made)["add"][0]
    foreign = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "sizeInBytes": 34, "cardinality": 1}
    lines = [{"remove": add}, {"add": add | {"deletionVector": foreign | {"offset": 1}}}]
    path = made.directory / "_delta_log" / f"{len(_log(made)):020d}.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert made.current().changed is not None
    made.sync()
    assert _actions(made)["remove"][0]["deletionVector"]["pathOrInlineDv"] == foreign["pathOrInlineDv"]
    assert _delta_rows(made) == canonical_rows(made.rows)


@pytest.mark.parametrize(
    "spelt", ["p=a/1 x.parquet", "p%3Da/1%20x.parquet", "file:{place}/p=a/1%20x.parquet", "p=a\\/1%20x.parquet"]
)
def test_an_entry_is_found_however_its_path_is_spelt(made: Made, spelt: str) -> None:
    """As Java XTable and others write paths: not encoded, encoded where it need not be, absolute, escaped for JSON."""
    (first,) = _log(made)
    spelt = spelt.format(place=made.directory)
    first.write_text(first.read_text().replace('"p=a/1%20x.parquet"', f'"{spelt}"'))
    made.delete("p=a/1 x.parquet", 1)
    made.advance()
    for kind in ("add", "remove"):
        assert [each["path"] for each in _actions(made)[kind]] == [json.loads(f'"{spelt}"')]
    made.drop("p=a/1 x.parquet")
    made.advance()
    assert _actions(made)["remove"][0]["deletionVector"]["cardinality"] == 1
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_a_removed_file_that_is_not_listed_asks_for_a_full_sync(made: Made) -> None:
    change = msgspec.structs.replace(made.change(), removed=pa.chunked_array([[f"{made.location}/p=b/other.parquet"]]))
    with pytest.raises(FullSyncNeeded, match=r"other.parquet"):
        made.target().advance(change, made.state(), made.current())
    made.drop("p=b/2.parquet")
    made.advance()
    with pytest.raises(FullSyncNeeded, match=r"2.parquet"):
        made.target().advance(
            msgspec.structs.replace(change, removed=pa.chunked_array([[f"{made.location}/p=b/2.parquet"]])),
            made.state(),
            made.current(),
        )
    assert len(_log(made)) == 2


def test_a_file_that_is_listed_again_takes_the_place_of_its_entry(made: Made) -> None:
    made.write("p=b/2.parquet", _rows(*range(50, 90), p="b"), p="b")
    commit = made.advance()
    assert (commit.files_added, commit.files_removed) == (0, 0)
    assert "remove" not in _actions(made)
    assert _delta_rows(made) == canonical_rows(made.rows)
    made.drop("p=b/2.parquet")
    made.advance()
    made.write("p=b/2.parquet", _rows(5, 6, p="b"), p="b")
    commit = made.advance()
    assert commit.files_added == 1
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_entries_are_found_in_checkpoints(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a checkpoint carries on what entries and tombstones say of deleted rows."""
    monkeypatch.setattr(checkpoint_schedule, "_USUAL_INTERVAL", 3)
    made.delete("p=a/1 x.parquet", 0, 3)
    made.advance()
    made.delete("p=a/1 x.parquet", 0, 1, 3)
    made.advance()
    made.drop("p=b/2.parquet")
    made.write("p=c/3.parquet", _rows(7, 8, p="c"), p="c")
    made.advance()
    log = made.directory / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    assert checkpoint.name == f"{3:020d}.checkpoint.parquet"
    rows = pq.read_table(checkpoint).to_pylist()
    adds = [row["add"] for row in rows if row["add"] is not None]
    assert {each["path"]: each["deletionVector"] and each["deletionVector"]["cardinality"] for each in adds} == {
        "p=a/1%20x.parquet": 3,
        "p=c/3.parquet": None,
    }
    removes = [row["remove"] for row in rows if row["remove"] is not None]
    gone = {(each["path"], each["deletionVector"] and each["deletionVector"]["cardinality"]) for each in removes}
    assert gone == {("p=a/1%20x.parquet", None), ("p=a/1%20x.parquet", 2), ("p=b/2.parquet", None)}
    for path in _log(made)[:3]:
        path.rename(path.with_suffix(".gone"))
    assert _delta_rows(made) == canonical_rows(made.rows)
    assert canonical_rows(read("delta", made.directory, "spark")) == canonical_rows(made.rows)
    for path in log.glob("*.gone"):
        path.rename(path.with_suffix(".json"))
    made.delete("p=a/1 x.parquet", 0, 1, 2, 3)
    made.drop("p=c/3.parquet")
    made.advance()
    found = _actions(made)
    assert {(each["path"], "deletionVector" in each) for each in found["remove"]} == {
        ("p=a/1%20x.parquet", True),
        ("p=c/3.parquet", False),
    }
    made.write("p=c/5.parquet", _rows(1, p="c"), p="c")
    made.advance()
    made.version += 1
    made.sync()
    assert "add" not in _actions(made)
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_a_large_table_waits_longer_for_its_checkpoint(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_schedule, "_USUAL_INTERVAL", 2)
    log = made.directory / "_delta_log"
    for _ in range(2):
        made.version += 1
        made.advance()
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    monkeypatch.setattr(checkpoint_schedule, "_BYTES_A_COMMIT", checkpoint.stat().st_size // 3)
    for _ in range(4):
        made.version += 1
        made.advance()
    assert len(list(log.glob("*.checkpoint.parquet"))) == 1
    made.version += 1
    made.advance()
    assert len(list(log.glob("*.checkpoint.parquet"))) == 2


def test_a_column_more_is_a_change_like_others(made: Made) -> None:
    stages = [made.rows]
    fields = (*made.table.schema.fields, Field(id=3, name="at", type=PRIMITIVE_KINDS["timestamp"], doc="when"))
    made.table = msgspec.structs.replace(made.table, schema=Schema(fields))
    wide = pa.schema([*SHAPE, ("at", pa.timestamp("us"))])
    made.write("p=a/9.parquet", pa.table({"id": [9], "p": ["a"], "at": [10**15]}, wide), p="a")
    made.advance()
    stages.append(made.rows)
    found = _actions(made)
    assert found["protocol"][0]["readerFeatures"] == ["timestampNtz"]
    assert [each["path"] for each in found["add"]] == ["p=a/9.parquet"]
    assert canonical_rows(read("delta", made.directory, "deltalake")) == canonical_rows(made.rows)
    before = read("delta", made.directory, "deltalake", version=0)
    assert before.column_names == ["id", "p"]


def test_what_was_decided_for_all_files_is_decided_anew_for_all(made: Made) -> None:
    made.write("p=/6.parquet", _rows(6, p=""), p="")  # no partition value for Delta
    with pytest.raises(FullSyncNeeded, match="partitions"):
        made.advance()
    made.sync()
    assert _actions(made)["metaData"][0]["partitionColumns"] == []
    made.write("p=d/7.parquet", _rows(70, p="d"), p="d")
    made.advance()
    assert "metaData" in _actions(made)
    assert _actions(made)["metaData"][0]["partitionColumns"] == []
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_losing_a_race_leaves_no_trace(made: Made) -> None:
    made.delete("p=a/1 x.parquet", 0, 3)
    base = made.current()
    made.target().advance(made.change(), made.state(), base)
    before = {path.name for path in made.directory.rglob("*")}
    with pytest.raises(CommitConflict):
        made.target().advance(made.change(), made.state(), base)
    assert {path.name for path in made.directory.rglob("*")} == before
    assert _delta_rows(made) == canonical_rows(made.rows)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_storage_that_fails_anywhere(made: Made, when: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No commit refers to a deletion vector that is not there."""
    monkeypatch.setattr(checkpoint_schedule, "_USUAL_INTERVAL", 1)  # so that a checkpoint is written too
    old = _delta_rows(made)
    made.delete("p=a/1 x.parquet", 0, 3)
    made.drop("p=b/2.parquet")
    new = canonical_rows(made.rows)
    change = made.change()
    log = made.directory / "_delta_log"
    saved = {path.name: path.read_bytes() for path in log.iterdir()}
    call, calls = 0, 1
    while call < calls:
        call += 1
        storage = FaultyStorage(ObjectStorage(), fail_at=call, when=when)
        target = made.target(storage)
        try:
            base = target.current()
            assert base is not None
            target.advance(change, made.state(), base)
        except StorageError:
            calls = max(calls, call + 1)
        else:
            calls = max(calls, storage.calls)
        assert _delta_rows(made) in (old, new)
        if made.current().state != made.state():
            made.target().advance(change, made.state(), made.current())
        assert _delta_rows(made) == new
        assert DeltaTable(str(made.directory)).version() == 1
        for path in (*log.iterdir(), *_vector_files(made)):
            path.unlink()
        for name, content in saved.items():
            (log / name).write_bytes(content)
    assert call > 5


def test_many_changes_cost_what_they_are_each(made: Made) -> None:
    """The target is not read from its beginning for each of them."""
    costs: list[int] = []
    storage = FaultyStorage(ObjectStorage())
    target = made.target(storage)
    for number in range(9):
        made.write(f"p=n/{number}.parquet", _rows(number, p="n"), p="n")
        before = storage.calls
        base = target.current()
        assert base is not None
        target.advance(made.change(), made.state(), base)
        made.is_synced()
        costs.append(storage.calls - before)
    assert max(costs[1:]) <= costs[1]
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_a_rename_stays_a_rename(tmp_path: Path) -> None:
    """The files keep the old name: from then on the table maps names.  No entry has to be written anew."""
    ids = {"id": 1, "p": 2}
    made = Made(tmp_path / "t", schema_of(SHAPE))
    made.write("1.parquet", with_ids(_rows(1, 2, 3), ids))
    made.write("2.parquet", with_ids(_rows(4), ids))
    made.sync()
    fields = made.table.schema.fields
    renamed = [msgspec.structs.replace(each, name="q" if each.name == "p" else each.name) for each in fields]
    made.table = msgspec.structs.replace(made.table, schema=Schema(tuple(renamed)), names_are_stable=False)
    made.version += 1
    with pytest.raises(FullSyncNeeded, match="schema has changed"):
        made.advance()
    commit = made.sync()
    assert (commit.files_added, commit.files_removed) == (0, 0)
    found = _actions(made)
    assert sorted(found) == ["commitInfo", "metaData", "protocol"]
    assert found["protocol"] == [{"minReaderVersion": 2, "minWriterVersion": 5}]
    made.delete("1.parquet", 1)
    made.advance()
    made.write("3.parquet", with_ids(_rows(5, 6), ids))
    made.advance()
    assert _actions(made, 2)["protocol"][0]["readerFeatures"] == ["columnMapping", "deletionVectors"]
    now = made.rows.rename_columns(["id", "q"])
    for reader in NOT_POLARS:
        assert canonical_rows(read("delta", made.directory, reader)) == canonical_rows(now), reader
        before = read("delta", made.directory, reader, version=0)
        assert before.column_names == ["id", "p"]
        assert canonical_rows(before) == canonical_rows(_rows(1, 2, 3, 4))
    made.write("4.parquet", with_ids(_rows(7).rename_columns(["id", "q"]), {"id": 1, "q": 2}))
    with pytest.raises(UnsupportedTableFeature, match="'q' is called 'p' in some data files and 'q' in others"):
        made.advance()


def test_a_column_that_is_dropped_and_added_again_is_another_one(tmp_path: Path) -> None:
    """The Delta schema looks the same, and the old files must not lend the new column their values."""
    made = Made(tmp_path / "t", schema_of(SHAPE))
    made.write("1.parquet", with_ids(_rows(1, 2, 3), {"id": 1, "p": 2}))
    made.sync()
    again = [msgspec.structs.replace(each, id=7 if each.name == "p" else each.id) for each in made.table.schema.fields]
    made.table = msgspec.structs.replace(made.table, schema=Schema(tuple(again)), names_are_stable=False)
    made.write("2.parquet", with_ids(_rows(4), {"id": 1, "p": 7}))
    with pytest.raises(FullSyncNeeded):
        made.advance()
    with pytest.raises(UnsupportedTableFeature, match="'p'"):
        made.sync()
    made.drop("1.parquet")
    made.sync()
    assert _delta_rows(made) == canonical_rows(made.rows)
