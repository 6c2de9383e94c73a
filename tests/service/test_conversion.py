"""Tables converted through the service, as its clients do it."""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path
from typing import Any

import pytest

from tests.readers.tables import metadata_file
from tests.service.server import Server, running_server
from tests.tables import append_delta, append_iceberg, read_rows, write_delta, write_iceberg


def _files(place: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}


def test_delta_becomes_iceberg(server: Server, place: Path) -> None:
    write_delta(place)
    before = _files(place)
    answer = server.convert("DELTA", place, "ICEBERG")
    assert answer.status_code == 200
    (table,) = answer.json()["conversions"]
    assert table["target-format"] == "ICEBERG"
    assert table["target-metadata-path"] == f"file://{metadata_file(place)}"
    assert [field["name"] for field in json.loads(table["target-schema"])["fields"]][:2] == ["id", "region"]
    assert (table["status"], table["mode"]) == ("synced", "full")
    assert read_rows("iceberg", place) == read_rows("delta", place)
    assert {file: content for file, content in _files(place).items() if file in before} == before


def test_iceberg_becomes_delta(server: Server, place: Path) -> None:
    write_iceberg(place)
    answer = server.convert("ICEBERG", place, "DELTA")
    assert answer.status_code == 200
    (table,) = answer.json()["conversions"]
    assert table["target-format"] == "DELTA"
    assert table["target-metadata-path"] == f"file://{place}/_delta_log"
    assert json.loads(table["target-schema"])["type"] == "struct"
    assert read_rows("delta", place) == read_rows("iceberg", place)


def test_the_same_again_writes_nothing(server: Server, place: Path) -> None:
    write_delta(place)
    first = server.convert("DELTA", place, "ICEBERG").json()["conversions"][0]
    files = _files(place)
    again = server.convert("DELTA", place, "ICEBERG")
    assert again.status_code == 200
    (table,) = again.json()["conversions"]
    assert table["status"] == "unchanged"
    assert {key: first[key] for key in ("target-metadata-path", "target-schema")} == {
        key: table[key] for key in ("target-metadata-path", "target-schema")
    }
    assert _files(place) == files


def test_a_change_of_the_source_arrives(server: Server, place: Path) -> None:
    write_iceberg(place)
    server.convert("ICEBERG", place, "DELTA")
    append_iceberg(place)
    assert server.convert("ICEBERG", place, "DELTA").json()["conversions"][0]["status"] == "synced"
    assert read_rows("delta", place) == read_rows("iceberg", place)


@pytest.mark.parametrize(
    "changes",
    [
        {"source-format": "delta", "target-formats": ["iceberg"]},
        {"source-format": "Delta", "target-formats": ["IceBerg", "ICEBERG"]},
        {"target-formats": "ICEBERG"},
        {"target-formats": None, "target-format": ["ICEBERG"]},
        {"target-formats": None, "target-format": "ICEBERG"},
        {"target-formats": ["ICEBERG", "DELTA"]},
        {"source-data-path": None, "configurations": None},
        {"configurations": {}},
        {"bogus": 1, "more": {"of": ["it"]}},
        {"path": "file:"},
        {"path": "file://"},
    ],
    ids=str,
)
def test_ways_to_say_it(server: Server, place: Path, changes: dict[str, Any]) -> None:
    write_delta(place)
    changes = dict(changes)
    body = {
        "source-format": "DELTA",
        "source-table-name": "t",
        "source-table-path": changes.pop("path", "") + str(place),
        "target-formats": ["ICEBERG"],
        **changes,
    }
    answer = server.post({key: value for key, value in body.items() if key != "target-formats" or value is not None})
    assert answer.status_code == 200
    assert [table["target-format"] for table in answer.json()["conversions"]] == ["ICEBERG"]


def test_what_java_clients_send(server: Server, place: Path) -> None:
    write_delta(place)
    location = f"file://{place}"
    answer = server.convert("DELTA", location, "ICEBERG", source_data_path=location)
    assert answer.status_code == 200


def test_the_answer_comes_when_it_is_done_whatever_is_preferred(server: Server, place: Path) -> None:
    write_delta(place)
    body = {
        "source-format": "DELTA",
        "source-table-name": "t",
        "source-table-path": str(place),
        "target-formats": ["ICEBERG"],
    }
    answer = server.post(body, headers={"Prefer": "respond-async"})
    assert answer.status_code == 200
    assert answer.json()["conversions"][0]["status"] == "synced"


