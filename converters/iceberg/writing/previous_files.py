"""The files that the target lists already: which of them stay, and which go.

A file that stays keeps the sequence numbers, the snapshot and the row ids that it came with (Iceberg spec, "Manifest
Entry Fields", "Sequence Number Inheritance", "Row Lineage").  Files are found by their paths, a column at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.container import blocks, open_avro
from converters.avro.reader import UndecodableRowsError, decode_rows
from converters.errors import CorruptTable, ObjectNotFound
from converters.iceberg.manifests.avro_schema import flatten
from converters.iceberg.manifests.entry_layout import Origins
from converters.iceberg.manifests.list_reader import DATA, ManifestFile, read_manifest_list
from converters.iceberg.manifests.reader import Entries
from converters.iceberg.metadata.structs import SnapshotJson
from converters.iceberg.partitions.values import partition_values
from converters.model.data_file import data_file_batch, data_file_schema
from converters.model.partition import PartitionSpec
from converters.model.schema import Schema
from converters.storage.base import Storage
from converters.storage.location import canonical_all

__all__ = ["PreviousFiles"]

IntArray = npt.NDArray[np.int64]

_STATUS, _PATH, _FORMAT, _ROWS, _SIZE = "f0", "f100", "f101", "f103", "f104"
_SNAPSHOT, _SEQUENCE, _FILE_SEQUENCE, _FIRST_ROW = "f1", "f3", "f4", "f142"
_COLUMNS = (_STATUS, _PATH, _FORMAT, _ROWS, _SIZE, _SNAPSHOT, _SEQUENCE, _FILE_SEQUENCE, _FIRST_ROW)
_DELETED = 2
_ROWS_PER_BATCH = 20_000
_NO_STATISTICS = Schema(())


class PreviousFiles:
    """The live files of the target's current snapshot."""

    def __init__(self, by_spec: Mapping[int, _SpecFiles]) -> None:
        """Use ``read`` or ``none`` instead."""
        self._by_spec = by_spec

    @classmethod
    def none(cls) -> PreviousFiles:
        """Those of a table without any."""
        return cls({})

    @classmethod
    def read(
        cls, storage: Storage, snapshot: SnapshotJson, schema: Schema, specs: Mapping[int, PartitionSpec]
    ) -> PreviousFiles:
        """Read them.

        Args:
            storage: Where the table lies.
            snapshot: Its current snapshot.
            schema: Its current schema.
            specs: Its partition specs whose fields can be written with the next schema.

        Raises:
            CorruptTable: A manifest is missing or unreadable.
            UnsupportedTableFeature: A manifest is encrypted, or of an unknown kind.
        """
        parts: dict[int, list[pa.Table]] = {}
        for manifest in read_manifest_list(storage, snapshot):
            if manifest.content == DATA:
                spec_id, files = _read(storage, manifest, schema, specs)
                if len(files):
                    parts.setdefault(spec_id, []).append(files)
        return cls({spec_id: _SpecFiles(pa.concat_tables(found)) for spec_id, found in parts.items()})

    def find(self, spec_id: int, batch: pa.RecordBatch) -> tuple[pa.Array, Origins]:
        """Look up files of a spec, and remember that they stay.

        Returns:
            Which files of the batch are there already, unchanged (a boolean a row), and where these come from.
        """
        found = self._by_spec.get(spec_id)
        if found is None:
            return pa.repeat(pa.scalar(value=False), len(batch)), _origins(_EMPTY)
        return found.find(batch)

    def gone(self) -> Iterator[tuple[int, pa.RecordBatch, Origins]]:
        """The files that were looked up by nobody, with their spec, as ``DataFile`` batches without statistics."""
        for spec_id, files in self._by_spec.items():
            for part in files.gone():
                yield spec_id, _data_files(spec_id, part), _origins(part)


class _SpecFiles:
    """The files of one spec, in the order of their paths' hashes."""

    def __init__(self, files: pa.Table) -> None:
        self._files = files.combine_chunks()
        hashes = _hashes(self._files.column("path"))
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]
        self._stays = np.zeros(len(hashes), np.bool_)

    def find(self, batch: pa.RecordBatch) -> tuple[pa.Array, Origins]:
        nearest = np.searchsorted(self._hashes, _hashes(batch.column("path")))
        places = self._order[np.minimum(nearest, len(self._order) - 1)]
        there = self._files.select(["path", "row_count", "size"]).take(places)
        same = pc.equal(there.column("path"), batch.column("path"))
        for name in ("row_count", "size"):
            same = pc.and_(same, pc.equal(there.column(name), batch.column(name)))
        mask: npt.NDArray[np.bool_] = same.to_numpy()
        self._stays[places[mask]] = True
        return pa.array(mask), _origins(self._files.take(places[mask]))

    def gone(self) -> Iterator[pa.Table]:
        left = self._files.filter(pa.array(~self._stays))
        for start in range(0, len(left), _ROWS_PER_BATCH):
            yield left.slice(start, _ROWS_PER_BATCH).combine_chunks()


