"""The conversion of one table: read the targets, read the source, bring each target up to date."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from converters.errors import (
    AmbiguousTable,
    CommitConflict,
    ForeignTarget,
    InvalidOption,
    InvalidRequest,
    SourceTableNotFound,
    TablecastError,
    TargetChanged,
)
from converters.formats import (
    Source,
    Target,
    TargetTable,
    open_target,
    parse_options,
    source_class,
    source_names,
    source_prefix,
    target_class,
    target_names,
    target_prefix,
)
from converters.model.snapshot import Snapshot
from converters.storage.base import Storage
from converters.storage.location import canonical
from converters.storage.object_store import ObjectStorage
from converters.sync.report import ConversionReport, Progress, SourceSummary, TargetError, TargetReport
from converters.sync.state import SourceMark, SyncState

__all__ = ["convert", "open_source"]

_ATTEMPTS = 6
_FIRST_PAUSE = 0.05


class SyncOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``sync.``.

    Attributes:
        on_conflict: ``refuse`` or ``replace`` a target that somebody else wrote or changed.
    """

    on_conflict: str = "refuse"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is not understood.
        """
        if self.on_conflict not in {"refuse", "replace"}:
            msg = "on-conflict must be 'refuse' or 'replace'"
            raise ValueError(msg)


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

    Each target becomes equal to the source's current version in one atomic commit; a target that already is stays
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
    wanted = _wanted(targets, opened.format_name)
    sync_options = parse_options(SyncOptions, given, "sync.")
    base_path = canonical(target_path, relative_to_cwd=True) if target_path else None
    _check_option_keys(given, type(opened), wanted)
    run = _Run(opened, storage, given, sync_options, base_path, table_name, on_progress)
    summary, reports = run.all(wanted)
    return ConversionReport(source=summary, targets=reports, seconds=time.monotonic() - started)


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


def _wanted(targets: Sequence[str], source_format: str) -> list[type[Target]]:
    if not targets:
        msg = "No target format was given."
        raise InvalidRequest(msg, hint="Name at least one.")
    wanted = {target_class(name).format_name: target_class(name) for name in targets}
    wanted.pop(source_format, None)
    if not wanted:
        msg = f"The source's format and the only target's are the same: {source_format}."
        raise InvalidRequest(msg, hint="Name another target format.")
    return list(wanted.values())


def _check_option_keys(given: Mapping[str, str], source: type[Source], targets: Sequence[type[Target]]) -> None:
    prefixes = ["sync.", source_prefix(source)]
    prefixes += [target_prefix(target) for target in targets]
    for key in given:
        if not key.startswith(tuple(prefixes)):
            msg = f"The option '{key[:128]}' does not apply here."
            raise InvalidOption(msg, hint=f"Options here start with: {', '.join(prefixes)}.")


class _Run:
    """One call of ``convert``."""

    def __init__(
        self,
        source: Source,
        storage: Storage,
        options: Mapping[str, str],
        sync_options: SyncOptions,
        target_path: str | None,
        table_name: str | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._source = source
        self._storage = storage
        self._options = options
        self._sync_options = sync_options
        self._target_path = target_path
        self._table_name = table_name
        self._on_progress = on_progress

    def all(self, wanted: Sequence[type[Target]]) -> tuple[SourceSummary, tuple[TargetReport, ...]]:
        locations = [self._location_for(plugin) for plugin in wanted]
        # All before anything is written: a mistake in one target's options must not leave the others converted.
        targets = [
            open_target(plugin, self._storage, location, self._options)
            for plugin, location in zip(wanted, locations, strict=True)
        ]
        # The targets first, the source second: were it the other way round, a sync that read an old source could
        # overwrite one that started later and committed sooner.
        bases = [_current(target) for target in targets]
        snapshot = self._snapshot()
        reports = tuple(
            self._one(target, location, base, snapshot)
            for target, location, base in zip(targets, locations, bases, strict=True)
        )
        summary = SourceSummary(
            format=snapshot.table.format,
            location=snapshot.table.location,
            version=snapshot.version,
            committed_at=snapshot.committed_at,
            name=snapshot.table.name,
        )
        return summary, reports

    def _location_for(self, plugin: type[Target]) -> str:
        default = self._source.location()
        if self._target_path is not None and self._target_path != default:
            return self._target_path
        return self._source.data_location() if plugin.lies_with_data else default

    def _snapshot(self) -> Snapshot:
        snapshot = self._source.snapshot()
        name = self._table_name or snapshot.table.name or snapshot.table.location.rpartition("/")[2]
        return msgspec.structs.replace(snapshot, table=msgspec.structs.replace(snapshot.table, name=name))

    def _one(
        self, target: Target, location: str, base: TargetTable | TablecastError | None, snapshot: Snapshot
    ) -> TargetReport:
        try:
            if isinstance(base, TablecastError):
                raise base
            return self._with_retries(target, location, base, snapshot)
        except TablecastError as error:
            return TargetReport(
                format=target.format_name,
                location=location,
                status="failed",
                error=TargetError.of(error),
            )

    def _with_retries(
        self, target: Target, location: str, base: TargetTable | None, snapshot: Snapshot
    ) -> TargetReport:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._attempt(target, location, base, snapshot)
            except CommitConflict:
                time.sleep(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
                base = target.current()
                snapshot = self._snapshot()
        return self._attempt(target, location, base, snapshot)

    def _attempt(self, target: Target, location: str, base: TargetTable | None, snapshot: Snapshot) -> TargetReport:
        notes = (*self._source.notes(), *target.check(snapshot))
        state = self._state(snapshot, target)
        if base is not None:
            if _is_up_to_date(base, state):
                return TargetReport(
                    format=target.format_name,
                    location=location,
                    status="unchanged",
                    source_version=snapshot.version,
                    metadata_path=base.metadata_path,
                    schema=base.schema_text,
                    version=base.version,
                    notes=notes,
                )
            self._refuse_foreign(target, location, base)
        commit = target.replace(snapshot, self._files(snapshot, target.format_name), state, base)
        return TargetReport(
            format=target.format_name,
            location=location,
            status="synced",
            mode="full",
            reason="first sync" if base is None or base.state is None else "the source has changed",
            source_version=snapshot.version,
            metadata_path=commit.metadata_path,
            schema=commit.schema_text,
            version=commit.version,
            commits=1,
            files_added=commit.files_added,
            files_removed=commit.files_removed,
            notes=notes,
        )

    def _state(self, snapshot: Snapshot, target: Target) -> SyncState:
        prefixes = (source_prefix(type(self._source)), target_prefix(type(target)))
        carried = {
            "schema": snapshot.table.schema,
            "specs": snapshot.table.specs,
            "default-spec": snapshot.table.default_spec_id,
            "name": snapshot.table.name,
            "description": snapshot.table.description,
            "options": {key: value for key, value in sorted(self._options.items()) if key.startswith(prefixes)},
        }
        digest = hashlib.sha256(msgspec.json.encode(carried, order="sorted")).hexdigest()
        return SyncState(
            last_instant=snapshot.committed_at,
            source_format=snapshot.table.format,
            source_version=snapshot.version,
            pending_instants=snapshot.pending_instants,
            mark=SourceMark(table_id=snapshot.table.id, fingerprint=digest[:32]),
        )

    def _refuse_foreign(self, target: Target, location: str, base: TargetTable) -> None:
        if self._sync_options.on_conflict == "replace":
            return
        hint = "Convert to another path, or replace it (sync.on-conflict=replace)."
        if base.state is None:
            msg = f"The {target.format_name} table at '{location}' was not written by a conversion."
            raise ForeignTarget(msg, hint=hint)
        if base.changed is not None:
            msg = f"The {target.format_name} table at '{location}' was changed since the last sync: {base.changed}."
            raise TargetChanged(msg, hint=hint)

    def _files(self, snapshot: Snapshot, target_format: str) -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in self._source.data_files(snapshot):
            self._storage.roots.check_all(batch.column("path"))
            yield batch
            done += len(batch)
            if self._on_progress is not None:
                self._on_progress(Progress(target=target_format, files_done=done, files_total=snapshot.file_count))


def _current(target: Target) -> TargetTable | TablecastError | None:
    """What is at a target, or why that cannot be read, which concerns no other target."""
    try:
        return target.current()
    except TablecastError as error:
        return error


def _is_up_to_date(base: TargetTable, state: SyncState) -> bool:
    if base.state is None or base.changed is not None:
        return False
    same = (base.state.source_format, base.state.source_version) == (state.source_format, state.source_version)
    # A commit that was running then may have ended since without becoming the newest.
    same = same and base.state.pending_instants == state.pending_instants
    # A state that XTable wrote has no mark: its version is all there is to compare.
    return same and base.state.mark in {None, state.mark}
