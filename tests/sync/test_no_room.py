"""A disk without room: the conversion fails by name and leaves the table as it was; with room again it succeeds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import converters
from tests.sync.conftest import Direction

# The file size limit is the one shortage of room that needs no root: the kernel refuses to write beyond it.
_CONVERT = """
import json, resource, signal, sys
import converters
from converters.registry import source_class, target_class
path, source, target, room = sys.argv[1:]
source_class(source), target_class(target)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(room), int(room)))
try:
    report = converters.convert(path, [target], source_format=source)
    error = report.targets[0].error
    print(json.dumps([report.targets[0].status, error and error.type, error and error.message]))
except converters.TablecastError as error:
    print(json.dumps(["failed", type(error).__name__, error.message]))
"""


@pytest.mark.parametrize("room", [0, 100, 1500])
def test_a_full_disk_is_named_and_leaves_nothing(direction: Direction, tmp_path: Path, room: int) -> None:
    table = direction.write(tmp_path / "t")
    before = {str(path.relative_to(table)) for path in table.rglob("*")}
    command = [sys.executable, "-B", "-c", _CONVERT, str(table), direction.source, direction.target, str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    status, error, message = json.loads(done.stdout)
    assert (status, error) == ("failed", "StorageError")
    assert "file" in message
    left = {str(path.relative_to(table)) for path in table.rglob("*") if path.is_file()}
    assert left <= before
    assert converters.convert(str(table), [direction.target], source_format=direction.source).ok
    assert direction.target_rows(table) == direction.source_rows(table)
