"""``tablecast convert``."""

from __future__ import annotations

import click

from app.cli.parameters import complete_targets, options_option, output_option, source_option, split_formats

__all__ = ["convert"]


@click.command(
    epilog="""\b
Examples:
  tablecast convert /data/sales --to iceberg
  tablecast convert s3://lake/sales --from delta --to iceberg
  tablecast convert /data/events --to delta --table-name events --output json
  tablecast convert /data/sales --to iceberg --option iceberg.target.format-version=3
Options for --option are listed in docs/options.md.""",
)
@click.argument("path")
@click.option(
    "--to",
    "targets",
    required=True,
    multiple=True,
    metavar="FORMAT[,FORMAT]",
    callback=split_formats,
    shell_complete=complete_targets,
    help="Formats to make the table readable in.",
)
@source_option
@click.option("--table-name", help="Name for the targets; by default the table's own, else its directory's.")
@click.option(
    "--target-path",
    help="Directory for the targets' metadata; by default the table's own, and for Hudi that of the data files.",
)
@options_option
@click.option("--replace", is_flag=True, help="Replace a target that somebody else wrote or changed.")
@output_option
@click.pass_context
def convert(  # noqa: PLR0917 - click passes them by name
    context: click.Context,
    path: str,
    targets: tuple[str, ...],
    source_format: str | None,
    table_name: str | None,
    target_path: str | None,
    options: dict[str, str],
    replace: bool,  # noqa: FBT001 - click's call
    output: str,
) -> None:
    """Make the table at PATH readable in other formats.

    PATH is the table's directory, local or s3://, or an Iceberg metadata.json.  Data files stay as they are; each
    target is brought up to date in one commit, or stays as it was.
    """
    import converters  # noqa: PLC0415 - slow
    from app.cli import output as out  # noqa: PLC0415
    from app.cli.interrupts import prompt_interrupts  # noqa: PLC0415
    from app.cli.progress import progress_bar  # noqa: PLC0415

    if replace:
        options["sync.on-conflict"] = "replace"
    with prompt_interrupts(), out.errors_as(output), progress_bar() as on_progress:
        report = converters.convert(
            path,
            targets,
            source_format=source_format,
            table_name=table_name,
            target_path=target_path,
            options=options,
            on_progress=on_progress,
        )
    click.echo(out.as_json(report) if output == "json" else out.report_text(report))
    out.print_failures(report)
    context.exit(0 if report.ok else 1)