def test_a_path_of_its_own_for_the_targets(server: Server, place: Path) -> None:
    source, target = place / "source", place / "target"
    write_delta(source)
    answer = server.convert("DELTA", source, "ICEBERG", source_data_path=str(target))
    assert answer.status_code == 200
    assert answer.json()["conversions"][0]["target-metadata-path"].startswith(f"file://{target}/metadata/")
    assert not (source / "metadata").exists()
    assert read_rows("iceberg", target) == read_rows("delta", source)


def test_the_table_gets_the_name(server: Server, place: Path) -> None:
    write_iceberg(place)
    server.convert("ICEBERG", place, "DELTA", source_table_name="people")
    log = (place / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    assert [json.loads(line)["metaData"]["name"] for line in log if "metaData" in line] == ["people"]


def test_options(server: Server, place: Path) -> None:
    write_delta(place)
    answer = server.convert("DELTA", place, "ICEBERG", configurations={"iceberg.target.format-version": "3"})
    assert answer.status_code == 200
    metadata = json.loads(Path(metadata_file(place)).read_text())
    assert metadata["format-version"] == 3


def test_only_the_sources_own_format(server: Server, place: Path) -> None:
    write_delta(place)
    answer = server.convert("DELTA", place, "DELTA")
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequest")


def test_two_at_once_are_both_right(server: Server, place: Path) -> None:
    write_delta(place)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: server.convert("DELTA", place, "ICEBERG"), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    tables = [answer.json()["conversions"][0] for answer in answers]
    assert sorted(table["status"] for table in tables) == ["synced", "unchanged", "unchanged", "unchanged"]
    assert len({table["target-metadata-path"] for table in tables}) == 1
    assert read_rows("iceberg", place) == read_rows("delta", place)


def test_a_target_that_somebody_else_wrote(server: Server, place: Path) -> None:
    source, target = place / "source", place / "target"
    write_delta(source)
    write_iceberg(target)
    theirs = _files(target)
    answer = server.convert("DELTA", source, "ICEBERG", source_data_path=str(target))
    error = answer.json()
    assert (answer.status_code, error["type"]) == (409, "ForeignTarget")
    (outcome,) = error["targets"]
    assert (outcome["target-format"], outcome["status"], outcome["type"]) == ("ICEBERG", "failed", "ForeignTarget")
    assert outcome["message"] == error["message"]
    assert _files(target) == theirs


def test_a_target_that_somebody_else_changed_is_replaced_on_request(server: Server, place: Path) -> None:
    write_iceberg(place)
    server.convert("ICEBERG", place, "DELTA")
    append_delta(place)
    append_iceberg(place, 200)
    refused = server.convert("ICEBERG", place, "DELTA")
    assert (refused.status_code, refused.json()["type"]) == (409, "TargetChanged")
    answer = server.convert("ICEBERG", place, "DELTA", configurations={"sync.on-conflict": "replace"})
    assert answer.status_code == 200
    assert read_rows("delta", place) == read_rows("iceberg", place)


def test_more_than_one_table_could_be_meant(server: Server, place: Path) -> None:
    write_iceberg(place)
    metadata = Path(metadata_file(place))
    metadata.with_name("00099-0b1d5a8e-0000-4000-8000-000000000001.metadata.json").write_bytes(metadata.read_bytes())
    metadata.with_name("00099-0b1d5a8e-0000-4000-8000-000000000002.metadata.json").write_bytes(metadata.read_bytes())
    answer = server.convert("ICEBERG", place, "DELTA")
    assert (answer.status_code, answer.json()["type"]) == (409, "AmbiguousTable")
    named = server.convert("ICEBERG", metadata, "DELTA", source_data_path=str(place))
    assert named.status_code == 200


class TestAnswerKeys:
    """The list's name, for clients of XTable's Java service."""

    @pytest.mark.parametrize("key", ["convertedTables", "both"])
    def test_as_java_says_it(self, key: str, tmp_path: Path) -> None:
        place = tmp_path / "t"
        write_delta(place)
        with running_server({"TABLECAST_RESPONSE_KEY": key, "TABLECAST_ROOTS": str(tmp_path)}) as server:
            body = server.convert("DELTA", place, "ICEBERG").json()
        (table,) = body["convertedTables"]
        assert list(table) == ["target-format", "target-metadata-path", "target-schema"]
        assert ("conversions" in body) == (key == "both")
