"""The model's data files from those of a log, whether these are all files of a version or those that a commit added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.protocol import DELETION_VECTORS, mapping_mode
from converters.delta.log.state import TableState
from converters.delta.reading.file_batches import BatchMaker
from converters.errors import CorruptTable
from converters.model.snapshot import Table
from converters.parquet.field_ids import Samples
from converters.parquet.footers import Footer
from converters.storage.base import Storage

__all__ = ["DataFiles"]

_LISTERS = 16


class DataFiles:
    """Makes ``DataFile`` batches, and looks into a few files to learn from them."""

    def __init__(self, storage: Storage) -> None:
        """Read nothing yet."""
        self._storage = storage
        self._samples = Samples(storage)

    def footers(self, files: Sequence[tuple[str, int]]) -> list[Footer]:
        """The footers of files, given by location and size, as far as they can be read."""
        found = (self._samples.footer(path, size) for path, size in files)
        return [footer for footer in found if footer is not None]

    def batches(
        self, files: Iterator[pa.Table], table: Table, state: TableState, *, check_present: bool
    ) -> Iterator[pa.RecordBatch]:
        """Make batches of live files.

        Args:
            files: As ``live_files`` yields them.
            table: The table.
            state: Its small actions.
            check_present: Look whether the files are there: those of an old version may have been vacuumed.

        Raises:
            CorruptTable: Two entries have one path, a file is missing, or an entry is not understood.
            UnsupportedTableFeature: A file's field ids contradict others.
        """
        makes = BatchMaker(self._storage, self._samples, table, mapping_mode(state))
        entries = _Entries(may_have_vectors=DELETION_VECTORS in (state.protocol.reader_features or ()))
        for found in files:
            entries.add(found)
            if check_present:
                _check_present(self._storage, found["path"], "data file")
            for batch in makes.add(found):
                yield self._checked(batch, check_present=check_present)
        entries.check()
        for batch in makes.rest():
            yield self._checked(batch, check_present=check_present)

    def _checked(self, batch: pa.RecordBatch, *, check_present: bool) -> pa.RecordBatch:
        if check_present:
            vectors = pc.struct_field(batch.column("deletion_vector"), "path").drop_null()
            _check_present(self._storage, pa.chunked_array([vectors.unique()]), "deletion vector")
        return batch


class _Entries:
    """Makes sure that no path is listed with two deletion vectors."""

    def __init__(self, *, may_have_vectors: bool) -> None:
        self._may_have_vectors = may_have_vectors
        self._all: list[pa.Array] = []
        self._with_vector: list[pa.Array] = []

    def add(self, files: pa.Table) -> None:
        has_vector = pc.is_valid(files["deletion_vector"])
        if self._may_have_vectors:
            self._all += files["path"].chunks
        if not pc.any(has_vector).as_py():
            return
        with_vector = files["path"].filter(has_vector)
        if not self._may_have_vectors:
            msg = (
                f"The data file '{with_vector[0].as_py()}' has a deletion vector, which the table's protocol excludes."
            )
            raise CorruptTable(msg)
        self._with_vector += with_vector.chunks

    def check(self) -> None:
        if not self._with_vector:
            return
        paths = pa.chunked_array(self._all)
        # Of two entries of one path, one at least has a vector.
        suspects = paths.filter(pc.is_in(paths, value_set=pa.chunked_array(self._with_vector))).combine_chunks()
        counts = pc.value_counts(suspects)
        double = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        if len(double):
            raise CorruptTable(f"The log lists the data file '{double[0].as_py()}' twice, with two deletion vectors.")


def _check_present(storage: Storage, paths: pa.ChunkedArray, what: str) -> None:
    """Make sure that an old version's files have not been vacuumed; each directory is listed once."""
    directories = pc.unique(pc.replace_substring_regex(paths, r"/[^/]*$", "")).to_pylist()
    with ThreadPoolExecutor(_LISTERS) as pool:
        listed = pool.map(lambda directory: [found.path for found in storage.list(directory)], directories)
        there = pa.array([path for found in listed for path in found], pa.string())
    missing = paths.filter(pc.invert(pc.is_in(paths, value_set=there)))
    if len(missing):
        msg = f"The {what} '{missing[0].as_py()}' of that version no longer exists."
        raise CorruptTable(msg, hint="It was vacuumed: convert a newer version.")
