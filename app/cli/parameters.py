"""Options that several commands share."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

__all__ = ["complete_sources", "complete_targets", "options_option", "output_option", "source_option", "split_formats"]


def split_formats(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Names separated by commas, in one option or several."""
    names = tuple(name.strip() for value in values for name in value.split(",") if name.strip())
    if not names:
        raise click.BadParameter("no format is named", context, parameter)
    return names


def complete_sources(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of formats that can be read."""
    return _complete("tablecast.sources", incomplete)


def complete_targets(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of formats that can be written; a comma starts the next."""
    return _complete("tablecast.targets", incomplete)


def _complete(group: str, incomplete: str) -> list[CompletionItem]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow

    done, comma, start = incomplete.rpartition(",")
    names = sorted(entry.name.lower() for entry in entry_points(group=group))
    return [CompletionItem(done + comma + name) for name in names if name.startswith(start.lower())]


def _key_values(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"'{value}' is not key=value", context, parameter)
        pairs[key.strip()] = text
    return pairs


output_option = click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)

source_option = click.option(
    "--from",
    "source_format",
    metavar="FORMAT",
    shell_complete=complete_sources,
    help="The table's format; detected if not given.",
)

options_option = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_key_values,
    help="An option of a format (docs/options.md); may be repeated.",
)
