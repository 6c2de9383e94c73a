"""How the service starts, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.service.server import ROOT, SERVE, environment, running_server, wait_until
from tests.service.test_pool import ROOTS, STUCK, silent_storage

TWO_WORKERS = {"TABLECAST_WORKERS": "2"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_with_its_workers(signum: signal.Signals) -> None:
    with running_server(TWO_WORKERS) as server:
        wait_until(lambda: len(server.workers()) == 2)
        workers = server.workers()
        server.process.send_signal(signum)
        assert server.process.wait(30) == 0
        wait_until(lambda: not any(_runs(worker) for worker in workers))
        assert not [line for line in server.lines if "Traceback" in line]


def test_it_finishes_what_it_has_begun() -> None:
    settings = ROOTS | {"TABLECAST_CONVERSION_TIMEOUT": "2"}
    with silent_storage() as storage, running_server(storage.settings | settings) as server:
        storage.when_asked(server.process.send_signal, signal.SIGTERM)
        answer = server.convert("DELTA", STUCK, "ICEBERG")
        assert answer.json()["type"] == "ConversionTimeout"
        assert server.process.wait(30) == 0


def test_it_does_not_wait_for_ever() -> None:
    settings = ROOTS | {"TABLECAST_SHUTDOWN_TIMEOUT": "1"}
    with silent_storage() as storage, running_server(storage.settings | settings) as server:
        workers = server.workers()
        storage.when_asked(server.process.send_signal, signal.SIGTERM)
        with pytest.raises(httpx.HTTPError):
            server.convert("DELTA", STUCK, "ICEBERG").raise_for_status()
        server.process.wait(30)
        wait_until(lambda: not any(_runs(worker) for worker in workers))


def test_workers_do_not_outlive_a_service_that_is_killed() -> None:
    with running_server(TWO_WORKERS) as server:
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(_runs(worker) for worker in workers))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    # Where nobody collects orphans they stay as zombies, which do not run.
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_signal_while_it_starts_ends_it() -> None:
    with subprocess.Popen(SERVE, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        time.sleep(0.3)
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in said


def _refusal(*arguments: str, **settings: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve", *arguments],
        capture_output=True,
        text=True,
        env=environment(settings),
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = _refusal("--port", str(port))
    assert code == 1
    assert f"Port {port} on 127.0.0.1 is in use" in said


def test_an_address_of_another_machine() -> None:
    code, said = _refusal("--host", "192.0.2.1", "--port", "0", TABLECAST_ROOTS="/data")
    assert code == 1
    assert "192.0.2.1 is no address of this machine" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "some.host"])
def test_other_machines_are_served_only_with_roots(host: str) -> None:
    code, said = _refusal("--host", host)
    assert code == 2
    assert "TABLECAST_ROOTS must be set" in said


@pytest.mark.parametrize(
    "name,value,said_of_it",
    [
        ("TABLECAST_ROOT", "/data", "TABLECAST_ROOT is no setting. Known: TABLECAST_HOST"),
        ("TABLECAST_PORT", "http", "TABLECAST_PORT: Expected `int`"),
        ("TABLECAST_PORT", "70000", "TABLECAST_PORT: Expected `int` <= 65535"),
        ("TABLECAST_WORKERS", "0", "TABLECAST_WORKERS: Expected `int` >= 1"),
        ("TABLECAST_CONVERSION_TIMEOUT", "-1", "TABLECAST_CONVERSION_TIMEOUT"),
        ("TABLECAST_ROOTS", "data", "'data' is neither an absolute path nor a URI"),
        ("TABLECAST_ROOTS", "[1", "TABLECAST_ROOTS is no JSON list"),
        ("TABLECAST_RESPONSE_KEY", "tables", "TABLECAST_RESPONSE_KEY"),
    ],
)
def test_settings_that_are_not_understood(name: str, value: str, said_of_it: str) -> None:
    code, said = _refusal(**{name: value})
    assert code == 2
    assert said_of_it in said


def test_litestar_finds_it_unaided(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "litestar", "run", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _status(f"{url}/readyz") == 200)
            body = {
                "source-format": "DELTA",
                "source-table-name": "t",
                "source-table-path": str(tmp_path / "nothing"),
                "target-formats": ["ICEBERG"],
            }
            assert httpx.post(f"{url}/v1/conversion/table", json=body).status_code == 404
        finally:
            process.terminate()


def _status(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0


def test_when_no_worker_starts_requests_are_told(tmp_path: Path) -> None:
    # What keeps a worker from starting is a module of the library's that cannot be loaded.
    (tmp_path / "obstore.py").write_text("raise RuntimeError('broken installation')")
    command = [sys.executable, "-c", _SERVE_WITH_BROKEN_WORKERS.format(str(tmp_path))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(), cwd=ROOT) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr)
            url = next(match[1] for line in lines if (match := re.search(r"listens on (http://\S+)", line)))
            assert _status(f"{url}/readyz") == 503
            assert _status(f"{url}/healthz") == 200
            body = {"source-format": "D", "source-table-name": "t", "source-table-path": "/t", "target-formats": ["I"]}
            answer = httpx.post(f"{url}/v1/conversion/table", json=body)
            assert (answer.status_code, answer.json()["type"]) == (503, "Overloaded")
        finally:
            process.terminate()
    assert process.returncode == 0


_SERVE_WITH_BROKEN_WORKERS = """
import os, sys
os.environ["PYTHONPATH"] = {!r}
sys.argv = ["tablecast", "serve", "--port", "0"]
from app.cli import main
main()
"""
