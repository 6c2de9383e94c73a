"""The conversion of one table: read the targets, read the source, bring each target up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from converters.formats import TargetTable
from converters.registry import open_target, parse_options
from converters.storage.base import Storage
from converters.storage.location import canonical
from converters.storage.object_store import ObjectStorage
from converters.sync.detection import open_source
from converters.sync.options import SyncOptions
from converters.sync.report import ConversionReport, Progress, SourceSummary
from converters.sync.source_reader import SourceReader
from converters.sync.state import SyncState
from converters.sync.target_sync import Base, TargetSync, current
from converters.sync.wanted import check_option_keys, target_location, wanted_targets

__all__ = ["convert"]


def convert(
    source: str,
    targets: Sequence[str],
    *,
    source_format: str | None = None,
    table_name: str | None = None,
    target_path: str | None = None,
    options: Mapping[str, str] | None = None,
    storage: Storage | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> ConversionReport:
    """Make a table readable in other formats, by writing those formats' metadata beside its data files.

    Each target becomes equal to the source's current version, by one atomic commit for each of the source's commits
    since the last sync, or by a single one where all files have to be compared; a target that already is equal stays
    untouched.  Targets fail alone: the report says which and why.

    Args:
        source: The table's directory (a local path or a URI), or an Iceberg ``metadata.json``.
        targets: Names of the formats wanted, in any case; the source's own is left out.
        source_format: The source's format; detected when None.
        table_name: Name for the targets; by default the source's own, else its directory's.
        target_path: Directory under which the targets' metadata goes; by default the source table's directory, and
            for a format that can name only files below its own (Hudi) the directory of the source's data files.
        options: See ``docs/options.md``: ``sync.*``, ``<format>.source.*``, ``<format>.target.*``.
        storage: Where everything is read and written; by default all the process can reach.
        on_progress: Called now and then while files are handled.

    Returns:
        What was read and what became of each target.

    Raises:
        InvalidRequest: The arguments make no sense.
        SourceTableNotFound: No table is at ``source``.
        CorruptTable: The source's metadata cannot be read.
        UnsupportedTableFeature: The source uses a feature that we do not know.
        StorageError: The storage failed while the source was read.
    """
    started = time.monotonic()
    storage = storage or ObjectStorage()
    given = dict(options or {})
    opened = open_source(source, source_format, given, storage, targets=targets)
    wanted = wanted_targets(targets, opened.format_name)
    sync_options = parse_options(SyncOptions, given, "sync.")
    base_path = canonical(target_path, relative_to_cwd=True) if target_path else None
    check_option_keys(given, type(opened), wanted)
    # All before anything is written: a mistake in one target's options must not leave the others converted.
    locations = [target_location(plugin, opened, base_path) for plugin in wanted]
    opened_targets = [
        open_target(plugin, storage, location, given) for plugin, location in zip(wanted, locations, strict=True)
    ]
    # The targets first, the source second: were it the other way round, a sync that read an old source could overwrite
    # one that started later and committed sooner.
    bases = [current(target) for target in opened_targets]
    reader = SourceReader(opened, storage, given, table_name, _known(bases) if sync_options.mode != "full" else ())
    read = reader.snapshot
    reports = tuple(
        TargetSync(target, location, reader, sync_options, on_progress).run(base)
        for target, location, base in zip(opened_targets, locations, bases, strict=True)
    )
    summary = SourceSummary(
        format=read.table.format,
        location=read.table.location,
        version=read.version,
        committed_at=read.committed_at,
        name=read.table.name,
    )
    return ConversionReport(source=summary, targets=reports, seconds=time.monotonic() - started)


def _known(bases: Sequence[Base]) -> list[SyncState]:
    """What former syncs left in the targets, as far as nobody else changed them."""
    tables = [base for base in bases if isinstance(base, TargetTable)]
    return [base.state for base in tables if base.state is not None and base.changed is None]
