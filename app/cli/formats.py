"""``tablecast formats``."""

from __future__ import annotations

import click

from app.cli.parameters import output_option

__all__ = ["formats"]


@click.command()
@output_option
def formats(output: str) -> None:
    """List the table formats that can be read and written."""
    import converters  # noqa: PLC0415 - slow
    from app.cli import output as out  # noqa: PLC0415

    supported = converters.formats()
    if output == "json":
        click.echo(out.as_json(supported))
        return
    for each in supported:
        ways = [name for name, able in (("source", each.source), ("target", each.target)) if able]
        click.echo(f"{each.name:<10} {', '.join(ways)}")
