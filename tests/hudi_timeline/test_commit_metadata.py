"""What commits did: JSON and Avro say the same, and half a commit is none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.errors import CorruptTable, LimitExceeded, TablecastError, UnsupportedTableFeature
from converters.hudi.table_config import read_table_config
from converters.hudi.timeline.active import Instant, read_timeline
from converters.hudi.timeline.commit_metadata import CommitMetadata, commit_from_record, parse_commit, read_commit
from converters.storage import ObjectStorage
from tests.hudi_timeline.made import commit_json

CORPUS = Path("/corpus/hudi")
INSTANT = Instant("20240101000000000", "commit", "completed", None, "file:///t/.hoodie/20240101000000000.commit", 0)


def _schema(pattern: str) -> dict[str, Any]:
    """The schema with which Hudi wrote a commit."""
    path = next(CORPUS.glob(pattern))
    with path.open("rb") as file:
        found: dict[str, Any] = fastavro.reader(file).writer_schema  # type: ignore[assignment]
    return found


COMMIT = _schema("cow_v9/.hoodie/timeline/*_*.commit")
REPLACE = _schema("overwrites/.hoodie/timeline/*_*.replacecommit")


def _avro(record: dict[str, Any], schema: dict[str, Any] = REPLACE, codec: str = "null") -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), [record], codec=codec)
    return out.getvalue()


def _parsed(data: bytes) -> CommitMetadata:
    return parse_commit(data, INSTANT)


def _told(commit: CommitMetadata) -> tuple[Any, ...]:
    return (
        commit.operation_type,
        dict(commit.extra),
        commit.write_stats.to_pylist(),
        commit.replaced.to_pylist(),
        commit.compacted,
    )


_COUNTS = st.none() | st.integers(-1, 2**63 - 1)
_TEXTS = st.text(max_size=8)
_STATS = st.fixed_dictionaries(
    {
        "fileId": st.none() | _TEXTS,
        "path": st.none() | _TEXTS | st.just("p=1/.f_20240101000000000.log.1_0-0-0"),
        "numWrites": _COUNTS,
        "fileSizeInBytes": _COUNTS,
        "totalWriteBytes": _COUNTS,
        "logFiles": st.none() | st.lists(_TEXTS, max_size=2),
        "cdcStats": st.none() | st.dictionaries(_TEXTS, st.integers(0, 9), max_size=2),
        "runtimeStats": st.none() | st.just({"totalScanTime": 1, "totalCreateTime": None, "totalUpsertTime": 3}),
        "prevCommit": st.none() | _TEXTS,
    }
)
_COMMITS = st.fixed_dictionaries(
    {
        "partitionToWriteStats": st.none() | st.dictionaries(_TEXTS, st.lists(_STATS, max_size=3), max_size=3),
        "compacted": st.none() | st.booleans(),
        "extraMetadata": st.none() | st.dictionaries(_TEXTS, _TEXTS, max_size=3),
        "operationType": st.none() | st.sampled_from(["UPSERT", "CLUSTER"]),
        "partitionToReplaceFileIds": st.none() | st.dictionaries(_TEXTS, st.lists(_TEXTS, max_size=3), max_size=3),
    }
)


@given(_COMMITS, st.sampled_from(["null", "deflate"]))
def test_json_and_avro_say_the_same(commit: dict[str, Any], codec: str) -> None:
    from_json = _parsed(json.dumps(commit).encode())
    assert _told(_parsed(_avro(commit, codec=codec))) == _told(from_json)
    assert _told(commit_from_record(commit, INSTANT)) == _told(from_json)
    written = commit["partitionToWriteStats"] or {}
    paths = [stat["path"] for stats in written.values() for stat in stats if stat["path"] is not None]
    assert from_json.write_stats.column("path").to_pylist() == paths
    replaced = commit["partitionToReplaceFileIds"] or {}
    assert from_json.replaced.column("file_id").to_pylist() == [id_ for ids in replaced.values() for id_ in ids]


def _stats(*stats: dict[str, Any]) -> list[dict[str, Any]]:
    return _parsed(commit_json(partitionToWriteStats={"p=1": list(stats)})).write_stats.to_pylist()


def test_a_base_file_has_its_rows_and_size() -> None:
    base: dict[str, Any] = {"fileId": "f", "path": "p=1/f_0-0-0_1.parquet", "numWrites": 7, "fileSizeInBytes": 99}
    told = {"partition": "p=1", "file_id": "f", "path": base["path"], "row_count": 7, "size": 99, "is_log": False}
    for previous, expected in (("0", "0"), ("null", None), (None, None)):
        assert _stats({**base, "prevCommit": previous}) == [{**told, "previous": expected}]


def test_what_nobody_counted_is_unknown() -> None:
    counts: list[dict[str, Any]] = [{}, {"numWrites": -1, "fileSizeInBytes": -1}, {"fileSizeInBytes": 0}]
    for stat in _stats(*({"path": "x.parquet", **count} for count in counts)):
        assert (stat["row_count"], stat["size"]) == (None, None)
    (known,) = _stats({"path": "x.parquet", "fileSizeInBytes": 0, "totalWriteBytes": 12, "numWrites": 0})
    assert (known["row_count"], known["size"]) == (0, 12)


@pytest.mark.parametrize(
    "path, is_log",
    [
        (".f_1.log.1_0-0-0", True),
        ("p=1/q=2/.f_1.log.12_0-0-0", True),
        (".f_1.log.1", True),
        (".f_1.log.1_0-0-0.cdc", True),
        ("p=1/f_0-0-0_1.parquet", False),
        ("p=.x.log.1/f_0-0-0_1.parquet", False),
        ("f.log.1_x.parquet_1_hudiext", False),
    ],
)
def test_log_files_have_no_row_count(path: str, *, is_log: bool) -> None:
    (stat,) = _stats({"path": path, "numWrites": 7})
    assert (stat["is_log"], stat["row_count"]) == (is_log, None if is_log else 7)


def test_a_write_without_a_path_left_no_file() -> None:
    assert _stats({"fileId": "f", "path": None, "totalWriteErrors": 3}) == []


def test_who_only_moves_rows_does_not_change_the_schema() -> None:
    for operation in ("CLUSTER", "COMPACT", "LOG_COMPACT", "INDEX", "compact"):
        assert not _parsed(commit_json(operationType=operation)).may_change_schema
    for other in ("UPSERT", "DELETE_PARTITION", None):
        assert _parsed(commit_json(operationType=other)).may_change_schema


def test_an_empty_schema_is_none() -> None:
    assert _parsed(commit_json(extraMetadata={"schema": ""})).schema is None
    assert _parsed(commit_json(extraMetadata={"schema": None})).schema is None
    assert _parsed(commit_json(extraMetadata={"schema": "x"})).schema == "x"


def test_a_plain_commit_in_avro_replaces_nothing() -> None:
    record = {
        "partitionToWriteStats": {"": [{"path": "a"}]},
        "operationType": "INSERT",
        "extraMetadata": {"schema": "s"},
    }
    commit = _parsed(_avro(record, COMMIT))
    assert (commit.replaced.num_rows, commit.schema, commit.operation_type) == (0, "s", "INSERT")


@pytest.mark.parametrize("case", sorted(path.name for path in CORPUS.iterdir()))
def test_all_commits_of_real_tables_are_read(case: str) -> None:
    for location in (f"file://{CORPUS / case}", f"file://{CORPUS / case}/.hoodie/metadata"):
        config = read_table_config(ObjectStorage(), location)
        if config is None:
            continue
        for instant in read_timeline(ObjectStorage(), location, config).writes():
            data = Path(instant.path.removeprefix("file://")).read_bytes()
            record: Any = json.loads(data) if data[:1] == b"{" else next(iter(fastavro.reader(io.BytesIO(data))))
            commit = read_commit(ObjectStorage(), instant)
            assert _told(commit) == _told(commit_from_record(record, instant))
            assert commit.schema is not None
            for stat in commit.write_stats.to_pylist():
                file = Path(location.removeprefix("file://")) / stat["path"]
                assert not file.exists() or stat["is_log"] or stat["size"] == file.stat().st_size


def _refused(data: bytes, kind: type[TablecastError], *told: str) -> None:
    with pytest.raises(kind) as caught:
        _parsed(data)
    assert type(caught.value) is kind
    for each in (INSTANT.path, *told):
        assert each in caught.value.message


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_or_missing_file_is_corrupt(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "20240101000000000.commit"
    if content is not None:
        path.write_bytes(content)
    instant = Instant("20240101000000000", "commit", "completed", None, f"file://{path}", 0)
    with pytest.raises(CorruptTable) as caught:
        read_commit(ObjectStorage(), instant)
    assert str(path) in caught.value.message


@given(st.data())
def test_half_a_commit_is_corrupt(data: st.DataObject) -> None:
    whole = commit_json(partitionToWriteStats={"p": [{"path": "a", "fileId": "b"}]}, extraMetadata={"schema": "x"})
    _refused(whole[: data.draw(st.integers(1, len(whole) - 1))], CorruptTable)
    avro = _avro(json.loads(whole))
    _refused(avro[: data.draw(st.integers(1, len(avro) - 1))], CorruptTable)


def _outcome(data: bytes) -> str:
    try:
        return _parsed(data).instant.path
    except (CorruptTable, UnsupportedTableFeature) as error:
        return error.message


@given(st.data())
def test_damaged_avro_is_told_by_name_or_read(data: st.DataObject) -> None:
    record = {"partitionToWriteStats": {"p": [{"path": "a", "numWrites": 5}]}, "operationType": "UPSERT"}
    avro = bytearray(_avro(record))
    for _ in range(data.draw(st.integers(1, 3))):
        avro[data.draw(st.integers(0, len(avro) - 1))] = data.draw(st.integers(0, 255))
    assert INSTANT.path in _outcome(bytes(avro))


@pytest.mark.parametrize(
    "content",
    [
        b"7",
        b"[]",
        b"\xff",
        b"{}{}",
        b'{"partitionToWriteStats": 7}',
        b'{"partitionToWriteStats": {"p": [{"path": 7}]}}',
        b'{"partitionToWriteStats": {"p": [{"path": "a", "numWrites": 99999999999999999999}]}}',
        b'{"partitionToReplaceFileIds": {"p": [null]}}',
        b'{"extraMetadata": ' + b"[" * 100_000,
        b"Obj",
        b"Obj\x01",
    ],
)
def test_what_is_no_commit_is_corrupt(content: bytes) -> None:
    _refused(content, CorruptTable)


def _container(schema: Any, content: bytes, rows: int = 1) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema("string"), ["x" * len(content)])
    text = json.dumps(schema).encode()
    from converters.avro.container import varint  # noqa: PLC0415

    header = varint(1) + varint(11) + b"avro.schema" + varint(len(text)) + text + varint(0)
    return b"Obj\x01" + header + b"s" * 16 + varint(rows) + varint(len(content)) + content + b"s" * 16


def _optional(name: str, type_: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", type_], "default": None}


def test_hostile_avro_is_corrupt_before_it_costs_anything() -> None:
    nothing = {"type": "record", "name": "n", "fields": [{"name": "x", "type": "null"}]}
    for items in ("null", nothing):
        schema = {
            "type": "record",
            "name": "c",
            "fields": [_optional("operationType", {"type": "array", "items": items})],
        }
        _refused(_container(schema, b"\x02" + b"\xfe\xff\xff\xff\xff\xff\x7f\x00"), CorruptTable)
    deep: Any = "int"
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    _refused(_container({"type": "record", "name": "c", "fields": [_optional("x", deep)]}, b"\x00"), CorruptTable)
    endless = {"type": "record", "name": "c", "fields": [_optional("x", "c")]}
    _refused(_container(endless, b"\x00"), CorruptTable)


def test_a_container_with_another_number_of_records_is_corrupt() -> None:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(COMMIT), [{}, {}])
    _refused(out.getvalue(), CorruptTable, "one record")
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(COMMIT), [])
    _refused(out.getvalue(), CorruptTable, "one record")


def test_a_record_that_is_longer_than_its_schema_says_is_corrupt() -> None:
    schema = {"type": "record", "name": "c", "fields": [_optional("operationType", "string")]}
    _refused(_container(schema, b"\x00\x00\x00\x00\x00"), CorruptTable)


def test_an_unknown_codec_is_named() -> None:
    avro = _avro({}).replace(b"avro.codec\x08null", b"avro.codec\x08lzma")
    _refused(avro, UnsupportedTableFeature, "'lzma'")


def test_a_commit_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "20240101000000000.commit"
    with path.open("wb") as file:
        file.truncate(600 * 2**20)
    with pytest.raises(LimitExceeded):
        read_commit(ObjectStorage(), Instant("20240101000000000", "commit", "completed", None, f"file://{path}", 0))
