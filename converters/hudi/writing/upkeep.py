"""When log files of the metadata table are to become new base files, and what of the statistics stays in these.

A new base file costs what the whole partition is large, and log files cost every reader a little; so new base files are
rare where they are large: once the log files have become a good part of them, or very many.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import numbers_of
from converters.errors import FullSyncNeeded
from converters.hudi.containers.delete_block import DeletedKeys
from converters.hudi.metadata_table.key_lookup import KeyLookup
from converters.hudi.metadata_table.keys import FileKeys
from converters.hudi.metadata_table.records import sorted_records
from converters.hudi.metadata_table.schemas import COLUMN_STATS_SCHEMA
from converters.hudi.metadata_table.slices import MetadataContent, MetadataSlice, read_slice
from converters.hudi.metadata_table.table import MetadataTable

__all__ = ["FILES_PACE", "STATISTICS_PACE", "Pace", "is_due", "merged_statistics"]

Entries = tuple[pa.Array, pa.Array]
"""Keys and values."""

_LARGE_LOGS = 0.25


class Pace(msgspec.Struct, frozen=True):
    """How soon log files become new base files.

    Attributes:
        fewest: Log files on top of one base file below which nothing is done.
        most: Log files at which it is done whatever it costs.
        small: Bytes of base and log files up to which it costs next to nothing.
    """

    fewest: int
    most: int
    small: int


FILES_PACE = Pace(10, 100, 2**20)
STATISTICS_PACE = Pace(10, 100, 4 * 2**20)


def is_due(slices: Iterable[MetadataSlice], pace: Pace) -> bool:
    """Whether a partition's log files are to become new base files."""
    slices = tuple(slices)
    most = max((len(each.logs) for each in slices), default=0)
    logs = sum(log.file.size for each in slices for log in each.logs)
    bases = sum(each.base.size for each in slices if each.base is not None)
    pays = logs > bases * _LARGE_LOGS or logs + bases < pace.small
    return most >= pace.most or (most >= pace.fewest and pays)


def merged_statistics(table: MetadataTable, slice_: MetadataSlice, new: Entries, kept: FileKeys) -> Entries:
    """What the new base file of one file group of the statistics has.

    Args:
        table: The metadata table.
        slice_: The file group as it is.
        new: What the commit adds to it, ascending by keys.
        kept: The files whose statistics are kept.

    Raises:
        FullSyncNeeded: Some of it was written by somebody else, with another schema.
        CorruptTable: A file is damaged.
    """
    keys, values = [pa.array([], pa.binary())], [pa.array([], pa.large_binary())]
    for content in read_slice(table.storage, slice_, table.timeline, table.pending):
        _check_schema(content)
        if isinstance(content, DeletedKeys):
            continue
        keys.append(content.keys.cast(pa.binary()))
        values.append(content.values.cast(pa.large_binary()))
    keys.append(new[0].cast(pa.binary()))
    values.append(new[1].cast(pa.large_binary()))
    all_keys, all_values = sorted_records(pa.concat_arrays(keys), pa.concat_arrays(values))
    mask = pa.array(_are_present(all_values) & _are_kept(all_keys, kept))
    return all_keys.filter(mask), all_values.filter(mask)


def _check_schema(content: MetadataContent) -> None:
    if isinstance(content, DeletedKeys) or content.schema != COLUMN_STATS_SCHEMA:
        raise FullSyncNeeded("column statistics that another writer left have to be written anew")


def _are_present(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Which records take nothing away: their last byte, ``isDeleted``, is zero."""
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[values.offset + 1 : values.offset + len(values) + 1]
    content: npt.NDArray[np.uint8] = np.frombuffer(data or b"", np.uint8)
    return np.asarray(content[ends - 1] == 0)


def _are_kept(keys: pa.Array, kept: FileKeys) -> npt.NDArray[np.bool_]:
    if not len(keys) or not len(kept):
        return np.zeros(len(keys), np.bool_)
    width = kept.suffixes.shape[1]
    if pc.any(pc.not_equal(pc.binary_length(keys), len(keys[0].as_py()))).as_py():
        raise FullSyncNeeded("column statistics that another writer left have to be written anew")
    _, offsets, data = keys.buffers()
    bounds = numbers_of(pa.Array.from_buffers(pa.int32(), len(keys) + 1, [None, offsets], offset=keys.offset))
    matrix = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(len(keys), -1)
    found = KeyLookup(kept.suffixes).places(np.ascontiguousarray(matrix[:, -width:]))
    return np.asarray(found >= 0)
