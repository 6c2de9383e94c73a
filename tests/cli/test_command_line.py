"""The command line as a program: speed, help, completion, pipes, interruptions, unexpected errors."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from app.cli.main import cli
from tests.cli.command import COMMAND, json_of, run
from tests.service.server import environment
from tests.service.test_pool import STUCK, silent_storage


def test_help_comes_at_once() -> None:
    best = 9.0
    for _ in range(5):
        # Processor time: what else runs on the machine must not fail this.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run("--help").code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < 0.3


def test_help_imports_nothing_heavy() -> None:
    heavy = ("converters", "litestar", "pyarrow", "rich", "yaml")
    code = f"import sys, app.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_explains_itself(name: str) -> None:
    context = click.Context(cli.commands[name], info_name=name)
    text = cli.commands[name].get_help(context)
    assert "Usage:" in text
    assert name == "formats" or "Example" in text
    undocumented = [each.name for each in cli.commands[name].params if isinstance(each, click.Option) and not each.help]
    assert undocumented == []


def test_version() -> None:
    done = run("--version")
    assert (done.code, done.out.split()[0]) == (0, "tablecast")


def test_formats() -> None:
    said = [line.split() for line in run("formats").out.splitlines()]
    assert said == [[name, "source,", "target"] for name in ("DELTA", "HUDI", "ICEBERG")]
    assert json_of(run("formats", "-o", "json"))[0] == {"name": "DELTA", "source": True, "target": True}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    done = run("completion", shell)
    assert done.code == 0
    assert "_TABLECAST_COMPLETE" in done.out


@pytest.mark.parametrize(
    "words,completed",
    [
        ("tablecast con", {"convert"}),
        ("tablecast convert t --to ", {"delta", "hudi", "iceberg"}),
        ("tablecast convert t --to delta,ic", {"delta,iceberg"}),
        ("tablecast convert t --from de", {"delta"}),
        ("tablecast convert t --output ", {"text", "json"}),
    ],
)
def test_completion_completes(words: str, completed: set[str]) -> None:
    done = run(_TABLECAST_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))
    assert {line.partition(",")[2] for line in done.out.splitlines()} == completed


def test_a_reader_that_goes_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([COMMAND, "formats"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_ctrl_c_is_clean() -> None:
    with (
        silent_storage() as storage,
        subprocess.Popen(
            [COMMAND, "convert", STUCK, "--from", "delta", "--to", "iceberg"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(storage.settings),
        ) as process,
    ):
        assert storage.asked.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_unexpected_errors_are_one_line_unless_asked(tmp_path: Path) -> None:
    # A module that shadows one of the library's and fails makes an error that nobody expects.
    (tmp_path / "duckdb.py").write_text("raise RuntimeError('broken\\ninstallation')")
    (tmp_path / "obstore.py").write_text("raise RuntimeError('broken\\ninstallation')")
    done = run("formats", PYTHONPATH=str(tmp_path))
    assert done.code == 70
    assert done.err.startswith("Error: unexpected RuntimeError: broken\n")
    assert "Traceback" not in done.err
    assert "Traceback" in run("-v", "formats", PYTHONPATH=str(tmp_path)).err
