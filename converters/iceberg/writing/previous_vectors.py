"""The deletion vectors that a target has, compared with those of a source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.manifests.entry_removal import EntryRemoval
from converters.iceberg.manifests.entry_rows import EntryRow
from converters.iceberg.manifests.entry_search import find_entries
from converters.iceberg.manifests.list_reader import DELETES
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.metadata.location import file_location
from converters.iceberg.row_deletes.puffin_reader import read_blob_list
from converters.iceberg.writing.position_delete_files import digest_in_name, digest_of
from converters.iceberg.writing.puffin_writer import SOURCE_VECTOR_KEY
from converters.iceberg.writing.summary import Count
from converters.storage.base import Storage

__all__ = ["PreviousVectors"]


class PreviousVectors:
    """The live deletion vectors of the target's current snapshot.

    Attributes:
        count: How many they are.
    """

    def __init__(self, storage: Storage, manifests: Sequence[ListedManifest], spool: ManifestSpool) -> None:
        """Read the entries, and Puffin files' footers, which have the source's ids of the vectors.

        Args:
            storage: Where the table lies.
            manifests: Its manifests; those of data are passed over.
            spool: Takes manifests that have to be written anew.

        Raises:
            CorruptTable: A manifest or Puffin file is missing or unreadable.
            FullSyncNeeded: A manifest is written in a way that we do not write.
        """
        deletes = [each for each in manifests if each.content == DELETES]
        self._removal = EntryRemoval(storage, deletes, spool)
        entries = [entry for _, found in find_entries(storage, deletes, None) for entry in found]
        self._source_ids = _source_ids(storage, entries)
        self._kept: set[str] = set()
        self.count = Count()
        for entry in entries:
            self.count.add(1, entry.rows, entry.size)

    def new(self, files: pa.RecordBatch, is_known: pa.Array) -> pa.RecordBatch:
        """Those of the data files that have another vector than the target knows; remembers which are the same.

        Args:
            files: Data files.
            is_known: Which of them the target has already.
        """
        if not self._source_ids:
            return files
        vectors = files.column("deletion_vector")
        wanted: Iterable[tuple[str, str | None, bool]] = zip(
            files.column("path").to_pylist(),
            pc.struct_field(vectors, "id").to_pylist(),
            is_known.to_pylist(),
            strict=True,
        )
        before = self._source_ids
        same: npt.NDArray[np.bool_] = np.array(
            [known and id_ is not None and before.get(path) in {id_, digest_of(id_)} for path, id_, known in wanted],
            np.bool_,
        )
        self._kept.update(files.column("path").filter(pa.array(same)).to_pylist())
        return files.filter(pa.array(~same))

    def finish(self, removed: Count) -> list[ListedManifest]:
        """Delete the others, counting them; gives the manifests that stay."""
        self._removal.remove(DELETES, None, lambda entry: entry.key not in self._kept, removed)
        self._removal.finish()
        return self._removal.kept


def _source_ids(storage: Storage, entries: Sequence[EntryRow]) -> dict[str, str]:
    """The source's ids of the vectors, or digests of these, by data file."""
    by_place = {(entry.path, entry.offset): entry.key for entry in entries if entry.offset is not None}
    found: dict[str, str] = {}
    for path in dict.fromkeys(path for path, _ in by_place):
        for blob in read_blob_list(storage, file_location(path, "A manifest")):
            source_id = blob.properties.get(SOURCE_VECTOR_KEY)
            if source_id is not None and (path, blob.offset) in by_place:
                found[by_place[path, blob.offset]] = source_id
    for entry in entries:
        digest = digest_in_name(entry.path)
        if entry.offset is None and digest is not None:
            found[entry.key] = digest
    return found
