"""What makes no sense gets a clear error, and the right status."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tests.service.server import Server
from tests.tables import write_delta, write_iceberg

GOOD: dict[str, Any] = {
    "source-format": "DELTA",
    "source-table-name": "t",
    "source-table-path": "/nowhere",
    "target-formats": ["ICEBERG"],
}
ABSENT = object()


def _with(**changes: Any) -> dict[str, Any]:
    body = GOOD | {key.replace("_", "-"): value for key, value in changes.items()}
    return {key: value for key, value in body.items() if value is not ABSENT}


@pytest.mark.parametrize(
    "body,named",
    [
        (_with(source_format=ABSENT), "source-format"),
        (_with(source_table_name=ABSENT), "source-table-name"),
        (_with(source_table_path=ABSENT), "source-table-path"),
        (_with(target_formats=ABSENT), "target-formats"),
        (_with(source_format=None), "source-format"),
        (_with(target_formats=None), "target-formats"),
        (_with(source_format=""), "source-format"),
        (_with(source_table_name=""), "source-table-name"),
        (_with(source_table_path=""), "source-table-path"),
        (_with(source_data_path=""), "source-data-path"),
        (_with(target_formats=[]), "target-formats"),
        (_with(target_formats=[""]), "target-formats"),
        (_with(source_format=7), "source-format"),
        (_with(source_table_name=["t"]), "source-table-name"),
        (_with(source_table_path={"a": 1}), "source-table-path"),
        (_with(target_formats=5), "target-formats"),
        (_with(target_formats=[None]), "target-formats"),
        (_with(target_formats={"ICEBERG": 1}), "target-formats"),
        (_with(configurations=[]), "configurations"),
        (_with(configurations={"a.b": 1}), "a.b"),
        (_with(configurations={"a.b": None}), "a.b"),
        (_with(configurations={"a.b": "x" * 5000}), "a.b"),
        (_with(configurations={str(number): "" for number in range(65)}), "configurations"),
        (_with(source_format="X" * 600), "source-format"),
        (_with(source_table_name="X" * 600), "source-table-name"),
        (_with(source_table_path="/" + "x" * 3000), "source-table-path"),
        (_with(source_data_path="/" + "x" * 3000), "source-data-path"),
        (_with(target_formats=["ICEBERG"] * 9), "target-formats"),
        (_with(source_format="ORACLE"), "ORACLE"),
        (_with(target_formats=["PARADOX"]), "PARADOX"),
        (_with(source_table_path="tables/t"), "tables/t"),
        (_with(source_table_path="/a/../b"), "/a/../b"),
        (_with(source_table_path="ftp://host/t"), "ftp://host/t"),
        (_with(source_table_path="file://other/t"), "other"),
        (_with(source_table_path="/a\0b"), "NUL"),
        (_with(source_data_path="t"), "'t'"),
        (_with(configurations={"partition-spec": "a:VALUE"}), "partition-spec"),
        (_with(configurations={"aws.secret": "x"}), "aws.secret"),
        (_with(configurations={"sync.nothing": "x"}), "sync.nothing"),
        (_with(configurations={"sync.on-conflict": "x"}), "on-conflict"),
        (_with(configurations={"delta.source.version": "new"}), "delta.source"),
        (_with(configurations={"iceberg.target.format-version": "9"}), "iceberg.target"),
        (_with(configurations={"iceberg.source.ref": "main"}), "iceberg.source.ref"),
        ([], "object"),
        ("text", "object"),
        (None, "object"),
    ],
)
def test_what_is_wrong_is_named(server: Server, body: Any, named: str) -> None:
    answer = server.client.post(
        "/v1/conversion/table", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    error = answer.json()
    assert answer.status_code == error["code"] == 400
    assert named in error["message"]
    assert error["stack"] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"a": 1,}',
        b"\xff\xfe",
        b'{"source-format": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"1e999999",
    ],
    ids=lambda content: content[:12].decode("latin-1") or "nothing",
)
def test_bodies_that_are_no_request(server: Server, content: bytes) -> None:
    answer = server.client.post("/v1/conversion/table", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequest")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server: Server) -> None:
    body = json.dumps(_with(source_table_name="x" * 2**20))
    answer = server.client.post("/v1/conversion/table", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "PayloadTooLarge")


def test_a_body_that_is_too_large_in_chunks(server: Server) -> None:
    def chunks() -> Any:
        for _ in range(40):
            yield b" " * 65_536

    answer = server.client.post("/v1/conversion/table", content=chunks(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "PayloadTooLarge")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_other_content_types(server: Server, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = server.client.post("/v1/conversion/table", content=json.dumps(GOOD), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (415, "UnsupportedMediaType")


def test_content_type_with_parameters_and_in_other_case(server: Server, place: Path) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    body = json.dumps(_with(source_table_path=str(place)))
    assert server.client.post("/v1/conversion/table", content=body, headers=headers).status_code == 404


def test_no_such_address(server: Server) -> None:
    answer = server.client.get("/v1/conversion/table/1")
    assert (answer.status_code, answer.json()["type"]) == (404, "NotFound")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods(server: Server, method: str) -> None:
    answer = server.client.request(method, "/v1/conversion/table")
    assert (answer.status_code, answer.json()["type"]) == (405, "MethodNotAllowed")
    assert "POST" in answer.headers["Allow"]


def test_a_content_length_that_is_no_number(server: Server) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/v1/conversion/table")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "many")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


class TestTables:
    """Requests that make sense, for tables that do not."""

    def test_no_such_path(self, server: Server, place: Path) -> None:
        _refused(server, place, 404, "SourceTableNotFound")
        assert not place.exists()

    def test_an_empty_directory(self, server: Server, place: Path) -> None:
        place.mkdir()
        _refused(server, place, 404, "SourceTableNotFound")
        assert list(place.iterdir()) == []

    def test_a_file(self, server: Server, place: Path) -> None:
        place.write_text("no table")
        _refused(server, place, 404, "SourceTableNotFound")

    def test_a_directory_that_is_no_table(self, server: Server, place: Path) -> None:
        place.mkdir()
        (place / "part-0.parquet").write_bytes(b"PAR1")
        _refused(server, place, 404, "SourceTableNotFound")

    def test_an_empty_log(self, server: Server, place: Path) -> None:
        (place / "_delta_log").mkdir(parents=True)
        _refused(server, place, 404, "SourceTableNotFound")

    def test_a_log_that_is_no_json(self, server: Server, place: Path) -> None:
        (place / "_delta_log").mkdir(parents=True)
        (place / "_delta_log" / f"{0:020}.json").write_text("{{{")
        _refused(server, place, 422, "CorruptTable")
        assert not (place / "metadata").exists()

    def test_another_format_than_named(self, server: Server, place: Path) -> None:
        write_delta(place)
        answer = server.convert("ICEBERG", place, "DELTA")
        assert (answer.status_code, answer.json()["type"]) == (404, "SourceTableNotFound")

    def test_a_log_entry_of_two_gigabytes(self, server: Server, place: Path) -> None:
        write_delta(place)
        with (place / "_delta_log" / f"{2:020}.json").open("wb") as file:
            file.truncate(2**31)
        _refused(server, place, 422, "LimitExceeded")

    def test_a_truncated_checkpoint(self, server: Server, place: Path) -> None:
        write_delta(place)
        DeltaTable(place).create_checkpoint()
        (checkpoint,) = (place / "_delta_log").glob("*.checkpoint.parquet")
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
        (place / "_delta_log" / f"{0:020}.json").unlink()
        _refused(server, place, 422, "CorruptTable")

    def test_metadata_that_unpacks_to_more_than_there_is_room_for(self, server: Server, place: Path) -> None:
        (place / "metadata").mkdir(parents=True)
        with (place / "metadata" / "v1.metadata.json.gz").open("wb") as file, gzip.open(file, "wb", 9) as packed:
            for _ in range(700):
                packed.write(b" " * 2**20)
        started = time.monotonic()
        answer = server.convert("ICEBERG", place, "DELTA")
        assert (answer.status_code, answer.json()["type"]) == (422, "LimitExceeded")
        assert time.monotonic() - started < 20

    def test_a_corrupt_manifest(self, server: Server, place: Path) -> None:
        write_iceberg(place)
        for manifest in (place / "metadata").glob("*-m0.avro"):
            manifest.write_bytes(manifest.read_bytes()[:-30])
        answer = server.convert("ICEBERG", place, "DELTA")
        assert (answer.status_code, answer.json()["type"]) == (422, "CorruptTable")
        assert not (place / "_delta_log").exists()


def _refused(server: Server, place: Path, status: int, error_type: str) -> None:
    answer = server.convert("DELTA", place, "ICEBERG")
    error = answer.json()
    assert (answer.status_code, error["type"], error["code"]) == (status, error_type, status)
    assert str(place) in error["message"]
