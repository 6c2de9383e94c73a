"""Manifests: entries grouped by partition, cut into files, compressed and kept until they may be stored.

Nothing reaches the storage from here.  Finished manifests wait in a spool (memory, then a temporary file), so that a
table whose last file is refused leaves no trace; what is not compressed yet is bounded by the window.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import IO, Self, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.writer import ContainerWriter
from converters.errors import StorageError
from converters.iceberg.entry_layout import ADDED, DELETED, EXISTING, EntryLayout, Origins, Status, partition_column
from converters.iceberg.manifest_entries import encode_entries
from converters.iceberg.manifest_schema import manifest_schema
from converters.iceberg.metadata import SchemaJson, SpecJson
from converters.iceberg.partition_order import PartitionRanks, PartitionSummary

__all__ = ["ManifestWriter", "WrittenManifest"]

MANIFEST_BYTES = 8 * 2**20
"""Entries to a manifest, in bytes before compression (some twenty thousand files with ten columns)."""

WINDOW_BYTES = 8 * MANIFEST_BYTES
"""Entries that are held, uncompressed, to be ordered by partition."""

_CELLS_PER_SLICE = 50_000
_MOST_CELLS_PER_SLICE = 500_000
_ENOUGH_ROWS = 500
_MEMORY_BYTES = 32 * 2**20
_STATUSES: tuple[Status, ...] = (ADDED, EXISTING, DELETED)

IntArray = npt.NDArray[np.int64]


class WrittenManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A finished manifest in the spool.

    Attributes:
        start: Where it starts in the spool.
        length: Its bytes.
        spec_id: The partition spec of its entries.
        files: How many entries, by status.
        rows: How many rows these have, by status.
        min_sequence_number: The lowest data sequence number of a live entry.
        partitions: A summary for each partition field.
    """

    start: int
    length: int
    spec_id: int
    files: dict[Status, int]
    rows: dict[Status, int]
    min_sequence_number: int
    partitions: tuple[PartitionSummary, ...]


class Totals(msgspec.Struct):
    """Files, rows and bytes of all entries of one status."""

    files: int = 0
    rows: int = 0
    size: int = 0


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
    """Takes a snapshot's entries and makes manifests of them; to be used in a ``with`` statement."""

    def __init__(
        self,
        schema: SchemaJson,
        specs: Mapping[int, SpecJson],
        snapshot_id: int,
        sequence_number: int,
    ) -> None:
        """Write nothing yet.

        Args:
            schema: The target's schema; goes into the headers.
            specs: The target's partition specs; likewise.
            snapshot_id: The snapshot that is being written.
            sequence_number: Its sequence number.
        """
        self._schema = schema
        self._specs = specs
        self._snapshot_id = snapshot_id
        self._sequence_number = sequence_number
        self._spool = cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115 - closed on exit
        self._windows: dict[tuple[int, bool], _Window] = {}
        self._changed: dict[int, list[pa.Table]] = {}
        self.manifests: list[WrittenManifest] = []
        self.totals = {status: Totals() for status in _STATUSES}

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
        """Write what is still held; afterwards ``manifests`` and ``totals`` are complete."""
        for window in self._windows.values():
            self._flush(window)
        self._windows.clear()

    def changed_partitions(self) -> int:
        """How many partitions entries were added to or deleted from."""
        return sum(max(1, _distinct(tables).num_rows) for tables in self._changed.values())

    def data(self, manifest: WrittenManifest) -> bytes:
        """The bytes of a finished manifest."""
        with _spooling():
            self._spool.seek(manifest.start)
            return self._spool.read(manifest.length)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the spool."""
        self._spool.close()

    def _count(self, batch: pa.RecordBatch, status: Status) -> None:
        total = self.totals[status]
        total.files += len(batch)
        total.rows += pc.sum(batch.column("row_count")).as_py() or 0
        total.size += pc.sum(batch.column("size")).as_py() or 0

    def _chunk(self, batch: pa.RecordBatch, layout: EntryLayout, status: Status, origins: Origins | None) -> _Chunk:
        entries = encode_entries(batch, layout, status, self._snapshot_id, origins)
        partition = pa.table({str(member.field.id): partition_column(batch, member) for member in layout.partition})
        sequence = (
            np.full(len(batch), self._sequence_number, np.int64)
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
            self._changed.setdefault(layout.spec_id, []).append(_distinct(changed))

    def _write(self, layout: EntryLayout, parts: list[_Chunk], partitions: tuple[PartitionSummary, ...]) -> None:
        with _spooling():
            start = self._spool.seek(0, 2)
            container = ContainerWriter(self._spool, self._header(layout))
            for part in parts:
                container.write(part.entries)
        files: dict[Status, int] = dict.fromkeys(_STATUSES, 0)
        rows: dict[Status, int] = dict.fromkeys(_STATUSES, 0)
        lowest: list[int] = []
        for part in parts:
            files[part.status] += len(part.entries)
            rows[part.status] += int(part.rows.sum())
            if part.status != DELETED:
                lowest.append(int(part.sequence.min()))
        self.manifests.append(
            WrittenManifest(
                start=start,
                length=container.size,
                spec_id=layout.spec_id,
                files=files,
                rows=rows,
                min_sequence_number=min(lowest, default=self._sequence_number),
                partitions=partitions,
            )
        )

    def _header(self, layout: EntryLayout) -> dict[str, str]:
        spec = self._specs[layout.spec_id]
        schema = manifest_schema([(m.field, m.type) for m in layout.partition], layout.format_version)
        return {
            "avro.schema": msgspec.json.encode(schema).decode(),
            "schema": msgspec.json.encode(self._schema).decode(),
            "schema-id": str(self._schema.schema_id),
            "partition-spec": msgspec.json.encode(spec.fields).decode(),
            "partition-spec-id": str(spec.spec_id),
            "format-version": str(layout.format_version),
            "content": "data",
        }


def _sliced(origins: Origins, start: int, length: int) -> Origins:
    return Origins(
        origins.snapshot_id.slice(start, length),
        origins.sequence_number.slice(start, length),
        origins.file_sequence_number.slice(start, length),
        origins.first_row_id.slice(start, length),
    )


@contextmanager
def _spooling() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Manifests cannot be kept in the temporary directory '{tempfile.gettempdir()}': {error.strerror}.",
            hint="Make room there, or set TMPDIR to another directory.",
        ) from error


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
