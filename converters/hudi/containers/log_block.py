"""Blocks of Hudi's log files; all numbers are big endian.

::

    "#HUDI#" | int64 size of what follows | int32 version 1 | int32 kind of block | header | int64 length | content
             | footer | int64 size of the whole block without this number
    header and footer: int32 count, and for each int32 name | int32 length | text

The size at the end is checked against the one at the beginning, and a block is followed by another or by the file's
end; what does not hold to this is a *corrupt block*, such as a writer leaves that was stopped: Hudi looks for the next
magic and goes on there, so that its rows are not read.  Source: Hudi's ``HoodieLogFormat``, ``HoodieLogFormatWriter``
and ``HoodieLogFileReader``.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from converters.errors import CorruptTable, UnsupportedTableFeature

__all__ = [
    "AVRO_DATA",
    "CDC_DATA",
    "COMMAND",
    "COMMAND_TYPE",
    "COMPACTED_BLOCK_TIMES",
    "CORRUPT",
    "DELETE",
    "HFILE_DATA",
    "INSTANT_TIME",
    "PARQUET_DATA",
    "SCHEMA",
    "TARGET_INSTANT_TIME",
    "LogBlock",
    "data_block",
    "read_log",
]

COMMAND: Final = 0
DELETE: Final = 1
CORRUPT: Final = 2
AVRO_DATA: Final = 3
HFILE_DATA: Final = 4
PARQUET_DATA: Final = 5
CDC_DATA: Final = 6
"""Kinds of blocks (``HoodieLogBlockType``)."""

INSTANT_TIME: Final = 0
TARGET_INSTANT_TIME: Final = 1
SCHEMA: Final = 2
COMMAND_TYPE: Final = 3
COMPACTED_BLOCK_TIMES: Final = 4
"""Names in a block's header (``HeaderMetadataType``)."""

_MAGIC = b"#HUDI#"
_SIZE = struct.Struct(">q")
_VERSION_AND_TYPE = struct.Struct(">ii")
_COUNT = struct.Struct(">i")
_PAIR = struct.Struct(">ii")
_FRAME = len(_MAGIC) + _SIZE.size
_VERSION = 1
_MOST_PAIRS = 1000


class LogBlock(msgspec.Struct, frozen=True):
    """A block of a log file.

    Attributes:
        type: Its kind; a corrupt block has no header and no content.
        header: Its header's texts by name.
        content: What is in it.
    """

    type: int
    header: dict[int, str]
    content: bytes

    @property
    def instant(self) -> str:
        """When it was written: the time of the instant that it belongs to; empty where the header has none."""
        return self.header.get(INSTANT_TIME, "")

    @property
    def schema(self) -> str:
        """The Avro schema of its rows, as JSON text; empty where the header has none."""
        return self.header.get(SCHEMA, "")


def data_block(instant: str, schema: str, hfile: bytes) -> bytes:
    """A block of rows in an HFile.

    Args:
        instant: The time of the instant that writes it.
        schema: The Avro schema of the rows, as JSON text.
        hfile: The whole file.
    """
    texts = {INSTANT_TIME: instant.encode(), SCHEMA: schema.encode()}
    header = _COUNT.pack(len(texts)) + b"".join(_PAIR.pack(name, len(text)) + text for name, text in texts.items())
    footer = _COUNT.pack(0)
    size = _VERSION_AND_TYPE.size + len(header) + _SIZE.size + len(hfile) + len(footer) + _SIZE.size
    return b"".join(
        (
            _MAGIC,
            _SIZE.pack(size),
            _VERSION_AND_TYPE.pack(_VERSION, HFILE_DATA),
            header,
            _SIZE.pack(len(hfile)),
            hfile,
            footer,
            _SIZE.pack(len(_MAGIC) + size),
        )
    )


def read_log(data: bytes, where: str) -> list[LogBlock]:
    """The blocks of a log file, in order; corrupt ones among them.

    Args:
        data: The file; it may be empty.
        where: What it is, for messages: ``The log file 'file:///t/.hoodie/metadata/files/.f.log.1_0-0-0'``.

    Raises:
        CorruptTable: The file does not begin with a block, or a block whose frame is whole is damaged inside.
        UnsupportedTableFeature: A block has another version than 1, or a kind that is not known.
    """
    blocks: list[LogBlock] = []
    place = 0
    while place < len(data):
        if place + len(_MAGIC) > len(data):
            blocks.append(LogBlock(CORRUPT, {}, b""))
            break
        if data[place : place + len(_MAGIC)] != _MAGIC:
            # The frames before say that a block begins here, so that this is only seen at the beginning.
            raise CorruptTable(f"{where} is no log file.")
        end = _end_of_block(data, place)
        if end is None:
            following = data.find(_MAGIC, place + len(_MAGIC))
            place = len(data) if following < 0 else following
            blocks.append(LogBlock(CORRUPT, {}, b""))
            continue
        try:
            blocks.append(_block(data[place + _FRAME : end - _SIZE.size], where))
        except (struct.error, ValueError) as error:
            raise CorruptTable(f"{where} has a damaged block at byte {place:,}: {error}.") from error
        place = end
    return blocks


def _end_of_block(data: bytes, place: int) -> int | None:
    """Where the block ends, or None where its frame is not whole."""
    if place + _FRAME > len(data):
        return None
    (size,) = _SIZE.unpack_from(data, place + len(_MAGIC))
    end: int = place + _FRAME + size
    if size < _VERSION_AND_TYPE.size + _SIZE.size or end > len(data):
        return None
    (at_end,) = _SIZE.unpack_from(data, end - _SIZE.size)
    if at_end != len(_MAGIC) + size:
        return None
    if end + len(_MAGIC) <= len(data) and data[end : end + len(_MAGIC)] != _MAGIC:
        return None
    return end


def _block(body: bytes, where: str) -> LogBlock:
    """Read what stands between the two sizes."""
    version, kind = _VERSION_AND_TYPE.unpack_from(body)
    if version != _VERSION:
        raise UnsupportedTableFeature(f"{where} has a block of log format version {version}, which is not supported.")
    if not COMMAND <= kind <= CDC_DATA:
        raise UnsupportedTableFeature(f"{where} has a block of the unknown kind {kind}.")
    header, place = _header(body, _VERSION_AND_TYPE.size)
    (length,) = _SIZE.unpack_from(body, place)
    place += _SIZE.size
    if not 0 <= length <= len(body) - place:
        raise ValueError("its content is longer than the block")
    _header(body, place + length)
    return LogBlock(kind, header, body[place : place + length])


def _header(body: bytes, place: int) -> tuple[dict[int, str], int]:
    (count,) = _COUNT.unpack_from(body, place)
    place += _COUNT.size
    if not 0 <= count <= _MOST_PAIRS:
        raise ValueError("its header has an impossible length")
    header: dict[int, str] = {}
    for _ in range(count):
        name, length = _PAIR.unpack_from(body, place)
        place += _PAIR.size
        if not 0 <= length <= len(body) - place:
            raise ValueError("its header is longer than the block")
        header[name] = body[place : place + length].decode("utf-8", "replace")
        place += length
    return header, place
