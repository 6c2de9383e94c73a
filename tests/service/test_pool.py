"""Conversions can be ended: by their time limit, by a client that goes, by death; the service goes on."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.service.server import Server, running_server, wait_until

STUCK = "s3://lake/t"


@contextmanager
def silent_storage() -> Iterator[dict[str, str]]:
    """Settings for an S3 storage that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-1",
            "TABLECAST_ROOTS": "s3://lake,/tmp",
        }


@pytest.fixture
def storage() -> Iterator[dict[str, str]]:
    with silent_storage() as settings:
        yield settings


def _is_alive(server: Server) -> bool:
    answer = server.convert("DELTA", "/tmp/tablecast-tests/nothing-is-here", "ICEBERG")
    return answer.json()["type"] in {"SourceTableNotFound", "PathNotAllowed"}


def test_a_conversion_that_takes_too_long_is_ended(storage: dict[str, str]) -> None:
    limits = {"TABLECAST_WORKERS": "1", "TABLECAST_CONVERSION_TIMEOUT": "0.5"}
    with running_server(storage | limits) as server:
        (worker,) = server.workers()
        started = time.monotonic()
        answer = server.convert("DELTA", STUCK, "ICEBERG")
        assert (answer.status_code, answer.json()["type"]) == (504, "ConversionTimeout")
        assert time.monotonic() - started < 10
        assert worker not in server.workers()
        wait_until(lambda: server.client.get("/readyz").status_code == 200)
        assert server.workers() != [worker]
        assert _is_alive(server)


def test_when_the_client_goes_the_conversion_is_ended(storage: dict[str, str]) -> None:
    with running_server(storage | {"TABLECAST_WORKERS": "1"}) as server:
        (worker,) = server.workers()
        with pytest.raises(httpx.ReadTimeout):
            server.client.post(
                "/v1/conversion/table",
                json={
                    "source-format": "DELTA",
                    "source-table-name": "t",
                    "source-table-path": STUCK,
                    "target-formats": ["ICEBERG"],
                },
                timeout=1.0,
            )
        wait_until(lambda: worker not in server.workers())
        assert _is_alive(server)


def test_a_worker_that_dies_takes_only_its_conversion_with_it(storage: dict[str, str]) -> None:
    with running_server(storage | {"TABLECAST_WORKERS": "1"}) as server:
        (worker,) = server.workers()
        threading.Timer(1.0, os.kill, (worker, signal.SIGKILL)).start()
        answer = server.convert("DELTA", STUCK, "ICEBERG")
        assert (answer.status_code, answer.json()["type"]) == (500, "WorkerDied")
        assert "signal 9" in answer.json()["message"]
        assert _is_alive(server)


def test_a_worker_that_died_while_idle_is_not_asked(server: Server) -> None:
    for worker in server.workers():
        os.kill(worker, signal.SIGKILL)
    assert _is_alive(server)


def test_what_cannot_wait_is_told_to_come_back(storage: dict[str, str]) -> None:
    limits = {"TABLECAST_WORKERS": "1", "TABLECAST_QUEUE": "1", "TABLECAST_CONVERSION_TIMEOUT": "3"}
    with running_server(storage | limits) as server, concurrent.futures.ThreadPoolExecutor(3) as threads:
        answers = [
            answer.result() for answer in [threads.submit(server.convert, "DELTA", STUCK, "ICEBERG") for _ in "123"]
        ]
        refused = [answer for answer in answers if answer.json()["type"] == "Overloaded"]
        assert refused
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
        assert {answer.json()["type"] for answer in answers} == {"Overloaded", "ConversionTimeout"}
        wait_until(lambda: server.client.get("/readyz").status_code == 200)
        assert _is_alive(server)


def test_a_dead_worker_is_replaced_in_the_background(server: Server) -> None:
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(server.workers()) == len(before) and before[0] not in server.workers())
