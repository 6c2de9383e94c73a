"""Real tables, commit by commit, and an Iceberg table that follows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from converters.delta.source import DeltaSource, DeltaSourceOptions
from converters.formats import Commit, Source
from converters.hudi.source import HudiSource, HudiSourceOptions
from converters.iceberg.target import IcebergTarget, IcebergTargetOptions
from converters.model.change import Change
from converters.storage import ObjectStorage, Storage
from converters.sync.state import SourceMark, SyncState
from tests.changes import Files, change_between, files_of
from tests.corpus import Case, Corpus

__all__ = ["Followed", "follow", "opened"]


class Followed(msgspec.Struct, frozen=True):
    """The target after one commit of the source: which stage that is, what was committed, and its snapshot."""

    stage: int
    change: Change | None
    commit: Commit
    snapshot: int | None


def opened(table_format: str, place: Path) -> Source:
    """A table of the corpus."""
    if table_format == "delta":
        return DeltaSource.open(ObjectStorage(), f"file://{place}", DeltaSourceOptions())
    return HudiSource.open(ObjectStorage(), f"file://{place}", HudiSourceOptions())


def follow(
    corpus: Corpus,
    case: Case,
    root: Path,
    target: Path,
    storage: Storage | None = None,
    *,
    whole: bool = False,
    **options: Any,
) -> Iterator[Followed]:
    """Sync the target after each commit of a table: the first whole, then change by change, or all ``whole``."""
    table = IcebergTarget.open(storage or ObjectStorage(), f"file://{target}", IcebergTargetOptions(**options))
    before: Files | None = None
    for stage in range(1, len(case.stages) + 1):
        source = opened(case.format, corpus.copy(case, root, stage))
        base = table.current()
        snapshot = source.snapshot()
        table.check(snapshot)
        state = SyncState(
            last_instant=snapshot.committed_at,
            source_format=case.format.upper(),
            source_version=snapshot.version,
            mark=SourceMark(table_id="t", fingerprint="f"),
        )
        change = None
        if base is None or before is None or whole:
            commit = table.replace(snapshot, source.data_files(snapshot), state, base)
        else:
            change = change_between(before, source)
            commit = table.advance(change, state, base)
        before = files_of(source)
        after = table.current()
        assert after is not None
        assert (after.state, after.changed) == (state, None)
        yield Followed(stage, change, commit, after.handle.metadata.current_snapshot_id)
