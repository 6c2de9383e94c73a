"""``tablecast sync``: XTable's RunSync, with its configuration file as it is."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.parameters import output_option

__all__ = ["sync"]


@click.command(
    epilog="""\b
Example:
  tablecast sync --dataset-config my_config.yaml
\b
  sourceFormat: DELTA
  targetFormats: [ICEBERG]
  datasets:
    - tableBasePath: s3://lake/sales
      tableName: sales""",
)
@click.option(
    "--dataset-config",
    "--datasetConfig",
    "-d",
    "config",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file as XTable's RunSync takes it.",
)
@output_option
@click.pass_context
def sync(context: click.Context, config: Path, output: str) -> None:
    """Convert every table of a configuration file; one that fails does not keep the others."""
    import converters  # noqa: PLC0415 - slow
    from app.cli import output as out  # noqa: PLC0415
    from app.cli.dataset_config import read_dataset_config  # noqa: PLC0415
    from app.cli.errors import print_error  # noqa: PLC0415
    from app.cli.interrupts import prompt_interrupts  # noqa: PLC0415
    from app.cli.progress import progress_bar  # noqa: PLC0415

    with out.errors_as(output):
        settings = read_dataset_config(config)
    results: list[object] = []
    good = True
    for dataset in settings.datasets:
        for note in dataset.notes(settings.source_format):
            click.echo(f"Note: {dataset.table_base_path}: {note}", err=True)
        try:
            with prompt_interrupts(), progress_bar() as on_progress:
                report = converters.convert(
                    dataset.table_base_path,
                    settings.target_formats,
                    source_format=settings.source_format,
                    table_name=dataset.table_name,
                    options=dataset.options(settings.source_format),
                    on_progress=on_progress,
                )
        except converters.TablecastError as error:
            good = False
            print_error(f"{dataset.table_base_path}: {error.message}", error.hint)
            failure = converters.TargetError(type=type(error).__name__, message=error.message, hint=error.hint)
            results.append({"table": dataset.table_base_path, "error": failure})
        else:
            good = good and report.ok
            out.print_failures(report)
            results.append({"table": dataset.table_base_path, "report": report})
            if output == "text":
                click.echo(out.report_text(report) + "\n")
    if output == "json":
        click.echo(out.as_json(results))
    context.exit(0 if good else 1)
