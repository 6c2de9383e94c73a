"""Avro object container files: header and blocks, within limits (Avro spec, "Object Container Files").

Blocks are decompressed here, whatever their codec, so that what decodes the rows sees one plain form and a hostile
file cannot make it allocate more than the limits below.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature

__all__ = ["AvroFile", "avro_bytes", "blocks", "only_record", "open_avro", "plain_container", "varint"]

LARGEST_BLOCK = 256 * 2**20
"""Largest block, in bytes after decompression."""

MOST_ROWS = 2_000_000
"""Most rows of a block."""

LARGEST_CONTENT = 8 * 2**30
"""Largest sum of a file's blocks, in bytes after decompression."""

_MAGIC = b"Obj\x01"
_SYNC_LENGTH = 16
_PLAIN_SYNC = b"tablecast-blocks"
_LONGEST_VARINT = 10
_CRC_LENGTH = 4
_HIGHEST_DEFLATE_RATIO = 1032
_ZSTD_STEP = 2**20


class AvroFile(msgspec.Struct, frozen=True):
    """A container file whose header was read.

    Attributes:
        where: What it is, for messages.
        metadata: The header's key-value pairs.
        data: The whole file.
        start: Where the first block begins.
        sync: The marker after each block.
    """

    where: str
    metadata: dict[str, bytes]
    data: bytes
    start: int
    sync: bytes

    @property
    def schema(self) -> bytes:
        """The writer's schema, as JSON text."""
        return self.metadata["avro.schema"]

    @property
    def codec(self) -> str:
        """How blocks are compressed."""
        return self.metadata.get("avro.codec", b"null").decode("utf-8", "replace")


