"""The source as one call of ``convert`` sees it: one snapshot, under the wanted name, within the allowed roots."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from converters.formats import Remembering, Source, Target
from converters.model.change import Change
from converters.model.snapshot import Snapshot
from converters.registry import source_prefix, target_prefix
from converters.storage.base import Storage
from converters.sync.state import SourceMark, SyncState

__all__ = ["SourceReader"]

_GENERATION = 1
"""Counted up when a conversion of the same source begins to differ, so that older targets are compared whole."""


class SourceReader:
    """A source, its snapshot, and what of them goes into the targets' states."""

    def __init__(
        self,
        source: Source,
        storage: Storage,
        options: Mapping[str, str],
        table_name: str | None,
        known: Sequence[SyncState] = (),
    ) -> None:
        """Read the snapshot.

        Args:
            source: The table.
            storage: Where it is; its roots bound the data files, too.
            options: All options of the call.
            table_name: Name for the targets; None for the source's own.
            known: What former syncs of the same table left in targets.
        """
        self._source = source
        self._storage = storage
        self._options = options
        self._table_name = table_name
        if isinstance(source, Remembering):
            source.recall(known)
        self.snapshot = self._named(source.snapshot())

    def read_again(self) -> None:
        """Take the newest snapshot."""
        self.snapshot = self._named(self._source.snapshot())

    def notes(self) -> list[str]:
        """See ``Source.notes``."""
        return self._source.notes()

    def data_files(self) -> Iterator[pa.RecordBatch]:
        """All files of the snapshot; see ``Source.data_files``."""
        return self._checked(self._source.data_files(self.snapshot))

    def changes(self, since: SyncState) -> Iterator[Change]:
        """What was committed after a sync and until the snapshot; see ``Source.changes``."""
        for change in self._source.changes(since, self.snapshot):
            yield msgspec.structs.replace(
                change,
                snapshot=self._named(change.snapshot),
                added=lambda each=change: self._checked(each.added()),
            )

    def state(self, snapshot: Snapshot, target: Target) -> SyncState:
        """What a target that equals the snapshot remembers."""
        table = snapshot.table
        prefixes = (source_prefix(type(self._source)), target_prefix(type(target)))
        options = {key: value for key, value in sorted(self._options.items()) if key.startswith(prefixes)}
        carried = {
            "schema": table.schema,
            "specs": table.specs,
            "default-spec": table.default_spec_id,
            "name": table.name,
            "description": table.description,
            "options": options,
        }
        return SyncState(
            last_instant=snapshot.committed_at,
            source_format=table.format,
            source_version=snapshot.version,
            pending_instants=snapshot.pending_instants,
            mark=SourceMark(
                table_id=table.id,
                fingerprint=_digest(carried),
                settings=_digest({"options": options, "generation": _GENERATION}),
                memory=snapshot.memory,
            ),
        )

    def _named(self, snapshot: Snapshot) -> Snapshot:
        table = snapshot.table
        name = self._table_name or table.name or table.location.rpartition("/")[2]
        return msgspec.structs.replace(snapshot, table=msgspec.structs.replace(table, name=name))

    def _checked(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._storage.roots.check_all(batch.column("path"))
            yield batch


def _digest(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:32]
