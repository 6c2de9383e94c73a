"""One deletion vector for each data file, whatever kinds of deletes there are (Iceberg spec, "Scan Planning")."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64

from converters.deletes.blob import blob_of, positions_in
from converters.deletes.reader import read_blobs
from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.iceberg.manifests.reader import SEQUENCE, Entries
from converters.iceberg.partitions.keys import PartitionKeys
from converters.iceberg.row_deletes.delete_files import EQUALITY, POSITION, VECTOR, of_kind
from converters.iceberg.row_deletes.equality_deletes import DataFileRows, EqualityDeletes
from converters.iceberg.row_deletes.key_columns import KeyColumns
from converters.iceberg.row_deletes.position_deletes import PositionDeletes
from converters.model.deletion_vector import DELETION_VECTOR
from converters.storage.base import Storage

__all__ = ["RowDeletes"]


class RowDeletes:
    """The deleted rows of one snapshot."""

    def __init__(self, storage: Storage, files: pa.Table, keys: PartitionKeys, columns: KeyColumns | None) -> None:
        """Take the delete files.

        Args:
            storage: Where they are.
            files: As ``read_delete_files`` returns them.
            keys: Of the table.
            columns: Of the table; None where data files may not be read.

        Raises:
            UnsupportedTableFeature: There are equality deletes, and data files may not be read.
        """
        self._storage = storage
        self._keys = keys
        vectors = of_kind(files, VECTOR).select(["referenced", "path", "sequence", "offset", "length", "rows"])
        self._vectors = pl.DataFrame(
            vectors.rename_columns(["path", "puffin", "vector_sequence", "offset", "length", "rows"])
        )
        self._positions = PositionDeletes(storage, of_kind(files, POSITION))
        equality = of_kind(files, EQUALITY)
        if columns is None:
            _refuse(equality)
        self._equality = None if columns is None or not len(equality) else EqualityDeletes(equality, keys, columns)

    def vectors(self, entries: Entries, batch: pa.RecordBatch) -> pa.Array:
        """The deletion vectors of data files.

        Args:
            entries: The data files as their manifests have them.
            batch: The same as a ``DataFile`` batch.

        Returns:
            As the column ``deletion_vector``.

        Raises:
            CorruptTable: Two vectors are about one file, more rows are deleted than there are, or something cannot
                be read.
            UnsupportedTableFeature: A delete file, or a data file that has to be looked into, cannot be.
        """
        partitions = self._keys.of(entries)
        columns = {
            "path": batch.column("path"),
            "row_count": batch.column("row_count"),
            "sequence": entries.table.column(SEQUENCE),
            "partition": partitions,
        }
        files = pl.DataFrame(pa.table(columns)).with_row_index("row")
        stored = self._stored(files)
        found = _Found(len(batch), stored)
        if self._positions:
            for row, positions in self._positions.of(files.join(stored, on="row", how="anti")).items():
                found.add(row, positions)
        if self._equality is not None:
            applies = self._equality.applies_to(files["sequence"].to_numpy(), partitions)
            for row, file in _looked_into(files, batch, entries, self._keys, applies):
                positions = self._equality.positions(file)
                if positions and found.has_stored(row):
                    positions |= self._read(found.take_stored(row), file.path)
                found.add(row, positions)
        return found.column(batch)

    def _stored(self, files: pl.DataFrame) -> pl.DataFrame:
        """The deletion vectors that apply: of the same data file, if it is no newer."""
        found = files.join(self._vectors, on="path").filter(pl.col("vector_sequence") >= pl.col("sequence"))
        twice = found.filter(pl.col("row").is_duplicated())
        if len(twice):
            raise CorruptTable(f"The data file '{twice['path'][0]}' has two deletion vectors: '{twice['puffin'][0]}'.")
        wrong = found.filter((pl.col("rows") > pl.col("row_count")) | (pl.col("rows") < 1))
        if len(wrong):
            raise CorruptTable(
                f"The deletion vector of the data file '{wrong['path'][0]}' deletes {wrong['rows'][0]:,} rows of "
                f"{wrong['row_count'][0]:,}."
            )
        return found

    def _read(self, vector: dict[str, Any], path: str) -> BitMap64:
        blob = next(read_blobs(self._storage, pa.array([vector], DELETION_VECTOR), pa.array([path])))
        return BitMap64(positions_in(blob, f"The deletion vector of the data file '{path}'"))


class _Found:
    """What is deleted from the files of one batch: by vectors in Puffin files, and by positions that we know."""

    def __init__(self, rows: int, stored: pl.DataFrame) -> None:
        self._vectors = _vectors(stored)
        self._places = np.full(rows, -1, np.int64)
        self._places[stored["row"].to_numpy()] = np.arange(len(stored))
        self._positions: dict[int, BitMap64] = {}

    def has_stored(self, row: int) -> bool:
        return bool(self._places[row] >= 0)

    def take_stored(self, row: int) -> dict[str, Any]:
        """A vector that is not to be kept as it is."""
        vector: dict[str, Any] = self._vectors[int(self._places[row])].as_py()
        self._places[row] = -1
        return vector

    def add(self, row: int, positions: BitMap64) -> None:
        if positions:
            known = self._positions.get(row)
            self._positions[row] = positions if known is None else known | positions

    def column(self, batch: pa.RecordBatch) -> pa.Array:
        made = pa.array([_inline(row, positions, batch) for row, positions in self._positions.items()], DELETION_VECTOR)
        places = self._places.copy()
        places[list(self._positions)] = np.arange(len(made)) + len(self._vectors)
        return pa.concat_arrays([self._vectors, made]).take(pa.array(places, mask=places < 0))


def _vectors(stored: pl.DataFrame) -> pa.Array:
    table = stored.select("puffin", "offset", "length", "rows").to_arrow(compat_level=pl.CompatLevel.oldest())
    puffin = table.column("puffin").combine_chunks().cast(pa.string())
    offsets, lengths, rows = (table.column(name).combine_chunks() for name in ("offset", "length", "rows"))
    ids = pc.binary_join_element_wise(puffin, offsets.cast(pa.string()), "@")
    inline = pa.nulls(len(table), pa.binary())
    return pa.StructArray.from_arrays([ids, puffin, offsets, lengths, inline, rows], fields=list(DELETION_VECTOR))


def _inline(row: int, positions: BitMap64, batch: pa.RecordBatch) -> dict[str, Any]:
    path, rows = batch.column("path")[row].as_py(), batch.column("row_count")[row].as_py()
    if positions.max() >= rows:
        raise CorruptTable(f"Row {positions.max():,} of the data file '{path}' is deleted, but it has {rows:,} rows.")
    blob = blob_of(np.frombuffer(positions.to_array(), np.uint64))
    return {"id": hashlib.sha256(blob).hexdigest()[:32], "inline": blob, "cardinality": len(positions)}


def _looked_into(
    files: pl.DataFrame, batch: pa.RecordBatch, entries: Entries, keys: PartitionKeys, applies: npt.NDArray[np.bool_]
) -> Iterator[tuple[int, DataFileRows]]:
    fields = keys.spec(entries.spec_id).fields
    partition = batch.column("partition")
    identity = {
        field.source_id: partition.field(str(field.id))
        for field in fields
        if field.transform.kind == "identity" and partition.type.get_field_index(str(field.id)) >= 0
    }
    for row in np.flatnonzero(applies).tolist():
        yield (
            row,
            DataFileRows(
                path=files["path"][row],
                file_format=batch.column("file_format")[row].as_py(),
                row_count=files["row_count"][row],
                sequence=files["sequence"][row],
                partition=files["partition"][row],
                constants=_constants(identity, row),
            ),
        )


def _constants(identity: Mapping[int, pa.Array], row: int) -> dict[int, pa.Scalar]:
    return {id_: values[row] for id_, values in identity.items()}


def _refuse(files: pa.Table) -> None:
    if len(files):
        raise UnsupportedTableFeature(
            f"The table has equality deletes, which only the rows tell: '{files.column('path')[0].as_py()}'.",
            hint="Allow the data files to be read (iceberg.source.read-data=true), or compact the table first "
            "(rewrite_data_files with delete-file-threshold=1).",
        )
