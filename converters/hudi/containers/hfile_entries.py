"""Finding the entries in an HFile's data blocks.

Each entry tells where the next begins, so a block must be walked.  Blocks do not depend on each other: all are walked
together, a step of one entry in each at a time, with numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from converters.avro.byte_slices import copied_slices
from converters.hudi.containers.hfile_layout import ENTRY_OVERHEAD, KEY_OVERHEAD

__all__ = ["PADDING", "Entries", "find_entries"]

IntArray = npt.NDArray[np.int64]

_FEWEST_TOGETHER = 16
"""Below this many blocks, walking them one by one is faster."""

PADDING = 16
"""Zero bytes behind the data blocks."""

_HEAD = struct.Struct(">iiH")


class Entries(msgspec.Struct, frozen=True):
    """Entries, by where they stand in one buffer.

    Attributes:
        data: The decompressed data blocks, one after another, and then sixteen zero bytes, so that eight bytes can be
            read at any place.
        key_starts: Where each key (the row) begins.
        key_lengths: Its length.
        value_starts: Where each value begins.
        value_lengths: Its length.
    """

    data: bytes | bytearray
    key_starts: IntArray
    key_lengths: IntArray
    value_starts: IntArray
    value_lengths: IntArray

    def __len__(self) -> int:
        return len(self.key_starts)

    def keys(self) -> pa.Array:
        """The keys, binary."""
        return copied_slices(self.data, self.key_starts, self.key_lengths).cast(pa.binary())

    def values(self) -> pa.Array:
        """The values, large binary."""
        return copied_slices(self.data, self.value_starts, self.value_lengths)


def find_entries(blocks: Sequence[bytes | memoryview]) -> Entries:
    """Find the entries of data blocks, in order.

    Args:
        blocks: Decompressed payloads.

    Raises:
        ValueError: An entry does not fit its block.
    """
    data = b"".join((*blocks, bytes(PADDING)))
    sizes = np.array([len(block) for block in blocks], np.int64)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    walk = _walk_together if len(blocks) >= _FEWEST_TOGETHER else _walk_one_by_one
    heads, key_lengths, value_lengths, row_lengths = walk(data, starts, ends)
    key_starts = heads + _HEAD.size
    if len(heads) and (
        bool((row_lengths + KEY_OVERHEAD != key_lengths).any())
        or bool(_bytes_at(data, key_starts + row_lengths).any())
        or bool(_bytes_at(data, heads + 8 + key_lengths + value_lengths).any())
    ):
        raise ValueError("an entry has a column family, or is no entry")
    return Entries(data, key_starts, row_lengths, heads + 8 + key_lengths, value_lengths)


def _walk_one_by_one(data: bytes, starts: IntArray, ends: IntArray) -> tuple[IntArray, ...]:
    found: list[tuple[int, int, int, int]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        place = start
        while place < end:
            if place + ENTRY_OVERHEAD > end:
                raise ValueError("an entry does not fit its block")
            key_length, value_length, row_length = _HEAD.unpack_from(data, place)
            after = place + 9 + key_length + value_length
            if key_length < KEY_OVERHEAD or value_length < 0 or after > end:
                raise ValueError("an entry does not fit its block")
            found.append((place, key_length, value_length, row_length))
            place = after
    columns = np.array(found, np.int64).reshape(-1, 4).T
    return tuple(columns)


def _walk_together(data: bytes, starts: IntArray, ends: IntArray) -> tuple[IntArray, ...]:
    content: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    steps: list[tuple[IntArray, ...]] = []
    places, limits = starts[starts < ends], ends[starts < ends]
    while len(places) >= _FEWEST_TOGETHER:
        if bool((places + ENTRY_OVERHEAD > limits).any()):
            raise ValueError("an entry does not fit its block")
        heads = content[places[:, None] + np.arange(_HEAD.size)]
        lengths = np.ascontiguousarray(heads[:, :8]).view(">i4").astype(np.int64)
        rows = np.ascontiguousarray(heads[:, 8:]).view(">u2").astype(np.int64)[:, 0]
        after = places + 9 + lengths[:, 0] + lengths[:, 1]
        if bool(((lengths[:, 0] < KEY_OVERHEAD) | (lengths[:, 1] < 0) | (after > limits)).any()):
            raise ValueError("an entry does not fit its block")
        steps.append((places, lengths[:, 0], lengths[:, 1], rows))
        going = after < limits
        places, limits = after[going], limits[going]
    steps.append(_walk_one_by_one(data, places, limits))
    columns = [np.concatenate(column) for column in zip(*steps, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)


def _bytes_at(data: bytes, places: IntArray) -> npt.NDArray[Any]:
    content: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    return content[places]
