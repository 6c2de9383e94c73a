"""The demo's story, told on a terminal."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import converters
from app.cli.output import queries
from app.demo.service import Answer, ServiceFailed, post, running_service
from app.demo.spark import SparkFailed, missing_for_spark, rows_by_spark
from converters.storage.location import local_path

__all__ = ["main"]

_SHOWN = 12
_COMPARED_IN_FULL = 2_000_000

console = Console(highlight=False, soft_wrap=True)


@click.command()
@click.argument("table", required=False, default=lambda: os.environ.get("TABLE") or None)
@click.option("--to", "target", default=lambda: os.environ.get("TO") or None, help="Format to convert to.")
def main(table: str | None, target: str | None) -> None:
    """Convert TABLE, or a sample, through the service and read all sides back with DuckDB, and Hudi with Spark.

    Nothing is deleted, and no data file is written but the sample's.
    """
    try:
        same = _story(table, target)
    except ImportError as error:
        raise click.ClickException(
            f"The demo needs {error.name}: pip install 'tablecast[demo]', or make demo."
        ) from error
    except (converters.TablecastError, ServiceFailed) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if same else 1)


def _story(table: str | None, target: str | None) -> bool:
    from app.demo.duck import CannotRead, Duck  # noqa: PLC0415 - may not be installed

    duck = Duck()
    own = table is not None
    if table is None:
        from app.demo.sample import write_sample  # noqa: PLC0415

        table = str(Path(tempfile.mkdtemp(prefix="tablecast-demo-", dir="/tmp")) / "orders")
        rows = write_sample(Path(table))
        _step(f"A Delta table, written by delta-rs: 3 commits, the last one deletes rows; {rows} rows are left")
        console.print(f"   {table}")
    else:
        _step("Your table")
    found = converters.inspect(table)
    targets = [target.upper()] if target else _targets(found.format, own=own)
    place = local_path(found.location) or found.location
    files = "" if found.files is None else f": {found.files:,} files, {found.rows:,} rows"
    console.print(f"   {found.format}, version {found.version}{files}")

    with running_service(found.location) as url:
        _step(f"The service runs on {url}")
        body = {
            "source-format": found.format,
            "source-table-name": found.name or place.rpartition("/")[2],
            "source-table-path": place,
            "target-formats": targets,
        }
        sent = shlex.quote(json.dumps(body, ensure_ascii=False))
        console.print(
            f"   curl {url}/v1/conversion/table \\\n     -H 'Content-Type: application/json' \\", markup=False
        )
        console.print(f"     -d {sent}", markup=False)
        answer = post(f"{url}/v1/conversion/table", body)
        again = post(f"{url}/v1/conversion/table", body)
        verify = "metadata" if own else "rows"
        verified = post(f"{url}/v1/conversion/table", {**body, "verify": verify})
    _step(f"It answered {answer.status} in {answer.seconds * 1000:.0f} ms")
    shown = json.dumps(_shortened(answer.body), indent=2, ensure_ascii=False)
    console.print(textwrap.indent(shown, "   "), markup=False)
    if answer.status != 200:
        return False

    seconds = again.seconds * 1000
    console.print(
        f"   The same again: {', '.join(each['status'] for each in again.body['conversions'])}, in {seconds:.0f} ms"
    )
    if not _show_verification(verify, verified):
        return False

    converted = answer.body["conversions"]
    try:
        if not _view(duck, "before", found.format, found.location, found.metadata_path):
            return True
        for each in converted:
            name = each["target-format"].lower()
            seen = _view(duck, name, each["target-format"], found.location, each["target-metadata-path"])
            if seen and not _compare(duck, found.format, each["target-format"]):
                return False
    except (CannotRead, SparkFailed) as error:
        raise click.ClickException(str(error)) from error
    return _goodbye(converted, place)


def _show_verification(mode: str, answer: Answer) -> bool:
    _step(f'The same with "verify": "{mode}" compares the tables')
    if answer.status != 200:
        console.print(f"   {answer.body['message']}", markup=False)
        return False
    for each in answer.body["conversions"]:
        found = each["verification"]
        console.print(f"   {each['target-format']}: {found['result']}")
        for check in found["checks"]:
            console.print(f"     {check['name']:<12} {check['result']:<4} {check['detail']}", markup=False)
    return True


def _targets(source: str, *, own: bool) -> list[str]:
    """The sample goes to every other format; a table that is not ours to one that DuckDB reads."""
    if not own:
        return ["ICEBERG", "HUDI"]
    return ["DELTA" if source == "ICEBERG" else "ICEBERG"]


def _view(duck: Any, name: str, table_format: str, location: str, metadata: str) -> bool:
    """Make a table known to DuckDB under a name; False where nothing here can read it."""
    if table_format != "HUDI":
        place = location if table_format == "DELTA" else metadata
        duck.view(name, table_format, local_path(place) or place)
        return True
    missing = missing_for_spark()
    if missing is not None:
        _step("Hudi")
        console.print(f"   Spark reads it; to see it here, this machine lacks {missing}.")
        return False
    place = metadata.rpartition("/")[0]
    with console.status("Spark reads the Hudi table (its connector is fetched once)"):
        rows = Path(tempfile.mkdtemp(prefix="tablecast-demo-", dir="/tmp")) / "rows"
        rows_by_spark(local_path(place) or place, rows)
    duck.view(name, "PARQUET", f"{rows}/*.parquet")
    return True


def _compare(duck: Any, source: str, target: str) -> bool:
    after = target.lower()
    counts = duck.count("before"), duck.count(after)
    columns = duck.columns("before")
    _step(f"{'Spark reads Hudi' if 'HUDI' in {source, target} else 'DuckDB reads both'}")
    shown = Table("", source, "", target, show_edge=False, pad_edge=False, box=None)
    for column in shown.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    shown.add_row("", f"[dim]{escape(_row(columns))}[/dim]", "", f"[dim]{escape(_row(duck.columns(after)))}[/dim]")
    heads = [duck.head(name, columns, _SHOWN) for name in ("before", after)]
    for left, right in zip(*heads, strict=False):
        shown.add_row("", escape(_row(left)), "=" if left == right else "[red]≠[/red]", escape(_row(right)))
    console.print(shown)
    if max(counts) > _SHOWN:
        console.print(f"   … the first {_SHOWN} of {counts[0]:,} and {counts[1]:,} rows")
    same = counts[0] == counts[1] and columns == duck.columns(after)
    extent = "by their number and the first ones"
    if same and counts[0] <= _COMPARED_IN_FULL:
        same, extent = duck.differences("before", after) == (0, 0), f"all {counts[0]:,} compared"
    elif same:
        same = heads[0] == heads[1]
    verdict = "[bold green]yes[/bold green]" if same else "[bold red]no[/bold red]"
    console.print(f"\nsame rows: {verdict} ({extent})")
    return bool(same)


def _goodbye(converted: Sequence[dict[str, Any]], place: str) -> bool:
    _step("Try next")
    for each in converted:
        metadata = each["target-metadata-path"]
        report = converters.TargetReport(
            format=each["target-format"],
            location=metadata.rpartition("/")[0] if each["target-format"] == "HUDI" else place,
            status="synced",
            metadata_path=metadata,
        )
        for line in queries(report):
            console.print(f"   {line}", markup=False)
    console.print(f"   make demo TABLE={place}    (again: nothing to do)")
    return True


def _step(text: str) -> None:
    console.print(f"\n[bold]▸ {text}[/bold]")


def _row(values: Sequence[str | None]) -> str:
    return "  ".join("NULL" if value is None else value for value in values)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return value[:100] + "…" if isinstance(value, str) and len(value) > 100 else value


if __name__ == "__main__":
    main()
