"""The child processes of this test process: one for each older version of Hudi, started when it is first asked."""

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.sparks.hudi import Question
from tests.sparks.session import ROOT

LOG_SHOWN = 4000


class HudiError(Exception):
    """What a version of Hudi said when it could not answer."""


class _Child:
    """A process that answers questions with one version of Hudi; started at once."""

    def __init__(self, version: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tablecast-hudi-"))
        self._log = self._folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.sparks.child", version, str(self._folder)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # an interrupt at the terminal is for the tests, which then end it
            )
        self._lock = threading.Lock()
        self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise HudiError(self._log.read_text(encoding="utf-8", errors="replace")[-LOG_SHOWN:])
        said: dict[str, Any] = json.loads(line)
        return said

    def ask(self, question: Question) -> tuple[pa.Table, int]:
        """Return the rows that are the answer, and how many files were read for them."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(dataclasses.asdict(question)) + "\n")
            self._process.stdin.flush()
            said = self._hear()
        if "error" in said:
            raise HudiError(said["error"])
        place = Path(said["rows"])
        found = pa.ipc.open_file(place.read_bytes()).read_all()
        place.unlink()
        return found, said["files_read"]

    def end(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=60)
        finally:
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)


_children: dict[str, _Child] = {}
_starting = threading.Lock()


def ask(version: str, question: Question) -> tuple[pa.Table, int]:
    """Ask a version of Hudi; see `tests.sparks.hudi.answer`.

    Raises:
        HudiError: It could not answer.
    """
    with _starting:
        if version not in _children:
            _children[version] = _Child(version)
    return _children[version].ask(question)


def stop() -> None:
    """End all of them."""
    while _children:
        _children.popitem()[1].end()
