"""Deletion vectors as Iceberg has them in version 2: position delete files, one for each data file.

Source: Iceberg spec, "Position Delete Files".
"""

from __future__ import annotations

import hashlib
import re

import pyarrow as pa
import pyarrow.compute as pc

from converters.deletes.blob import positions_in
from converters.deletes.reader import read_blobs
from converters.iceberg.manifests.delete_layout import delete_layout
from converters.iceberg.manifests.entry_layout import ADDED, EntryLayout, LeafLayout
from converters.iceberg.manifests.spool import Keep
from converters.iceberg.manifests.writer import ManifestWriter
from converters.iceberg.writing.commit import NewFile
from converters.model.data_file import STAT_NAMES
from converters.model.types import PRIMITIVE_KINDS
from converters.storage.base import Storage

__all__ = ["PositionDeleteFiles", "digest_in_name", "digest_of"]

_FILE_PATH, _POS = 2_147_483_546, 2_147_483_545
"""Field ids of the columns (spec, "Reserved Field IDs")."""

_BATCH = 1_000
_NAME = re.compile(r"-([0-9a-f]{32})-deletes\.parquet$")
_LEAVES = (LeafLayout(str(_FILE_PATH), _FILE_PATH, PRIMITIVE_KINDS["string"]),)
_SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(_FILE_PATH)}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(_POS)}),
    ]
)


def digest_of(source_id: str) -> str:
    """What names of position delete files have of the source's id of a vector."""
    return hashlib.sha256(source_id.encode()).hexdigest()[:32]


def digest_in_name(path: str) -> str | None:
    """The digest in the name of one of our files; None in that of another."""
    found = _NAME.search(path)
    return found[1] if found else None


class PositionDeleteFiles:
    """Collects the deleted positions of a snapshot's files; as ``VectorFiles``.

    Attributes:
        files: The delete files, to be stored with the snapshot.
    """

    def __init__(self, storage: Storage, prefix: str, writer: ManifestWriter, keep: Keep) -> None:
        """Write nothing yet; the arguments are those of ``VectorFiles``."""
        self._storage = storage
        self._prefix = prefix
        self._writer = writer
        self._keep = keep
        self.files: list[NewFile] = []

    def add(self, layout: EntryLayout, files: pa.RecordBatch) -> None:
        """Carry the vectors of some data files, all of which have one.

        Raises:
            CorruptTable: A blob is missing or damaged.
            LimitExceeded: A blob is too large.
        """
        for start in range(0, len(files), _BATCH):
            self._add(delete_layout(layout, format_version=2, leaves=_LEAVES), files.slice(start, _BATCH))

    def finish(self) -> None:
        """Nothing is held."""

    def _add(self, layout: EntryLayout, files: pa.RecordBatch) -> None:
        vectors, data_paths = files.column("deletion_vector"), files.column("path")
        names: list[str] = []
        sizes: list[int] = []
        ids: list[str] = pc.struct_field(vectors, "id").to_pylist()
        paths: list[str] = data_paths.to_pylist()
        for source_id, path, blob in zip(ids, paths, read_blobs(self._storage, vectors, data_paths), strict=True):
            data = _parquet(path, positions_in(blob, f"The deletion vector of the data file '{path}'").astype("i8"))
            name = f"{self._prefix}-{len(self.files)}-{digest_of(source_id)}-deletes.parquet"
            self.files.append((name, self._keep(data)))
            names.append(name)
            sizes.append(len(data))
        self._writer.add(_entries(files, names, sizes), layout, ADDED)


def _parquet(path: str, positions: pa.Array) -> bytes:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    out = pa.BufferOutputStream()
    columns = [pa.repeat(pa.scalar(path), len(positions)), pa.array(positions, pa.int64())]
    pq.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), out, compression="zstd")
    data: bytes = out.getvalue().to_pybytes()
    return data


def _entries(files: pa.RecordBatch, names: list[str], sizes: list[int]) -> pa.RecordBatch:
    rows, paths = len(files), files.column("path")
    numbers = pa.repeat(pa.scalar(0, pa.int64()), rows)
    statistics = pa.StructArray.from_arrays(
        [numbers, pa.nulls(rows, pa.int64()), paths, paths, pa.nulls(rows, pa.bool_())], names=list(STAT_NAMES)
    )
    return pa.RecordBatch.from_pydict(
        {
            "path": pa.array(names, pa.string()),
            "size": pa.array(sizes, pa.int64()),
            "row_count": pc.struct_field(files.column("deletion_vector"), "cardinality"),
            "file_format": pa.repeat(pa.scalar("PARQUET"), rows),
            "spec_id": files.column("spec_id"),
            "partition": files.column("partition"),
            "stats": pa.StructArray.from_arrays([statistics], names=[str(_FILE_PATH)]),
            "referenced_data_file": paths,
            "content_size": pa.array(sizes, pa.int64()),
        }
    )
