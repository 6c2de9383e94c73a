"""Manifests: entries grouped by partition and cut into files.

Finished manifests go to a spool; what is not finished yet is bounded by the window.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.writer import record_blocks
from converters.iceberg.manifests.entries import encode_entries
from converters.iceberg.manifests.entry_layout import (
    ADDED,
    DELETED,
    EXISTING,
    EntryLayout,
    Origins,
    Status,
    partition_column,
)
from converters.iceberg.manifests.list_reader import DATA
from converters.iceberg.manifests.schemas import manifest_schema
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.metadata.structs import SchemaJson, SpecJson
from converters.iceberg.partitions.order import PartitionRanks, PartitionSummary
from converters.iceberg.writing.summary import Count

__all__ = ["MANIFEST_BYTES", "ManifestWriter"]

MANIFEST_BYTES = 8 * 2**20
"""Entries to a manifest, in bytes before compression (some twenty thousand files with ten columns)."""

WINDOW_BYTES = 8 * MANIFEST_BYTES
"""Entries that are held, uncompressed, to be ordered by partition."""

_CELLS_PER_SLICE = 50_000
_MOST_CELLS_PER_SLICE = 500_000
_ENOUGH_ROWS = 500
_STATUSES: tuple[Status, ...] = (ADDED, EXISTING, DELETED)

IntArray = npt.NDArray[np.int64]


class _Chunk(msgspec.Struct, frozen=True):
    """Some entries of a window, in the order of their partitions, and what must be known of them."""

    entries: pa.Array
    partition: pa.Table
    status: Status
    rows: IntArray
    sequence: IntArray

    def part(self, place: slice) -> _Chunk:
        """Some of them."""
        length = place.stop - place.start
        return _Chunk(
            self.entries.slice(place.start, length),
            self.partition.slice(place.start, length),
            self.status,
            self.rows[place],
            self.sequence[place],
        )


class _Window(msgspec.Struct, frozen=True):
    """Entries of one spec that are not written yet."""

    layout: EntryLayout
    chunks: list[_Chunk]


class ManifestWriter:
    """Takes a snapshot's entries of one kind and makes manifests of them.

    Attributes:
        totals: What was taken so far, by status.
    """

    def __init__(
        self,
        spool: ManifestSpool,
        schema: SchemaJson,
        specs: Mapping[int, SpecJson],
        content: int = DATA,
        touched: dict[int, list[pa.Table]] | None = None,
    ) -> None:
        """Write nothing yet.

        Args:
            spool: Where finished manifests go.
            schema: The target's schema; goes into the headers.
            specs: The target's partition specs; likewise.
            content: ``DATA`` or ``DELETES``.
            touched: Collects the partitions that are changed, by spec; for writers that count them together.
        """
        self._touched = {} if touched is None else touched
        self._spool = spool
        self._schema = schema
        self._specs = specs
        self._content = content
        self._windows: dict[tuple[int, bool], _Window] = {}
        self.totals = {status: Count() for status in _STATUSES}

    def add(self, batch: pa.RecordBatch, layout: EntryLayout, status: Status, origins: Origins | None = None) -> None:
        """Take files of one spec and one status; ``origins`` as for ``encode_entries``."""
        if len(batch) == 0:
            return
        step = _rows_per_slice(len(layout.leaves))
        key = (layout.spec_id, status == DELETED)
        window = self._windows.setdefault(key, _Window(layout, []))
        for start in range(0, len(batch), step):
            part = batch.slice(start, step)
            where = None if origins is None else _sliced(origins, start, step)
            window.chunks.append(self._chunk(part, layout, status, where))
        self._count(batch, status)
        if sum(chunk.entries.nbytes for chunk in window.chunks) >= WINDOW_BYTES:
            self._flush(self._windows.pop(key))

    def forget(self, batch: pa.RecordBatch) -> None:
        """Count files as deleted that no entry can be written for, as their partition cannot be told any more."""
        self._count(batch, DELETED)

    def finish(self) -> None:
        """Write what is still held."""
        for window in self._windows.values():
            self._flush(window)
        self._windows.clear()

    def changed_partitions(self) -> int:
        """How many partitions entries were added to or deleted from."""
        return sum(max(1, _distinct(tables).num_rows) for tables in self._touched.values())

    def _count(self, batch: pa.RecordBatch, status: Status) -> None:
        sizes = batch.column("size" if self._content == DATA else "content_size")
        self.totals[status].add(len(batch), pc.sum(batch.column("row_count")).as_py() or 0, pc.sum(sizes).as_py() or 0)

    def _chunk(self, batch: pa.RecordBatch, layout: EntryLayout, status: Status, origins: Origins | None) -> _Chunk:
        entries = encode_entries(batch, layout, status, self._spool.snapshot_id, origins)
        partition = pa.table({str(member.field.id): partition_column(batch, member) for member in layout.partition})
        sequence = (
            np.full(len(batch), self._spool.sequence_number, np.int64)
            if origins is None
            else _integers(origins.sequence_number)
        )
        rows = _integers(batch.column("row_count"))
        order = PartitionRanks(partition, [member.type for member in layout.partition]).order()
        if order is not None:
            entries, partition, sequence, rows = (
                entries.take(order),
                partition.take(order),
                sequence[order],
                rows[order],
            )
        return _Chunk(entries, partition, status, rows, sequence)

    def _flush(self, window: _Window) -> None:
        chunks, layout = window.chunks, window.layout
        partition = pa.concat_tables([chunk.partition for chunk in chunks])
        ranks = PartitionRanks(partition, [member.type for member in layout.partition])
        order = ranks.order()
        # Every chunk is in order, so what a manifest takes of it is a slice: rows are copied no second time.
        numbers = _numbered(np.concatenate([_lengths(chunk.entries) for chunk in chunks]), order)
        starts = np.cumsum([0, *(len(chunk.entries) for chunk in chunks)])
        for number in range(int(numbers.max()) + 1):
            parts: list[_Chunk] = []
            for chunk, start in zip(chunks, starts, strict=False):
                edges = np.searchsorted(numbers[start : start + len(chunk.entries)], [number, number + 1])
                if edges[0] < edges[1]:
                    parts.append(chunk.part(slice(*edges)))
            self._write(layout, parts, ranks.summaries(numbers == number))
        changed = [chunk.partition for chunk in chunks if chunk.status != EXISTING]
        if changed:
            self._touched.setdefault(layout.spec_id, []).append(_distinct(changed))

    def _write(self, layout: EntryLayout, parts: list[_Chunk], partitions: tuple[PartitionSummary, ...]) -> None:
        files: dict[Status, int] = dict.fromkeys(_STATUSES, 0)
        rows: dict[Status, int] = dict.fromkeys(_STATUSES, 0)
        lowest: list[int] = []
        for part in parts:
            files[part.status] += len(part.entries)
            rows[part.status] += int(part.rows.sum())
            if part.status != DELETED:
                lowest.append(int(part.sequence.min()))
        self._spool.write(
            self._header(layout),
            (block for part in parts for block in record_blocks(part.entries)),
            spec_id=layout.spec_id,
            files=(files[ADDED], files[EXISTING], files[DELETED]),
            rows=(rows[ADDED], rows[EXISTING], rows[DELETED]),
            min_sequence_number=min(lowest, default=self._spool.sequence_number),
            partitions=partitions,
            kind=self._content,
        )

    def _header(self, layout: EntryLayout) -> dict[str, str]:
        spec = self._specs[layout.spec_id]
        fields = [(member.field, member.type) for member in layout.partition]
        schema = manifest_schema(fields, layout.format_version, self._content)
        return {
            "avro.schema": msgspec.json.encode(schema).decode(),
            "schema": msgspec.json.encode(self._schema).decode(),
            "schema-id": str(self._schema.schema_id),
            "partition-spec": msgspec.json.encode(spec.fields).decode(),
            "partition-spec-id": str(spec.spec_id),
            "format-version": str(layout.format_version),
            "content": "data" if self._content == DATA else "deletes",
        }


def _sliced(origins: Origins, start: int, length: int) -> Origins:
    return Origins(
        origins.snapshot_id.slice(start, length),
        origins.sequence_number.slice(start, length),
        origins.file_sequence_number.slice(start, length),
        origins.first_row_id.slice(start, length),
    )


def _rows_per_slice(columns: int) -> int:
    """As many files as are encoded fastest at once: their bytes in the cache, and not a few bytes to each column."""
    few, most = _CELLS_PER_SLICE // max(1, columns), _MOST_CELLS_PER_SLICE // max(1, columns)
    return max(1, few, min(_ENOUGH_ROWS, most))


def _integers(values: pa.Array) -> IntArray:
    found: IntArray = values.to_numpy(zero_copy_only=False)
    return found


def _lengths(entries: pa.Array) -> IntArray:
    return _integers(pc.binary_length(entries)).astype(np.int64)


def _numbered(lengths: IntArray, order: IntArray | None) -> IntArray:
    """Which manifest each entry goes to: parts of about ``MANIFEST_BYTES``, all about as large, in this order."""
    ends = np.cumsum(lengths if order is None else lengths[order])
    parts = max(1, round(int(ends[-1]) / MANIFEST_BYTES))
    numbers = np.minimum((ends - 1) * parts // int(ends[-1]), parts - 1)
    _, numbers = np.unique(numbers, return_inverse=True)
    if order is None:
        return numbers
    placed = np.empty_like(numbers)
    placed[order] = numbers
    return placed


def _distinct(tables: list[pa.Table]) -> pa.Table:
    found = pa.concat_tables(tables)
    if not found.num_columns:
        return found.slice(0, 1)
    if found.num_columns == 1:
        return pa.table({found.column_names[0]: pc.unique(found.column(0))})
    return found.group_by(found.column_names).aggregate([])
