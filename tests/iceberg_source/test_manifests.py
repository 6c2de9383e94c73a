"""Manifests of every shape that the spec allows are read; whatever is damaged or hostile is refused by name."""

from __future__ import annotations

import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from converters.avro import container as avro_container
from converters.avro.container import open_avro, varint
from converters.errors import CorruptTable, LimitExceeded, TablecastError, UnsupportedTableFeature
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.storage.object_store import ObjectStorage
from tests.iceberg_source.made import (
    SNAPSHOT_ID,
    Table,
    avro,
    container,
    entry,
    entry_schema,
    field,
    id_map,
    list_schema,
)


def _long(value: int) -> bytes:
    return struct.pack("<q", value)


def _double(value: float) -> bytes:
    return struct.pack("<d", value)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "t")


def _entries(count: int) -> list[dict[str, Any]]:
    return [
        entry(
            f"/data/{place} ü%20.parquet",
            rows=place + 1,
            null_value_counts={1: 0, 2: place, 3: 0},
            nan_value_counts={2: 1},
            lower_bounds={1: _long(place), 2: _double(0.0), 3: b"a"},
            upper_bounds={1: _long(place + 5), 2: _double(-0.0), 3: b"b"},
        )
        for place in range(count)
    ]


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
def test_codecs(table: Table, codec: str) -> None:
    table.manifest(avro(entry_schema(), _entries(40), codec))
    table.finish(list_data=avro(list_schema(), table.listed, codec))
    _, rows = table.read()
    assert [row["path"] for row in rows] == [f"file:///data/{place} ü%20.parquet" for place in range(40)]
    assert [row["row_count"] for row in rows] == list(range(1, 41))
    stats = rows[7]["stats"]
    assert stats["1"] == {"null_count": 0, "nan_count": None, "lower": 7, "upper": 12, "exact": True}
    assert stats["3"] == {"null_count": 0, "nan_count": None, "lower": "a", "upper": "b", "exact": None}
    assert [str(stats["2"][name]) for name in ("null_count", "nan_count", "lower", "upper")] == [
        "7",
        "1",
        "-0.0",
        "0.0",
    ]
    assert {row["file_format"] for row in rows} == {"PARQUET"}


def test_snappy(table: Table) -> None:
    plain = avro(entry_schema(), _entries(3))
    file = open_avro(plain, "it")
    blocks = [
        (rows, pa.Codec("snappy").compress(content, asbytes=True) + zlib.crc32(content).to_bytes(4, "big"))
        for rows, content in avro_container.blocks(file)
    ]
    table.manifest(container(file.metadata | {"avro.codec": b"snappy"}, blocks))
    table.finish()
    assert len(table.read()[1]) == 3
    damaged = [(rows, content[:-1] + bytes([content[-1] ^ 1])) for rows, content in blocks]
    (table.folder / "metadata/m0.avro").write_bytes(container(file.metadata | {"avro.codec": b"snappy"}, damaged))
    with pytest.raises(CorruptTable, match=r"m0\.avro.*checksum"):
        table.read()


def test_header_maps_may_have_negative_counts(table: Table) -> None:
    file = open_avro(avro(entry_schema(), _entries(3)), "it")
    table.manifest(container(file.metadata, list(avro_container.blocks(file)), negative_count=True))
    table.finish()
    assert len(table.read()[1]) == 3


def test_lists_may_have_negative_counts(table: Table) -> None:
    schema = entry_schema(without=[108, 109, 110, 137, 128, 131])
    pair = varint(1) + varint(8) + _long(5)
    bounds = varint(1) + varint(-1) + varint(len(pair)) + pair + varint(0)
    row = b"".join([varint(1), varint(0), varint(0), varint(2), b"/x", varint(3), b"orc", varint(4), varint(5), bounds])
    file = open_avro(avro(schema, []), "it")
    table.manifest(container(file.metadata, [(2, row * 2)]))
    table.finish()
    assert [(each["stats"]["1"]["lower"], each["size"]) for each in table.read()[1]] == [(5, 5), (5, 5)]


