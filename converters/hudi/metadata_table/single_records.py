"""Reading single records of the metadata table: those of some keys from a base file, and all of the log files since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.containers.hfile_entries import PADDING, Entries
from converters.hudi.containers.hfile_lookup import HFileLookup
from converters.hudi.containers.hfile_reader import HFile
from converters.hudi.metadata_table.slices import MetadataContent, MetadataSlice, read_logs, read_slice, where_of
from converters.hudi.timeline.active import Timeline
from converters.storage.base import Storage

__all__ = ["read_records"]


def read_records(
    storage: Storage,
    found: MetadataSlice,
    timeline: Timeline,
    pending: frozenset[str],
    keys: Sequence[bytes],
    *,
    newest_only: bool,
) -> list[MetadataContent]:
    """Read what a file slice says of some keys, and perhaps more; otherwise as ``slices.read_slice``.

    Args:
        storage: Where it is.
        found: The slice.
        timeline: The metadata table's.
        pending: Times of the instants that are pending in the table's own timeline.
        keys: The keys.
        newest_only: Whether a later record stands for itself, so that earlier ones of its key need not be read.
    """
    if found.base is None:
        return read_slice(storage, found, timeline, pending)
    logs = read_logs(storage, found, timeline, pending)
    left = _left(keys, logs) if newest_only else keys
    if not left:
        return logs
    lookup = HFileLookup(storage, found.base, where_of(found.base))
    if not lookup.can_look_up:
        return read_slice(storage, found, timeline, pending)
    return [_records(lookup, left), *logs]


def _left(keys: Sequence[bytes], contents: Iterable[MetadataContent]) -> Sequence[bytes]:
    """Those of the keys of which the contents say nothing."""
    left = pa.array(keys, pa.binary())
    for content in contents:
        left = left.filter(pc.invert(pc.is_in(left, value_set=content.keys.cast(pa.binary()))))
    kept: list[bytes] = left.to_pylist()
    return kept


def _records(lookup: HFileLookup, keys: Iterable[bytes]) -> HFile:
    """The records of these keys, as far as they are there, as if the file had no others."""
    parts: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    for key in sorted(set(keys)):
        value = lookup.find(key)
        if value is not None:
            content = b"".join(value)
            parts += [key, content]
            sizes.append((len(key), len(content)))
    lengths = np.array(sizes, np.int64).reshape(-1, 2)
    ends = np.cumsum(lengths.reshape(-1)).reshape(-1, 2)
    starts = ends - lengths
    data = b"".join((*parts, bytes(PADDING)))
    entries = Entries(data, starts[:, 0], lengths[:, 0], starts[:, 1], lengths[:, 1])
    return HFile({"schema": lookup.schema.encode()}, entries)
