"""What every answer has, what the log says of it, and the pages for people."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from app.api.errors import STATUSES, from_failure
from app.engine.messages import Failure
from converters import errors
from tests.service.server import Server, wait_until


def test_every_error_of_the_library_has_a_status() -> None:
    assert STATUSES.keys() == set(errors.__all__)


def test_an_unexpected_error_is_not_shown() -> None:
    answer = from_failure(Failure(type="KeyError", message="password=secret", trace="Traceback: password=secret"))
    assert (answer.status, answer.model.type) == (500, "InternalError")
    assert "secret" not in msgspec.json.encode(answer.model).decode()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes(server: Server, method: str, path: str) -> None:
    answer = server.client.request(method, path)
    assert answer.status_code == 200
    assert (answer.content == b"") == (method == "HEAD")


def test_a_request_id_is_made_or_kept(server: Server) -> None:
    assert re.fullmatch("[0-9a-f]{32}", server.client.get("/healthz").headers["X-Request-ID"])
    assert server.client.get("/nothing", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    assert server.client.get("/nothing", headers={"X-Request-ID": "a b"}).headers["X-Request-ID"] != "a b"


def test_one_log_line_for_each_request_without_secrets(server: Server, place: Path) -> None:
    body = {
        "source-format": "DELTA",
        "source-table-name": "t",
        "source-table-path": str(place),
        "target-formats": ["ICEBERG"],
        "configurations": {"a.password": "hidden-in-configurations"},
    }
    headers = {"X-Request-ID": "logged-1", "Authorization": "Bearer hidden-in-header"}
    server.client.post("/v1/conversion/table?token=hidden-in-query", json=body, headers=headers)
    # The line may come after the answer: it holds the whole duration.
    wait_until(lambda: server.log("request", "logged-1"))
    (line,) = server.log("request", "logged-1")
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/conversion/table", 400)
    assert (line["table"], line["source_format"], line["targets"]) == (str(place), "DELTA", ["ICEBERG"])
    assert not [line for line in server.lines if "hidden-in" in line]


def test_the_documentation_needs_nothing_from_elsewhere(server: Server) -> None:
    page = server.client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) >= 3
    for file in files:
        assert file.startswith("/"), file
        answer = server.client.get(file)
        assert (answer.status_code, len(answer.content) > 100) == (200, True), file


def test_people_are_led_to_the_documentation(server: Server) -> None:
    answer = server.client.get("/")
    assert (answer.is_redirect, answer.headers["Location"]) == (True, "/docs")


def test_static_files_stay_in_their_directory(server: Server) -> None:
    for path in ("/docs/static/../../__init__.py", "/docs/static/%2e%2e/__init__.py", "/docs/static//etc/passwd"):
        assert server.client.get(path).status_code == 404