def varint(value: int) -> bytes:
    """One ``int`` or ``long``: zigzag, then seven bits a byte, lowest first."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def avro_bytes(value: bytes) -> bytes:
    """One ``bytes`` or ``string``: its length, then itself."""
    return varint(len(value)) + value


def plain_container(schema: bytes, rows: int, content: Sequence[bytes | memoryview]) -> bytes:
    """An uncompressed container file of one block, for a decoder that reads no other.

    Args:
        schema: The rows' schema, as JSON text.
        rows: How many they are.
        content: Their bytes, in pieces.
    """
    header = b"".join(avro_bytes(text) for text in (b"avro.schema", schema, b"avro.codec", b"null"))
    sizes = varint(rows) + varint(sum(map(len, content)))
    return b"".join([_MAGIC, varint(2), header, varint(0), _PLAIN_SYNC, sizes, *content, _PLAIN_SYNC])


def open_avro(data: bytes, where: str) -> AvroFile:
    """Read a container file's header.

    Args:
        data: The whole file.
        where: What it is, for messages: ``The manifest 'file:///t/metadata/m0.avro'``.

    Raises:
        CorruptTable: It is no Avro file, or its header is truncated.
    """
    if not data.startswith(_MAGIC):
        raise CorruptTable(f"{where} is no Avro file.")
    metadata: dict[str, bytes] = {}
    try:
        place = len(_MAGIC)
        count, place = _long(data, place)
        while count != 0:
            if count < 0:
                _, place = _long(data, place)
            for _ in range(abs(count)):
                key, place = _bytes(data, place)
                metadata[key.decode("utf-8", "replace")], place = _bytes(data, place)
            count, place = _long(data, place)
        sync = data[place : place + _SYNC_LENGTH]
    except (IndexError, ValueError) as error:
        raise CorruptTable(f"{where} has a damaged header.") from error
    if len(sync) < _SYNC_LENGTH or "avro.schema" not in metadata:
        raise CorruptTable(f"{where} has a damaged header.")
    return AvroFile(where, metadata, data, place + _SYNC_LENGTH, sync)


def blocks(file: AvroFile) -> Iterator[tuple[int, bytes]]:
    """Yield each block's number of rows and its decompressed bytes.

    Raises:
        CorruptTable: A block is truncated or damaged.
        LimitExceeded: A block, or all of them together, are larger than the limits.
        UnsupportedTableFeature: The codec is unknown.
    """
    data, place, end, codec = file.data, file.start, len(file.data), file.codec
    inflate = _CODECS.get(codec)
    if inflate is None:
        raise UnsupportedTableFeature(f"{file.where} is compressed with '{codec[:32]}', which is not supported.")
    total = 0
    while place < end:
        try:
            rows, place = _long(data, place)
            size, place = _long(data, place)
        except (IndexError, ValueError) as error:
            raise CorruptTable(f"{file.where} is truncated.") from error
        stop = place + size
        if rows < 0 or size < 0 or stop + _SYNC_LENGTH > end:
            raise CorruptTable(f"{file.where} is truncated or damaged.")
        if data[stop : stop + _SYNC_LENGTH] != file.sync:
            raise CorruptTable(f"{file.where} is damaged: a block does not end where it should.")
        try:
            content = inflate(data[place:stop], file.where)
        except (ValueError, OSError) as error:
            raise CorruptTable(f"{file.where} has a damaged block: {error}.") from error
        # Every row that is read here has at least one byte, so a larger count is a lie.
        if rows > len(content):
            raise CorruptTable(f"{file.where} has a damaged block: it claims {rows:,} rows in {len(content):,} bytes.")
        total += len(content)
        if rows > MOST_ROWS or total > LARGEST_CONTENT:
            raise _too_large(file.where)
        yield rows, content
        place = stop + _SYNC_LENGTH


def only_record(file: AvroFile) -> bytes:
    """The bytes of a container file's only record.

    Raises:
        CorruptTable: It has not one record; otherwise as ``blocks``.
    """
    records = [(rows, content) for rows, content in blocks(file) if rows]
    if len(records) != 1 or records[0][0] != 1:
        raise CorruptTable(f"{file.where} does not have one record.")
    return records[0][1]


def _long(data: bytes, place: int) -> tuple[int, int]:
    byte = data[place]
    value, shift, start = byte & 0x7F, 7, place
    while byte & 0x80:
        place += 1
        if place - start >= _LONGEST_VARINT:
            raise ValueError
        byte = data[place]
        value |= (byte & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), place + 1


def _bytes(data: bytes, place: int) -> tuple[bytes, int]:
    length, place = _long(data, place)
    if length < 0 or place + length > len(data):
        raise ValueError
    return data[place : place + length], place + length


def _too_large(where: str) -> LimitExceeded:
    return LimitExceeded(f"{where} is larger, decompressed, than is read.")


def _stored(block: bytes, _where: str) -> bytes:
    return block


def _deflated(block: bytes, where: str) -> bytes:
    from isal import igzip_lib, isal_zlib  # noqa: PLC0415 - only tables with manifests need it

    try:
        if len(block) * _HIGHEST_DEFLATE_RATIO <= LARGEST_BLOCK:
            return bytes(isal_zlib.decompress(block, wbits=-15))
        inflater = isal_zlib.decompressobj(wbits=-15)
        content = bytes(inflater.decompress(block, LARGEST_BLOCK + 1))
    except cast("type[Exception]", igzip_lib.IsalError) as error:
        raise ValueError(str(error)) from error
    if len(content) > LARGEST_BLOCK:
        raise _too_large(where)
    if not inflater.eof:
        raise ValueError("it is truncated")
    return content


def _zstandard(block: bytes, where: str) -> bytes:
    import zstandard  # noqa: PLC0415 - rarely needed

    try:
        if 0 <= zstandard.frame_content_size(block) <= LARGEST_BLOCK:
            return zstandard.ZstdDecompressor().decompress(block)
        content = bytearray()
        with zstandard.ZstdDecompressor().stream_reader(block) as reader:
            while step := reader.read(_ZSTD_STEP):
                content += step
                if len(content) > LARGEST_BLOCK:
                    raise _too_large(where)
        return bytes(content)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _snappy(block: bytes, where: str) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - keeps this module free of Arrow

    body, checksum = block[:-_CRC_LENGTH], block[-_CRC_LENGTH:]
    size, shift = 0, 0
    for byte in body[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    if size > LARGEST_BLOCK:
        raise _too_large(where)
    content: bytes = pa.Codec("snappy").decompress(body, decompressed_size=size, asbytes=True)
    if zlib.crc32(content).to_bytes(_CRC_LENGTH, "big") != checksum:
        raise ValueError("its checksum is wrong")
    return content


_CODECS = {"null": _stored, "deflate": _deflated, "zstandard": _zstandard, "snappy": _snappy}
