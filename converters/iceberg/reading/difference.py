"""What one snapshot has that another has not, told by the manifests that only one of them has.

A manifest never changes, so files of manifests that both list are the same in both and are not looked at.  This holds
for any two snapshots, whatever operation lies between them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from converters.errors import CorruptTable, FullSyncNeeded
from converters.iceberg.manifests.file_lists import IDENTITY, listed_files
from converters.iceberg.manifests.list_reader import DATA, DELETES, ManifestFile
from converters.iceberg.metadata.view import View
from converters.storage.base import Storage

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Difference", "paths_of"]


class Difference:
    """The way from one state of a table to another, as far as data files and manifests go."""

    def __init__(self, storage: Storage, before: View | None, after: View) -> None:
        """Name the two states; nothing is read yet.

        Args:
            storage: Where their manifests are.
            before: The state to start from; None for a table without files.
            after: The state to arrive at.
        """
        self._storage = storage
        self._before = () if before is None else before.manifests
        self._after = after.manifests

    @cached_property
    def is_first(self) -> bool:
        """Whether there was no file before."""
        return not any(manifest.content == DATA for manifest in self._before)

    def only_before(self, content: int) -> list[ManifestFile]:
        """The manifests, ``DATA`` or ``DELETES``, that only the first state has."""
        kept = {manifest.path for manifest in self._after}
        return [each for each in self._before if each.content == content and each.path not in kept]

    def only_after(self, content: int) -> list[ManifestFile]:
        """The manifests that only the second state has."""
        known = {manifest.path for manifest in self._before}
        return [each for each in self._after if each.content == content and each.path not in known]

    def kept(self, content: int) -> list[ManifestFile]:
        """The manifests that both have."""
        known = {manifest.path for manifest in self._before}
        return [each for each in self._after if each.content == content and each.path in known]

    @property
    def concerns_deletes(self) -> bool:
        """Whether delete manifests differ."""
        return bool(self.only_before(DELETES) or self.only_after(DELETES))

    @cached_property
    def listed(self) -> pl.DataFrame:
        """The data files of the manifests that only the second state has; errors as ``added``."""
        files = listed_files(self._storage, self.only_after(DATA))
        twice = files.filter(files["path"].is_duplicated())
        if len(twice):
            raise FullSyncNeeded(f"the data file '{twice['path'][0]}' is listed twice")
        return files

    @cached_property
    def _unlisted(self) -> pl.DataFrame:
        """The data files of the manifests that only the first state has."""
        try:
            return listed_files(self._storage, self.only_before(DATA))
        except CorruptTable as error:
            # Nobody needs them any more but us.
            raise FullSyncNeeded(
                f"an earlier snapshot cannot be read any more ({error.message.rstrip('.')})"
            ) from error

    @cached_property
    def added(self) -> pl.DataFrame:
        """The data files that are new, or whose entries are.

        Raises:
            CorruptTable: A manifest is missing or unreadable.
            FullSyncNeeded: A file is listed twice.
        """
        return self.listed.join(self._unlisted, on=IDENTITY, how="anti")

    @cached_property
    def removed(self) -> pa.ChunkedArray:
        """Paths of the data files that are gone; errors as ``added``."""
        gone = self._unlisted.select("path").unique(maintain_order=True).join(self.listed, on="path", how="anti")
        return paths_of(gone)


def paths_of(files: pl.DataFrame) -> pa.ChunkedArray:
    """The column ``path`` as Arrow has it."""
    import polars as pl  # noqa: PLC0415 - heavy

    column: pa.ChunkedArray = files.select("path").to_arrow(compat_level=pl.CompatLevel.oldest()).column(0)
    return column.cast(pa.string())
