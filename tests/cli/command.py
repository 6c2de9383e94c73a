"""The command line as people run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.service.server import environment

__all__ = ["COMMAND", "Done", "json_of", "run"]

COMMAND = str(Path(sys.executable).with_name("tablecast"))


class Done(msgspec.Struct):
    """How it ended, and what it printed."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> Done:
    """Run the command in a pipe."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(variables),
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def json_of(done: Done) -> Any:
    """What it printed with ``--output json``."""
    return msgspec.json.decode(done.out)
