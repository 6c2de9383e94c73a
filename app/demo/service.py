"""The service as a process of its own, and one request to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import IO, Any

__all__ = ["Answer", "ServiceFailed", "post", "running_service"]


class ServiceFailed(Exception):  # noqa: N818 - says what happened
    """The service did not start; the message has its last words."""


@contextmanager
def running_service(root: str) -> Generator[str]:
    """Run the service on a free port of this machine, allowed to touch one directory.

    Yields:
        Its URL.

    Raises:
        ServiceFailed: It ended instead.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TABLECAST_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--port", "0"],
        env={**environment, "TABLECAST_ROOTS": json.dumps([root])},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield _address(process.stderr)
    finally:
        process.terminate()
        process.wait()


def _address(words: IO[str]) -> str:
    last: deque[str] = deque(maxlen=20)
    for line in words:
        last.append(line)
        if match := re.search(r"listens on (http://\S+)", line):
            # What it says later must not fill the pipe.
            threading.Thread(target=deque, args=(words, 0), daemon=True).start()
            return match[1]
    raise ServiceFailed("".join(last))


class Answer:
    """What came back: the HTTP status, the body, and how long it took in seconds."""

    def __init__(self, status: int, body: Any, seconds: float) -> None:
        """Take the parts."""
        self.status = status
        self.body = body
        self.seconds = seconds


def post(url: str, body: Mapping[str, object]) -> Answer:
    """Send a JSON body; an error status is an answer, too."""
    request = urllib.request.Request(  # noqa: S310 - the URL is ours
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=3600) as response:  # noqa: S310
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    return Answer(status, json.loads(content), time.perf_counter() - started)
