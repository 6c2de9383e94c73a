"""The real service, as a process of its own on a free port."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

__all__ = ["Server", "environment", "running_server", "wait_until"]

SERVE = (sys.executable, "-m", "app.cli", "serve", "--port", "0")
ROOT = Path(__file__).parent.parent.parent
_PATIENCE = 60.0


@dataclass
class Server:
    """A running service."""

    process: subprocess.Popen[str]
    url: str
    client: httpx.Client
    lines: list[str] = field(default_factory=list)

    def post(self, body: Any, path: str = "/v1/conversion/table", **options: Any) -> httpx.Response:
        """Send JSON."""
        return self.client.post(path, json=body, **options)

    def convert(self, source_format: str, table: Path | str, *targets: str, **more: Any) -> httpx.Response:
        """Ask for a conversion; ``more`` are further members, with underscores for hyphens."""
        body = {
            "source-format": source_format,
            "source-table-name": "t",
            "source-table-path": str(table),
            "target-formats": list(targets),
            **{key.replace("_", "-"): value for key, value in more.items()},
        }
        return self.post(body)

    def log(self, event: str, request_id: str) -> list[dict[str, Any]]:
        """The log lines of this event and request, so far."""
        parsed = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in parsed if (line["event"], line.get("request_id")) == (event, request_id)]

    def workers(self) -> list[int]:
        """Ids of the worker processes."""
        return children(self.process.pid)


def children(pid: int) -> list[int]:
    """Ids of a process's children."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = {tuple(map(int, line.split())) for line in listed.splitlines() if line.strip()}
    return sorted(child for child, parent in pairs if parent == pid)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of the service, and with ``extra``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TABLECAST_")}
    return {**kept, **(extra or {})}


@contextmanager
def running_server(
    settings: Mapping[str, str] | None = None, *, command: Sequence[str] = SERVE, cwd: Path = ROOT
) -> Iterator[Server]:
    """Run the service, ready, until the block ends."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(settings), cwd=cwd)
    lines: list[str] = []
    url = _address(process, lines)
    with httpx.Client(base_url=url, timeout=_PATIENCE, trust_env=False) as client:
        server = Server(process, url, client, lines)
        try:
            wait_until(lambda: client.get("/readyz").status_code == 200)
            yield server
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)
            assert process.stderr is not None
            process.stderr.close()


def _address(process: subprocess.Popen[str], lines: list[str]) -> str:
    found: queue.Queue[str] = queue.Queue()

    def collect() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if match := re.search(r"listens on (http://\S+)", line):
                found.put(match[1])
        found.put("")

    threading.Thread(target=collect, daemon=True).start()
    url = found.get(timeout=_PATIENCE)
    if not url:
        process.wait(_PATIENCE)
        msg = f"the service ended with {process.returncode}: {''.join(lines)}"
        raise RuntimeError(msg)
    return url


def wait_until(condition: Any, patience: float = _PATIENCE) -> None:
    """Ask again and again until the answer is yes."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
