"""Conversions can be ended: by their time limit, by a client that goes, by death; the service goes on."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.service.server import Server, running_server, wait_until

STUCK = "s3://lake/t"


class SilentStorage:
    """An S3 storage that takes connections and never answers."""

    def __init__(self, listener: socket.socket) -> None:
        self.settings = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-1",
        }
        self.asked = threading.Event()
        self._listener = listener
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connections.append(self._listener.accept()[0])
                self.asked.set()

    def when_asked(self, action: Callable[..., object], *arguments: object) -> None:
        """Do something once somebody waits for the storage."""

        def wait() -> None:
            assert self.asked.wait(60)
            action(*arguments)

        threading.Thread(target=wait, daemon=True).start()

    def close(self) -> None:
        """Let go of everybody who waits."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            connection.close()


@contextmanager
def silent_storage() -> Iterator[SilentStorage]:
    """Run one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        storage = SilentStorage(listener)
        yield storage
        storage.close()


ROOTS = {"TABLECAST_ROOTS": "s3://lake,/tmp"}


@pytest.fixture
def storage() -> Iterator[SilentStorage]:
    with silent_storage() as storage:
        yield storage


def _converts(server: Server) -> None:
    answer = server.convert("DELTA", "/tmp/tablecast-tests/nothing-is-here", "ICEBERG")
    assert answer.json()["type"] in {"SourceTableNotFound", "PathNotAllowed"}, answer.text


def test_a_conversion_that_takes_too_long_is_ended(storage: SilentStorage) -> None:
    limits = {"TABLECAST_WORKERS": "1", "TABLECAST_CONVERSION_TIMEOUT": "0.5"}
    with running_server(storage.settings | ROOTS | limits) as server:
        (worker,) = server.workers()
        started = time.monotonic()
        answer = server.convert("DELTA", STUCK, "ICEBERG")
        assert (answer.status_code, answer.json()["type"]) == (504, "ConversionTimeout")
        assert time.monotonic() - started < 10
        assert worker not in server.workers()
        wait_until(lambda: server.client.get("/readyz").status_code == 200)
        assert server.workers() != [worker]
        _converts(server)


def test_when_the_client_goes_the_conversion_is_ended(storage: SilentStorage) -> None:
    with running_server(storage.settings | ROOTS | {"TABLECAST_WORKERS": "1"}) as server:
        (worker,) = server.workers()
        _ask_and_go(server, storage.asked)
        wait_until(lambda: worker not in server.workers())
        _converts(server)


def _ask_and_go(server: Server, moment: threading.Event) -> None:
    body = json.dumps(
        {
            "source-format": "DELTA",
            "source-table-name": "t",
            "source-table-path": STUCK,
            "target-formats": ["ICEBERG"],
        }
    )
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("POST", "/v1/conversion/table", body, {"Content-Type": "application/json"})
    assert moment.wait(60)
    connection.close()


def test_a_worker_that_dies_takes_only_its_conversion_with_it(storage: SilentStorage) -> None:
    with running_server(storage.settings | ROOTS | {"TABLECAST_WORKERS": "1"}) as server:
        (worker,) = server.workers()
        storage.when_asked(os.kill, worker, signal.SIGKILL)
        answer = server.convert("DELTA", STUCK, "ICEBERG")
        assert (answer.status_code, answer.json()["type"]) == (500, "WorkerDied")
        assert "signal 9" in answer.json()["message"]
        _converts(server)


def test_a_worker_that_died_while_idle_is_not_asked(server: Server) -> None:
    for worker in server.workers():
        os.kill(worker, signal.SIGKILL)
    _converts(server)


def test_what_cannot_wait_is_told_to_come_back(storage: SilentStorage) -> None:
    limits = {"TABLECAST_WORKERS": "1", "TABLECAST_QUEUE": "1", "TABLECAST_CONVERSION_TIMEOUT": "3"}
    with (
        running_server(storage.settings | ROOTS | limits) as server,
        concurrent.futures.ThreadPoolExecutor(3) as threads,
    ):
        answers = [
            answer.result() for answer in [threads.submit(server.convert, "DELTA", STUCK, "ICEBERG") for _ in "123"]
        ]
        refused = [answer for answer in answers if answer.json()["type"] == "Overloaded"]
        assert refused
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
        assert {answer.json()["type"] for answer in answers} == {"Overloaded", "ConversionTimeout"}
        wait_until(lambda: server.client.get("/readyz").status_code == 200)
        _converts(server)


def test_a_dead_worker_is_replaced_in_the_background(server: Server) -> None:
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(server.workers()) == len(before) and before[0] not in server.workers())
