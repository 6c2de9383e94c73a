"""The group of commands, and what becomes of the errors that leave them."""

from __future__ import annotations

import os
import sys

import click

from app.cli.completion import completion
from app.cli.convert import convert
from app.cli.errors import report_error
from app.cli.formats import formats
from app.cli.inspect import inspect
from app.cli.interrupts import INTERRUPTED
from app.cli.serve import serve
from app.cli.sync import sync
from app.cli.verify import verify
from app.tuning import PROCESS_ENVIRONMENT

__all__ = ["cli", "main"]

_BROKEN_PIPE = 1  # as click has it


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's call
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - slow

        click.echo(f"tablecast {version('tablecast')}")
        context.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  tablecast inspect /data/sales
  tablecast convert /data/sales --to iceberg
  tablecast verify /data/sales iceberg
  tablecast serve
Each command explains itself: tablecast convert --help""",
)
@click.option("-v", "--verbose", is_flag=True, help="Show where unexpected errors come from.")
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Print the version."
)
@click.pass_context
def cli(context: click.Context, verbose: bool) -> None:  # noqa: FBT001 - click's call
    """Make one set of Parquet files readable as Iceberg, Delta Lake and Hudi, by translating metadata only.

    Data files are never written, moved or deleted.
    """
    context.obj["verbose"] = verbose


for command in (convert, verify, inspect, sync, formats, serve, completion):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit: 0 all right, 1 something failed, 2 wrong usage."""
    sys.exit(_run())


def _run() -> int:
    for name, value in PROCESS_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    settings = {"verbose": False}
    try:
        code = cli.main(prog_name="tablecast", standalone_mode=False, obj=settings)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone; what is still buffered must not raise again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return report_error(error, verbose=settings["verbose"])
    return code if isinstance(code, int) else 0
