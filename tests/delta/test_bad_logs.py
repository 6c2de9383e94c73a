"""Logs that cannot be read, or not without a loss, are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.delta import DeltaSource
from converters.delta.source import DeltaSourceOptions
from converters.errors import (
    CorruptTable,
    InvalidOption,
    LimitExceeded,
    SourceTableNotFound,
    TablecastError,
    UnsupportedTableFeature,
)
from converters.storage import ObjectStorage
from tests.delta.logs import BASE, Action, Table, add, column, metadata, protocol

UUID = "3a0d65cd-4056-49b8-937b-95f9e3ee90e5"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "t")


def _refused(table: Table, kind: type[TablecastError], *told: str, version: int | None = None) -> None:
    with pytest.raises(kind) as caught:
        table.read(version)
    assert type(caught.value) is kind
    for each in told:
        assert each in caught.value.message


def test_no_log(tmp_path: Path) -> None:
    for name in ("none", "empty/_delta_log"):
        if "/" in name:
            (tmp_path / name).mkdir(parents=True)
        source = DeltaSource.open(ObjectStorage(), f"file://{tmp_path}/{name.split('/')[0]}", DeltaSourceOptions())
        with pytest.raises(SourceTableNotFound, match="no commit and no checkpoint"):
            source.snapshot()


def test_gaps(table: Table) -> None:
    for version in (0, 1, 2, 4, 5):
        table.commit(version, *(BASE if version == 0 else ()), add(f"f{version}"))
    _refused(table, CorruptTable, "version 3", "_delta_log")
    table.parquet(f"{4:020d}.checkpoint.parquet", *BASE, add("x"))
    assert table.paths() == ["f5", "x"]
    (table.log / f"{5:020d}.json").rename(table.log / f"{6:020d}.json")
    _refused(table, CorruptTable, "version 5")


def test_a_log_that_starts_late(table: Table) -> None:
    table.commit(3, *BASE, add("a"))
    table.commit(4, add("b"))
    _refused(table, CorruptTable, "version 0")


def test_versions_that_are_not_there(table: Table) -> None:
    table.commit(3, *BASE)
    table.parquet(f"{3:020d}.checkpoint.parquet", *BASE, add("a"))
    table.commit(4, add("b"))
    for version in (-1, 5, 2):
        _refused(table, InvalidOption, f"ersion {version}", version=version)
    _refused(table, CorruptTable, "/a'", "no longer exists", version=3)
    (table.directory / "a").touch()
    assert table.paths(3) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        b'{"add":{"path":"a","size":1',
        b"garbage",
        b"[1]",
        b'"x"',
        b"\xff\xfe\x00",
        b'{"add":{"path":"\xff","size":1}}',
        b'{"add":{"path":"\\ud840","size":1}}',
        b'{"add":{"size":1}}',
        b'{"add":{"path":"a"}}',
        b'{"add":{"path":"a","size":"big"}}',
        b'{"add":{}}',
        b'{"remove":{}}',
        b"{" * 100_000,
        b'{"metaData":{"id":5}}',
        b'{"metaData":"x"}',
        b'{"protocol":{"minReaderVersion":"one"}}',
    ],
)
def test_garbage_in_a_commit(table: Table, text: bytes) -> None:
    table.commit(0, *BASE, add("a"))
    path = table.text(f"{1:020d}.json", text)
    table.commit(2, add("b"))
    _refused(table, CorruptTable, path.name)


def test_garbage_in_a_schema(table: Table) -> None:
    for text in ("", "{", '{"type":"struct"}', "[]", '{"type":"struct","fields":[{"name":"a"}]}'):
        broken = dict(metadata()["metaData"]) | {"schemaString": text}
        table.commit(0, protocol(), {"metaData": broken})
        _refused(table, CorruptTable, "schema")


def test_no_metadata_or_no_protocol(table: Table) -> None:
    table.commit(0, BASE[0], add("a"))
    _refused(table, CorruptTable, "metaData")
    table.commit(0, BASE[1], add("a"))
    _refused(table, CorruptTable, "protocol")
    table.parquet(f"{1:020d}.checkpoint.parquet", BASE[1], add("a"))
    _refused(table, CorruptTable, "protocol")


def test_an_unknown_partition_column(table: Table) -> None:
    table.commit(0, protocol(), metadata(by=["p"]))
    _refused(table, CorruptTable, "'p'")


@pytest.mark.parametrize("keep", [0.2, 0.9, 0.999])
def test_a_truncated_checkpoint(table: Table, keep: float) -> None:
    path = table.parquet(f"{1:020d}.checkpoint.parquet", *BASE, *(add(f"f{n}") for n in range(500)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    _refused(table, CorruptTable, path.name)


def test_a_checkpoint_with_broken_pages(table: Table) -> None:
    path = table.parquet(
        f"{1:020d}.checkpoint.parquet", *BASE, *(add(f"f{n}") for n in range(5000)), use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    metadata_ = pq.read_metadata(path)
    columns = [metadata_.row_group(0).column(n) for n in range(metadata_.num_columns)]
    start = next(each for each in columns if each.path_in_schema == "add.path").data_page_offset
    data[start : start + 2000] = b"\xff" * 2000
    path.write_bytes(data)
    _refused(table, CorruptTable, path.name)


def test_a_checkpoint_of_another_shape(table: Table) -> None:
    name = f"{1:020d}.checkpoint.parquet"
    shapes: list[pa.Table] = [
        pa.table({"x": [1]}),
        pa.table({"add": [1], "metaData": ["x"], "protocol": ["y"]}),
        pa.table({"add": [{"path": 5}], "metaData": [{"id": "x"}], "protocol": [{"minReaderVersion": 1}]}),
    ]
    for shape in shapes:
        pq.write_table(shape, table.log / name)
        _refused(table, CorruptTable)


def test_adds_of_another_shape_in_a_checkpoint(table: Table) -> None:
    name = f"{1:020d}.checkpoint.parquet"
    table.commit(2, *BASE)
    for content in ({"path": "a"}, {"path": "a", "size": None}, {"path": "a", "size": "x"}, {"path": [1], "size": 1}):
        pq.write_table(pa.table({"add": [content]}), table.log / name)
        _refused(table, CorruptTable, name)
    broken = {"path": "a", "size": 1, "partitionValues": "x", "deletionVector": 5, "stats": 7}
    pq.write_table(pa.table({"add": [broken]}), table.log / name)
    _refused(table, CorruptTable, name)


def test_a_missing_sidecar(table: Table) -> None:
    sidecar = {"sidecar": {"path": "gone.parquet", "sizeInBytes": 1, "modificationTime": 1}}
    table.json(f"{1:020d}.checkpoint.{UUID}.json", protocol(3, 7, ["v2Checkpoint"]), BASE[1], sidecar)
    _refused(table, CorruptTable, "gone.parquet")
    for path in ("%FF.parquet", "", 5):
        broken = {"sidecar": {"path": path, "sizeInBytes": 1, "modificationTime": 1}}
        table.json(f"{1:020d}.checkpoint.{UUID}.json", protocol(3, 7, ["v2Checkpoint"]), BASE[1], broken)
        _refused(table, CorruptTable)


def test_garbage_in_a_json_checkpoint(table: Table) -> None:
    path = table.text(f"{1:020d}.checkpoint.{UUID}.json", b'{"protocol":')
    _refused(table, CorruptTable, path.name)


def test_a_commit_that_disappears(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table.commit(0, *BASE, add("a"))
    source = table.source()
    monkeypatch.setattr("converters.delta.log.commits._KEPT", 0)
    snapshot = source.snapshot()
    path.unlink()
    with pytest.raises(CorruptTable, match="disappeared"):
        list(source.data_files(snapshot))


def test_a_line_beyond_the_limit(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.delta.log.commits._PIECE", 100)
    monkeypatch.setattr("converters.delta.log.commits.METADATA_LIMIT", 1000)
    table.commit(0, *BASE, add("a", stats="x" * 5000))
    _refused(table, LimitExceeded, f"{0:020d}.json")


@pytest.mark.parametrize(
    "actions,told",
    [
        ([protocol(4, 7), metadata()], "version 4"),
        ([protocol(3, 7, ["v2Checkpoint", "brandNew"]), metadata()], "'brandNew'"),
        ([protocol(3, 7, ["catalogManaged"]), metadata()], "catalogManaged"),
        (
            [protocol(1, 7), metadata(configuration={"delta.coordinatedCommits.commitCoordinator-preview": "x"})],
            "coordinatedCommits",
        ),
        ([protocol(3, 7, ["variantType"]), metadata(column("v", "variant"))], "'v'"),
        ([{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, metadata(column("i", "interval"))], "'i'"),
        ([protocol(), {"metaData": {**metadata()["metaData"], "format": {"provider": "orc"}}}], "'orc'"),
    ],
)
def test_what_we_do_not_know_is_refused(table: Table, actions: list[Action], told: str) -> None:
    table.commit(0, *actions)
    _refused(table, UnsupportedTableFeature, told)


def test_widened_types(table: Table) -> None:
    def widened(before: str, after: str) -> Action:
        changes = [{"fromType": before, "toType": after}]
        return metadata(column("w", after, **{"delta.typeChanges": changes}))

    features = protocol(3, 7, ["typeWidening"])
    table.commit(0, features, widened("integer", "long"), add("a", stats='{"numRecords":1,"minValues":{"w":1}}'))
    assert table.read()[1]["stats"].to_pylist()[0]["1"]["lower"] == 1
    for before, after in (("integer", "double"), ("date", "timestamp_ntz"), ("decimal(5,2)", "decimal(8,4)")):
        table.commit(0, features, widened(before, after))
        _refused(table, UnsupportedTableFeature, "'w'")


def test_known_features_are_no_obstacle(table: Table) -> None:
    features = [
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "v2Checkpoint",
        "vacuumProtocolCheck",
    ]
    writers = ["clustering", "rowTracking", "domainMetadata", "icebergCompatV2", "checkConstraints", "brandNew"]
    content = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features}
    table.commit(0, {"protocol": {**content, "writerFeatures": features + writers}}, metadata(), add("a"))
    assert table.paths() == ["a"]
    assert set(table.read()[0].table.feature_names) == {*features, *writers}


def test_partition_values_that_are_none(table: Table) -> None:
    table.commit(
        0,
        protocol(),
        metadata(column("p", "integer"), by=["p"]),
        add("a", partitionValues={"p": "1"}),
        add("b", partitionValues={"p": "one"}),
    )
    _refused(table, CorruptTable, "'p'", "'one'", "/b'")


ROWS = pa.table({"id": [1, 2, 3]})


def _without_count(table: Table, path: str = "x.parquet", *, size: int | None = None) -> Path:
    file = table.directory / path
    pq.write_table(ROWS, file)
    table.commit(0, *BASE, add(path, rows=None, size=size or file.stat().st_size), add("known", rows=7))
    return file


def test_row_counts_come_from_footers(table: Table) -> None:
    _without_count(table)
    assert table.read()[1]["row_count"].to_pylist() == [3, 7]
    _without_count(table, size=5)
    assert table.read()[1]["row_count"].to_pylist() == [3, 7]
    _without_count(table, size=50_000_000)
    assert table.read()[1]["row_count"].to_pylist() == [3, 7]


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _overstate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8] + b"\xff\xff\xff\x7fPAR1")


@pytest.mark.parametrize("damage", [Path.unlink, _truncate, _overstate, lambda file: file.write_bytes(b"")])
def test_damaged_data_files_without_counts(table: Table, damage: Callable[[Path], object]) -> None:
    damage(_without_count(table))
    _refused(table, CorruptTable, "x.parquet")


def test_encrypted_data_files_without_counts(table: Table) -> None:
    file = _without_count(table)
    file.write_bytes(file.read_bytes()[:-4] + b"PARE")
    _refused(table, UnsupportedTableFeature, "x.parquet", "encrypted")
