"""What a whole process costs: wall and CPU seconds (its children's included) and peak memory.

Linux counts the memory of the process that starts another into the other's peak.  So the command is started by this
file run as a script: a small process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Cost", "run"]

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """Wall seconds, CPU seconds and peak resident memory in bytes."""

    wall: float
    cpu: float
    memory: int

    def __str__(self) -> str:
        return f"{self.cpu:.2f} s, {self.memory / 2**20:,.0f} MB (wall {self.wall:.2f} s)"


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: It failed; the message has what it printed.
    """
    with tempfile.NamedTemporaryFile("r") as result:
        starter = [sys.executable, "-I", "-S", __file__, result.name, *command]
        done = subprocess.run(starter, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout.decode()}")
        return Cost(**json.load(result))


def _measure(command: Sequence[str]) -> tuple[int, Cost]:
    started = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    cost = Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT)
    return os.waitstatus_to_exitcode(status), cost


if __name__ == "__main__":
    code, cost = _measure(sys.argv[2:])
    with open(sys.argv[1], "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would cost memory
        json.dump(asdict(cost), file)
    sys.exit(code)
