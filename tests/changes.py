"""The change between two states of a table, worked out from whole reads; what a source tells must agree with it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from converters.formats import Source
from converters.model.change import Change

__all__ = ["Files", "change_between", "files_listed", "files_of"]

Files = dict[str, tuple[object, ...]]
"""Live files by path: size, row count and the id of the deletion vector."""


def files_of(source: Source) -> Files:
    """The live files of a source's current snapshot."""
    return files_listed(source.data_files(source.snapshot()))


def change_between(before: Files, source: Source) -> Change:
    """The change from some files to the source's current snapshot."""
    snapshot = source.snapshot()
    batches = list(source.data_files(snapshot))
    after = files_listed(iter(batches))
    changed = pa.array([path for path in after if before.get(path) != after[path]], pa.string())

    def added() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch.filter(pc.is_in(batch.column("path"), value_set=changed))

    return Change(
        snapshot=snapshot,
        added=added,
        removed=pa.chunked_array([[path for path in before if path not in after]], pa.string()),
        adds_only_new=not set(changed.to_pylist()) & set(before),
    )


def files_listed(batches: Iterator[pa.RecordBatch]) -> Files:
    """The files of some batches."""
    found: Files = {}
    for batch in batches:
        rows = batch.select(["path", "size", "row_count", "deletion_vector"]).to_pylist()
        for row in rows:
            vector = row["deletion_vector"]
            found[row["path"]] = (row["size"], row["row_count"], vector and vector["id"])
    return found
