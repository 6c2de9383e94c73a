"""What counts as a change of a Delta table, and which histories are not told at all but compared whole."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.errors import FullSyncNeeded, TablecastError, UnsupportedTableFeature
from converters.model import Snapshot
from converters.model.change import Change
from converters.sync.state import SyncState
from tests.delta.logs import BASE, Action, Table, add, column, metadata, protocol, remove
from tests.delta.test_changes import Version, changes, check_chain, read, synced
from tests.delta.test_deletion_vectors import FEATURE, inline

PROTOCOL, METADATA = BASE
TICK_MS = 1000


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "t")


def write(table: Table, history: Sequence[Sequence[Action]]) -> dict[int, Version]:
    """Commit a history, and read each version of it when it is the newest."""
    versions: dict[int, Version] = {}
    for version, actions in enumerate(history):
        commit(table, version, *actions)
        versions[version] = read(table.location)
    return versions


def commit(table: Table, version: int, *actions: Action) -> None:
    path = table.commit(version, *actions)
    seconds = 1_700_000_000 + version
    os.utime(path, (seconds, seconds))


def told(table: Table, since: Snapshot) -> list[tuple[str, list[str], list[str], bool]]:
    """Of each change: its version, what it adds and removes below the table, and whether what it adds is new."""

    def names(paths: list[str]) -> list[str]:
        return sorted(path.removeprefix(table.location + "/") for path in paths)

    def of(change: Change) -> tuple[str, list[str], list[str], bool]:
        added = [path for batch in change.added() for path in batch["path"].to_pylist()]
        return change.snapshot.version, names(added), names(change.removed.to_pylist()), change.adds_only_new

    return [of(change) for change in changes(table.location, since)]


def not_told(table: Table, since: Snapshot | SyncState, why: str, version: int | None = None) -> None:
    state = since if isinstance(since, SyncState) else synced(since)
    source = table.source(version)
    with pytest.raises(FullSyncNeeded, match=why):
        list(source.changes(state, source.snapshot()))


def test_each_commit_is_a_change(table: Table) -> None:
    versions = write(
        table,
        [
            [*BASE, add("a"), add("b")],
            [add("c")],
            [remove("a"), add("d")],
            [remove("d")],
            [add("a", 7)],
        ],
    )
    assert told(table, versions[0].snapshot) == [
        ("1", ["c"], [], True),
        ("2", ["d"], ["a"], True),
        ("3", [], ["d"], True),
        ("4", ["a"], [], True),
    ]
    for since in versions:
        check_chain(table.location, versions, since)


def test_entries_of_present_files_are_updates(table: Table) -> None:
    stats = {"numRecords": 1, "minValues": {"id": 5}}
    versions = write(
        table,
        [
            [*BASE, add("a"), add("b")],
            [add("a", stats=stats, dataChange=False)],
            [remove("b"), add("b", stats=stats)],
            [add("b"), remove("b"), add("a", dataChange=False)],
        ],
    )
    assert told(table, versions[0].snapshot) == [
        ("1", ["a"], [], False),
        ("2", ["b"], [], False),
        ("3", ["a"], ["b"], False),
    ]
    for since in versions:
        check_chain(table.location, versions, since)


def test_removes_of_files_that_were_not_there_remove_nothing(table: Table) -> None:
    versions = write(
        table,
        [
            [*FEATURE, add("a"), add("b", deletionVector=inline([0]))],
            [remove("nowhere"), add("c")],
            [remove("a", deletionVector=inline([0])), remove("b")],
            [remove("b", deletionVector=inline([0]))],
        ],
    )
    assert told(table, versions[0].snapshot) == [("1", ["c"], [], True), ("3", [], ["b"], True)]
    for since in versions:
        check_chain(table.location, versions, since)


def test_another_deletion_vector_is_an_update(table: Table) -> None:
    first, second = inline([1]), inline([1, 2])
    versions = write(
        table,
        [
            [*FEATURE, add("a", 9), add("b", 9)],
            [remove("a"), add("a", 9, deletionVector=first)],
            [add("a", 9, deletionVector=second), remove("a", deletionVector=first)],
            [remove("a", deletionVector=second), add("a", 9), remove("b")],
        ],
    )
    assert told(table, versions[0].snapshot) == [
        ("1", ["a"], [], False),
        ("2", ["a"], [], False),
        ("3", ["a"], ["b"], False),
    ]
    for since in versions:
        check_chain(table.location, versions, since)


def test_commits_that_change_nothing_are_passed_over_but_for_the_last(table: Table) -> None:
    txn = {"txn": {"appId": "x", "version": 1}}
    info = {"commitInfo": {"operation": "VACUUM START"}}
    domain = {"domainMetadata": {"domain": "delta.x", "configuration": "{}", "removed": False}}
    cdc = {"cdc": {"path": "_change_data/x", "partitionValues": {}, "size": 1, "dataChange": False}}
    versions = write(table, [[*BASE, add("a")], [txn], [add("b")], [info, domain], [cdc], [protocol(1, 4)], [txn]])
    assert told(table, versions[0].snapshot) == [
        ("2", ["b"], [], True),
        ("5", [], [], True),
        ("6", [], [], True),
    ]
    assert told(table, versions[6].snapshot) == []


def test_the_last_snapshot_is_the_one_that_was_given(table: Table) -> None:
    versions = write(table, [[*BASE, add("a")], [add("b")], [metadata(column("id", "long"), column("x", "string"))]])
    source = table.source()
    until = msgspec.structs.replace(source.snapshot(), file_count=77)
    *_, last = source.changes(synced(versions[0].snapshot), until)
    assert last.snapshot is until


def test_schemas_change_on_the_way(table: Table) -> None:
    def mapped(name: str, id_: int, physical: str) -> dict[str, Any]:
        return column(name, "long", **{"delta.columnMapping.id": id_, "delta.columnMapping.physicalName": physical})

    on = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2"}
    versions = write(
        table,
        [
            [PROTOCOL, metadata(column("a", "long"), column("b", "long")), add("f0")],
            [metadata(column("b", "long")), add("f1")],
            [metadata(column("b", "long"), column("c", "long", comment="new"))],
            [add("f2")],
            [protocol(2, 5), metadata(mapped("b", 1, "b"), mapped("c", 2, "c"), configuration=on)],
            [metadata(mapped("renamed", 1, "b"), mapped("c", 2, "c"), configuration=on), remove("f1")],
            [metadata(mapped("c", 2, "c"), mapped("renamed", 3, "col-x"), configuration=on), add("f3")],
            [add("f4")],
        ],
    )
    for since in versions:
        check_chain(table.location, versions, since)
    ids = {
        version: {node.dotted: node.id for node in at.snapshot.table.schema.nodes} for version, at in versions.items()
    }
    assert ids[5] == {"renamed": 1, "c": 2}
    assert ids[6] == {"c": 2, "renamed": 3}


def test_in_commit_timestamps(table: Table) -> None:
    on = metadata(configuration={"delta.enableInCommitTimestamps": "true"})

    def info(time: int) -> Action:
        return {"commitInfo": {"inCommitTimestamp": time, "timestamp": 1}}

    versions = write(
        table,
        [
            [info(5), protocol(1, 7, None), metadata(), add("a")],
            [info(1_800_000_000_001), on],
            [info(1_800_000_000_002), add("b")],
            [info(1_800_000_000_003), metadata()],
        ],
    )
    assert [at.snapshot.committed_at % TICK_MS for at in versions.values()] == [0, 1, 2, 0]
    for since in versions:
        check_chain(table.location, versions, since)
    commit(table, 1, info(1_800_000_000_009), on)
    not_told(table, versions[1].snapshot, "version 1 is no longer the commit")


CHECKPOINTS = ["classic", "parts", "v2"]


@pytest.mark.parametrize("form", CHECKPOINTS)
def test_checkpoints_and_compactions_between(table: Table, form: str) -> None:
    features = protocol(3, 7, ["v2Checkpoint"])
    history = [
        [features, METADATA, add("a"), add("p=%25/b")],
        [add("c")],
        [remove("a"), add("d")],
        [add("a", 3), remove("p=%25/b")],
    ]
    versions = write(table, history)
    state = [features, METADATA, add("p=%25/b"), add("c"), add("d")]
    if form == "classic":
        table.parquet(f"{2:020d}.checkpoint.parquet", *state)
    elif form == "parts":
        table.parquet(f"{2:020d}.checkpoint.{1:010d}.{2:010d}.parquet", *state[:3])
        table.parquet(f"{2:020d}.checkpoint.{2:010d}.{2:010d}.parquet", *state[3:])
    else:
        table.parquet("_sidecars/one.parquet", *state[2:], kinds=("add",))
        sidecar = {"sidecar": {"path": "one.parquet", "sizeInBytes": 1, "modificationTime": 1}}
        name = f"{2:020d}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json"
        table.json(name, {"checkpointMetadata": {"version": 2}}, *state[:2], sidecar)
    table.json(f"{0:020d}.{1:020d}.compacted.json", *history[0], *history[1])
    for since in versions:
        check_chain(table.location, versions, since)


def test_histories_that_do_not_reach_back(table: Table) -> None:
    versions = write(table, [[*BASE, add("a")], [add("b")], [add("c")], [add("d")], [add("e")]])
    table.parquet(f"{3:020d}.checkpoint.parquet", *BASE, *map(add, "abcd"))
    (table.log / f"{2:020d}.json").unlink()
    not_told(table, versions[1].snapshot, "no longer has the commit of version 2")
    not_told(table, versions[2].snapshot, "what the table was at version 2")
    assert [each[0] for each in told(table, versions[3].snapshot)] == ["4"]
    table.json(f"{1:020d}.{2:020d}.compacted.json", add("b"), add("c"))
    not_told(table, versions[1].snapshot, "no longer has the commit of version 2")
    (table.log / f"{3:020d}.json").unlink()
    not_told(table, versions[3].snapshot, "no longer has the commit of version 3")


def test_versions_before_the_last_sync(table: Table) -> None:
    versions = write(table, [[*BASE, add("a")], [add("b")], [add("c")]])
    for name in "abc":
        (table.directory / name).touch()
    not_told(table, versions[2].snapshot, "version 2 was synced last", version=1)
    state = synced(versions[0].snapshot)
    for text in (None, "", "-1", "x"):
        not_told(table, msgspec.structs.replace(state, source_version=text), "did not note a version")
    source = table.source(1)
    [change] = source.changes(state, source.snapshot())
    assert change.snapshot.version == "1"


def test_a_history_that_was_written_anew(table: Table) -> None:
    def info(time: int) -> Action:
        return {"commitInfo": {"timestamp": time}}

    versions = write(table, [[*BASE, add("a")], [info(1_700_000_000_500), add("b")], [add("c")]])
    path = table.commit(1, info(1_700_000_000_500), add("b"))
    assert [each[0] for each in told(table, versions[1].snapshot)] == ["2"], "copied, and so younger"
    table.commit(1, info(1_700_000_005_000), add("other"))
    not_told(table, versions[1].snapshot, "version 1 is no longer the commit")
    table.commit(1, info("yesterday"), add("b"))  # type: ignore[arg-type]
    not_told(table, versions[1].snapshot, "version 1 is no longer the commit")
    table.commit(1, add("b"))
    not_told(table, versions[1].snapshot, "version 1 is no longer the commit")
    assert path.exists()


def test_a_table_that_was_made_anew_on_the_way(table: Table) -> None:
    other = {"metaData": {**METADATA["metaData"], "id": "other"}}
    versions = write(table, [[*BASE, add("a")], [other], [METADATA]])
    not_told(table, versions[0].snapshot, "version 1 is of another table")


@pytest.mark.parametrize(
    "actions", [[add("b"), add("b", deletionVector=inline([0]))], [add("a", deletionVector=inline([0]))]]
)
def test_commits_that_list_a_file_twice(table: Table, actions: list[Action]) -> None:
    commit(table, 0, *FEATURE, add("a"))
    before = read(table.location).snapshot
    commit(table, 1, *actions)
    not_told(table, before, "version 1 lists the data file .* twice")


def test_versions_that_cannot_be_read(table: Table) -> None:
    versions = write(table, [[*BASE, add("a")]])
    commit(table, 1, protocol(3, 7, ["brandNew"]), add("b"))
    commit(table, 2, protocol(1, 2), add("c"))
    source = table.source()
    with pytest.raises(UnsupportedTableFeature, match="brandNew"):
        list(source.changes(synced(versions[0].snapshot), source.snapshot()))


def test_field_ids_of_data_files(table: Table) -> None:
    def file(name: str, id_: int | None) -> Action:
        field = pa.field("id", pa.int64(), metadata=None if id_ is None else {"PARQUET:field_id": str(id_)})
        pq.write_table(pa.table({"id": [1]}, schema=pa.schema([field])), table.directory / name)
        return add(name, size=(table.directory / name).stat().st_size)

    versions = write(table, [[*BASE, file("a", 7)], [file("b", 7)], [file("c", 7)]])
    for since in versions:
        check_chain(table.location, versions, since)
    commit(table, 3, metadata(column("id", "long"), column("x", "long")), file("d", 7))
    not_told(table, versions[0].snapshot, "field ids")
    plain = Table(table.directory / "plain")
    table.directory = plain.directory
    versions = write(plain, [[*BASE, file("a", None)], [file("b", None), remove("a")]])
    commit(plain, 2, remove("b"), file("c", 7))
    not_told(plain, versions[0].snapshot, "field ids")


VECTORS = [None, inline([0]), inline([0, 1])]


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_histories(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    dice = random.Random(seed)
    table = Table(tmp_path_factory.mktemp("h") / "t")
    live: dict[str, int] = {}

    def entry(path: str, vector: int, **more: Any) -> Action:
        return add(path, 9, **({"deletionVector": VECTORS[vector]} if vector else {}), **more)

    def gone(path: str, vector: int) -> Action:
        return remove(path, **({"deletionVector": VECTORS[vector]} if vector else {}))

    versions: dict[int, Version] = {}
    for version in range(8):
        actions: list[Action] = [] if version else list(FEATURE)
        for path in dice.sample("abcdefgh", dice.randrange(5)):
            match dice.randrange(4):
                case 0:
                    wrong = dice.randrange(3)
                    actions.append(gone(path, wrong))
                    if live.get(path) == wrong:
                        del live[path]
                case 1 if path in live:
                    actions += [gone(path, live.pop(path))]
                case 2 if path in live:
                    actions += [entry(path, live[path], dataChange=False)]
                case _:
                    vector = dice.randrange(3)
                    before = [gone(path, live[path])] if path in live and live[path] != vector else []
                    actions += [*before, entry(path, vector)]
                    live[path] = vector
        if dice.random() < 0.2:
            actions.append(metadata(column("id", "long"), column(f"c{dice.randrange(3)}", "string")))
        commit(table, version, *actions)
        if dice.random() < 0.3:
            state = [entry(path, vector) for path, vector in live.items()]
            meta = next(each for n in range(version, -1, -1) for each in [_metadata(table, n)] if each is not None)
            table.parquet(f"{version:020d}.checkpoint.parquet", FEATURE[0], meta, *state)
        versions[version] = read(table.location)
        assert {path.rpartition("/")[2] for path in versions[version].files} == live.keys()
        for since in versions:
            check_chain(table.location, versions, since)


def _metadata(table: Table, version: int) -> Action | None:
    lines = (table.log / f"{version:020d}.json").read_bytes().splitlines()
    found = [msgspec.json.decode(line) for line in lines if b'"metaData"' in line]
    return found[-1] if found else None


def test_many_commits_in_groups_and_large_ones_in_pieces(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.delta.log.commits._PIECE", 2000)
    monkeypatch.setattr("converters.delta.log.commits._HEAD", 700)
    monkeypatch.setattr("converters.delta.log.commits._KEPT", 5000)
    monkeypatch.setattr("converters.delta.reading.changes._GROUP_BYTES", 5000)
    first: list[Action] = [*BASE, *(add(f"f{n}") for n in range(30))]
    others: list[list[Action]] = [
        [remove(f"f{version}"), *(add(f"g{version}-{n}") for n in range(version * 3)), add("f1")]
        for version in range(1, 8)
    ]
    versions = write(table, [first, *others])
    for since in versions:
        check_chain(table.location, versions, since)


def test_where_looking_for_former_entries_is_too_dear(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.delta.reading.changes._SEARCHED_BYTES", 0)
    versions = write(table, [[*BASE, add("a"), add("b")], [add("c"), remove("a")], [remove("b")]])
    assert told(table, versions[0].snapshot) == [("1", ["c"], ["a"], False), ("2", [], ["b"], True)]
    for since in versions:
        check_chain(table.location, versions, since)
    with_vectors = Table(table.directory / "dv")
    versions = write(with_vectors, [[*FEATURE, add("a")], [remove("a", deletionVector=inline([0])), add("b")]])
    assert told(with_vectors, versions[0].snapshot) == [("1", ["b"], [], True)]


def test_a_commit_that_is_no_json(table: Table) -> None:
    versions = write(table, [[*BASE, add("a")]])
    table.text(f"{1:020d}.json", b'{"add":{"path":')
    commit(table, 2, *BASE)
    source = table.source()
    with pytest.raises(TablecastError) as caught:
        list(source.changes(synced(versions[0].snapshot), source.snapshot()))
    assert f"{1:020d}.json" in caught.value.message
