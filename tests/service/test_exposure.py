"""Without roots of its own the service answers only this machine, whatever server runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from litestar.testing import TestClient

from app.server import build
from app.settings import Settings, is_loopback


@pytest.mark.parametrize(
    "address,roots,status",
    [
        ("192.0.2.7", (), 403),
        ("127.0.0.1", (), 404),
        ("192.0.2.7", ("/tmp",), 404),
    ],
)
def test_requests_from_elsewhere(address: str, roots: tuple[str, ...], status: int, tmp_path: Path) -> None:
    app = build(Settings(roots=roots, workers=1))
    body = {
        "source-format": "DELTA",
        "source-table-name": "t",
        "source-table-path": "/tmp/tablecast-tests/nothing-is-here",
        "target-formats": ["ICEBERG"],
    }
    with TestClient(app, base_url=f"http://{address}:8080") as client:
        assert client.post("/v1/conversion/table", json=body).status_code == status


@pytest.mark.parametrize(
    "host,expected",
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected
