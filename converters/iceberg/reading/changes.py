"""What was committed to an Iceberg table, snapshot by snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, FullSyncNeeded
from converters.iceberg.manifests.list_reader import DATA
from converters.iceberg.manifests.path_filter import PathFilter
from converters.iceberg.manifests.reader import Entries
from converters.iceberg.metadata.history import has_name_mapping
from converters.iceberg.metadata.lineage import steps_between
from converters.iceberg.metadata.structs import SnapshotJson
from converters.iceberg.metadata.view import View, describe, read_former_view, snapshot_number
from converters.iceberg.reading.difference import Difference
from converters.iceberg.reading.live_files import live_files, partition_keys, row_deletes, with_vectors
from converters.model.change import Change
from converters.model.snapshot import FieldIds, Snapshot
from converters.storage.base import Storage

if TYPE_CHECKING:
    import polars as pl

    from converters.iceberg.row_deletes.vectors import RowDeletes

__all__ = ["read_changes"]


def read_changes(storage: Storage, since: str, view: View, until: Snapshot, *, may_read_data: bool) -> Iterator[Change]:
    """The changes from one version to a state; see ``converters.formats.Source.changes``.

    Args:
        storage: Where the table is.
        since: The version to start from.
        view: The state to arrive at.
        until: The same, as targets see it.
        may_read_data: Whether data files may be read, to resolve equality deletes.
    """
    try:
        first = snapshot_number(since)
    except ValueError as error:
        raise FullSyncNeeded(f"'{since[:64]}' is no snapshot") from error
    before: View | None = None
    for step in steps_between(view.loaded.metadata, first, snapshot_number(until.version)):
        if before is None and step.before is not None:
            before = _view_before(storage, view, step.before)
        after, snapshot = view, until
        if step.after is not None and str(step.after.snapshot_id) != until.version:
            after = read_former_view(storage, view.loaded, step.after)
            snapshot = describe(after, _field_ids(after))
        yield _Step(storage, before, after, snapshot, may_read_data=may_read_data).change()
        before = after


def _view_before(storage: Storage, view: View, snapshot: SnapshotJson) -> View:
    try:
        return read_former_view(storage, view.loaded, snapshot)
    except CorruptTable as error:
        raise FullSyncNeeded(
            f"the snapshot {snapshot.snapshot_id} cannot be read any more ({error.message.rstrip('.')})"
        ) from error


def _field_ids(view: View) -> FieldIds:
    if not has_name_mapping(view.loaded.metadata):
        return "all"
    if not view.has_stable_names:
        raise FullSyncNeeded("columns were renamed, and only the data files tell which of them have field ids")
    return "unknown"


class _Files(msgspec.Struct, frozen=True):
    """Paths of the files that a change adds or changes.

    Attributes:
        listed: Those in manifests that are new.
        all_listed: Whether these are all that are in such manifests.
        kept: Those in other manifests.
        by_value: Those among them that only equality deletes may concern: their rows tell.
    """

    listed: pa.Array
    all_listed: bool
    kept: pa.Array
    by_value: pa.Array


class _Step:
    """From one state to the next."""

    def __init__(
        self, storage: Storage, before: View | None, after: View, snapshot: Snapshot, *, may_read_data: bool
    ) -> None:
        self._storage = storage
        self._before = before
        self._after = after
        self._snapshot = snapshot
        self._may_read_data = may_read_data
        self._difference = Difference(storage, before, after)

    def change(self) -> Change:
        import polars as pl  # noqa: PLC0415 - heavy

        difference = self._difference
        added, listed = difference.added["path"], difference.listed["path"]
        named = by_value = pl.Series([], dtype=pl.String)
        if difference.concerns_deletes and not difference.is_first:
            from converters.iceberg.row_deletes.concerned import concerned_paths  # noqa: PLC0415 - only with deletes

            named, by_value = concerned_paths(self._storage, difference, partition_keys(self._after))
        removed = pl.Series(difference.removed, dtype=pl.String)
        wanted = pl.concat([added, named, by_value]).unique()
        wanted = wanted.filter(~wanted.is_in(removed.implode()))
        files = _Files(
            listed=_arrow(wanted.filter(wanted.is_in(listed.implode()))),
            all_listed=len(added) == len(listed),
            kept=_arrow(wanted.filter(~wanted.is_in(listed.implode()))),
            by_value=_arrow(by_value.filter(~by_value.is_in(added.implode()))),
        )
        return Change(
            snapshot=self._snapshot,
            added=lambda: self._added(files),
            removed=difference.removed,
            adds_only_new=difference.is_first,
        )

    def _added(self, files: _Files) -> Iterator[pa.RecordBatch]:
        difference, table = self._difference, self._snapshot.table
        if len(files.listed):
            only = None if files.all_listed else PathFilter(files.listed)
            for entries, batch in live_files(self._storage, difference.only_after(DATA), table, only):
                yield from self._told(entries, batch, files)
        if len(files.kept):
            seen: set[str] = set()
            for entries, batch in live_files(self._storage, difference.kept(DATA), table, PathFilter(files.kept)):
                for path in batch.column("path").to_pylist():
                    if path in seen:
                        raise FullSyncNeeded(f"the data file '{path}' is listed twice")
                    seen.add(path)
                yield from self._told(entries, batch, files)

    def _told(self, entries: Entries, batch: pa.RecordBatch, files: _Files) -> Iterator[pa.RecordBatch]:
        """A batch with its vectors, without the files that equality deletes turned out not to concern."""
        told = with_vectors(entries, batch, self._deletes)
        doubtful = pc.is_in(batch.column("path"), value_set=files.by_value)
        if pc.any(doubtful).as_py():
            part = Entries(entries.spec_id, entries.schema, entries.table.filter(doubtful).combine_chunks())
            former = with_vectors(part, batch.filter(doubtful), self._deletes_before)
            same = pc.equal(_vector_ids(former), _vector_ids(told.filter(doubtful)))
            unchanged = former.column("path").filter(same)
            told = told.filter(pc.invert(pc.is_in(told.column("path"), value_set=unchanged)))
        if len(told):
            yield told

    @cached_property
    def _deletes(self) -> RowDeletes | None:
        """The deletes that may apply to files of this change: those before it are older than files that it adds."""
        difference = self._difference
        newest = max((manifest.sequence_number for manifest in self._after.deletes), default=-1)
        oldest = difference.added["sequence"].min()
        if not difference.concerns_deletes and (oldest is None or cast("int", oldest) > newest):
            return None
        return row_deletes(self._storage, self._after, may_read_data=self._may_read_data)

    @cached_property
    def _deletes_before(self) -> RowDeletes | None:
        if self._before is None:
            return None
        return row_deletes(self._storage, self._before, may_read_data=self._may_read_data)


def _vector_ids(batch: pa.RecordBatch) -> pa.Array:
    return pc.fill_null(pc.struct_field(batch.column("deletion_vector"), "id"), "")


def _arrow(paths: pl.Series) -> pa.Array:
    return paths.to_arrow().cast(pa.string())
