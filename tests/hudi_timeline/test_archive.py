"""Commits that have left the active timeline, and what rollbacks and restores undid."""

from __future__ import annotations

import io
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.errors import CorruptTable
from converters.hudi.table_config import read_table_config
from converters.hudi.timeline.active import Instant, read_timeline
from converters.hudi.timeline.archive import archived_commits
from converters.hudi.timeline.commit_metadata import CommitMetadata
from converters.hudi.timeline.rollbacks import undone_times
from converters.storage import ObjectStorage
from tests.hudi_timeline.made import write_properties

CORPUS = Path("/corpus/hudi")


def _archived(table: Path) -> list[CommitMetadata]:
    config = read_table_config(ObjectStorage(), f"file://{table}")
    assert config is not None
    return list(archived_commits(ObjectStorage(), f"file://{table}", config))


@pytest.mark.parametrize("case, count", [("archived", 5), ("w0150_archived", 6), ("cow_v9", 0), ("cow_v6", 0)])
def test_archives_of_real_tables(case: str, count: int) -> None:
    commits = _archived(CORPUS / case)
    times = [commit.instant.time for commit in commits]
    assert len(times) == count
    assert times == sorted(times, reverse=True)
    location = f"file://{CORPUS / case}"
    config = read_table_config(ObjectStorage(), location)
    assert config is not None
    timeline = read_timeline(ObjectStorage(), location, config)
    for commit in commits:
        assert commit.instant.time < timeline.first_time
        assert timeline.is_committed(commit.instant.time)
        assert commit.operation_type == "UPSERT"
        assert commit.schema is not None
        assert json.loads(commit.schema)["name"] == f"{case}_record"
        assert all(commit.instant.time in stat["path"] for stat in commit.write_stats.to_pylist())


@pytest.fixture(params=["archived", "w0150_archived"])
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    table = tmp_path / "t"
    shutil.copytree(CORPUS / request.param, table)
    return table


def _archive(table: Path) -> Path:
    old = table / ".hoodie/archived"
    return old if old.exists() else table / ".hoodie/timeline/history"


def test_a_damaged_archive_is_corrupt_by_name(copy: Path) -> None:
    newest = max(path for path in _archive(copy).iterdir() if path.suffix == ".parquet" or "archive.2" in path.name)
    whole = newest.read_bytes()
    newest.write_bytes(
        whole[:-40] + b"\xff" * 40 if newest.suffix == ".parquet" else whole.replace(b'"record"', b'"rekord"')
    )
    with pytest.raises(CorruptTable, match=str(newest)):
        _archived(copy)


def _history(table: Path) -> Path:
    write_properties(table, {"hoodie.table.version": "9", "hoodie.timeline.layout.version": "2"})
    history = table / ".hoodie/timeline/history"
    history.mkdir(parents=True)
    return history


def test_a_history_without_a_version_is_empty(tmp_path: Path) -> None:
    _history(tmp_path)
    assert _archived(tmp_path) == []


@pytest.mark.parametrize(
    "files",
    [
        {"_version_": "x"},
        {"_version_": "1" * 1000},
        {"_version_": "3"},
        {"_version_": "3", "manifest_3": "{"},
        {"_version_": "3", "manifest_3": '{"files": [{"fileName": "../../x.parquet"}]}'},
        {"_version_": "3", "manifest_3": '{"files": [{"fileName": "1_2_0.parquet"}]}'},
        {"_version_": "3", "manifest_3": '{"files": [{"fileName": "1_2_0.parquet"}]}', "1_2_0.parquet": "PAR1"},
    ],
)
def test_a_damaged_history_is_corrupt(tmp_path: Path, files: dict[str, str]) -> None:
    history = _history(tmp_path)
    for name, content in files.items():
        (history / name).write_text(content)
    with pytest.raises(CorruptTable, match="timeline/history"):
        _archived(tmp_path)


def test_only_the_files_of_the_manifest_count_and_only_writes(tmp_path: Path) -> None:
    history = _history(tmp_path)
    metadata = next(iter((CORPUS / "overwrites/.hoodie/timeline").glob("*_*.replacecommit"))).read_bytes()
    for number, actions in ((1, ["replacecommit", "clean"]), (2, ["clustering"]), (3, ["commit"])):
        rows = {
            "instantTime": [f"2024010{number}00000000{n}" for n in range(len(actions))],
            "completionTime": [None] * len(actions),
            "action": actions,
            "metadata": [metadata] * len(actions),
        }
        types = {"completionTime": pa.string()}
        columns = {name: pa.array(values, types.get(name)) for name, values in rows.items()}
        pq.write_table(pa.table(columns), history / f"{number}_{number}_0.parquet")
    (history / "_version_").write_text("7")
    (history / "manifest_7").write_text(
        json.dumps({"files": [{"fileName": f"{n}_{n}_0.parquet", "fileLen": 1} for n in (1, 2)]})
    )
    found = _archived(tmp_path)
    assert [commit.instant.action for commit in found] == ["clustering", "replacecommit"]
    assert all(commit.replaced.num_rows for commit in found)


