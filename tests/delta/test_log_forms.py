"""Every form that a log may have says the same files."""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from converters.delta import DeltaSource
from converters.delta.log.reader import LogReader
from converters.delta.source import DeltaSourceOptions
from converters.storage import ObjectStorage
from tests.delta.logs import BASE, Action, Table, add, checkpoint_table, column, metadata, protocol, remove, vector

V2 = protocol(3, 7, ["v2Checkpoint"])


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "a table")


def test_json_commits(table: Table) -> None:
    table.commit(0, *BASE, add("a"), add("b"))
    table.commit(1, remove("a"), add("c"))
    table.commit(2, add("a", rows=5))
    snapshot, files = table.read()
    assert snapshot.version == "2"
    assert dict(zip(files["path"].to_pylist(), files["row_count"].to_pylist(), strict=True)) == {
        f"{table.location}/a": 5,
        f"{table.location}/b": 1,
        f"{table.location}/c": 1,
    }


def test_the_later_line_of_a_commit_wins(table: Table) -> None:
    table.commit(0, *BASE, add("a"), remove("a"), remove("b"), add("b"))
    assert table.paths() == ["b"]


def test_files_are_told_apart_by_their_deletion_vectors(table: Table) -> None:
    table.commit(0, protocol(3, 7, ["deletionVectors"]), metadata(), add("a"), add("b"))
    table.commit(1, remove("a"), add("a", deletionVector=vector("x", 1)), remove("b"))
    table.commit(2, remove("a", deletionVector=vector("x", 1)), add("a", deletionVector=vector("x", 2)))
    table.commit(3, remove("a", deletionVector=vector("x", 2)), remove("c", deletionVector=vector()), add("c"))
    assert table.paths() == ["c"]
    table.commit(4, add("a"), remove("c", deletionVector=vector("y", None)))
    assert table.paths() == ["a", "c"]


def test_adds_that_change_no_data_and_change_data_files(table: Table) -> None:
    cdc = {"cdc": {"path": "_change_data/x", "partitionValues": {}, "size": 1, "dataChange": False}}
    table.commit(0, *BASE, add("a", dataChange=False), cdc)
    assert table.paths() == ["a"]


def test_null_actions_white_lines_and_unknown_actions(table: Table) -> None:
    lines = [json.dumps(each) for each in BASE] + [
        "",
        "   ",
        "\t\r",
        json.dumps({"add": None, "remove": None, "commitInfo": {"operation": "X"}}),
        " " + json.dumps({**add("a"), "remove": None}),
        json.dumps({"brandNew": {"add": {"path": "no", "size": 1}}}),
        json.dumps({**add("b", brandNew={"x": [1]}), "alsoNew": 1}),
    ]
    table.text(f"{0:020d}.json", "\r\n".join(lines))
    assert table.paths() == ["a", "b"]


def test_the_newest_metadata_and_protocol_win(table: Table) -> None:
    table.commit(0, *BASE, add("a"))
    table.commit(1, metadata(configuration={"x": "old"}))
    table.commit(2, metadata(configuration={"x": "older line"}), metadata(configuration={"x": "new"}))
    table.commit(3, add("b"))
    assert table.read()[0].table.properties == {"x": "new"}
    assert table.source(1).snapshot().table.properties == {"x": "old"}


HISTORY: list[list[Action]] = [
    [*BASE, add("a"), add("b"), add("c")],
    [remove("a"), add("d")],
    [add("a", rows=7), remove("c")],
    [remove("b"), add("e")],
    [remove("d"), add("c", rows=9), add("f")],
]
LIVE = {0: "abc", 1: "bcd", 2: "abd", 3: "ade", 4: "acef"}


def _state(version: int, *first: Action) -> list[Action]:
    found = [*(first or BASE), *(add(path) for path in LIVE[version])]
    return [*found, remove("gone")]


def _check(table: Table) -> None:
    assert "".join(table.paths()) == LIVE[4]
    reader = LogReader.open(ObjectStorage(), table.location)
    assert reader is not None
    assert sorted(path.as_py()[-1] for chunk in reader.paths() for path in chunk) == list(LIVE[4])


def _history(table: Table, start: int = 0) -> None:
    for version in range(start, len(HISTORY)):
        table.commit(version, *HISTORY[version])


