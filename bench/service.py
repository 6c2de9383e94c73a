"""Latency of the warm service: start-up, full conversions of a 12-file table, and conversions that change nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tables import write_delta_table

__all__ = ["measure_service"]

_BIN = Path(sys.executable).parent
_FILES = 112  # a hundred stand in the tail's commits, as in every table of tables.py
_ROUNDS = 100


def measure_service(work: Path) -> str:
    """Start the service, measure it, stop it; returns a Markdown table."""
    table = work / "small"
    _write_small_table(table)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "TABLECAST_ROOTS": str(work)}
    started = time.monotonic()
    command = [str(_BIN / "tablecast"), "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait(port)
            ready = time.monotonic() - started
            _post(port, table)
            same = [_post(port, table) for _ in range(_ROUNDS)]
            full = []
            for _ in range(_ROUNDS):
                shutil.rmtree(table / "metadata")
                full.append(_post(port, table))
        finally:
            server.terminate()
    return "\n".join(
        [
            "\n| service, 12 files | p50 | p95 |",
            "|---|---|---|",
            _row("Delta -> Iceberg, full", full),
            _row("no change", same),
            f"\nService ready {ready:.2f} s after its process started.",
        ]
    )


def _write_small_table(table: Path) -> None:
    write_delta_table(table, _FILES)
    for commit in sorted((table / "_delta_log").glob("*.json"))[1:]:
        commit.unlink()


def _row(name: str, seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=20)
    return f"| {name} | {statistics.median(seconds) * 1000:.1f} ms | {cuts[18] * 1000:.1f} ms |"


def _wait(port: int) -> None:
    for _ in range(1000):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError("the service did not become ready")


def _post(port: int, table: Path) -> float:
    body = {
        "source-format": "DELTA",
        "source-table-name": "small",
        "source-table-path": str(table),
        "target-formats": ["ICEBERG"],
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/conversion/table",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    started = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return time.monotonic() - started