_COMMIT = {
    "type": "record",
    "name": "HoodieReplaceCommitMetadata",
    "fields": [
        {"name": "extraMetadata", "type": ["null", {"type": "map", "values": "string"}]},
        {
            "name": "partitionToReplaceFileIds",
            "type": ["null", {"type": "map", "values": {"type": "array", "items": "string"}}],
        },
    ],
}
_ENTRY = {
    "type": "record",
    "name": "HoodieArchivedMetaEntry",
    "fields": [
        *({"name": name, "type": ["null", "string"]} for name in ("commitTime", "actionType", "actionState")),
        {"name": "hoodieReplaceCommitMetadata", "type": ["null", _COMMIT]},
    ],
}


def _log(*entries: dict[str, Any], version: int = 3, cut: int = 0) -> bytes:
    schema = json.dumps(_ENTRY).encode()
    content = struct.pack(">ii", version, len(entries))
    for entry in entries:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(_ENTRY), entry)
        content += struct.pack(">i", len(out.getvalue())) + out.getvalue()
    content = content[: len(content) - cut]
    header = struct.pack(">iii", 1, 2, len(schema)) + schema
    body = struct.pack(">ii", 1, 3) + header + struct.pack(">q", len(content)) + content + struct.pack(">i", 0)
    return b"#HUDI#" + struct.pack(">q", len(body) + 8) + body + struct.pack(">q", len(body) + 14)


def _entry(time: str, state: str | None, action: str = "replacecommit", *ids: str) -> dict[str, Any]:
    commit = (
        {"extraMetadata": {"k": "v"}, "partitionToReplaceFileIds": {"p": list(ids)}} if state != "REQUESTED" else None
    )
    return {"commitTime": time, "actionType": action, "actionState": state, "hoodieReplaceCommitMetadata": commit}


def test_only_completed_writes_of_old_archives_count_each_once_the_newest_first(tmp_path: Path) -> None:
    write_properties(tmp_path)
    archived = tmp_path / ".hoodie/archived"
    archived.mkdir()
    first = [_entry("1", "COMPLETED", "replacecommit", "a", "b"), _entry("3", None, "replacecommit", "c")]
    second = [_entry("2", "INFLIGHT"), _entry("4", "REQUESTED"), _entry("4", "COMPLETED", "clean"), first[1]]
    (archived / ".commits_.archive.9_1-0-1").write_bytes(_log(*first))
    (archived / ".commits_.archive.10_1-0-1").write_bytes(_log(*second) + _log(_entry("5", "COMPLETED")))
    (archived / "other").write_bytes(b"x")
    found = _archived(tmp_path)
    assert [commit.instant.time for commit in found] == ["5", "3", "1"]
    assert found[2].replaced.to_pylist() == [{"partition": "p", "file_id": "a"}, {"partition": "p", "file_id": "b"}]


@pytest.mark.parametrize("log", [_log(version=9), _log(_entry("1", "COMPLETED"), cut=3), _log(cut=6)])
def test_a_truncated_block_of_an_old_archive_is_corrupt(tmp_path: Path, log: bytes) -> None:
    write_properties(tmp_path)
    (tmp_path / ".hoodie/archived").mkdir()
    (tmp_path / ".hoodie/archived/.commits_.archive.1_1-0-1").write_bytes(log)
    with pytest.raises(CorruptTable, match=r"\.commits_\.archive\.1_1-0-1"):
        _archived(tmp_path)


def _undone(tmp_path: Path, record: dict[str, Any], fields: list[dict[str, Any]]) -> tuple[str, ...]:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema({"type": "record", "name": "r", "fields": fields}), [record])
    path = tmp_path / "1.rollback"
    path.write_bytes(out.getvalue())
    return undone_times(ObjectStorage(), Instant("1", "rollback", "completed", None, f"file://{path}", 0))


_TIMES = {"type": "array", "items": "string"}
_INFO = {
    "type": "record",
    "name": "HoodieInstantInfo",
    "fields": [{"name": "commitTime", "type": "string"}, {"name": "action", "type": "string"}],
}


def test_a_rollback_names_what_it_undid(tmp_path: Path) -> None:
    fields = [{"name": "commitsRollback", "type": _TIMES}]
    assert _undone(tmp_path, {"commitsRollback": ["2", "1"]}, fields) == ("2", "1")


def test_a_restore_undid_what_its_rollbacks_did(tmp_path: Path) -> None:
    rollback = {"type": "record", "name": "b", "fields": [{"name": "commitsRollback", "type": _TIMES}]}
    fields = [
        {"name": "instantsToRollback", "type": _TIMES},
        {"name": "hoodieRestoreMetadata", "type": {"type": "map", "values": {"type": "array", "items": rollback}}},
    ]
    record = {"instantsToRollback": ["3"], "hoodieRestoreMetadata": {"3": [{"commitsRollback": ["3", "4"]}]}}
    assert _undone(tmp_path, record, fields) == ("3", "4")


def test_a_plan_names_what_is_to_be_undone(tmp_path: Path) -> None:
    planned = {"commitTime": "5", "action": "commit"}
    one = [{"name": "instantToRollback", "type": ["null", _INFO]}]
    assert _undone(tmp_path, {"instantToRollback": planned}, one) == ("5",)
    many = [{"name": "instantsToRollback", "type": {"type": "array", "items": _INFO}}]
    assert _undone(tmp_path, {"instantsToRollback": [planned]}, many) == ("5",)