@pytest.mark.parametrize("at", range(5))
def test_classic_checkpoint(table: Table, at: int) -> None:
    table.parquet(f"{at:020d}.checkpoint.parquet", *_state(at))
    _history(table, at + 1)
    _check(table)


def test_checkpoint_of_several_row_groups_and_shuffled_rows(table: Table) -> None:
    actions = _state(3)
    random.Random(1).shuffle(actions)
    table.parquet(f"{3:020d}.checkpoint.parquet", *actions, row_group_size=2)
    _history(table, 4)
    _check(table)


def test_checkpoint_without_the_columns_that_may_be_missing(table: Table) -> None:
    table.parquet(f"{3:020d}.checkpoint.parquet", *_state(3), kinds=("metaData", "protocol", "add"))
    _history(table, 4)
    _check(table)


def test_multi_part_checkpoint(table: Table) -> None:
    parts = _pairs(_state(3))
    for number, part in enumerate(parts, 1):
        table.parquet(f"{3:020d}.checkpoint.{number:010d}.{len(parts):010d}.parquet", *part)
    _history(table, 4)
    _check(table)


def _pairs(actions: list[Action]) -> list[list[Action]]:
    return [actions[n : n + 2] for n in range(0, len(actions), 2)]


def test_incomplete_and_empty_checkpoints_are_passed_over(table: Table) -> None:
    _history(table)
    table.parquet(f"{3:020d}.checkpoint.{1:010d}.{2:010d}.parquet", add("wrong"))
    table.parquet(f"{3:020d}.checkpoint.{2:010d}.{3:010d}.parquet", add("wrong"))
    table.text(f"{4:020d}.checkpoint.parquet", b"")
    _check(table)


@pytest.mark.parametrize("form", ["json", "parquet", "classic name"])
@pytest.mark.parametrize("absolute", [False, True])
def test_v2_checkpoint_with_sidecars(table: Table, form: str, absolute: bool) -> None:
    names = ["one.parquet", "two.parquet"]
    files = [add(path) for path in LIVE[3]]
    table.parquet(f"_sidecars/{names[0]}", *files[:2], remove("gone"), kinds=("add", "remove"))
    table.parquet(f"_sidecars/{names[1]}", *files[2:], kinds=("add",))
    base = f"{table.location}/_delta_log/_sidecars/" if absolute else ""
    base = base.replace(" ", "%20")
    sidecars = [{"sidecar": {"path": base + name, "sizeInBytes": 1, "modificationTime": 1}} for name in names]
    actions = [{"checkpointMetadata": {"version": 3}}, V2, BASE[1], *sidecars]
    match form:
        case "json":
            table.json(f"{3:020d}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json", *actions)
        case "parquet":
            table.parquet(f"{3:020d}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.parquet", *actions)
        case _:
            table.parquet(f"{3:020d}.checkpoint.parquet", *actions)
    _history(table, 4)
    _check(table)


def test_v2_checkpoint_with_its_files_inside(table: Table) -> None:
    actions = [{"checkpointMetadata": {"version": 3}}, *_state(3, V2, BASE[1])]
    table.json(f"{3:020d}.checkpoint.00000000-0000-0000-0000-00000000000a.json", *actions)
    _history(table, 4)
    _check(table)


@pytest.mark.parametrize(
    "hint",
    [
        None,
        b"",
        b"{",
        b'{"version": 1, "size": 5}',
        b'{"version": 99, "size": 5}',
        b'{"version": 3, "size": 6, "numOfAddFiles": 3, "checkpointSchema": {}}',
        b'{"version": "x"}',
        b"\xff\xfe",
    ],
)
def test_the_hint_is_only_a_hint(table: Table, hint: bytes | None) -> None:
    table.parquet(f"{1:020d}.checkpoint.parquet", *_state(1))
    table.parquet(f"{3:020d}.checkpoint.parquet", *_state(3))
    _history(table, 2)
    if hint is not None:
        table.text("_last_checkpoint", hint)
    _check(table)


