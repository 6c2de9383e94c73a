"""The source at the versions that targets say they equal, each read once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from converters.errors import InvalidOption
from converters.formats import Source
from converters.model.snapshot import Snapshot
from converters.registry import parse_options, source_class, source_prefix
from converters.storage.base import Storage
from converters.verification.listing import Listing, parts_for

__all__ = ["SourceAt", "SourceVersions"]

_VERSION_OPTIONS: Mapping[str, str] = {"DELTA": "version", "ICEBERG": "snapshot-id", "HUDI": "as-of"}
"""Which option of a format's source asks for a version, by that version's name in a sync's state."""

_OTHER_CHOICES = {"ICEBERG": ("ref",)}
"""Options that cannot be given beside it."""


class SourceAt(msgspec.Struct, frozen=True):
    """The source at one version: its snapshot and its files, in so many parts.

    ``is_newest`` says that no version was asked for to read it.
    """

    snapshot: Snapshot
    listing: Listing
    parts: int
    is_newest: bool


class SourceVersions:
    """A source table, at whichever version is asked for."""

    def __init__(self, source: Source, options: Mapping[str, str], storage: Storage, work: Path) -> None:
        """Read the newest version.

        Args:
            source: The table.
            options: All options of the call.
            storage: Where it is.
            work: A directory for what does not fit into memory.
        """
        self._source = source
        self._options = options
        self._storage = storage
        self._work = work
        self._known: dict[tuple[str, bool], SourceAt] = {}
        self.newest = source.snapshot()

    def at(self, version: str | None, *, as_committed: bool = False) -> SourceAt:
        """The source at a version.

        Args:
            version: Which; the newest one for None.
            as_committed: With the schema that the version was committed with, although the newest version may have got
                another one since (Iceberg).

        Raises:
            TablecastError: It cannot be read, any more.
        """
        version = self.newest.version if version is None else version
        key = (version, as_committed or version != self.newest.version)
        if key not in self._known:
            self._known[key] = self._read(*key)
        return self._known[key]

    def _read(self, version: str, asked_for: bool) -> SourceAt:  # noqa: FBT001 - of one key
        source, snapshot = self._source, self.newest
        if asked_for:
            source = self._older(version)
            snapshot = source.snapshot()
            if snapshot.version != version:
                raise InvalidOption(f"The version {version} of the source cannot be told from {snapshot.version}.")
        parts = parts_for(snapshot)
        directory = self._work / f"source-{len(self._known)}"
        directory.mkdir()
        listing = Listing.of(source.data_files(snapshot), parts, directory, self._storage.roots)
        return SourceAt(snapshot, listing, parts, not asked_for)

    def _older(self, version: str) -> Source:
        format_name = self._source.format_name
        plugin = source_class(format_name)
        name = _VERSION_OPTIONS.get(format_name)
        if name is None:
            raise InvalidOption(f"Older versions of {format_name} tables cannot be asked for.")
        prefix = source_prefix(plugin)
        left_out = {prefix + other for other in _OTHER_CHOICES.get(format_name, ())}
        options = {key: value for key, value in self._options.items() if key not in left_out}
        options[prefix + name] = version
        return plugin.open(self._storage, self._newest_location(), parse_options(plugin.options_type, options, prefix))

    def _newest_location(self) -> str:
        # An Iceberg table may have been named by its metadata file.
        table = self.newest.table
        return table.metadata_path if table.format == "ICEBERG" else table.location
