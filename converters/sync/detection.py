"""Finding the source table and its format at a path."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from converters.errors import AmbiguousTable, SourceTableNotFound
from converters.formats import Source
from converters.registry import parse_options, source_class, source_names, source_prefix, target_class, target_names
from converters.storage.base import Storage
from converters.storage.location import canonical

__all__ = ["open_source"]


def open_source(
    path: str,
    source_format: str | None,
    options: Mapping[str, str],
    storage: Storage,
    *,
    targets: Collection[str] = (),
) -> Source:
    """Open the table at a path, detecting its format where none is named.

    Args:
        path: As for ``convert``.
        source_format: As for ``convert``.
        options: As for ``convert``.
        storage: Where to read.
        targets: Formats that are not meant, because they are to be written.

    Raises:
        SourceTableNotFound: No table is there.
        AmbiguousTable: Tables of several formats are there and none was named.
        UnknownFormat: The named format is not installed.
    """
    location = canonical(path, relative_to_cwd=True)
    if source_format is None:
        source_format = _detect(location, {name.upper() for name in targets}, storage)
    plugin = source_class(source_format)
    return plugin.open(storage, location, parse_options(plugin.options_type, options, source_prefix(plugin)))


def _detect(location: str, targets: Collection[str], storage: Storage) -> str:
    present = [name for name in source_names() if source_class(name).is_table(storage, location)]
    # Beside a table lie the metadata that earlier conversions wrote: they are not meant when a choice is left.
    meant = [name for name in present if name not in targets] or present
    if len(meant) > 1:
        meant = [name for name in meant if not _is_conversion(name, location, storage)] or meant
    if len(meant) == 1:
        return meant[0]
    if not meant:
        looked = ", ".join(source_names())
        msg = f"No table was found at '{location}'."
        raise SourceTableNotFound(msg, hint=f"Looked for: {looked}. Is it the table's directory?")
    msg = f"Tables of several formats are at '{location}': {', '.join(meant)}."
    raise AmbiguousTable(msg, hint="Say which one is the source (--from, source-format).")


def _is_conversion(name: str, location: str, storage: Storage) -> bool:
    if name not in target_names():
        return False
    plugin = target_class(name)
    current = plugin.open(storage, location, plugin.options_type()).current()
    return current is not None and current.state is not None
