"""Reading HFiles, all entries at once; the layout stands in ``hfile_layout``.

Nothing of a file is believed before it is checked, and no more memory is taken than limits and the file's own size
allow.  Checksums are not compared: gzip blocks have their own, and Hudi's reader does not compare them either.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec
import pyarrow as pa

from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature
from converters.hudi.containers.hfile_entries import Entries, find_entries
from converters.hudi.containers.hfile_layout import (
    BLOCK_HEADER,
    CODECS,
    DATA_MAGIC,
    INFO_MAGIC,
    TRAILER_BYTES,
    TRAILER_MAGIC,
    VERSION,
)
from converters.hudi.containers.protobuf import fields, sized_message

__all__ = [
    "LARGEST_BLOCK",
    "LARGEST_CONTENT",
    "BlockReader",
    "HFile",
    "file_info",
    "read_hfile",
    "read_trailer",
]

LARGEST_BLOCK = 2**30
"""Largest block, in bytes after decompression: a record that names ten million files."""

LARGEST_CONTENT = 4 * 2**30
"""Largest sum of a file's data blocks, in bytes after decompression."""

_INFO_PLACE, _LOAD_ON_OPEN, _ENTRY_COUNT, _CODEC = 1, 2, 7, 12
_INFO_PREFIX = b"PBUF"
_HIGHEST_GZIP_RATIO = 1032
_MAJOR_VERSION = VERSION[1:]
_MAX_TAGS_LENGTH = "hfile.MAX_TAGS_LEN"


class HFile(msgspec.Struct, frozen=True, dict=True):
    """What stands in an HFile.

    Attributes:
        info: The file's info by name.
        entries: Where keys and values stand in the decompressed blocks.
    """

    info: dict[str, bytes]
    entries: Entries

    @property
    def schema(self) -> str:
        """The Avro schema of the values, as JSON text; empty where the file names none."""
        return self.info.get("schema", b"").decode("utf-8", "replace")

    @functools.cached_property
    def keys(self) -> pa.Array:
        """The keys, binary, in the file's order."""
        return self.entries.keys()

    @functools.cached_property
    def values(self) -> pa.Array:
        """The values, large binary, in the same order."""
        return self.entries.values()


def read_hfile(data: bytes | memoryview, where: str, *, limit: int = LARGEST_CONTENT) -> HFile:
    """Read a whole HFile.

    Args:
        data: The file.
        where: What it is, for messages: ``The metadata table's file 'file:///t/.hoodie/metadata/files/f.hfile'``.
        limit: Largest sum of the data blocks, in bytes after decompression.

    Raises:
        CorruptTable: It is no HFile, is truncated or damaged.
        LimitExceeded: It is larger, decompressed, than is read.
        UnsupportedTableFeature: Its version, its codec or the encoding of its blocks is not supported.
    """
    file = memoryview(data)
    trailer = read_trailer(file, where)
    reader = BlockReader(file[: len(file) - TRAILER_BYTES], trailer, where)
    info = file_info(reader, trailer.get(_INFO_PLACE, 0), where)
    content = reader.data_blocks(trailer.get(_LOAD_ON_OPEN, 0), limit)
    try:
        entries = find_entries(content)
    except ValueError as error:
        raise reader.damaged(str(error)) from error
    if len(entries) != trailer.get(_ENTRY_COUNT, 0):
        raise reader.damaged("it has fewer or more entries than its trailer says")
    return HFile(info, entries)