def test_maps_of_every_row_may_differ(table: Table) -> None:
    rows = [
        entry("/a", lower_bounds={1: _long(1), 3: b"x"}, upper_bounds={}, null_value_counts={9: 1}),
        entry("/b", lower_bounds=None, upper_bounds={3: b"y"}),
        entry("/c", lower_bounds={3: b"z", 70_000: b"1", 1: _long(3)}, null_value_counts={1: 2, 2: 99, 3: -1}),
        entry("/d"),
    ]
    table.manifest(avro(entry_schema(), rows))
    table.finish()
    stats = [row["stats"] for row in table.read()[1]]
    assert [each["1"]["lower"] for each in stats] == [1, None, 3, None]
    assert [each["3"]["lower"] for each in stats] == ["x", None, "z", None]
    assert [each["3"]["upper"] for each in stats] == [None, "y", None, None]
    assert [each["1"]["null_count"] for each in stats] == [None, None, 2, None]
    assert [each[id_]["null_count"] for each in stats for id_ in "23"] == [None] * 8


@pytest.mark.parametrize("without", [(108, 109, 110, 137, 125, 128, 131), (134,), (137, 131), (110,)])
def test_columns_may_be_missing(table: Table, without: tuple[int, ...]) -> None:
    table.manifest(avro(entry_schema(without=without), _entries(2)))
    table.finish()
    assert [row["row_count"] for row in table.read()[1]] == [1, 2]


def test_crossed_bounds_are_unknown(table: Table) -> None:
    table.manifest(avro(entry_schema(), [entry("/a", lower_bounds={1: _long(2)}, upper_bounds={1: _long(1)})]))
    table.finish()
    stats = table.read()[1][0]["stats"]["1"]
    assert (stats["lower"], stats["upper"]) == (None, None)


@pytest.mark.parametrize("key", ["XTABLE_METADATA", "delta-version", "TABLECAST_SOURCE"])
def test_bounds_that_a_converter_wrote_may_be_wide(table: Table, key: str) -> None:
    table.manifest(avro(entry_schema(), _entries(1)))
    table.finish(properties={key: "x"})
    assert table.read()[1][0]["stats"]["1"]["exact"] is None


@pytest.mark.parametrize(
    "properties, lower",
    [({"XTABLE_METADATA": "x"}, None), ({"XTABLE_METADATA": "x", "TABLECAST_SOURCE": "x"}, 5), ({}, 5)],
)
def test_timestamps_that_other_converters_cut_are_unknown(
    table: Table, properties: dict[str, str], lower: int | None
) -> None:
    table.manifest(avro(entry_schema(), [entry("/a", lower_bounds={1: _long(5)}, upper_bounds={1: _long(6)})]))
    columns = [{"id": 1, "name": "t", "required": False, "type": "timestamptz"}]
    table.finish(properties=properties, schemas=[{"type": "struct", "schema-id": 0, "fields": columns}])
    stats = table.read()[1][0]["stats"]["1"]
    assert [stats[name] is None for name in ("lower", "upper")] == [lower is None] * 2


def test_a_large_block_becomes_many_batches(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.iceberg.reading.live_files.rows_per_batch", lambda _: 7)
    good = open_avro(avro(entry_schema(), _entries(50)), "it")
    content = b"".join(content for _, content in avro_container.blocks(good))
    table.manifest(container(good.metadata, [(50, content)]))
    table.finish()
    source = IcebergSource.open(ObjectStorage(), table.location, IcebergSourceOptions())
    batches = list(source.data_files(source.snapshot()))
    assert [len(batch) for batch in batches] == [7] * 7 + [1]
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["stats"]["1"]["lower"] for row in rows] == list(range(50))
    assert [row["stats"]["3"]["upper"] for row in rows] == ["b"] * 50
    assert [row["row_count"] for row in rows] == list(range(1, 51))


