"""What a caller asks for, worked out: which targets, where, and whether the options concern them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from converters.errors import InvalidOption, InvalidRequest
from converters.formats import Source, Target
from converters.registry import source_prefix, target_class, target_prefix

__all__ = ["check_option_keys", "target_location", "wanted_targets"]


def wanted_targets(names: Sequence[str], source_format: str) -> list[type[Target]]:
    """The targets of these names, each once, without the source's own format.

    Raises:
        InvalidRequest: None is left.
        UnknownFormat: One is not installed.
    """
    if not names:
        msg = "No target format was given."
        raise InvalidRequest(msg, hint="Name at least one.")
    wanted = {target_class(name).format_name: target_class(name) for name in names}
    wanted.pop(source_format, None)
    if not wanted:
        msg = f"The source's format and the only target's are the same: {source_format}."
        raise InvalidRequest(msg, hint="Name another target format.")
    return list(wanted.values())


def check_option_keys(given: Mapping[str, str], source: type[Source], targets: Sequence[type[Target]]) -> None:
    """Refuse options of formats that are not concerned.

    Raises:
        InvalidOption: Names the first one.
    """
    prefixes = ["sync.", source_prefix(source)]
    prefixes += [target_prefix(target) for target in targets]
    for key in given:
        if not key.startswith(tuple(prefixes)):
            msg = f"The option '{key[:128]}' does not apply here."
            raise InvalidOption(msg, hint=f"Options here start with: {', '.join(prefixes)}.")


def target_location(plugin: type[Target], source: Source, target_path: str | None) -> str:
    """Where a target's metadata goes.

    Args:
        plugin: The target.
        source: Of what.
        target_path: The canonical directory that the caller named; None for the default.
    """
    default = source.location()
    if target_path is not None and target_path != default:
        return target_path
    return source.data_location() if plugin.lies_with_data else default
