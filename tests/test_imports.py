"""The architecture, as far as imports show it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.server import ROOT

FORBIDDEN_IN_LIBRARY = {"app", "asyncio", "litestar", "uvicorn", "httpx", "starlette", "click", "rich", "yaml", "tests"}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            yield node.module


def _modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def _breaches(package: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules(package)
        for name in _imports(path)
        if any(name == each or name.startswith(each + ".") for each in forbidden)
    ]


def test_the_library_knows_nothing_of_the_service() -> None:
    assert _breaches("converters", FORBIDDEN_IN_LIBRARY) == []


def test_what_the_library_loads_has_no_service_in_it() -> None:
    code = (
        "import sys; from converters.registry import source_class, source_names, target_class, target_names;"
        "[source_class(name) for name in source_names()]; [target_class(name) for name in target_names()];"
        f"print(sorted(({FORBIDDEN_IN_LIBRARY - {'asyncio'}}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "package,forbidden",
    [
        ("converters/model", {"converters.storage", "converters.sync", "converters.formats", "converters.delta"}),
        ("converters/storage", {"converters.model", "converters.sync", "converters.formats", "converters.iceberg"}),
        ("converters/avro", {"converters.delta", "converters.iceberg", "converters.hudi", "converters.sync"}),
        ("converters/parquet", {"converters.delta", "converters.iceberg", "converters.hudi", "converters.sync"}),
        ("converters/delta", {"converters.iceberg", "converters.hudi"}),
        ("converters/iceberg", {"converters.delta", "converters.hudi"}),
        ("converters/hudi", {"converters.delta", "converters.iceberg"}),
        ("converters/sync", {"converters.delta", "converters.iceberg", "converters.hudi", "converters.verification"}),
        ("converters/verification", {"converters.delta", "converters.iceberg", "converters.hudi"}),
        ("app/engine", {"app.api", "app.cli", "app.server", "litestar"}),
        ("app/api", {"app.cli", "app.serving", "converters"}),
        ("app/cli", {"app.api", "app.engine", "litestar"}),
        ("app", {"tests", "bench"}),
    ],
)
def test_directions(package: str, forbidden: set[str]) -> None:
    assert _breaches(package, forbidden) == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in ("app", "converters")
        for path in _modules(package)
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_modules_are_small() -> None:
    large = [
        f"{path.relative_to(ROOT)}: {lines}"
        for package in ("app", "converters")
        for path in _modules(package)
        if (lines := len(path.read_text().splitlines())) > 400
    ]
    assert large == []
