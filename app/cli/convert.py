"""``tablecast convert``."""

from __future__ import annotations

import click

from app.cli.parameters import complete_targets, options_option, output_option, source_option, split_formats
from app.cli.verification import VerifyingCommand, report_with, verified, verify_option

__all__ = ["convert"]


@click.command(
    cls=VerifyingCommand,
    epilog="""\b
Examples:
  tablecast convert /data/sales --to iceberg
  tablecast convert s3://lake/sales --from delta --to iceberg
  tablecast convert /data/events --to delta --table-name events --output json
  tablecast convert /data/sales --to iceberg --option iceberg.target.format-version=3
  tablecast convert /data/sales --to iceberg,hudi --verify=rows
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
@click.option("--full", is_flag=True, help="Compare all files, even where the commits since the last sync are known.")
@click.option(
    "--max-commits",
    type=click.IntRange(min=1),
    help="Commits to write to a target at most; the next run goes on from there.",
)
@click.option("--replace", is_flag=True, help="Replace a target that somebody else wrote or changed.")
@verify_option
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
    full: bool,  # noqa: FBT001 - click's call
    max_commits: int | None,
    replace: bool,  # noqa: FBT001
    verify: str | None,
    output: str,
) -> None:
    """Make the table at PATH readable in other formats.

    PATH is the table's directory, local or s3://, or an Iceberg metadata.json.  Data files stay as they are; each
    target gets one commit for each of the table's since the last sync, or a single one where all files have to be
    compared, or stays as it was.
    """
    import converters  # noqa: PLC0415 - slow
    from app.cli import output as out  # noqa: PLC0415
    from app.cli.interrupts import prompt_interrupts  # noqa: PLC0415
    from app.cli.progress import progress_bar  # noqa: PLC0415
    from app.cli.verification_text import verification_text  # noqa: PLC0415

    options |= _sync_options(full=full, max_commits=max_commits, replace=replace)
    with prompt_interrupts(), out.errors_as(output):
        if verify is not None:
            converters.check_verify_mode(verify)
        with progress_bar() as on_progress:
            report = converters.convert(
                path,
                targets,
                source_format=source_format,
                table_name=table_name,
                target_path=target_path,
                options=options,
                on_progress=on_progress,
            )
        verification = None
        if verify is not None:
            verification = verified(
                report,
                mode=verify,
                source=path,
                source_format=report.source.format,
                target_path=target_path,
                options=options,
            )
    if output == "json":
        click.echo(out.as_json(report if verify is None else report_with(report, verification)))
    else:
        click.echo(out.report_text(report))
        if verification is not None:
            click.echo("\n" + verification_text(verification))
    out.print_failures(report)
    good = report.ok and (verification is None or verification.ok)
    context.exit(0 if good else 1)


def _sync_options(*, full: bool, max_commits: int | None, replace: bool) -> dict[str, str]:
    options: dict[str, str] = {}
    if full:
        options["sync.mode"] = "full"
    if max_commits is not None:
        options["sync.max-commits"] = str(max_commits)
    if replace:
        options["sync.on-conflict"] = "replace"
    return options
