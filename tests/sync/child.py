"""A process that syncs, for tests that need more than one or one that is killed.

``python -m tests.sync.child '{"source": ..., "source_format": ..., "target": ...}'`` prints its report, a line of JSON.

Further members: ``fail_at`` and ``when`` (die at a call, see ``KillingStorage``), ``s3`` (options of the server),
``until`` (go on until a file is there and nothing is left to do) and ``options``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import converters
from converters.storage import ObjectStorage
from converters.storage.base import Storage
from tests.sync.dying import KillingStorage

__all__ = ["start"]

ROOT = Path(__file__).parents[2]


def start(**said: Any) -> subprocess.Popen[str]:
    """Start such a process."""
    command = [sys.executable, "-m", "tests.sync.child", json.dumps(said)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _sync(said: dict[str, Any]) -> dict[str, Any]:
    inner = ObjectStorage(s3_options=said.get("s3"))
    storage: Storage = inner
    if "fail_at" in said:
        storage = KillingStorage(inner, fail_at=said["fail_at"], when=said.get("when", "before"))
    report = converters.convert(
        said["source"],
        [said["target"]],
        source_format=said["source_format"],
        options=said.get("options"),
        storage=storage,
    ).targets[0]
    error = report.error and [report.error.type, report.error.message]
    return {
        "status": report.status,
        "commits": report.commits,
        "error": error,
        "mode": report.mode,
        "why": report.reason,
    }


def _main() -> None:
    said = json.loads(sys.argv[1])
    reports = [_sync(said)]
    while "until" in said:
        is_last = Path(said["until"]).exists()
        reports.append(_sync(said))
        error = reports[-1]["error"]
        if (is_last and reports[-1]["status"] == "unchanged") or (error and error[0] != "CommitConflict"):
            break
        time.sleep(0.05)
    sys.stdout.write(json.dumps([report for report in reports if report["status"] != "unchanged"]) + "\n")


if __name__ == "__main__":
    _main()
