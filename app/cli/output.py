"""What commands print on standard output."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
import msgspec

import converters
from app.cli.errors import print_error
from converters.storage.location import local_path

__all__ = ["as_json", "description_text", "errors_as", "place", "print_failures", "queries", "report_text"]

_STATUS_COLOUR = {"synced": "green", "unchanged": "green", "failed": "red"}


def as_json(value: object) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


@contextmanager
def errors_as(output: str) -> Generator[None]:
    """With ``json``, also print an error of the library as an object, for programs."""
    try:
        yield
    except converters.TablecastError as error:
        if output == "json":
            failure = converters.TargetError(type=type(error).__name__, message=error.message, hint=error.hint)
            click.echo(as_json({"error": failure}))
        raise


def report_text(report: converters.ConversionReport) -> str:
    """A conversion's report, and what to do with the tables."""
    source = report.source
    name = f' "{source.name}"' if source.name else ""
    lines = [
        f"{click.style('Found', bold=True)}    {source.format} table{name} at {place(source.location)}",
        f"  Version {source.version} of {_time(source.committed_at)}",
    ]
    for target in report.targets:
        lines += ["", *_target_lines(target)]
    good = [target for target in report.targets if target.error is None]
    if good:
        lines += ["", click.style("Read it", bold=True)]
        lines += [f"  {line}" for target in good for line in queries(target)]
    lines += ["", f"{report.seconds:.2f} s"]
    return "\n".join(lines)


def print_failures(report: converters.ConversionReport) -> None:
    """Print why targets failed to standard error."""
    for target in report.targets:
        if target.error is not None:
            print_error(f"{target.format}: {target.error.message}", target.error.hint)


def _target_lines(target: converters.TargetReport) -> list[str]:
    status = click.style(target.status, fg=_STATUS_COLOUR[target.status], bold=True)
    if target.error is not None:
        return [f"{status}   {target.format} at {place(target.location)}: {target.error.type}"]
    if target.status == "unchanged":
        lines = [f"{status} {target.format} table, version {target.version}: nothing was written"]
    else:
        lines = [
            f"{status}   {target.format} table, version {target.version} ({target.mode} sync: {target.reason})",
            f"  {_count(target.commits, 'commit')}, {_step(target)}",
            f"  {target.files_added:,} data files added, {target.files_removed:,} removed",
        ]
    if target.is_behind:
        lines.append("  The source has more commits: the next run goes on from here.")
    lines.append(f"  {place(target.metadata_path or '')}")
    return lines + [f"  Note: {note}" for note in target.notes]


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _step(target: converters.TargetReport) -> str:
    if target.source_version_before is None:
        return f"source version {target.source_version}"
    return f"source version {target.source_version_before} to {target.source_version}"


def queries(target: converters.TargetReport) -> list[str]:
    """How to read a target with DuckDB and with Spark."""
    where, metadata = place(target.location), place(target.metadata_path or "")
    spark = f'Spark   spark.read.format("{target.format.lower()}").load({as_json(where)})'
    if target.format == "ICEBERG":
        duckdb = f"SELECT * FROM iceberg_scan('{_quoted(metadata)}');"  # noqa: S608 - printed, not run
    elif target.format == "DELTA":
        duckdb = f"SELECT * FROM delta_scan('{_quoted(where)}');"  # noqa: S608
    else:
        return [spark]  # of Hudi tables over files that Hudi did not name, Spark is the one reader
    return [f"DuckDB  {duckdb}", spark]


def description_text(table: converters.TableDescription) -> str:
    """A table's description."""
    name = f' "{table.name}"' if table.name else ""
    lines = [
        f"{table.format} table{name} at {place(table.location)}",
        f"  version     {table.version} of {_time(table.committed_at)}",
        f"  metadata    {place(table.metadata_path)}",
    ]
    if table.files is None:
        lines.append("  data        cannot be listed, see below")
    else:
        lines.append(f"  data        {table.files:,} files, {table.rows:,} rows, {table.bytes:,} bytes")
    if table.partitioned_by:
        lines.append(f"  partitioned {', '.join(table.partitioned_by)}")
    if table.features:
        lines.append(f"  features    {', '.join(table.features)}")
    lines += ["", "Columns"]
    width = max((len(column.name) for column in table.columns), default=0)
    lines += [
        f"  {column.name:<{width}}  {column.type}{' not null' if column.required else ''}"
        f"{f'  -- {column.doc}' if column.doc else ''}"
        for column in table.columns
    ]
    lines += ["", "Can be converted to"]
    for each in table.convertible:
        if each.error is None:
            lines += [
                f"  {click.style('yes', fg='green')} {each.format}",
                *(f"      Note: {note}" for note in each.notes),
            ]
        else:
            lines.append(f"  {click.style('no', fg='red')}  {each.format}: {each.error.message}")
    return "\n".join(lines)


def place(location: str) -> str:
    """A location as a person writes it."""
    return local_path(location) or location


def _time(millis: int) -> str:
    return f"{datetime.fromtimestamp(millis / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
