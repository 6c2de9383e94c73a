"""One sync after another: what is written, what is left alone, and what somebody else did in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from converters.delta.schema.reader import write_schema
from converters.delta.writing import checkpoint_schedule
from converters.errors import CommitConflict, StorageError, UnsupportedTableFeature
from converters.model import Field, Schema
from converters.model.types import PRIMITIVE_KINDS
from converters.staging import spool, staged_files
from converters.storage import FaultyStorage, ObjectStorage
from converters.sync.state import SOURCE_KEY, XTABLE_KEY, SyncState
from tests.delta_target.made import Made, identity, schema_of
from tests.readers import canonical_rows, read

SHAPE = pa.schema([("id", pa.int64()), ("p", pa.string())])


def _rows(*numbers: int, p: str = "a") -> pa.Table:
    return pa.table({"id": list(numbers), "p": [p] * len(numbers)}, SHAPE)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    schema = schema_of(SHAPE)
    made = Made(tmp_path / "t", schema, partition_by=identity(schema, "p"), description="it's é")
    made.write("p=a/1 x.parquet", _rows(1, 2), p="a")
    made.write("p=b/2.parquet", _rows(3, p="b"), p="b")
    return made


def _log(made: Made) -> list[Path]:
    return sorted((made.directory / "_delta_log").glob("*.json"))


def _actions(made: Made, version: int = -1) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in _log(made)[version].read_text().splitlines():
        ((kind, content),) = json.loads(line).items()
        found.setdefault(kind, []).append(content)
    return found


def _append(made: Made, *actions: dict[str, Any]) -> None:
    """A commit by somebody else."""
    path = made.directory / "_delta_log" / f"{len(_log(made)):020d}.json"
    path.write_text("".join(json.dumps(action) + "\n" for action in actions))


def _delta_rows(made: Made) -> list[str]:
    return canonical_rows(read("delta", made.directory, "deltalake"))


def test_the_first_sync(made: Made) -> None:
    commit = made.sync()
    assert (commit.version, commit.files_added, commit.files_removed) == ("0", 2, 0)
    assert commit.metadata_path == f"{made.location}/_delta_log"
    found = _actions(made)
    assert next(iter(found)) == "commitInfo"
    assert found["protocol"] == [{"minReaderVersion": 1, "minWriterVersion": 2}]
    (metadata,) = found["metaData"]
    assert metadata["schemaString"] == commit.schema_text
    assert (metadata["name"], metadata["description"]) == ("made", "it's é")
    assert metadata["partitionColumns"] == ["p"]
    assert metadata["configuration"] == made.state().properties()
    (info,) = found["commitInfo"]
    assert info["tags"] == {XTABLE_KEY: metadata["configuration"][XTABLE_KEY]}
    assert info["engineInfo"].startswith("Tablecast/")
    first, second = found["add"]
    assert first["path"] == "p=a/1%20x.parquet"
    assert first["partitionValues"] == {"p": "a"}
    assert first["modificationTime"] == 1_700_000_000_000
    assert second["modificationTime"] == 0
    assert json.loads(first["stats"]) == {
        "numRecords": 2,
        "minValues": {"id": 1},
        "maxValues": {"id": 2},
        "nullCount": {"id": 0},
    }
    current = made.current()
    assert (current.version, current.changed, current.state) == ("0", None, made.state())
    assert current.metadata_path == commit.metadata_path
    assert current.schema_text == commit.schema_text
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_only_what_changed_is_written(made: Made) -> None:
    made.sync()
    created = _actions(made)["metaData"][0]
    made.write("p=b/3.parquet", _rows(4, 5, p="b"), p="b")
    made.write("p=b/2.parquet", _rows(*range(100, 300), p="b"), p="b")
    made.drop("p=a/1 x.parquet")
    commit = made.sync()
    assert (commit.version, commit.files_added, commit.files_removed) == ("1", 1, 1)
    found = _actions(made)
    assert sorted(found) == ["add", "commitInfo", "metaData", "remove"]
    assert [each["path"] for each in found["add"]] == ["p=b/2.parquet", "p=b/3.parquet"]
    (remove,) = found["remove"]
    assert remove["path"] == "p=a/1%20x.parquet"
    assert remove["partitionValues"] == {"p": "a"}
    assert remove["size"] == _actions(made, 0)["add"][0]["size"]
    assert remove["dataChange"]
    assert remove["extendedFileMetadata"]
    assert found["metaData"][0]["id"] == created["id"]
    assert found["metaData"][0]["createdTime"] == created["createdTime"]
    assert _delta_rows(made) == canonical_rows(made.rows)
    made.version += 1
    assert made.sync().version == "2"
    assert sorted(_actions(made)) == ["commitInfo", "metaData"]


def test_what_is_foreign_is_kept(made: Made) -> None:
    made.sync()
    metadata = _actions(made)["metaData"][0]
    metadata["configuration"] |= {"delta.logRetentionDuration": "interval 3 days", "theirs": "é"}
    _append(made, {"metaData": metadata}, {"commitInfo": {"operation": "SET TBLPROPERTIES"}})
    changed = made.current().changed
    assert changed is not None
    assert "version 1" in changed
    assert "SET TBLPROPERTIES" in changed
    made.version += 1
    made.sync()
    configuration = _actions(made)["metaData"][0]["configuration"]
    assert configuration == metadata["configuration"] | made.state().properties()
    assert made.current().changed is None


def test_commits_that_change_nothing_do_not_count(made: Made) -> None:
    made.sync()
    _append(made, {"commitInfo": {"operation": "VACUUM START"}})
    _append(made, {"txn": {"appId": "a", "version": 1}}, {"commitInfo": {"operation": "STREAMING"}})
    assert made.current().changed is None
    write_deltalake(made.directory, _rows(9), mode="append")
    changed = made.current().changed
    assert changed is not None
    assert "version 3" in changed


def test_a_table_of_somebody_else_has_no_state(tmp_path: Path) -> None:
    made = Made(tmp_path, schema_of(SHAPE))
    assert made.target().current() is None
    write_deltalake(tmp_path, _rows(9))
    current = made.current()
    assert (current.state, current.changed) == (None, None)
    identity_of_table = DeltaTable(tmp_path).metadata().id
    made.write("1.parquet", _rows(1))
    commit = made.sync()
    assert (commit.files_added, commit.files_removed) == (1, 1)
    assert _delta_rows(made) == canonical_rows(made.rows)
    assert DeltaTable(tmp_path).metadata().id == identity_of_table


def test_a_lost_race_changes_nothing(made: Made) -> None:
    made.sync()
    base = made.current()
    target = made.target()
    made.version += 1
    made.sync()
    before = [path.read_bytes() for path in _log(made)]
    with pytest.raises(CommitConflict):
        target.replace(made.snapshot(), made.batches(), made.state(), base)
    with pytest.raises(CommitConflict):
        target.replace(made.snapshot(), made.batches(), made.state(), None)
    assert [path.read_bytes() for path in _log(made)] == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_leaves_the_old_table_or_the_new(made: Made, when: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_schedule, "_MANY_FILES", 1)  # so that a checkpoint is written too
    made.sync()
    old = _delta_rows(made)
    made.write("p=c/4.parquet", _rows(7, p="c"), p="c")
    made.write("p=c/5.parquet", _rows(8, p="c"), p="c")
    new = canonical_rows(made.rows)
    log = made.directory / "_delta_log"
    saved = {path.name: path.read_bytes() for path in log.iterdir()}
    call = 0
    for call in range(1, 100):
        storage = FaultyStorage(ObjectStorage(), fail_at=call, when=when)
        try:
            made.sync(storage=storage)
            done = True
        except StorageError:
            done = False
        assert _delta_rows(made) in (old, new)
        if not done:
            current = made.current()
            if current.state != made.state():
                made.sync()
            assert _delta_rows(made) == new
        if storage.calls < call:
            break
        for path in log.iterdir():
            path.unlink()
        for name, content in saved.items():
            (log / name).write_bytes(content)
    assert call > 4


XTABLE = (
    '{"commitInfo":{"timestamp":1795251724091,"operation":"UPDATE","operationParameters":'
    '{"predicate":"[\\"xtable-delta-sync\\"]"},"isolationLevel":"Serializable","isBlindAppend":true,'
    '"operationMetrics":{},"tags":{"XTABLE_METADATA":STATE},"engineInfo":"Apache-Spark/3.4.2 Delta-Lake/2.4.0"}}\n'
    '{"protocol":{"minReaderVersion":1,"minWriterVersion":4}}\n'
    '{"metaData":{"id":"e98db5c2","name":"t","description":"","format":{"provider":"parquet","options":{}},'
    '"schemaString":SCHEMA,"partitionColumns":["p"],"configuration":{"XTABLE_METADATA":STATE,'
    '"delta.logRetentionDuration":"interval 168 hours"},"createdTime":1795251723171}}\n'
    '{"add":{"path":"p=b/2.parquet","partitionValues":{"p":"b"},"size":SIZE,"modificationTime":0,"dataChange":true,'
    '"stats":"{\\"numRecords\\":1,\\"minValues\\":{\\"id\\":3},\\"maxValues\\":{\\"id\\":3},\\"nullCount\\":{\\"id\\":0}}"}}\n'
    '{"add":{"path":"p=z/gone.parquet","partitionValues":{"p":"z"},"size":5,"modificationTime":0,"dataChange":true}}\n'
)


def test_java_xtable_is_continued(made: Made) -> None:
    state = (
        '{"lastInstantSynced":"2026-11-21T09:02:03.171Z","instantsToConsiderForNextSync":[],"version":0,'
        '"sourceTableFormat":"ICEBERG","sourceIdentifier":"7630751555777284776"}'
    )
    log = made.directory / "_delta_log" / f"{0:020d}.json"
    log.parent.mkdir()
    schema = write_schema(made.table.schema)
    size = (made.directory / "p=b/2.parquet").stat().st_size
    text = XTABLE.replace("STATE", json.dumps(state)).replace("SCHEMA", json.dumps(schema)).replace("SIZE", str(size))
    log.write_text(text)
    current = made.current()
    assert current.changed is None
    assert current.state == SyncState(
        last_instant=1795251723171, source_format="ICEBERG", source_version="7630751555777284776"
    )
    commit = made.sync()
    assert (commit.files_added, commit.files_removed) == (1, 1)
    found = _actions(made)
    assert "protocol" not in found
    # Its statistics may be too narrow, so that all files are listed anew.
    assert len(found["add"]) == 2
    assert found["metaData"][0]["configuration"]["delta.logRetentionDuration"] == "interval 168 hours"
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_a_schema_that_grows(made: Made) -> None:
    made.sync()
    fields = (*made.table.schema.fields, Field(id=3, name="new", type=PRIMITIVE_KINDS["timestamp"]))
    made.table = msgspec.structs.replace(made.table, schema=Schema(fields))
    made.version += 1
    made.sync()
    found = _actions(made)
    assert "add" not in found
    (protocol,) = found["protocol"]
    assert protocol["readerFeatures"] == ["timestampNtz"]
    assert set(protocol["writerFeatures"]) == {"appendOnly", "invariants", "timestampNtz"}
    assert read("delta", made.directory, "duckdb").column_names == ["id", "p", "new"]


def test_partitioning_that_changes_lists_all_files_anew(made: Made) -> None:
    made.sync()
    made.write("p=/6.parquet", _rows(6, p=""), p="")
    made.sync()
    found = _actions(made)
    assert found["metaData"][0]["partitionColumns"] == []
    assert len(found["add"]) == 3
    assert all(each["partitionValues"] == {} and '"p":' in each["stats"] for each in found["add"])
    assert _delta_rows(made) == canonical_rows(made.rows)
    made.version += 1
    made.sync()
    assert "add" not in _actions(made)


def test_checkpoints(made: Made) -> None:
    for number in range(13):
        made.write(f"p=a/{number}.parquet", _rows(number), p="a")
        if number == 5:
            made.drop("p=b/2.parquet")
            _append(made, {"txn": {"appId": "app", "version": 7}}, {"commitInfo": {"operation": "STREAMING"}})
        made.sync()
    log = made.directory / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    assert checkpoint.name == f"{10:020d}.checkpoint.parquet"
    rows = pq.read_table(checkpoint).to_pylist()
    assert json.loads((log / "_last_checkpoint").read_text()) == {
        "version": 10,
        "size": len(rows),
        "sizeInBytes": checkpoint.stat().st_size,
        "numOfAddFiles": 11,
    }
    by_kind = {kind: [row[kind] for row in rows if row[kind] is not None] for kind in rows[0]}
    assert [len(by_kind[kind]) for kind in ("add", "remove", "protocol", "metaData", "txn")] == [11, 1, 1, 1, 1]
    assert by_kind["remove"][0]["path"] == "p=b/2.parquet"
    assert by_kind["txn"][0]["appId"] == "app"
    assert not any(each["dataChange"] for each in by_kind["add"])
    for path in _log(made)[:11]:
        path.unlink()
    assert _delta_rows(made) == canonical_rows(made.rows)
    made.version += 1
    made.sync()
    assert made.current().changed is None


def test_a_large_commit_gets_a_checkpoint_at_once(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_schedule, "_MANY_FILES", 1)
    made.sync()
    log = made.directory / "_delta_log"
    assert (log / f"{0:020d}.checkpoint.parquet").exists()
    assert _delta_rows(made) == canonical_rows(made.rows)
    commit = log / f"{0:020d}.json"
    content = commit.read_bytes()
    commit.unlink()
    assert _delta_rows(made) == canonical_rows(made.rows)
    commit.write_bytes(content)
    assert made.current().state == made.state()


def test_the_interval_between_checkpoints_is_the_tables_own(made: Made) -> None:
    made.sync()
    metadata = _actions(made)["metaData"][0]
    metadata["configuration"]["delta.checkpointInterval"] = "2"
    _append(made, {"metaData": metadata})
    for _ in range(3):
        made.version += 1
        made.sync()
    names = sorted(path.name for path in (made.directory / "_delta_log").glob("*.checkpoint.parquet"))
    assert names == [f"{version:020d}.checkpoint.parquet" for version in (2, 4)]


def test_in_commit_timestamps_grow(made: Made) -> None:
    made.sync()
    metadata = _actions(made)["metaData"][0]
    metadata["configuration"]["delta.enableInCommitTimestamps"] = "true"
    far = 4_000_000_000_000
    _append(
        made,
        {"commitInfo": {"inCommitTimestamp": far, "operation": "UPGRADE"}},
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp"]}},
        {"metaData": metadata},
    )
    made.version += 1
    made.sync()
    assert _actions(made)["commitInfo"][0]["inCommitTimestamp"] == far + 1
    assert next(iter(_actions(made)["commitInfo"][0])) == "inCommitTimestamp"


def _with_protocol(feature: str) -> dict[str, Any]:
    return {"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [feature]}}


@pytest.mark.parametrize(
    "protocol, properties, words",
    [
        (_with_protocol("rowTracking"), {}, "rowTracking"),
        (_with_protocol("fromTheFuture"), {}, "fromTheFuture"),
        ({"protocol": {"minReaderVersion": 1, "minWriterVersion": 8}}, {}, "version 8"),
        ({"protocol": {"minReaderVersion": 4, "minWriterVersion": 7}}, {}, "version 4"),
        (_with_protocol("appendOnly"), {"delta.appendOnly": "true"}, "append-only"),
        (_with_protocol("checkConstraints"), {"delta.constraints.positive": "id > 0"}, "positive"),
    ],
)
def test_targets_that_ask_too_much_of_a_writer(
    made: Made, protocol: dict[str, Any], properties: dict[str, str], words: str
) -> None:
    made.sync()
    metadata = _actions(made)["metaData"][0]
    metadata["configuration"] |= properties
    _append(made, protocol, {"metaData": metadata})
    before = len(_log(made))
    with pytest.raises(UnsupportedTableFeature, match=words):
        made.sync()
    assert len(_log(made)) == before


def test_a_deletion_vector_that_somebody_else_wrote_is_taken_off(made: Made) -> None:
    made.sync()
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    vector = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "sizeInBytes": 34, "cardinality": 1}
    add = _actions(made)["add"][0]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7} | features
    _append(made, {"protocol": protocol}, {"remove": add}, {"add": add | {"deletionVector": vector | {"offset": 1}}})
    commit = made.sync()
    assert (commit.files_added, commit.files_removed) == (0, 0)
    found = _actions(made)
    assert [each["deletionVector"] for each in found["remove"]] == [vector | {"offset": 1}]
    assert ["deletionVector" in each for each in found["add"]] == [False]
    assert _delta_rows(made) == canonical_rows(made.rows)


def test_a_file_listed_twice_is_refused(made: Made) -> None:
    target = made.target()
    batches = [*made.batches(), *made.batches()]
    with pytest.raises(UnsupportedTableFeature, match="more than once"):
        target.replace(made.snapshot(), iter(batches), made.state(), None)
    assert not (made.directory / "_delta_log").exists()


def test_files_of_another_format_are_refused(made: Made) -> None:
    (batch,) = made.batches()
    index = batch.schema.get_field_index("file_format")
    columns = [pa.array(["PARQUET", "ORC"]) if n == index else column for n, column in enumerate(batch.columns)]
    odd = pa.record_batch(columns, schema=batch.schema)
    with pytest.raises(UnsupportedTableFeature, match="is in the format ORC"):
        made.target().replace(made.snapshot(), iter([odd]), made.state(), None)
    assert not (made.directory / "_delta_log").exists()


def test_a_state_without_a_mark_leaves_no_mark(made: Made) -> None:
    made.sync()
    state = msgspec.structs.replace(made.state(), mark=None, source_version="9")
    made.target().replace(made.snapshot(), made.batches(), state, made.current())
    assert SOURCE_KEY not in _actions(made)["metaData"][0]["configuration"]
    assert made.current().state == state


def test_many_files_spill_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost between memory and temporary files, and none of these stays."""
    monkeypatch.setattr(staged_files, "_MOST_BYTES", 1)
    monkeypatch.setattr(spool, "_IN_MEMORY", 1_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    made = Made(tmp_path / "t", schema_of(SHAPE))
    for number in range(20):
        made.write(f"{number}.parquet", _rows(number))
    made.sync()
    assert _delta_rows(made) == canonical_rows(made.rows)
    assert not list((tmp_path / "temporary").iterdir())
    assert {path.name for path in (made.directory / "_delta_log").iterdir()} == {f"{0:020d}.json"}
    assert _log(made)[0].stat().st_mode & 0o044
