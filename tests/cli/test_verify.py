"""``tablecast verify``, and ``convert`` with what it says of syncs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import json_of, run
from tests.tables import append_delta, append_iceberg, write_delta, write_iceberg


def _break(table: Path) -> None:
    """Make a converted Delta table say another number of rows."""
    (log,) = (table / "_delta_log").glob("*.json")
    log.write_text(log.read_text().replace('\\"numRecords\\":20', '\\"numRecords\\":21'))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """An Iceberg table that was converted to Delta Lake."""
    write_iceberg(tmp_path)
    assert run("convert", tmp_path, "--to", "delta").code == 0
    return tmp_path


def test_it_says_what_was_compared(table: Path) -> None:
    done = run("verify", table, "delta", "--from", "iceberg", "--rows")
    assert (done.code, done.err) == (0, "")
    assert "Verified against the ICEBERG table" in done.out
    assert "equal DELTA table" in done.out
    for words in ("2 live files", "2 row counts", "30 rows, hash", "DELTA by DuckDB's delta_scan"):
        assert words in done.out


def test_json(table: Path) -> None:
    for flag in (["--json"], ["--output", "json"]):
        report = json_of(run("verify", table, "delta", "--from", "iceberg", *flag))
        assert (report["mode"], report["source"]["format"]) == ("metadata", "ICEBERG")
        (target,) = report["targets"]
        assert (target["format"], target["result"]) == ("DELTA", "equal")
        assert {check["result"] for check in target["checks"]} == {"ok"}


def test_a_difference_is_told_and_ends_with_1(table: Path) -> None:
    _break(table)
    done = run("verify", table, "delta", "--from", "iceberg")
    assert done.code == 1
    assert "differs DELTA table" in done.out
    assert "20 rows in the source, 21 in the target" in done.out


def test_behind_is_no_error(table: Path) -> None:
    append_iceberg(table)
    done = run("verify", table, "delta", "--from", "iceberg")
    assert done.code == 0
    assert "behind DELTA table" in done.out


def test_no_source(tmp_path: Path) -> None:
    done = run("verify", tmp_path, "delta", "--json")
    assert done.code == 1
    assert json_of(done)["error"]["type"] == "SourceTableNotFound"


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "x"], ["verify", "x", ","], ["convert", "x", "--verify"]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize("verify", [["--verify"], ["--verify=metadata"], ["--verify", "rows"]], ids=" ".join)
def test_convert_and_verify(tmp_path: Path, verify: list[str]) -> None:
    write_delta(tmp_path)
    done = run("convert", *verify, tmp_path, "--to", "iceberg")
    assert (done.code, done.err) == (0, "")
    assert "synced   ICEBERG" in done.out
    assert "equal ICEBERG table" in done.out
    assert ("30 rows, hash" in done.out) == ("rows" in verify)


def test_convert_and_verify_in_json(tmp_path: Path) -> None:
    write_delta(tmp_path)
    report = json_of(run("convert", tmp_path, "--to", "iceberg", "--verify", "--output", "json"))
    assert report["targets"][0]["status"] == "synced"
    assert report["verification"]["targets"][0]["result"] == "equal"
    assert "verification" not in json_of(run("convert", tmp_path, "--to", "iceberg", "--output", "json"))


def test_a_conversion_that_is_found_wrong_ends_with_1(table: Path) -> None:
    _break(table)
    done = run("convert", table, "--from", "iceberg", "--to", "delta", "--verify")
    assert done.code == 1
    assert "nothing was written" in done.out
    assert "differs DELTA table" in done.out


def test_a_target_that_failed_is_not_verified(tmp_path: Path) -> None:
    write_iceberg(tmp_path)
    write_delta(tmp_path)
    done = run("convert", tmp_path, "--from=iceberg", "--to=delta,hudi", "--verify", "--output=json")
    assert done.code == 1
    report = json_of(done)
    assert {target["format"]: target["status"] for target in report["targets"]}["DELTA"] == "failed"
    assert "DELTA" not in [target["format"] for target in report["verification"]["targets"]]


def _sync(table: Path, *more: str) -> dict[str, Any]:
    (target,) = json_of(run("convert", table, "--from=delta", "--to=iceberg", "--output=json", *more))["targets"]
    return target


def test_what_is_said_of_a_sync(tmp_path: Path) -> None:
    write_delta(tmp_path)
    first = _sync(tmp_path)
    assert (first["mode"], first["reason"], first["commits"]) == ("full", "first sync", 1)
    assert (first["source-version-before"], first["source-version"], first["is-behind"]) == (None, "1", False)
    append_delta(tmp_path)
    forced = _sync(tmp_path, "--full")
    assert (forced["mode"], forced["reason"]) == ("full", "asked for")
    assert (forced["source-version-before"], forced["source-version"]) == ("1", "2")
    append_delta(tmp_path, 200)
    done = run("convert", tmp_path, "--from=delta", "--to=iceberg")
    assert "1 commit, source version 2 to 3" in done.out
    unchanged = _sync(tmp_path)
    assert (unchanged["status"], unchanged["mode"], unchanged["commits"]) == ("unchanged", None, 0)


def test_no_commits_are_no_number_of_commits(tmp_path: Path) -> None:
    done = run("convert", tmp_path, "--to=iceberg", "--max-commits=0")
    assert (done.code, "max-commits" in done.err) == (2, True)


def test_a_backlog_is_taken_step_by_step(tmp_path: Path) -> None:
    write_delta(tmp_path)
    _sync(tmp_path)
    for first in (100, 200, 300):
        append_delta(tmp_path, first)
    found = _sync(tmp_path, "--max-commits=2")
    assert json.dumps(found["is-behind"]) == "true"
    assert (found["mode"], found["commits"], found["source-version"]) == ("incremental", 2, "3")
    last = _sync(tmp_path)
    assert (last["commits"], last["source-version-before"], last["is-behind"]) == (1, "3", False)
