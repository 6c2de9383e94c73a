"""What the README and the documentation say is so: their examples run, their tables are complete."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

import converters
from app.api.errors import STATUSES
from app.settings import Settings
from converters.registry import source_class, source_names, target_class, target_names
from converters.sync.options import SyncOptions
from tests.service.server import ROOT, environment, running_server
from tests.tables import read_rows, write_delta

README = ROOT / "README.md"
DOCS = ROOT / "docs"


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def _rows(page: Path) -> list[list[str]]:
    lines = [line for line in page.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """The table that the examples speak of, in the working directory."""
    return write_delta(tmp_path / "sales")


def test_it_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_the_commands_run(sales: Path) -> None:
    (block,) = [block for block in _blocks(README, "sh") if "tablecast" in block]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for line in block.splitlines():
        done = subprocess.run(
            shlex.split(line),
            cwd=sales.parent,
            env=environment({"PATH": path}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, line + done.stderr
    assert read_rows("iceberg", sales) == read_rows("delta", sales)


def test_the_python_runs(sales: Path) -> None:
    (block,) = _blocks(README, "python")
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=sales.parent, capture_output=True, text=True, check=True, env=environment()
    )
    lines = done.stdout.splitlines()
    assert lines[0] == f"ICEBERG synced file://{sales}/metadata/v1.metadata.json"
    assert lines[1].startswith("30 ['id', 'region'")


def test_the_request_is_answered(sales: Path) -> None:
    (block,) = [block for block in _blocks(README, "sh") if block.startswith("curl")]
    _, url, _, header, _, body = shlex.split(block)
    assert url == "http://127.0.0.1:8080/v1/conversion/table"
    name, _, value = header.partition(": ")
    with running_server({"TABLECAST_ROOTS": str(sales.parent)}) as server:
        content = json.dumps(json.loads(body) | {"source-table-path": str(sales)})
        answer = httpx.post(server.url + "/v1/conversion/table", content=content, headers={name: value})
    assert answer.status_code == 200
    documented = json.loads(_blocks(DOCS / "service.md", "json")[0])["conversions"][0]
    assert answer.json()["conversions"][0].keys() == documented.keys()


@pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_option_is_documented() -> None:
    plugins: list[tuple[type[msgspec.Struct], str]] = [(SyncOptions, "sync.")]
    plugins += [(source_class(name).options_type, f"{name.lower()}.source.") for name in source_names()]
    plugins += [(target_class(name).options_type, f"{name.lower()}.target.") for name in target_names()]
    defaults = {
        prefix + field.encode_name: field.default
        for options, prefix in plugins
        for field in msgspec.structs.fields(options)
    }
    documented = {key: default.strip("`") for key, _, default, _ in _rows(DOCS / "options.md")}
    assert documented.keys() == defaults.keys()
    for key, default in defaults.items():
        if default is not None:
            assert documented[key] == (str(default).lower() if isinstance(default, bool) else str(default)), key


def test_every_error_is_documented() -> None:
    documented = {name: int(status) for name, status, _ in _rows(DOCS / "errors.md")}
    assert {name: status for name, status in documented.items() if hasattr(converters.errors, name)} == STATUSES
    code = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    ours = set(re.findall(r'ApiError\(\s*(?:\d+|\w+), "(\w+)"', code)) - {"ClientGone"}
    ours |= set(re.findall(r'\d+: "([A-Z]\w+)"', code))
    assert ours | STATUSES.keys() == documented.keys()


def test_every_setting_is_documented() -> None:
    documented = {row[0] for row in _rows(DOCS / "service.md") if row[0].startswith("TABLECAST_")}
    assert documented == {field.encode_name for field in msgspec.structs.fields(Settings)}