def test_the_number_of_files_where_it_is_known(table: Table) -> None:
    table.parquet(f"{3:020d}.checkpoint.parquet", *_state(3))
    assert table.read()[0].file_count is None
    table.text("_last_checkpoint", b'{"version": 3, "size": 6, "numOfAddFiles": 3}')
    assert table.read()[0].file_count == 3
    table.commit(4, add("x"), add("y"))
    assert table.read()[0].file_count == 5
    table.commit(5, remove("x"))
    assert table.read()[0].file_count is None


def test_log_compaction(table: Table) -> None:
    _history(table)
    compacted = [remove("a"), add("d"), add("a", rows=7), remove("c"), remove("b"), add("e")]
    table.json(f"{1:020d}.{3:020d}.compacted.json", *compacted)
    table.json(f"{1:020d}.{2:020d}.compacted.json", add("shorter, so not read"))
    table.json(f"{2:020d}.{4:020d}.compacted.json", add("begins inside the other, so not read"))
    table.json(f"{3:020d}.{9:020d}.compacted.json", add("ends too late"))
    _check(table)
    (table.log / f"{2:020d}.json").unlink()
    _check(table)


def test_other_files_in_the_log_are_passed_over(table: Table) -> None:
    _history(table)
    for name in (
        f"{5:020d}.crc",
        f".{5:020d}.json.crc",
        f"{5:020d}.json.tmp",
        f"_staged_commits/{5:020d}.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json",
        f"_commits/{5:020d}.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json",
        f"{5:019d}.json",
        f"{5:020d}.checkpoint.parquet.tmp",
        f".tmp_{5:020d}.checkpoint.parquet",
        "notes.json",
        f"{5:020d}.checkpoint.{1:010d}.parquet",
    ):
        table.text(name, b"not for us")
    (table.log / f"{6:020d}.json").mkdir()
    _check(table)


def test_a_log_that_was_cleaned_up_to_its_checkpoint(table: Table) -> None:
    table.parquet(f"{4:020d}.checkpoint.parquet", *_state(4))
    _check(table)
    assert table.read()[0].committed_at == int((table.log / f"{4:020d}.checkpoint.parquet").stat().st_mtime * 1000)


