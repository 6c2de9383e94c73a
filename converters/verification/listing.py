"""The live files of two tables, brought together by path without holding either table in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.model.data_file import rows_per_batch
from converters.model.snapshot import Snapshot
from converters.storage.roots import Roots

__all__ = ["Listing", "Part", "parts_for", "together"]

_MOST_PARTS = 64  # as many files are open at once, for each table
_PARTS_IF_UNKNOWN = 16


class Listing:
    """The live files of one table in parts by path, on disk where there are several."""

    def __init__(self, shape: pa.Schema | None, parts: list[list[pa.RecordBatch]] | list[Path], files: int) -> None:
        self._shape = shape
        self._parts = parts
        self.files = files

    @classmethod
    def of(cls, batches: Iterable[pa.RecordBatch], parts: int, directory: Path, roots: Roots) -> Listing:
        """Take in ``DataFile`` batches.

        Args:
            batches: All of one shape.
            parts: How many parts to make.
            directory: An empty directory for them.
            roots: Where the files may lie.
        """
        if parts == 1:
            held: list[pa.RecordBatch] = []
            for batch in batches:
                roots.check_all(batch.column("path"))
                held.append(batch)
            return cls(held[0].schema if held else None, [held], sum(map(len, held)))
        paths = [directory / f"{number}.arrow" for number in range(parts)]
        shape, files, writers = None, 0, list[pa.RecordBatchStreamWriter]()
        try:
            for batch in batches:
                roots.check_all(batch.column("path"))
                if shape is None:
                    shape = batch.schema
                    options = pa.ipc.IpcWriteOptions(compression="lz4")
                    writers += [pa.ipc.new_stream(str(path), shape, options=options) for path in paths]
                files += len(batch)
                numbers = _part_numbers(batch.column("path"), parts)
                for number, writer in enumerate(writers):
                    writer.write_batch(batch.filter(pc.equal(numbers, number)))
        finally:
            for writer in writers:
                writer.close()
        return cls(shape, paths if shape is not None else [[] for _ in paths], files)

    def part(self, number: int) -> pa.RecordBatch | None:
        """One part as one batch; None where the table has no file at all."""
        if self._shape is None:
            return None
        held = self._parts[number]
        if isinstance(held, Path):
            with pa.ipc.open_stream(str(held)) as reader:
                held = list(reader)
        table = pa.Table.from_batches(held, self._shape).combine_chunks()
        batches = table.to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], self._shape)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All files."""
        for number in range(len(self._parts)):
            part = self.part(number)
            if part is not None:
                yield part


class Part(msgspec.Struct, frozen=True):
    """Files of the source and of the target, brought together.

    Attributes:
        source: The files that both have, as the source says them; None where a table has no files.
        target: The same files in the same order, as the target says them.
        missing: Paths of the source's files that the target does not have.
        extra: Paths of the target's files that the source does not have.
        repeated: Paths that the target has more than once.
    """

    source: pa.RecordBatch | None
    target: pa.RecordBatch | None
    missing: pa.Array
    extra: pa.Array
    repeated: pa.Array


def parts_for(snapshot: Snapshot) -> int:
    """In how many parts the files of a table should be compared, so that a part is no more than a batch."""
    if snapshot.file_count is None:
        return _PARTS_IF_UNKNOWN
    return min(_MOST_PARTS, 1 + snapshot.file_count // rows_per_batch(snapshot.table.schema))


def together(source: Listing, target: Listing, parts: int) -> Iterator[Part]:
    """Bring two listings of equally many parts together."""
    for number in range(parts):
        yield _together(source.part(number), target.part(number))


def _together(source: pa.RecordBatch | None, target: pa.RecordBatch | None) -> Part:
    none = pa.array([], pa.string())
    ours = none if source is None else source.column("path")
    theirs = none if target is None else target.column("path")
    counted = pc.value_counts(theirs)
    repeated = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    places = pc.index_in(ours, value_set=theirs)
    found = pc.is_valid(places)
    return Part(
        source=None if source is None or target is None else source.filter(found),
        target=None if source is None or target is None else target.take(places.drop_null()),
        missing=ours.filter(pc.invert(found)),
        extra=theirs.filter(pc.invert(pc.is_in(theirs, value_set=ours))),
        repeated=repeated,
    )


def _part_numbers(paths: pa.Array, parts: int) -> pa.Array:
    import polars as pl  # noqa: PLC0415 - heavy

    series = pl.from_arrow(paths)
    assert isinstance(series, pl.Series)
    return (series.hash() % parts).cast(pl.UInt32).to_arrow()
