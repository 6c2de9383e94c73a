"""A table whose Hudi target is brought along change by change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from converters.formats import Commit, Source, TargetTable
from converters.hudi.target import HudiTarget, HudiTargetOptions
from converters.storage import ObjectStorage
from converters.storage.base import Storage
from converters.sync.detection import open_source
from converters.sync.state import SourceMark, SyncState
from tests.changes import Files, change_between, files_of

__all__ = ["Steps"]


class Steps:
    """The source in a directory, its target in the same (or in ``to``), and what was synced last."""

    def __init__(self, directory: Path, source_format: str = "delta", to: Path | None = None, **options: Any) -> None:
        self.directory = directory
        self._format = source_format
        self._location = f"file://{to or directory}"
        self._options = HudiTargetOptions(**options)
        self._before: Files = {}

    def replace(self) -> Commit:
        """Compare all files."""
        source = self._source()
        snapshot = source.snapshot()
        target = self.target()
        target.check(snapshot)
        commit = target.replace(snapshot, source.data_files(snapshot), self._state(source), target.current())
        self.was_done()
        return commit

    def advance(self, storage: Storage | None = None, base: TargetTable | None = None) -> Commit:
        """Apply what has changed since the last sync."""
        commit = self.advancing(storage, base)()
        self.was_done()
        return commit

    def advancing(self, storage: Storage | None = None, base: TargetTable | None = None) -> Callable[[], Commit]:
        """The same, to be done later; ``was_done`` must follow."""
        source = self._source()
        change = change_between(self._before, source)
        target = self.target(storage)
        target.check(change.snapshot)

        def one() -> Commit:
            found = base or target.current()
            assert found is not None
            return target.advance(change, self._state(source), found)

        return one

    def was_done(self) -> None:
        """The target equals the source now, whoever brought it there."""
        self._before = files_of(self._source())

    def current(self) -> TargetTable:
        """What is at the target."""
        found = self.target().current()
        assert found is not None
        return found

    def target(self, storage: Storage | None = None) -> HudiTarget:
        """The target."""
        return HudiTarget.open(storage or ObjectStorage(), self._location, self._options)

    def _source(self) -> Source:
        return open_source(str(self.directory), self._format, {}, ObjectStorage())

    def _state(self, source: Source) -> SyncState:
        snapshot = source.snapshot()
        mark = SourceMark(table_id=snapshot.table.id, fingerprint=str(snapshot.table.schema))
        return SyncState(
            last_instant=snapshot.committed_at,
            source_format=self._format.upper(),
            source_version=snapshot.version,
            mark=mark,
        )
