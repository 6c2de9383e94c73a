"""One service for all tests that only ask, and places inside and outside its roots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.server import Server, running_server


@pytest.fixture(scope="session")
def service_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only directory that the service may touch."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="session")
def server(service_root: Path) -> Iterator[Server]:
    """The service."""
    with running_server({"TABLECAST_ROOTS": str(service_root)}) as server:
        yield server


@pytest.fixture
def place(service_root: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A path inside the root where nothing is yet."""
    return service_root / tmp_path.name
