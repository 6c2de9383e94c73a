"""``tablecast inspect``."""

from __future__ import annotations

import click

from app.cli.parameters import options_option, output_option, source_option

__all__ = ["inspect"]


@click.command(
    epilog="""\b
Examples:
  tablecast inspect /data/sales
  tablecast inspect s3://lake/sales --from iceberg --output json""",
)
@click.argument("path")
@source_option
@options_option
@output_option
def inspect(path: str, source_format: str | None, options: dict[str, str], output: str) -> None:
    """Describe the table at PATH, and say what it can be converted to.  Writes nothing."""
    import converters  # noqa: PLC0415 - slow
    from app.cli import output as out  # noqa: PLC0415
    from app.cli.interrupts import prompt_interrupts  # noqa: PLC0415

    with prompt_interrupts(), out.errors_as(output):
        table = converters.inspect(path, source_format=source_format, options=options)
    click.echo(out.as_json(table) if output == "json" else out.description_text(table))
