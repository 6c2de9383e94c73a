"""Finding the entries of a few files among the manifests of a table, without decoding the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.reader import UndecodableRowsError, decode_rows
from converters.errors import CorruptTable
from converters.iceberg.manifests.entry_rows import EntryRow, OpenManifest
from converters.iceberg.manifests.listed import ListedManifest
from converters.storage.base import Storage

__all__ = ["find_entries"]

_FEW = 32
"""Up to as many paths are searched for one by one in the raw blocks."""


def find_entries(
    storage: Storage, manifests: Sequence[ListedManifest], paths: pa.ChunkedArray | None
) -> Iterator[tuple[OpenManifest, list[EntryRow]]]:
    """Find the live entries of data files, or those of delete files that are about them.

    The newest manifests are read first, and of data manifests no more once all files are found.

    Args:
        storage: Where the manifests lie.
        manifests: All of one kind, data or deletes.
        paths: The data files; None for all.

    Yields:
        Each manifest that has some, and these.

    Raises:
        CorruptTable: A manifest is missing or unreadable.
        FullSyncNeeded: One is written in a way that we do not write.
    """
    if paths is None:
        for listed in manifests:
            manifest = OpenManifest(storage, listed)
            yield manifest, [entry for place in range(len(manifest.blocks)) for entry in manifest.live(place)]
        return
    left = set(paths.to_pylist()) if len(paths) <= _FEW else None
    wanted = paths.combine_chunks()
    missing = len(wanted)
    for listed in sorted(manifests, key=lambda each: each.sequence_number, reverse=True):
        if missing == 0:
            return
        if listed.live_files == 0:
            continue
        manifest = OpenManifest(storage, listed)
        found = _few(manifest, left) if left is not None else _many(manifest, wanted)
        if not found:
            continue
        missing -= len(found)
        if left is not None:
            left.difference_update(entry.key for entry in found)
        yield manifest, found


def _few(manifest: OpenManifest, left: set[str]) -> list[EntryRow]:
    needles = {path: path.encode() for path in left}
    found: list[EntryRow] = []
    for place, (_, data) in enumerate(manifest.blocks):
        if any(needle in data for needle in needles.values()):
            found += [entry for entry in manifest.live(place) if entry.key in needles]
    return found


def _many(manifest: OpenManifest, wanted: pa.Array) -> list[EntryRow]:
    columns = list(dict.fromkeys(["f100", manifest.key]))
    try:
        content = [data for _, data in manifest.blocks]
        table = decode_rows(manifest.schema, manifest.starts[-1], content, columns, key="f100")
    except UndecodableRowsError as error:
        raise CorruptTable(f"{manifest.file.where} cannot be decoded: {error}.") from error
    if manifest.key not in table.column_names:
        return []
    hits = np.flatnonzero(pc.is_in(table.column(manifest.key).cast(pa.string()), value_set=wanted).to_numpy())
    places = np.unique(np.searchsorted(manifest.starts, hits, side="right") - 1)
    numbers = set(hits.tolist())
    return [entry for place in places.tolist() for entry in manifest.live(place) if entry.number in numbers]
