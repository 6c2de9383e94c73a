"""``--verify``: comparing what was converted, in the same command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

__all__ = ["VerifyingCommand", "report_with", "verified", "verify_option"]

_MODES = ("metadata", "rows")

verify_option = click.option(
    "--verify",
    type=click.Choice(_MODES),
    metavar="[=metadata|rows]",
    help="Compare each target with the source afterwards: its metadata, or all rows too.",
)


class VerifyingCommand(click.Command):
    """A command whose ``--verify`` may stand without a value, wherever the path is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give it the value that is meant; click would take what follows for it."""
        return super().parse_args(ctx, list(_with_values(args)))


def _with_values(args: Sequence[str]) -> list[str]:
    result: list[str] = []
    for place, argument in enumerate(args):
        if argument == "--":
            return [*result, *args[place:]]
        follows = args[place + 1] if place + 1 < len(args) else ""
        result += ["--verify", "metadata"] if argument == "--verify" and follows not in _MODES else [argument]
    return result


def verified(report: Any, **arguments: Any) -> Any:
    """Verify those targets of a conversion that did not fail; None where all did."""
    import converters  # noqa: PLC0415 - slow

    good = [target.format for target in report.targets if target.error is None]
    return converters.verify(targets=good, **arguments) if good else None


def report_with(report: Any, verification: Any) -> dict[str, Any]:
    """The report of a conversion as JSON, and the verification's as one more member."""
    import msgspec  # noqa: PLC0415 - slow

    return {**msgspec.to_builtins(report), "verification": verification}
