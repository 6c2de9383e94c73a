"""``verify`` in a request, and what an answer says of a sync."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.server import Server
from tests.tables import append_delta, write_delta, write_iceberg


@pytest.mark.parametrize("mode", ["metadata", "rows"])
def test_a_conversion_is_verified(server: Server, place: Path, mode: str) -> None:
    write_delta(place)
    answer = server.convert("DELTA", place, "ICEBERG", verify=mode)
    assert answer.status_code == 200
    (table,) = answer.json()["conversions"]
    found = table["verification"]
    assert (found["result"], found["source-version"]) == ("equal", "1")
    checks = {check["name"]: check for check in found["checks"]}
    assert {check["result"] for check in checks.values()} == {"ok"}
    assert ("rows" in checks) == (mode == "rows")


@pytest.mark.parametrize("verify", [{}, {"verify": None}], ids=["absent", "null"])
def test_without_it_nothing_is_verified(server: Server, place: Path, verify: dict[str, None]) -> None:
    write_delta(place)
    answer = server.convert("DELTA", place, "ICEBERG", **verify)
    assert "verification" not in answer.json()["conversions"][0]


def test_a_target_that_is_not_equal_is_an_error(server: Server, place: Path) -> None:
    write_iceberg(place)
    server.convert("ICEBERG", place, "DELTA")
    (log,) = (place / "_delta_log").glob("*.json")
    log.write_text(log.read_text().replace('\\"numRecords\\":20', '\\"numRecords\\":21'))
    assert server.convert("ICEBERG", place, "DELTA").status_code == 200
    answer = server.convert("ICEBERG", place, "DELTA", verify="metadata")
    error = answer.json()
    assert (answer.status_code, error["type"]) == (500, "VerificationFailed")
    assert "row-counts: 1 of 2 row counts differ" in error["message"]
    (target,) = error["targets"]
    assert (target["status"], target["type"]) == ("failed", "VerificationFailed")
    assert target["target-metadata-path"] == f"file://{place}/_delta_log"
    assert target["verification"]["result"] == "differs"


@pytest.mark.parametrize("value", ["everything", 1, True])
def test_other_ways_to_verify_are_refused(server: Server, place: Path, value: object) -> None:
    answer = server.convert("DELTA", place, "ICEBERG", verify=value)
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequest")
    assert "'verify'" in answer.json()["message"]


def test_it_is_no_option(server: Server, place: Path) -> None:
    write_delta(place)
    answer = server.convert("DELTA", place, "ICEBERG", configurations={"sync.verify": "rows"})
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidOption")


def test_what_an_answer_says_of_a_sync(server: Server, place: Path) -> None:
    write_delta(place)
    (first,) = server.convert("DELTA", place, "ICEBERG").json()["conversions"]
    assert (first["mode"], first["source-version"], first["commits"], first["is-behind"]) == ("full", "1", 1, False)
    assert "source-version-before" not in first
    assert first["files-added"] > 0
    append_delta(place)
    (second,) = server.convert("DELTA", place, "ICEBERG", configurations={"sync.mode": "full"}).json()["conversions"]
    assert (second["mode"], second["reason"]) == ("full", "asked for")
    assert (second["source-version-before"], second["source-version"]) == ("1", "2")
    (third,) = server.convert("DELTA", place, "ICEBERG").json()["conversions"]
    assert (third["status"], third["commits"]) == ("unchanged", 0)
    assert "mode" not in third