class BlockReader:
    """Reads blocks of one file."""

    def __init__(self, file: bytes | memoryview, trailer: Mapping[int, int], where: str) -> None:
        """Take a file without its trailer, or a part of one; places are counted from where that begins.

        Args:
            file: The bytes.
            trailer: What ``read_trailer`` returned for the file.
            where: What it is, for messages.

        Raises:
            UnsupportedTableFeature: The file's codec is not supported.
        """
        codec = trailer.get(_CODEC, CODECS["none"])
        if codec not in CODECS.values():
            raise UnsupportedTableFeature(
                f"{where} is compressed with HBase's codec number {codec}, which is not supported.",
                hint="Gzip and none are.",
            )
        self._file = memoryview(file)
        self._where = where
        self._compressed = codec == CODECS["gzip"]

    def damaged(self, why: str) -> CorruptTable:
        """The error that says what is wrong with the file."""
        return CorruptTable(f"{self._where} is damaged: {why}.")

    def block(self, place: int) -> tuple[bytes, bytes | memoryview, int]:
        """A block's magic, its payload, and where the next begins."""
        magic, size, payload_end, end = self._header(place)
        packed = self._file[place + BLOCK_HEADER.size : payload_end]
        return magic, self._inflate(packed, size) if self._compressed else packed, end

    def pieces(self, place: int, most: int) -> Iterator[bytes]:
        """A block's payload, piece by piece; all but the last one are ``most`` bytes long."""
        _, size, payload_end, _ = self._header(place)
        packed = self._file[place + BLOCK_HEADER.size : payload_end]
        if not self._compressed or size <= most:
            payload = self._inflate(packed, size) if self._compressed else bytes(packed)
            yield from (payload[start : start + most] for start in range(0, len(payload), most))
            return
        yield from self._inflated(packed, size, most)

    def data_blocks(self, end: int, limit: int) -> list[bytes | memoryview]:
        """The payloads of the data blocks, which stand before ``end`` among others."""
        if not 0 <= end <= len(self._file):
            raise self.damaged("its indexes are not where the trailer says")
        places, total, place = [], 0, 0
        while place < end:
            magic, size, _, after = self._header(place)
            if magic == DATA_MAGIC:
                places.append(place)
                total += size
            elif magic.startswith(b"DATABLK"):
                raise UnsupportedTableFeature(f"{self._where} has blocks in an encoding that is not supported.")
            place = after
        if total > limit:
            raise LimitExceeded(f"{self._where} is larger, decompressed, than is read.")
        return [self.block(place)[1] for place in places]

    def _header(self, place: int) -> tuple[bytes, int, int, int]:
        """A block's magic, its payload's size uncompressed, the end of its payload, and its end."""
        header = self._file[place : place + BLOCK_HEADER.size] if place >= 0 else b""
        if len(header) < BLOCK_HEADER.size:
            raise self.damaged("a block is truncated")
        magic, on_disk, size, _, _, bytes_per_checksum, with_header = BLOCK_HEADER.unpack(header)
        payload_end, end = place + with_header, place + BLOCK_HEADER.size + on_disk
        if with_header < BLOCK_HEADER.size or not payload_end <= end <= len(self._file) or bytes_per_checksum < 0:
            raise self.damaged("a block is truncated or its sizes are wrong")
        packed = with_header - BLOCK_HEADER.size
        if size < 0 or (not self._compressed and size != packed):
            raise self.damaged("a block's sizes are wrong")
        if size > LARGEST_BLOCK or size > max(packed, 1) * _HIGHEST_GZIP_RATIO:
            raise LimitExceeded(f"{self._where} has a block that is larger, decompressed, than is read.")
        return magic, size, payload_end, end

    def _inflate(self, packed: memoryview, size: int) -> bytes:
        return b"".join(self._inflated(packed, size, size + 1)) if size else b""

    def _inflated(self, packed: memoryview, size: int, most: int) -> Iterator[bytes]:
        from isal import igzip_lib, isal_zlib  # noqa: PLC0415 - only who reads a compressed HFile needs it

        inflater = isal_zlib.decompressobj(wbits=31)
        left = size
        try:
            rest: bytes | memoryview = packed
            while left >= 0 and (rest or left) and not inflater.eof:
                piece = bytes(inflater.decompress(rest, min(most, left + 1)))
                rest = inflater.unconsumed_tail
                left -= len(piece)
                if not piece:
                    break
                yield piece
        except (cast("type[Exception]", igzip_lib.IsalError), ValueError, EOFError) as error:
            raise self.damaged(f"a block cannot be decompressed ({error})") from error
        if left or not inflater.eof:
            raise self.damaged("a block has another size than it says")


def read_trailer(file: bytes | memoryview, where: str) -> dict[int, int]:
    """The trailer's numbers by field.

    Args:
        file: The file, or its end.
        where: What it is, for messages.

    Raises:
        CorruptTable: It is no HFile, or is truncated.
        UnsupportedTableFeature: It is of another version.
    """
    trailer = bytes(file[-TRAILER_BYTES:])
    if len(trailer) < TRAILER_BYTES:
        raise CorruptTable(f"{where} is no HFile, or is truncated.")
    if trailer[-len(_MAJOR_VERSION) :] != _MAJOR_VERSION:
        if trailer.startswith(TRAILER_MAGIC):
            raise UnsupportedTableFeature(f"{where} is an HFile of another version than 3.")
        raise CorruptTable(f"{where} is no HFile, or is truncated.")
    if not trailer.startswith(TRAILER_MAGIC):
        raise CorruptTable(f"{where} is damaged: its trailer does not begin as it should.")
    try:
        message = sized_message(trailer, len(TRAILER_MAGIC))
        return {number: value for number, value in fields(message) if isinstance(value, int)}
    except ValueError as error:
        raise CorruptTable(f"{where} has a damaged trailer: {error}.") from error


def file_info(reader: BlockReader, place: int, where: str) -> dict[str, bytes]:
    """A file's info by name.

    Raises:
        CorruptTable: It is damaged.
        UnsupportedTableFeature: The file has tagged cells.
    """
    magic, block, _ = reader.block(place)
    if magic != INFO_MAGIC:
        raise reader.damaged("its info is not where the trailer says")
    data = bytes(block)
    if not data.startswith(_INFO_PREFIX):
        raise CorruptTable(f"{where} has damaged file info: it does not begin as it should.")
    info: dict[str, bytes] = {}
    try:
        for _, pair in fields(sized_message(data, len(_INFO_PREFIX))):
            members = dict(fields(pair)) if isinstance(pair, bytes) else {}
            name, value = members.get(1), members.get(2, b"")
            if isinstance(name, bytes) and isinstance(value, bytes):
                info[name.decode("utf-8", "replace")] = value
    except ValueError as error:
        raise CorruptTable(f"{where} has damaged file info: {error}.") from error
    if _MAX_TAGS_LENGTH in info:
        raise UnsupportedTableFeature(f"{where} has tagged cells, which are not supported.")
    return info
