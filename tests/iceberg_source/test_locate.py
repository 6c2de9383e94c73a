"""The current metadata file is found under every name it can have, or the table is refused with the reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from converters.errors import (
    AmbiguousTable,
    CorruptTable,
    LimitExceeded,
    SourceTableNotFound,
    UnsupportedTableFeature,
)
from converters.iceberg.metadata import location as locate
from converters.iceberg.metadata.location import has_metadata, load_table
from converters.storage.object_store import ObjectStorage
from converters.storage.roots import Roots

STORAGE = ObjectStorage()
BASE: dict[str, Any] = {
    "format-version": 2,
    "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
    "location": "s3://bucket/elsewhere",
    "last-sequence-number": 0,
    "last-updated-ms": 1000,
    "last-column-id": 1,
    "current-schema-id": 0,
    "schemas": [
        {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "a", "required": False, "type": "int"}]}
    ],
    "default-spec-id": 0,
    "partition-specs": [{"spec-id": 0, "fields": []}],
    "last-partition-id": 999,
    "default-sort-order-id": 0,
    "sort-orders": [{"order-id": 0, "fields": []}],
}


def _metadata(**members: Any) -> bytes:
    return json.dumps({**BASE, **{key.replace("_", "-"): value for key, value in members.items()}}).encode()


def _table(folder: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        (folder / "metadata").mkdir(parents=True, exist_ok=True)
        (folder / "metadata" / name).write_bytes(data)
    return f"file://{folder}"


def _found(folder: Path, files: dict[str, bytes]) -> str:
    location = _table(folder, files)
    assert has_metadata(STORAGE, location)
    loaded = load_table(STORAGE, location)
    assert loaded.location == location
    return loaded.path.removeprefix(f"{location}/metadata/")


V1, V2, V3 = (_metadata(last_updated_ms=number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    "files, expected",
    [
        ({"v1.metadata.json": V1}, "v1.metadata.json"),
        ({"v1.metadata.json": V1, "version-hint.text": b"1"}, "v1.metadata.json"),
        ({"v1.metadata.json": V1, "v2.metadata.json": V2, "version-hint.text": b"1\n"}, "v2.metadata.json"),
        ({"v1.metadata.json": V1, "v2.metadata.json": V2, "version-hint.text": b"v1"}, "v2.metadata.json"),
        ({"v9.metadata.json": V1, "v10.metadata.json": V2}, "v10.metadata.json"),
        ({"v2.metadata.json": V1, "v3.metadata.json": V2, "version-hint.text": b"1"}, "v3.metadata.json"),
        ({"v1.metadata.json": V1, "v3.metadata.json": V3, "version-hint.text": b"1"}, "v1.metadata.json"),
        ({"v1.metadata.json": V1, "version-hint.text": b""}, "v1.metadata.json"),
        ({"v1.metadata.json": V1, "version-hint.text": b"9" * 99_999}, "v1.metadata.json"),
        ({"v1.metadata.json": V1, "version-hint.text": b"\xff../../x"}, "v1.metadata.json"),
        ({"v2.gz.metadata.json": gzip.compress(V2), "v1.metadata.json": V1}, "v2.gz.metadata.json"),
        ({"v2.metadata.json.gz": gzip.compress(V2), "v1.metadata.json": V1}, "v2.metadata.json.gz"),
        (
            {"00001-a.metadata.json": V1, "00010-b.metadata.json": V2, "00009-c.metadata.json": V3},
            "00010-b.metadata.json",
        ),
        ({"00001-a.gz.metadata.json": gzip.compress(V1)}, "00001-a.gz.metadata.json"),
        (
            {"00001-a.metadata.json": V1, "00001-b.metadata.json": V2, "version-hint.text": b"00001-b"},
            "00001-b.metadata.json",
        ),
        ({"00001-a.metadata.json": V1, "version-hint.text": b"00001-a.metadata.json"}, "00001-a.metadata.json"),
        (
            {"v1.metadata.json": V1, ".v1.metadata.json.crc": b"crc", ".v2.metadata.json.crc": b"crc"},
            "v1.metadata.json",
        ),
        ({"v1.metadata.json": V1, "00001-a.metadata.json": V1, "version-hint.text": b"1"}, "v1.metadata.json"),
        ({"v1.metadata.json": V3, "00001-a.metadata.json": V1, "version-hint.text": b"1"}, "v1.metadata.json"),
    ],
)
def test_the_current_file_is_found(files: dict[str, bytes], expected: str, tmp_path: Path) -> None:
    assert _found(tmp_path / "a table ü", files) == expected


@pytest.mark.parametrize(
    "files",
    [
        {"00001-a.metadata.json": V1, "00001-b.metadata.json": V2},
        {"v1.metadata.json": V1, "00001-a.metadata.json": _metadata(last_updated_ms=9, properties={"x": "1"})},
        {
            "v1.metadata.json": V1,
            "00001-a.metadata.json": _metadata(last_updated_ms=9, properties={"x": "1"}),
            "version-hint.text": b"1",
        },
        {"v1.metadata.json": V1, "00001-a.metadata.json": _metadata(table_uuid="other"), "version-hint.text": b"1"},
    ],
)
def test_two_files_that_could_be_current_are_both_named(files: dict[str, bytes], tmp_path: Path) -> None:
    location = _table(tmp_path, files)
    with pytest.raises(AmbiguousTable) as caught:
        load_table(STORAGE, location)
    for name in files:
        assert name in caught.value.message or name == "version-hint.text"


def test_a_metadata_file_can_be_named(tmp_path: Path) -> None:
    location = _table(
        tmp_path, {"v1.metadata.json": V1, "v2.metadata.json": V2, "v3.metadata.json.gz": gzip.compress(V3)}
    )
    for number, name in enumerate(("v1.metadata.json", "v2.metadata.json", "v3.metadata.json.gz"), start=1):
        path = f"{location}/metadata/{name}"
        assert has_metadata(STORAGE, path)
        loaded = load_table(STORAGE, path)
        assert (loaded.path, loaded.location, loaded.version) == (path, location, number)
        assert loaded.metadata.last_updated_ms == number


def test_a_metadata_file_elsewhere_says_where_its_table_is(tmp_path: Path) -> None:
    (tmp_path / "odd.metadata.json").write_bytes(V1)
    loaded = load_table(STORAGE, f"file://{tmp_path}/odd.metadata.json")
    assert (loaded.location, loaded.version) == ("s3://bucket/elsewhere", None)


def test_a_file_may_be_compressed_without_saying_so(tmp_path: Path) -> None:
    halves = gzip.compress(V1[:40]) + gzip.compress(V1[40:])
    assert _found(tmp_path, {"v1.metadata.json": halves}) == "v1.metadata.json"


@pytest.mark.parametrize("files", [{}, {"version-hint.text": b"1"}, {"snap-1.avro": b""}, {"v1.metadata.jsonx": V1}])
def test_no_table(files: dict[str, bytes], tmp_path: Path) -> None:
    location = _table(tmp_path, files)
    with pytest.raises(SourceTableNotFound):
        load_table(STORAGE, location)
    assert has_metadata(STORAGE, location) == ("version-hint.text" in files)


def test_nothing_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in ("nothing", "nothing/v1.metadata.json", "file", "file/v1.metadata.json"):
        assert not has_metadata(STORAGE, f"file://{tmp_path}/{place}")
        with pytest.raises(SourceTableNotFound):
            load_table(STORAGE, f"file://{tmp_path}/{place}")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "not understood"),
        (b"{", "not understood"),
        (b"\xff\xfe", "not understood"),
        (b"[]", "not understood"),
        (V1[:-20], "not understood"),
        (gzip.compress(V1)[:-20], "truncated|decompressed"),
        (b"\x1f\x8b junk", "decompressed"),
        (_metadata(current_schema_id=7), "schema 7"),
        (_metadata(default_spec_id=7), "spec 7"),
        (_metadata(current_snapshot_id=7), "snapshot 7"),
        (_metadata(schemas=[]), "no schema"),
        (_metadata(schemas="x"), "schemas"),
        (_metadata(location=7), "location"),
        (_metadata(last_column_id=2**70), "not understood"),
        (_metadata(format_version=0), "version 0"),
        (_metadata(partition_specs=None), "partition spec"),
        (json.dumps({"format-version": 1, "view-uuid": "x"}).encode(), "not understood"),
    ],
)
def test_bad_metadata_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    location = _table(tmp_path, {"v1.metadata.json": data})
    with pytest.raises(CorruptTable, match=message) as caught:
        load_table(STORAGE, location)
    assert "v1.metadata.json" in caught.value.message


@pytest.mark.parametrize("data", [_metadata(format_version=4), b'{"format-version": 5, "other": [1]}'])
def test_a_newer_version_is_refused_by_number(data: bytes, tmp_path: Path) -> None:
    location = _table(tmp_path, {"v1.metadata.json": data})
    with pytest.raises(UnsupportedTableFeature, match=r"format version [45]"):
        load_table(STORAGE, location)


def test_deep_json_is_refused(tmp_path: Path) -> None:
    deep = b'{"type":"list","element-id":2,"element-required":true,"element":' * 100_000 + b'"int"' + b"}" * 100_000
    members = _metadata().replace(b'"type": "int"', b'"type": ' + deep)
    for data in (members, b'{"x":' + b"[" * 1_000_000, _metadata().replace(b"1000", b"[" * 100_000)):
        location = _table(tmp_path, {"v1.metadata.json": data})
        with pytest.raises(CorruptTable):
            load_table(STORAGE, location)


def test_a_gzip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "LARGEST_METADATA", 2**20)
    bomb = gzip.compress(V1 + b" " * 2**21)
    assert len(bomb) < 2**13
    for data in (bomb, gzip.compress(V1) + bomb):
        with pytest.raises(LimitExceeded):
            load_table(STORAGE, _table(tmp_path, {"v1.metadata.json": data}))


def test_enormous_metadata_is_not_read(tmp_path: Path) -> None:
    location = _table(tmp_path, {"v1.metadata.json": b"{"})
    with (tmp_path / "metadata" / "v1.metadata.json").open("r+b") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(LimitExceeded, match=r"v1\.metadata\.json"):
        load_table(STORAGE, location)


def test_roots_hold(tmp_path: Path) -> None:
    inside = ObjectStorage(roots=Roots([str(tmp_path / "inside")]))
    location = _table(tmp_path / "outside", {"v1.metadata.json": V1})
    with pytest.raises(Exception, match="outside the allowed roots"):
        load_table(inside, location)
