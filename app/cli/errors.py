"""Errors as people read them: what was wrong, and what to do."""

from __future__ import annotations

import traceback

import click

__all__ = ["report_error"]

_FAILED = 1
_UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h


def report_error(error: Exception, *, verbose: bool) -> int:
    """Print an error to standard error.

    Returns:
        The exit code.
    """
    from converters.errors import TablecastError  # noqa: PLC0415 - slow; whoever raised it has paid already

    if isinstance(error, TablecastError):
        print_error(error.message, error.hint)
        return _FAILED
    first = next(iter(str(error).splitlines()), "")
    print_error(f"unexpected {type(error).__name__}: {first}", "" if verbose else "Run tablecast -v ... to see where.")
    if verbose:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    return _UNEXPECTED


def print_error(message: str, hint: str = "") -> None:
    """Print a message, and what to do, to standard error."""
    click.echo(click.style("Error: ", fg="red", bold=True) + message, err=True)
    if hint:
        click.echo(click.style("Hint: ", bold=True) + hint, err=True)