def test_a_list_of_too_many_manifests_is_refused(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.iceberg.manifests.list_reader._MOST_MANIFESTS", 3)
    for _ in range(4):
        table.manifest(avro(entry_schema(), []))
    table.finish()
    with pytest.raises(LimitExceeded, match=r"snap\.avro"):
        table.read()


def test_deleted_entries_are_not_files(table: Table) -> None:
    table.manifest(avro(entry_schema(), [entry(f"/{status}", status=status) for status in (2, 0, 1, 2)]))
    table.manifest(avro(entry_schema(), [entry("/gone", status=2)]), added_files_count=None)
    table.finish()
    snapshot, rows = table.read()
    assert [row["path"] for row in rows] == ["file:///0", "file:///1"]
    assert snapshot.file_count is None


def test_manifests_without_live_files_are_not_read(table: Table) -> None:
    table.manifest(b"no Avro at all", added_files_count=0, deleted_files_count=3)
    table.finish()
    assert table.read()[1] == []


def test_manifests_are_read_in_order_and_named_when_damaged(table: Table) -> None:
    for place in range(30):
        table.manifest(avro(entry_schema(), [entry(f"/{place}")]))
    table.finish()
    assert [row["path"] for row in table.read()[1]] == [f"file:///{place}" for place in range(30)]
    row = varint(1) + varint(1) + varint(SNAPSHOT_ID) + varint(0) + varint(10_000) + b"/x"
    good = open_avro(avro(entry_schema(), [entry("/17")]), "it")
    (table.folder / "metadata/m17.avro").write_bytes(container(good.metadata, [(1, row)]))
    with pytest.raises(CorruptTable, match=r"m17\.avro"):
        table.read()
    (table.folder / "metadata/m17.avro").unlink()
    with pytest.raises(CorruptTable, match=r"m17\.avro' does not exist"):
        table.read()


def test_version_1(table: Table) -> None:
    """No content, no sequence numbers, no counts, and manifests named by the snapshot itself."""
    schema = entry_schema([field(1000, "id", ["null", "long"])], without=[134], more=[field(105, "block_size", "long")])
    rows = [entry("/a", partition={"id": 4}, block_size=1), entry("/b", partition={"id": None}, block_size=1)]
    path = table.manifest(avro(schema, rows, **{"partition-spec-id": "3"}))
    members: dict[str, Any] = {
        "format_version": 1,
        "partition_specs": [
            {"spec-id": 3, "fields": [{"name": "id", "transform": "identity", "source-id": 1, "field-id": 1000}]}
        ],
        "default_spec_id": 3,
    }
    table.finish(snapshot={"manifests": [str(path)]}, **members)
    snapshot, found = table.read()
    assert [(row["spec_id"], row["partition"]) for row in found] == [(3, {"1000": 4}), (3, {"1000": None})]
    assert snapshot.file_count is None
    assert snapshot.table.feature_names == ("v1",)
    table.listed = [{"manifest_path": str(path), "manifest_length": 1, "partition_spec_id": 3}]
    table.finish(list_data=avro(list_schema(without=[517, 503, 504, 505, 506]), table.listed), **members)
    assert table.read()[1] == found


def test_version_1_with_one_schema_and_one_spec(table: Table) -> None:
    schema = entry_schema([{"name": "id_bucket", "type": ["null", "int"]}], without=[134])
    path = table.manifest(avro(schema, [entry("/a", partition={"id_bucket": 2})]))
    table.finish(
        snapshot={"manifests": [str(path)]},
        format_version=1,
        table_uuid=None,
        schemas=None,
        current_schema_id=None,
        schema={"type": "struct", "fields": [{"id": 1, "name": "id", "required": True, "type": "long"}]},
        partition_specs=None,
        default_spec_id=None,
        partition_spec=[{"name": "id_bucket", "transform": "bucket[16]", "source-id": 1}],
        last_partition_id=None,
    )
    snapshot, rows = table.read()
    assert rows[0]["partition"] == {"1000": 2}
    assert not snapshot.table.names_are_stable
    assert snapshot.table.id == table.location


def test_an_unknown_spec_is_an_error(table: Table) -> None:
    table.manifest(avro(entry_schema(), [entry("/a")]), partition_spec_id=9)
    table.finish()
    with pytest.raises(CorruptTable, match="spec 9"):
        table.read()


def test_encrypted_files_are_refused(table: Table) -> None:
    table.manifest(avro(entry_schema(), [entry("/a"), entry("/b", key_metadata=b"k")]))
    table.finish()
    with pytest.raises(UnsupportedTableFeature, match="/b' is encrypted"):
        table.read()


@pytest.mark.parametrize("members", [{"rows": -1}, {"size": -1}])
def test_negative_counts_are_refused(table: Table, members: dict[str, int]) -> None:
    table.manifest(avro(entry_schema(), [entry("/fine"), entry("/wrong", **members)]))
    table.finish()
    with pytest.raises(CorruptTable, match="/wrong"):
        table.read()


def test_a_relative_path_is_refused(table: Table) -> None:
    table.manifest(avro(entry_schema(), [entry("data/a.parquet")]))
    table.finish()
    with pytest.raises(CorruptTable, match=r"data/a\.parquet"):
        table.read()


@pytest.mark.parametrize("path", ["metadata/m.avro", "/t/../m.avro", "", "hdfs://h/m.avro", "file://host/m.avro"])
def test_a_manifest_that_cannot_be_reached_is_refused(table: Table, path: str) -> None:
    table.manifest(avro(entry_schema(), [entry("/a")]), manifest_path=path)
    table.finish()
    with pytest.raises((CorruptTable, UnsupportedTableFeature), match=r"snap\.avro"):
        table.read()


def test_another_schema_may_be_shaped_otherwise(table: Table) -> None:
    """Named types used twice, real maps, enums, fixed, unions in the other order, types of no bytes."""
    bounds = id_map(126, "bytes")
    pair = bounds[1]["items"]
    schema = entry_schema(
        [field(1000, "f", {"type": "fixed", "name": "two", "size": 2}), field(1001, "v", "null")],
        without=[125, 128],
        more=[
            field(200, "kind", {"type": "enum", "name": "kinds", "symbols": ["A", "B"]}),
            field(201, "tags", {"type": "map", "values": "string"}),
            field(202, "same", ["two", "null"]),
            field(125, "lower_bounds", bounds),
            field(128, "upper_bounds", ["null", {"type": "array", "items": pair["name"]}]),
            field(203, "inner", {"type": "record", "name": "inner", "fields": [field(204, "x", "float")]}),
            field(205, "maybe", ["null", {"type": "record", "name": "deep", "fields": [field(206, "y", "boolean")]}]),
        ],
    )
    more: dict[str, Any] = {"kind": "B", "tags": {"a": "b"}, "same": b"zz", "inner": {"x": 1.0}, "maybe": {"y": True}}
    table.manifest(
        avro(
            schema,
            [
                entry(f"/{place}", partition={"f": b"ab", "v": None}, lower_bounds={1: _long(place)}, **more)
                for place in range(3)
            ],
        )
    )
    table.finish()
    assert [row["stats"]["1"]["lower"] for row in table.read()[1]] == [0, 1, 2]


def _broken_schemas() -> list[Any]:
    laughs: Any = "int"
    for place in range(40):
        laughs = {"type": "record", "name": f"l{place}", "fields": [field(0, "a", laughs), field(0, "b", "x")]}
    deep: Any = "int"
    for _ in range(100):
        deep = {"type": "array", "items": deep}
    recursive = {"type": "record", "name": "again", "fields": [field(300, "x", ["null", "again"])]}
    return [
        "int",
        {"type": "record"},
        {"type": "record", "name": "x", "fields": [1]},
        {"type": "record", "name": "x", "fields": [{"name": "x"}]},
        entry_schema(without=[100]),
        entry_schema(without=[103]),
        entry_schema(more=[field(100, "again", "int")]),
        entry_schema(more=[field(300, "x", "unheard-of")]),
        entry_schema(more=[field(300, "x", ["null", "int", "string"])]),
        entry_schema(more=[field(300, "x", {"type": "array", "items": "null"})]),
        entry_schema(more=[field(300, "x", {"type": "fixed", "name": "f", "size": 2**40})]),
        entry_schema(more=[field(300, "x", {"items": 1})]),
        entry_schema(more=[field(300, "x", ["null", recursive])]),
        entry_schema(more=[field(300, "x", ["null", deep])]),
        entry_schema(more=[field(300, "x", ["null", laughs])]),
    ]


@pytest.mark.parametrize("schema", _broken_schemas(), ids=range(len(_broken_schemas())))
def test_a_schema_that_no_manifest_has_is_refused(table: Table, schema: Any) -> None:
    good = open_avro(avro(entry_schema(), _entries(1)), "it")
    metadata = good.metadata | {"avro.schema": json.dumps(schema).encode()}
    table.manifest(container(metadata, list(avro_container.blocks(good))))
    table.finish()
    with pytest.raises(CorruptTable, match=r"m0\.avro"):
        table.read()


def _spoilt(data: bytes) -> list[bytes]:
    file = open_avro(data, "it")
    head = data[: file.start]
    sync = file.sync
    return [
        b"",
        b"Obj\x01",
        b"PAR1" + data[4:],
        head[:-1],
        head[:100],
        b"Obj\x01" + varint(2**60) + head[5:],
        b"Obj\x01" + b"\xff" * 20,
        data[:-1],
        data[: file.start + 3],
        data[:-16] + b"?" * 16,
        head + varint(-1) + varint(0) + sync,
        head + varint(2**60) + varint(2) + b"xx" + sync,
        head + varint(1) + varint(-5) + b"xx" + sync,
        head + varint(1) + varint(2**62) + b"xx" + sync,
        head + varint(1) + varint(2) + b"xx" + sync,
        head + varint(1) + varint(0) + sync,
        head + b"\xff" * 11,
    ]


@pytest.mark.parametrize("place", range(17))
@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
@pytest.mark.parametrize("part", ["manifest", "list"])
def test_damage_is_named(table: Table, place: int, codec: str, part: str) -> None:
    table.manifest(avro(entry_schema(), _entries(2), codec))
    table.finish(list_data=avro(list_schema(), table.listed, codec))
    name = "m0.avro" if part == "manifest" else "snap.avro"
    path = table.folder / "metadata" / name
    path.write_bytes(_spoilt(path.read_bytes())[place])
    with pytest.raises(CorruptTable, match=name):
        table.read()


@pytest.mark.parametrize("name", ["m0.avro", "snap.avro"])
def test_random_damage_is_an_error_of_ours_or_none(table: Table, name: str) -> None:
    table.manifest(avro(entry_schema(), _entries(5)))
    table.finish()
    path = table.folder / "metadata" / name
    good = path.read_bytes()
    dice = random.Random(4)
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        path.write_bytes(bytes(bad))
        try:
            table.read()
        except TablecastError:
            continue


@pytest.mark.parametrize("codec", ["deflate", "zstandard"])
def test_a_bomb_is_refused(table: Table, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro_container, "LARGEST_BLOCK", 2**20)
    big = [entry("/" + "x" * 2**21)]
    table.manifest(avro(entry_schema(), big, codec))
    table.finish()
    with pytest.raises(LimitExceeded, match=r"m0\.avro"):
        table.read()
    monkeypatch.undo()
    with monkeypatch.context() as context:
        context.setattr(avro_container, "MOST_ROWS", 0)
        with pytest.raises(LimitExceeded, match=r"snap\.avro"):
            table.read()
    monkeypatch.setattr(avro_container, "LARGEST_CONTENT", 2**20)
    with pytest.raises(LimitExceeded, match=r"m0\.avro"):
        table.read()


def test_an_unknown_codec_is_refused(table: Table) -> None:
    good = open_avro(avro(entry_schema(), _entries(1)), "it")
    table.manifest(container(good.metadata | {"avro.codec": b"lzma?"}, [(1, b"x")]))
    table.finish()
    with pytest.raises(UnsupportedTableFeature, match="lzma"):
        table.read()
