"""Finding single entries of an HFile by their keys, without reading the rest; the layout stands in ``hfile_layout``."""

from __future__ import annotations

import bisect
import itertools
import struct
from collections.abc import Iterator

import msgspec

from converters.errors import CorruptTable
from converters.hudi.containers.hfile_entries import find_entries
from converters.hudi.containers.hfile_layout import INDEX_MAGIC, KEY_OVERHEAD, TRAILER_BYTES
from converters.hudi.containers.hfile_reader import BlockReader, file_info, read_trailer
from converters.storage.base import ObjectMeta, Storage

__all__ = ["HFileLookup"]

_TAIL = 128 * 2**10
_LOAD_ON_OPEN, _BLOCKS, _LEVELS, _INFO_PLACE = 2, 5, 8, 1
_ENTRY_HEAD = struct.Struct(">iiH")
_INDEX_HEAD = struct.Struct(">qi")
_AT_ONCE = 4 * 2**20


class _Block(msgspec.Struct, frozen=True):
    first: bytes
    place: int
    size: int


class HFileLookup:
    """The index of one HFile.

    Attributes:
        schema: The Avro schema of the values, as JSON text.
        can_look_up: Whether single entries can be found: the index has one level, as it has but in very large files.
    """

    def __init__(self, storage: Storage, file: ObjectMeta, where: str) -> None:
        """Read the end of the file.

        Args:
            storage: Where it is.
            file: Its location and size.
            where: What it is, for messages.

        Raises:
            CorruptTable: It is no HFile, is truncated or damaged.
            UnsupportedTableFeature: Its version or its codec is not supported.
        """
        self._storage = storage
        self._file = file
        self._where = where
        if file.size < TRAILER_BYTES:
            raise CorruptTable(f"{where} is no HFile, or is truncated.")
        start = max(0, file.size - _TAIL)
        tail = storage.get_range(file.path, start, file.size - start)
        self._trailer = read_trailer(tail, where)
        opened = self._trailer.get(_LOAD_ON_OPEN, 0)
        if 0 <= opened < start:
            start = opened
            tail = storage.get_range(file.path, start, file.size - start)
        blocks = BlockReader(tail[:-TRAILER_BYTES], self._trailer, where)
        self.schema = (
            file_info(blocks, self._trailer.get(_INFO_PLACE, 0) - start, where)
            .get("schema", b"")
            .decode("utf-8", "replace")
        )
        self.can_look_up = self._trailer.get(_LEVELS, 1) == 1
        self._blocks = self._index(blocks, opened - start) if self.can_look_up else []
        self._firsts = [each.first for each in self._blocks]

    def find(self, key: bytes) -> Iterator[bytes] | None:
        """The value of a key in pieces, the large ones a piece at a time; None where the key is not there.

        Raises:
            CorruptTable: The block is damaged.
            LimitExceeded: It is larger, decompressed, than is read.
        """
        number = bisect.bisect_right(self._firsts, key) - 1
        if number < 0:
            return None
        at = self._blocks[number]
        data = self._storage.get_range(self._file.path, at.place, at.size)
        pieces = BlockReader(data, self._trailer, self._where).pieces(0, _AT_ONCE)
        head, following = next(pieces, b""), next(pieces, None)
        if following is None:
            return self._among(head, key)
        rest = itertools.chain((following,), pieces)
        key_length, value_length, row_length = _ENTRY_HEAD.unpack_from(head)
        start = 8 + key_length
        row = head[_ENTRY_HEAD.size : _ENTRY_HEAD.size + row_length]
        if row == key and key_length == row_length + KEY_OVERHEAD and value_length >= 0:
            return self._streamed(itertools.chain((head[start:],), rest), value_length)
        return self._among(b"".join((head, *rest)), key)

    def _among(self, block: bytes, key: bytes) -> Iterator[bytes] | None:
        try:
            entries = find_entries([block])
        except ValueError as error:
            raise self._damaged(str(error)) from error
        keys = entries.keys().to_pylist()
        if key not in keys:
            return None
        row = keys.index(key)
        start = int(entries.value_starts[row])
        return iter((block[start : start + int(entries.value_lengths[row])],))

    def _streamed(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        left = length
        for piece in pieces:
            if left:
                yield piece[:left]
            left -= min(left, len(piece))
        if left:
            raise self._damaged("an entry does not fit its block")

    def _index(self, blocks: BlockReader, place: int) -> list[_Block]:
        magic, content, _ = blocks.block(place)
        if magic != INDEX_MAGIC:
            raise self._damaged("its index is not where the trailer says")
        data, at, found = bytes(content), 0, list[_Block]()
        try:
            for _ in range(self._trailer.get(_BLOCKS, 0)):
                offset, size = _INDEX_HEAD.unpack_from(data, at)
                length, at = _hadoop_vint(data, at + _INDEX_HEAD.size)
                key = data[at : at + length]
                at += length
                (row,) = struct.unpack_from(">H", key)
                found.append(_Block(key[2 : 2 + row], offset, size))
        except (struct.error, IndexError, ValueError) as error:
            raise self._damaged(f"its index is truncated ({error})") from error
        if any(each.size <= 0 or not 0 <= each.place <= self._file.size - each.size for each in found):
            raise self._damaged("its index points to no block")
        return found

    def _damaged(self, why: str) -> CorruptTable:
        return CorruptTable(f"{self._where} is damaged: {why}.")


def _hadoop_vint(data: bytes, place: int) -> tuple[int, int]:
    """A number that is not negative, as Hadoop's ``WritableUtils.writeVInt`` writes it, and the place behind it."""
    first = data[place]
    if first < 128:
        return first, place + 1
    end = place + 1 + 256 - 112 - first
    if not place + 1 < end <= place + 5:
        raise ValueError("a length is negative or too large")
    return int.from_bytes(data[place + 1 : end], "big"), end
