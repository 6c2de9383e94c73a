"""Manifests: entries grouped by partition, cut into files, compressed and kept until they may be stored.

Nothing reaches the storage from here.  Finished manifests wait in a spool (memory, then a temporary file), so that a
table whose last file is refused leaves no trace; what is not compressed yet is bounded by the window.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import IO, Literal, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.avro_writer import ContainerWriter
from converters.iceberg.manifest_entries import ADDED, DELETED, EXISTING, EntryLayout, Origins, encode_entries
from converters.iceberg.manifest_schema import manifest_schema
from converters.iceberg.metadata import SchemaJson, SpecJson
from converters.iceberg.partition_order import PartitionRanks, PartitionSummary

__all__ = ["ManifestWriter", "WrittenManifest"]

MANIFEST_BYTES = 8 * 2**20
"""Entries to a manifest, in bytes before compression (some twenty thousand files with ten columns)."""

WINDOW_BYTES = 8 * MANIFEST_BYTES
"""Entries that are held, uncompressed, to be ordered by partition."""

_CELLS_PER_SLICE = 200_000
_MEMORY_BYTES = 32 * 2**20
_STATUSES = (ADDED, EXISTING, DELETED)


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
    files: dict[int, int]
    rows: dict[int, int]
    min_sequence_number: int
    partitions: tuple[PartitionSummary, ...]


class Totals(msgspec.Struct):
    """Files, rows and bytes of all entries of one status."""

    files: int = 0
    rows: int = 0
    size: int = 0


class _Chunk(msgspec.Struct, frozen=True):
    """Some entries of a window, and what must be known of them when they are cut into manifests."""

    entries: pa.Array
    partition: pa.Table
    status: npt.NDArray[np.int8]
    rows: npt.NDArray[np.int64]
    sequence: npt.NDArray[np.int64]


class ManifestWriter:
    """Takes a snapshot's entries and makes manifests of them."""

    def __init__(
        self,
        layouts: Mapping[int, EntryLayout],
        schema: SchemaJson,
        specs: Mapping[int, SpecJson],
        snapshot_id: int,
        sequence_number: int,
    ) -> None:
        """Write nothing yet.

        Args:
            layouts: What entries look like, by the target's spec id.
            schema: The target's schema; goes into the headers.
            specs: The target's partition specs; likewise.
            snapshot_id: The snapshot that is being written.
            sequence_number: Its sequence number.
        """
        self._layouts = layouts
        self._schema = schema
        self._specs = specs
        self._snapshot_id = snapshot_id
        self._sequence_number = sequence_number
        self._spool = cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115 - closed by close()
        self._windows: dict[tuple[int, bool], list[_Chunk]] = {}
        self._changed: dict[int, list[pa.Table]] = {}
        self.manifests: list[WrittenManifest] = []
        self.totals = {status: Totals() for status in _STATUSES}

    def add(
        self, batch: pa.RecordBatch, spec_id: int, status: Literal[0, 1, 2], origins: Origins | None = None
    ) -> None:
        """Take files of one spec and one status; ``origins`` as for ``encode_entries``."""
        layout = self._layouts[spec_id]
        step = max(1, _CELLS_PER_SLICE // max(1, len(layout.leaves)))
        window = self._windows.setdefault((spec_id, status == DELETED), [])
        for start in range(0, len(batch), step):
            part = batch.slice(start, step)
            where = None if origins is None else _sliced(origins, start, step)
            window.append(self._chunk(part, layout, status, where))
        total = self.totals[status]
        total.files += len(batch)
        total.rows += pc.sum(batch.column("row_count")).as_py() or 0
        total.size += pc.sum(batch.column("size")).as_py() or 0
        if sum(chunk.entries.nbytes for chunk in window) >= WINDOW_BYTES:
            self._flush(spec_id, deleted=status == DELETED)

    def finish(self) -> None:
        """Write what is still held; afterwards ``manifests`` and ``totals`` are complete."""
        for spec_id, deleted in list(self._windows):
            self._flush(spec_id, deleted=deleted)

    def changed_partitions(self) -> int:
        """How many partitions entries were added to or deleted from."""
        return sum(_distinct(tables) for tables in self._changed.values())

    def data(self, manifest: WrittenManifest) -> bytes:
        """The bytes of a finished manifest."""
        self._spool.seek(manifest.start)
        return self._spool.read(manifest.length)

    def close(self) -> None:
        """Drop the spool."""
        self._spool.close()

    def _chunk(
        self, batch: pa.RecordBatch, layout: EntryLayout, status: Literal[0, 1, 2], origins: Origins | None
    ) -> _Chunk:
        entries = encode_entries(batch, layout, status, self._snapshot_id, origins)
        partition = batch.column("partition")
        columns = {m.member: pc.struct_field(partition, [m.member]) for m in layout.partition}
        sequence = (
            np.full(len(batch), self._sequence_number, np.int64)
            if origins is None
            else origins.sequence_number.to_numpy(zero_copy_only=False)
        )
        rows = batch.column("row_count").to_numpy(zero_copy_only=False)
        return _Chunk(entries, pa.table(columns), np.full(len(batch), status, np.int8), rows, sequence)

    def _flush(self, spec_id: int, *, deleted: bool) -> None:
        chunks = self._windows.pop((spec_id, deleted))
        if not chunks:
            return
        layout = self._layouts[spec_id]
        entries = pa.concat_arrays([chunk.entries for chunk in chunks])
        partition = pa.concat_tables([chunk.partition for chunk in chunks])
        status = np.concatenate([chunk.status for chunk in chunks])
        rows = np.concatenate([chunk.rows for chunk in chunks])
        sequence = np.concatenate([chunk.sequence for chunk in chunks])
        ranks = PartitionRanks(partition, [member.type for member in layout.partition])
        if layout.partition:
            changed = status != EXISTING
            self._changed.setdefault(spec_id, []).append(_first_of_each(partition.filter(pa.array(changed))))
        elif (status != EXISTING).any():
            self._changed.setdefault(spec_id, [])
        order = ranks.order()
        if order is not None:
            entries = entries.take(pa.array(order))
            ranks, status, rows, sequence = ranks.take(order), status[order], rows[order], sequence[order]
        for start, end in _cuts(entries):
            part = slice(start, end)
            self._write(
                spec_id,
                entries[part.start : part.stop],
                status[part],
                rows[part],
                sequence[part],
                ranks.summaries(part),
            )

    def _write(
        self,
        spec_id: int,
        entries: pa.Array,
        status: npt.NDArray[np.int8],
        rows: npt.NDArray[np.int64],
        sequence: npt.NDArray[np.int64],
        partitions: tuple[PartitionSummary, ...],
    ) -> None:
        start = self._spool.seek(0, 2)
        container = ContainerWriter(self._spool, self._header(spec_id))
        container.write(entries)
        live = sequence[status != DELETED]
        self.manifests.append(
            WrittenManifest(
                start=start,
                length=container.size,
                spec_id=spec_id,
                files={each: int((status == each).sum()) for each in _STATUSES},
                rows={each: int(rows[status == each].sum()) for each in _STATUSES},
                min_sequence_number=int(live.min()) if len(live) else self._sequence_number,
                partitions=partitions,
            )
        )

    def _header(self, spec_id: int) -> dict[str, str]:
        layout, spec = self._layouts[spec_id], self._specs[spec_id]
        schema = manifest_schema([(m.field, m.type) for m in layout.partition], layout.format_version)
        return {
            "avro.schema": json.dumps(schema, separators=(",", ":"), ensure_ascii=False),
            "schema": msgspec.json.encode(self._schema).decode(),
            "schema-id": str(self._schema.schema_id),
            "partition-spec": msgspec.json.encode(spec.fields).decode(),
            "partition-spec-id": str(spec_id),
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


def _cuts(entries: pa.Array) -> Iterator[tuple[int, int]]:
    """Cut into parts of about ``MANIFEST_BYTES``, all of about the same size."""
    offsets = np.frombuffer(entries.buffers()[1], np.int32)[entries.offset : entries.offset + len(entries) + 1]
    total = int(offsets[-1]) - int(offsets[0])
    parts = max(1, round(total / MANIFEST_BYTES))
    wanted = [int(offsets[0]) + total * part // parts for part in range(1, parts)]
    edges = [0, *(int(edge) for edge in np.searchsorted(offsets[:-1], wanted)), len(entries)]
    for start, end in pairwise(edges):
        if end > start:
            yield start, end


def _first_of_each(partition: pa.Table) -> pa.Table:
    return partition.group_by(partition.column_names).aggregate([])


def _distinct(tables: list[pa.Table]) -> int:
    return _first_of_each(pa.concat_tables(tables)).num_rows if tables else 1
