"""Which table formats are installed, and what their options are.

A plug-in is a class named by an entry point: group ``tablecast.sources`` or ``tablecast.targets``, the entry's name
being the format's name in any case.  The built-in formats are registered the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from converters.errors import InvalidOption, UnknownFormat
from converters.formats import Source, Target
from converters.storage.base import Storage

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "SOURCE_GROUP",
    "TARGET_GROUP",
    "FormatSupport",
    "formats",
    "open_target",
    "parse_options",
    "source_class",
    "source_names",
    "source_prefix",
    "target_class",
    "target_names",
    "target_prefix",
]

SOURCE_GROUP = "tablecast.sources"
TARGET_GROUP = "tablecast.targets"

_BUILT_IN = {"DELTA": "converters.delta", "HUDI": "converters.hudi", "ICEBERG": "converters.iceberg"}
"""What needs no search among the installed packages; the entry points say the same."""

_SUFFIXES = {SOURCE_GROUP: "Source", TARGET_GROUP: "Target"}


class FormatSupport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a format can be read and written here."""

    name: str
    source: bool
    target: bool


def formats() -> list[FormatSupport]:
    """List the installed formats, by name."""
    sources, targets = source_names(), target_names()
    return [
        FormatSupport(name=name, source=name in sources, target=name in targets)
        for name in sorted({*sources, *targets})
    ]


def source_names() -> tuple[str, ...]:
    """Names of the formats that can be read, upper case."""
    return tuple(sorted(_registered(SOURCE_GROUP)))


def target_names() -> tuple[str, ...]:
    """Names of the formats that can be written, upper case."""
    return tuple(sorted(_registered(TARGET_GROUP)))


def source_class(name: str) -> type[Source]:
    """The source of this format; the name in any case.

    Raises:
        UnknownFormat: None is installed.
    """
    return cast("type[Source]", _load(SOURCE_GROUP, name, "read"))


def target_class(name: str) -> type[Target]:
    """The target of this format; the name in any case.

    Raises:
        UnknownFormat: None is installed.
    """
    return cast("type[Target]", _load(TARGET_GROUP, name, "written"))


@cache
def _registered(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow: it looks at every installed package

    return {entry.name.upper(): entry for entry in entry_points(group=group)}


@cache
def _load(group: str, name: str, verb: str) -> object:
    built_in = _BUILT_IN.get(name.strip().upper())
    if built_in is not None:
        return getattr(import_module(built_in), f"{built_in.rpartition('.')[2].title()}{_SUFFIXES[group]}")
    entry = _registered(group).get(name.strip().upper())
    if entry is None:
        known = ", ".join(sorted(_registered(group))) or "none"
        msg = f"The format '{name[:64]}' is unknown."
        raise UnknownFormat(msg, hint=f"Formats that can be {verb}: {known}.")
    return entry.load()


def source_prefix(plugin: type[Source]) -> str:
    """What the keys of a source's options start with."""
    return f"{plugin.format_name.lower()}.source."


def target_prefix(plugin: type[Target]) -> str:
    """What the keys of a target's options start with."""
    return f"{plugin.format_name.lower()}.target."


def open_target(plugin: type[Target], storage: Storage, location: str, options: Mapping[str, str]) -> Target:
    """Open a target with those of the options that are its own.

    Raises:
        InvalidOption: One is not understood.
    """
    return plugin.open(storage, location, parse_options(plugin.options_type, options, target_prefix(plugin)))


_OptionsT = TypeVar("_OptionsT", bound=msgspec.Struct)


def parse_options(options_type: type[_OptionsT], given: Mapping[str, str], prefix: str) -> _OptionsT:
    """Read a plug-in's options from text values.

    Args:
        options_type: The plug-in's ``options_type``.
        given: Values by full key; only keys that start with ``prefix`` are looked at.
        prefix: Such as ``iceberg.target.``.

    Raises:
        InvalidOption: A key or value is not understood; the message names it and what would be.
    """
    mine = {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)}
    known = [field.encode_name for field in msgspec.structs.fields(options_type)]
    for key in mine:
        if key not in known:
            msg = f"The option '{prefix}{key}' is unknown."
            raise InvalidOption(msg, hint=f"Known: {', '.join(prefix + name for name in known) or 'none'}.")
    try:
        return msgspec.convert(mine, options_type, strict=False)
    except msgspec.ValidationError as error:
        msg = f"An option under '{prefix}' has a wrong value: {error}."
        raise InvalidOption(msg) from error
