"""``tablecast convert`` and ``tablecast inspect``."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, json_of, run
from tests.readers.tables import duckdb_connection
from tests.service.server import environment
from tests.tables import append_delta, append_iceberg, read_rows, write_delta, write_iceberg


def test_it_says_what_was_found_what_was_written_and_how_to_read_it(tmp_path: Path) -> None:
    write_delta(tmp_path / "it's")
    done = run("convert", "it's", "--to", "iceberg", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "DELTA table" in done.out
    assert str(tmp_path / "it's") in done.out
    assert "synced" in done.out
    assert "data files added, 0 removed" in done.out
    (query,) = re.findall(r"DuckDB +(.*;)", done.out)
    (counted,) = duckdb_connection().sql(query.rstrip(";")).count("*").fetchall()
    assert counted == (len(read_rows("delta", tmp_path / "it's")),) == (30,)
    assert f'Spark   spark.read.format("iceberg").load("{tmp_path}/it\'s")' in done.out


def test_again(tmp_path: Path) -> None:
    write_delta(tmp_path)
    run("convert", tmp_path, "--to", "iceberg")
    done = run("convert", tmp_path, "--to", "iceberg")
    assert done.code == 0
    assert "unchanged" in done.out
    assert "nothing was written" in done.out


def test_json(tmp_path: Path) -> None:
    write_iceberg(tmp_path)
    report = json_of(run("convert", tmp_path, "--to", "delta", "--output", "json", "--table-name", "people"))
    assert report["source"]["format"] == "ICEBERG"
    (target,) = report["targets"]
    assert (target["format"], target["status"], target["commits"]) == ("DELTA", "synced", 1)
    assert read_rows("delta", tmp_path) == read_rows("iceberg", tmp_path)


def test_options(tmp_path: Path) -> None:
    write_delta(tmp_path / "source")
    done = run(
        "convert",
        tmp_path / "source",
        "--from=delta",
        "--to=iceberg",
        f"--target-path={tmp_path / 'target'}",
        "--option=iceberg.target.format-version=3",
    )
    assert done.code == 0
    assert read_rows("iceberg", tmp_path / "target") == read_rows("delta", tmp_path / "source")


def test_a_failed_target_is_told_and_ends_with_1(tmp_path: Path) -> None:
    write_iceberg(tmp_path)
    run("convert", tmp_path, "--to", "delta")
    append_delta(tmp_path)
    append_iceberg(tmp_path, 200)
    done = run("convert", tmp_path, "--from=iceberg", "--to=delta")
    assert done.code == 1
    assert "was changed since the last sync" in done.err
    assert "Hint: " in done.err
    assert run("convert", tmp_path, "--from=iceberg", "--to=delta", "--replace").code == 0
    assert read_rows("delta", tmp_path) == read_rows("iceberg", tmp_path)


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["convert", "{}/nothing", "--to", "iceberg"], "No table was found at"),
        (["convert", "{}", "--to", "iceberg"], "No table was found at"),
        (["convert", "{}", "--from", "oracle", "--to", "iceberg"], "The format 'oracle' is unknown. "),
        (["convert", "ftp://host/t", "--to", "iceberg"], "The scheme of 'ftp://host/t' is not supported"),
        (["inspect", "{}/nothing"], "No table was found at"),
    ],
)
def test_errors_of_the_library_end_with_1(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run(*[argument.format(tmp_path) for argument in arguments])
    assert (done.code, done.out) == (1, "")
    assert said.strip() in done.err
    assert done.err.startswith("Error: ")
    assert "Hint: " in done.err
    assert "Traceback" not in done.err


def test_an_unknown_target(tmp_path: Path) -> None:
    done = run("convert", write_delta(tmp_path), "--to", "iceberg,paradox")
    assert done.code == 1
    assert "The format 'paradox' is unknown." in done.err
    assert not (tmp_path / "metadata").exists()


def test_errors_as_json(tmp_path: Path) -> None:
    done = run("convert", tmp_path, "--to", "iceberg", "--output", "json")
    assert done.code == 1
    assert json_of(done)["error"]["type"] == "SourceTableNotFound"


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert"],
        ["convert", "x"],
        ["convert", "x", "--to"],
        ["convert", "x", "--to", ","],
        ["convert", "x", "--to", "iceberg", "--option", "nonsense"],
        ["convert", "x", "--to", "iceberg", "--output", "xml"],
        ["convert", "x", "y", "--to", "iceberg"],
        ["nothing"],
        ["completion", "tcsh"],
        ["serve", "--port", "70000"],
        ["sync", "--dataset-config", "/nothing"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Error: " in done.err
    assert "Traceback" not in done.err


def test_inspect(tmp_path: Path) -> None:
    write_delta(tmp_path)
    done = run("inspect", tmp_path)
    assert (done.code, done.err) == (0, "")
    for words in ("DELTA table", "30 rows", "partitioned region", "amount", "decimal(12,2)", "yes ICEBERG"):
        assert words in done.out
    table = json_of(run("inspect", tmp_path, "--output=json"))
    assert (table["format"], table["rows"], table["partitioned-by"]) == ("DELTA", 30, ["region"])
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("region=")) == ["_delta_log"]


def test_a_progress_bar_on_a_terminal_only(tmp_path: Path) -> None:
    write_delta(tmp_path)
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [COMMAND, "convert", str(tmp_path), "--to", "iceberg"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=environment({"TERM": "xterm", "COLUMNS": "100"}),
        timeout=60,
        check=True,
    )
    os.close(theirs)
    assert "\x1b" not in done.stdout
    assert "files" in os.read(ours, 65536).decode()
    os.close(ours)
