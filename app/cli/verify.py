"""``tablecast verify``."""

from __future__ import annotations

import click

from app.cli.parameters import complete_targets, options_option, output_option, source_option, split_formats

__all__ = ["verify"]


@click.command(
    epilog="""\b
Examples:
  tablecast verify /data/sales iceberg
  tablecast verify s3://lake/sales iceberg hudi --from delta
  tablecast verify /data/sales iceberg --rows --output json""",
)
@click.argument("source")
@click.argument(
    "targets",
    nargs=-1,
    required=True,
    metavar="TARGET...",
    callback=split_formats,
    shell_complete=complete_targets,
)
@click.option("--rows", is_flag=True, help="Also read all rows of both sides with DuckDB, and compare them.")
@source_option
@click.option("--target-path", help="Directory of the targets' metadata, where it is not the table's own.")
@options_option
@output_option
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
@click.pass_context
def verify(  # noqa: PLR0917 - click passes them by name
    context: click.Context,
    source: str,
    targets: tuple[str, ...],
    rows: bool,  # noqa: FBT001 - click's call
    source_format: str | None,
    target_path: str | None,
    options: dict[str, str],
    output: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Compare targets with the table at SOURCE that they were converted from.  Writes nothing.

    TARGET is a format.  Each is compared with the version of the source that it says it equals: files, sizes, row
    counts, deleted rows, schema, partition values and statistics.  Ends with 1 when anything differs.
    """
    import converters  # noqa: PLC0415 - slow
    from app.cli import output as out  # noqa: PLC0415
    from app.cli.interrupts import prompt_interrupts  # noqa: PLC0415
    from app.cli.verification_text import verification_text  # noqa: PLC0415

    output = "json" if as_json else output
    with prompt_interrupts(), out.errors_as(output):
        report = converters.verify(
            source,
            targets,
            mode="rows" if rows else "metadata",
            source_format=source_format,
            target_path=target_path,
            options=options,
        )
    click.echo(out.as_json(report) if output == "json" else verification_text(report))
    context.exit(0 if report.ok else 1)