def test_very_long_lines_and_many_pieces(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.delta.log.commits._PIECE", 1000)
    long = {"numRecords": 3, "minValues": {"x": "y" * 50_000}}
    table.commit(
        0, *BASE, *(add(f"f{n}") for n in range(100)), add("long", stats=long), *(remove(f"f{n}") for n in range(90))
    )
    table.commit(1, *(add(f"g{n}") for n in range(50)), add("f0"))
    table.commit(2, remove("g7"))
    expected = {f"f{n}" for n in (0, *range(90, 100))} | {f"g{n}" for n in range(50) if n != 7} | {"long"}
    assert set(table.paths()) == expected


def test_a_hundred_commits_at_random(table: Table) -> None:
    dice = random.Random(7)
    live: set[str] = set()
    table.commit(0, *BASE)
    for version in range(1, 101):
        gone = {path for path in live if dice.random() < 0.3}
        new = {f"f{dice.randrange(60)}" for _ in range(5)} - live
        table.commit(version, *map(remove, sorted(gone)), *map(add, sorted(new)))
        live = (live - gone) | new
        if version in {37, 80}:
            table.parquet(f"{version:020d}.checkpoint.parquet", *BASE, *map(add, sorted(live)))
    assert set(table.paths()) == live


def test_time_travel(table: Table) -> None:
    _history(table)
    for path in "abcdef":
        (table.directory / path).touch()
    table.parquet(f"{2:020d}.checkpoint.parquet", *_state(2))
    for version, live in LIVE.items():
        assert "".join(table.paths(version)) == live
        assert table.read(version)[0].version == str(version)


def test_everything_small_is_read_when_asked_for(table: Table) -> None:
    def txn(app: str, version: int) -> Action:
        return {"txn": {"appId": app, "version": version, "lastUpdated": 1}}

    def domain(name: str, text: str, *, removed: bool = False) -> Action:
        return {"domainMetadata": {"domain": name, "configuration": text, "removed": removed}}

    first = [txn("x", 1), txn("y", 1), domain("d", "1"), domain("e", "1"), domain("f", "1")]
    table.parquet(f"{0:020d}.checkpoint.parquet", *BASE, add("a"), *first)
    table.commit(1, txn("x", 2), domain("d", "2"), domain("e", "", removed=True))
    table.commit(2, txn("x", 3), txn("z", 1))
    reader = LogReader.open(ObjectStorage(), table.location)
    assert reader is not None
    state = reader.state(everything=True)
    assert {name: each.version for name, each in state.transactions.items()} == {"x": 3, "y": 1, "z": 1}
    assert {name: each.configuration for name, each in state.domains.items()} == {"d": "2", "f": "1"}


def test_in_commit_timestamps(table: Table) -> None:
    configuration = {"delta.enableInCommitTimestamps": "true"}
    info = {"commitInfo": {"inCommitTimestamp": 1234567890123, "operation": "WRITE"}}
    table.commit(0, info, protocol(1, 7, None), metadata(configuration=configuration), add("a"))
    assert table.read()[0].committed_at == 1234567890123
    table.commit(1, info, metadata(configuration={}))
    assert table.read()[0].committed_at == int((table.log / f"{1:020d}.json").stat().st_mtime * 1000)


def test_is_table(tmp_path: Path) -> None:
    storage = ObjectStorage()
    assert not DeltaSource.is_table(storage, f"file://{tmp_path}/none")
    (tmp_path / "file").touch()
    assert not DeltaSource.is_table(storage, f"file://{tmp_path}/file")
    table = Table(tmp_path / "t")
    table.text("_last_checkpoint", b"{}")
    assert not DeltaSource.is_table(storage, table.location)
    table.commit(0, *BASE)
    assert DeltaSource.is_table(storage, table.location)


def test_in_memory_and_over_pieces_of_remote_parquet(table: Table) -> None:
    storage = ObjectStorage()
    table.parquet(f"{3:020d}.checkpoint.parquet", *_state(3))
    _history(table, 4)
    for file in table.log.iterdir():
        storage.put_if_absent(f"memory:///t/_delta_log/{file.name}", file.read_bytes())
    source = DeltaSource.open(storage, "memory:///t", DeltaSourceOptions())
    batches = list(source.data_files(source.snapshot()))
    paths = pa.Table.from_batches(batches)["path"].to_pylist()
    assert sorted(paths) == [f"memory:///t/{path}" for path in LIVE[4]]


@pytest.mark.parametrize("int96", [False, True])
@pytest.mark.parametrize("text", ["none", "all", "some"])
def test_checkpoint_with_parsed_statistics(table: Table, text: str, int96: bool) -> None:
    last = dt.datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=dt.UTC)
    bounds = pa.struct([("id", pa.int64()), ("at", pa.timestamp("us", "UTC"))])
    record = pa.struct([("numRecords", pa.int64()), ("minValues", bounds), ("maxValues", bounds)])
    columns = [column("id", "long"), column("at", "timestamp")]
    rows = checkpoint_table([protocol(), metadata(*columns), add("a"), add("b"), add("c", rows=None)])
    parsed = {"numRecords": 3, "minValues": {"id": 1, "at": last}, "maxValues": {"id": 2, "at": last}}
    values = [None, None, parsed, None if text == "some" else parsed, None]
    wanted: dict[str, list[str | None]] = {"all": ["{}", "{}", None], "some": [None, '{"numRecords":3}', None]}
    texts = [None, None, *wanted.get(text, [None, None, None])]
    adds = rows["add"].combine_chunks()
    members = {field.name: pc.struct_field(adds, field.name) for field in adds.type}
    members |= {"stats": pa.array(texts, pa.string()), "stats_parsed": pa.array(values, record)}
    made = pa.StructArray.from_arrays(list(members.values()), list(members), mask=adds.is_null())
    rows = rows.set_column(rows.schema.get_field_index("add"), "add", made)
    path = table.log / f"{1:020d}.checkpoint.parquet"
    pq.write_table(rows, path, use_deprecated_int96_timestamps=int96)
    pq.write_table(pa.table({"id": [1, 2, 3]}), table.directory / "c")
    _, files = table.read()
    assert files["row_count"].to_pylist() == [3, 3, 3]
    stats = files["stats"].to_pylist()
    assert [each["1"]["lower"] for each in stats] == [1, None if text == "some" else 1, None]
    assert stats[0]["2"]["lower"] == last
    assert stats[0]["2"]["upper"] == last.replace(microsecond=999_999)