def _hashes(paths: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    import polars as pl  # noqa: PLC0415 - heavy, and only needed where there is a table already

    hashed: npt.NDArray[np.uint64] = pl.Series(paths).hash().to_numpy()
    return hashed


_ORIGIN_SCHEMA = pa.schema(
    [(name, pa.int64()) for name in ("snapshot_id", "sequence_number", "file_sequence_number", "first_row_id")]
)
_EMPTY = _ORIGIN_SCHEMA.empty_table()


def _origins(files: pa.Table) -> Origins:
    return Origins(*(_chunk(files.column(name)) for name in _ORIGIN_SCHEMA.names))


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _data_files(spec_id: int, files: pa.Table) -> pa.RecordBatch:
    shape = data_file_schema(_NO_STATISTICS, ())
    partition = _chunk(files.column("partition"))
    shape = shape.set(shape.get_field_index("partition"), pa.field("partition", partition.type, nullable=False))
    return data_file_batch(
        shape,
        {
            "path": _chunk(files.column("path")),
            "size": _chunk(files.column("size")),
            "row_count": _chunk(files.column("row_count")),
            "file_format": _chunk(files.column("file_format")),
            "spec_id": pa.repeat(pa.scalar(spec_id, pa.int32()), len(files)),
        },
        {int(field.name): partition.field(place) for place, field in enumerate(partition.type)},
        {},
    )


def _read(
    storage: Storage, manifest: ManifestFile, schema: Schema, specs: Mapping[int, PartitionSpec]
) -> tuple[int, pa.Table]:
    where = f"The manifest '{manifest.path}'"
    try:
        file = open_avro(storage.get(manifest.path), where)
    except ObjectNotFound as error:
        raise CorruptTable(f"{where} does not exist.") from error
    flat = flatten(file.schema, where)
    content = list(blocks(file))
    wanted = [*_COLUMNS, *(column.name for column in flat.columns if column.name[0] in "pq")]
    if any(flat.column(name) is None for name in (_STATUS, _PATH, _FORMAT, _ROWS, _SIZE)):
        raise CorruptTable(f"{where} lacks columns that every manifest has.")
    try:
        rows = sum(count for count, _ in content)
        table = decode_rows(flat, rows, [data for _, data in content], wanted, key=_PATH)
    except UndecodableRowsError as error:
        raise CorruptTable(f"{where} cannot be decoded: {error}.") from error
    table = table.filter(pc.not_equal(table.column(_STATUS), _DELETED)).combine_chunks()
    spec_id = manifest.spec_id if manifest.spec_id is not None else int(file.metadata.get("partition-spec-id", b"0"))
    spec = specs.get(spec_id, PartitionSpec(spec_id))
    return spec_id, pa.table(
        {
            "path": canonical_all(_chunk(table.column(_PATH)).cast(pa.string())),
            "file_format": pc.utf8_upper(_chunk(table.column(_FORMAT)).cast(pa.string())),
            "row_count": table.column(_ROWS).cast(pa.int64()),
            "size": table.column(_SIZE).cast(pa.int64()),
            "snapshot_id": _inherited(table, _SNAPSHOT, manifest.snapshot_id or 0),
            "sequence_number": _inherited(table, _SEQUENCE, manifest.sequence_number),
            "file_sequence_number": _inherited(table, _FILE_SEQUENCE, manifest.sequence_number),
            "first_row_id": _row_ids(table, manifest.first_row_id),
            "partition": _partition(Entries(spec_id, flat, table), spec, schema),
        }
    )


def _inherited(table: pa.Table, name: str, value: int) -> pa.ChunkedArray:
    if name not in table.column_names:
        return pa.chunked_array([pa.repeat(pa.scalar(value, pa.int64()), len(table))])
    return pc.fill_null(table.column(name).cast(pa.int64()), value)


def _row_ids(table: pa.Table, first: int | None) -> pa.Array:
    """Ids of each file's first row: its own, or one file after the other from the manifest's first."""
    known = (
        _chunk(table.column(_FIRST_ROW)).cast(pa.int64())
        if _FIRST_ROW in table.column_names
        else pa.nulls(len(table), pa.int64())
    )
    if first is None or known.null_count == 0:
        return known
    missing = pc.is_null(known).to_numpy(zero_copy_only=False)
    rows = np.where(missing, table.column(_ROWS).to_numpy(), 0)
    return pc.coalesce(known, pa.array(first + np.cumsum(rows) - rows, pa.int64()))


def _partition(entries: Entries, spec: PartitionSpec, schema: Schema) -> pa.Array:
    values = partition_values(entries, spec, schema) if len(entries.table) else {}
    names = [str(field_id) for field_id in values]
    if not names:
        return pa.array([{}] * len(entries.table), pa.struct([]))
    return pa.StructArray.from_arrays(list(values.values()), names)
