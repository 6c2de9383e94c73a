"""Writing HFiles, many entries at a time; the layout stands in ``hfile_layout``."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.writer import RowJoiner
from converters.hudi.containers.hfile_layout import (
    BLOCK_BYTES,
    BLOCK_HEADER,
    BYTES_PER_CHECKSUM,
    CODECS,
    DATA_MAGIC,
    ENTRY_OVERHEAD,
    INDEX_MAGIC,
    INFO_MAGIC,
    KEY_OVERHEAD,
    KEY_SUFFIX,
    TRAILER_BYTES,
    TRAILER_MAGIC,
    VERSION,
    checksum_bytes,
)
from converters.hudi.containers.protobuf import bytes_field, uint_field, unsigned_varint

__all__ = ["HFileWriter"]

_COMPARATOR = b"org.apache.hudi.io.storage.HoodieHBaseKVComparator"
_NO_CHECKSUM = 0
_LONGEST_KEY = 2**15 - 1 - KEY_OVERHEAD
_LARGEST_BLOCK = 2**31 - 1 - BLOCK_HEADER.size
_BYTES_AT_ONCE = 64 * 2**20
_FASTEST = 1


class HFileWriter:
    """Writes one HFile to a sink, block by block, so that no more than what is added at once is held in memory."""

    def __init__(
        self,
        sink: BinaryIO,
        *,
        schema: str,
        codec: Literal["gzip", "none"] = "gzip",
        block_bytes: int = BLOCK_BYTES,
        record_key_range: bool,
    ) -> None:
        """Start a file at the sink's current position, which becomes the file's beginning.

        Args:
            sink: Where the file goes.
            schema: The Avro schema of the values, as JSON text; stands in the file's info.
            codec: How blocks are compressed.
            block_bytes: Largest block of several entries, in bytes uncompressed; an entry that is larger has a block of
                its own.
            record_key_range: Whether the smallest and largest key stand in the file's info, as they do in base files
                and do not in log blocks.

        Raises:
            ValueError: Blocks would be larger than Hudi reads without loss.
        """
        if not 0 < block_bytes <= BLOCK_BYTES:
            raise ValueError(f"blocks of {block_bytes} bytes would not be read without loss")
        self._sink = sink
        self._schema = schema
        self._codec = CODECS[codec]
        self._compress = _gzip_compressor() if codec == "gzip" else bytes
        self._block_bytes = block_bytes
        self._record_key_range = record_key_range
        self._place = 0
        self._index = bytearray()
        self._blocks = 0
        self._first_block = self._last_block = -1
        self._pending = bytearray()
        self._pending_key = b""
        self._first_key: bytes | None = None
        self._last_key: bytes | None = None
        self._entries = self._key_bytes = self._value_bytes = self._uncompressed = 0

    def add(self, keys: pa.Array, values: pa.Array) -> None:
        """Append entries.

        Args:
            keys: Binary, at most 32,753 bytes each, in ascending order of their bytes, each greater than all before.
            values: Binary or large binary, as many.

        Raises:
            ValueError: Keys are out of order, there twice, null or too long, or a value is null or larger than 2 GB.
        """
        self._check(keys, values)
        sizes = _lengths(keys) + _lengths(values) + ENTRY_OVERHEAD
        if len(sizes) and int(sizes.max()) > _LARGEST_BLOCK:
            raise ValueError("a value is larger than 2 GB")
        for start, end in _runs(sizes, _BYTES_AT_ONCE):
            self._add_run(keys[start:end], values[start:end], sizes[start:end])

    def close(self) -> int:
        """Write what is left, the indexes, the info and the trailer.

        Returns:
            The size of the file, in bytes.
        """
        self._flush()
        load_on_open = self._place
        self._write_block(INDEX_MAGIC, self._index)
        self._write_block(INDEX_MAGIC, b"")
        info_place = self._place
        self._write_block(INFO_MAGIC, self._info())
        fields = (
            (1, info_place),
            (2, load_on_open),
            (3, len(self._index)),
            (4, self._uncompressed),
            (5, self._blocks),
            (6, 0),
            (7, self._entries),
            (8, 1),
            (9, max(self._first_block, 0)),
            (10, max(self._last_block, 0)),
        )
        trailer = b"".join(uint_field(number, value) for number, value in fields)
        trailer += bytes_field(11, _COMPARATOR) + uint_field(12, self._codec)
        trailer = TRAILER_MAGIC + unsigned_varint(len(trailer)) + trailer
        self._sink.write(trailer.ljust(TRAILER_BYTES - len(VERSION), b"\x00") + VERSION)
        return self._place + TRAILER_BYTES

    def _check(self, keys: pa.Array, values: pa.Array) -> None:
        if len(keys) != len(values) or keys.null_count or values.null_count:
            raise ValueError("each key needs a value, and neither may be null")
        if len(keys) == 0:
            return
        first = keys[0].as_py()
        if self._last_key is not None and first <= self._last_key:
            raise ValueError(f"the key {first!r} follows {self._last_key!r}")
        ordered = pc.less(keys[:-1], keys[1:])
        if not pc.all(ordered).as_py() and len(keys) > 1:
            place = pc.index(ordered, pa.scalar(value=False)).as_py()
            raise ValueError(f"the key {keys[place + 1].as_py()!r} follows {keys[place].as_py()!r}")
        if pc.max(pc.binary_length(keys)).as_py() > _LONGEST_KEY:
            raise ValueError("a key is too long")

    def _add_run(self, keys: pa.Array, values: pa.Array, sizes: npt.NDArray[np.int64]) -> None:
        """Append entries that are small enough together to be joined at once, or a single one."""
        data, ends = _join(keys, values), np.cumsum(sizes)
        start, written = 0, 0
        while start < len(keys):
            room = self._block_bytes - len(self._pending)
            end = max(start, int(np.searchsorted(ends, written + room, side="right")))
            if end == start and not self._pending:
                end = start + 1
            if end > start:
                if not self._pending:
                    self._pending_key = _full_key(keys[start].as_py())
                self._pending += data[written : ends[end - 1]]
                written = int(ends[end - 1])
            if end < len(keys):
                self._flush()
            start = end
        first, last = keys[0].as_py(), keys[-1].as_py()
        self._first_key = first if self._first_key is None else self._first_key
        self._last_key = last
        self._entries += len(keys)
        row_bytes = int(_lengths(keys).sum())
        self._key_bytes += row_bytes + KEY_OVERHEAD * len(keys)
        self._value_bytes += int(sizes.sum()) - row_bytes - ENTRY_OVERHEAD * len(keys)

    def _flush(self) -> None:
        """Write the pending entries as a block."""
        if not self._pending:
            return
        place = self._place
        size = self._write_block(DATA_MAGIC, self._pending, before=self._last_block)
        key = self._pending_key
        self._index += struct.pack(">qi", place, size) + _hadoop_vint(len(key)) + key
        self._blocks += 1
        self._last_block = place
        if self._first_block < 0:
            self._first_block = place
        self._pending = bytearray()

    def _write_block(self, magic: bytes, payload: bytes | bytearray, *, before: int = -1) -> int:
        packed = self._compress(payload)
        with_header = BLOCK_HEADER.size + len(packed)
        checksums = bytes(checksum_bytes(with_header))
        self._sink.write(
            BLOCK_HEADER.pack(
                magic,
                len(packed) + len(checksums),
                len(payload),
                before,
                _NO_CHECKSUM,
                BYTES_PER_CHECKSUM,
                with_header,
            )
        )
        self._sink.write(packed)
        self._sink.write(checksums)
        self._place += with_header + len(checksums)
        self._uncompressed += BLOCK_HEADER.size + len(payload)
        return with_header + len(checksums)

    def _info(self) -> bytes:
        count = max(self._entries, 1)
        info = {
            b"KEY_VALUE_VERSION": struct.pack(">i", 1),
            b"MAX_MEMSTORE_TS_KEY": struct.pack(">q", 0),
            b"hfile.AVG_KEY_LEN": struct.pack(">i", self._key_bytes // count),
            b"hfile.AVG_VALUE_LEN": struct.pack(">i", self._value_bytes // count),
            b"hfile.CREATE_TIME_TS": struct.pack(">q", time.time_ns() // 1_000_000),
            b"schema": self._schema.encode(),
        }
        if self._first_key is not None and self._last_key is not None:
            info[b"hfile.LASTKEY"] = _full_key(self._last_key)
            if self._record_key_range:
                info[b"minRecordKey"], info[b"maxRecordKey"] = self._first_key, self._last_key
        body = b"".join(
            bytes_field(1, bytes_field(1, name) + bytes_field(2, value)) for name, value in sorted(info.items())
        )
        return b"PBUF" + unsigned_varint(len(body)) + body


def _gzip_compressor() -> Callable[[bytes | bytearray], bytes]:
    from isal import igzip_lib  # noqa: PLC0415 - only who writes an HFile needs it

    def compress(payload: bytes | bytearray) -> bytes:
        return bytes(igzip_lib.compress(payload, _FASTEST, igzip_lib.COMP_GZIP))

    return compress


def _lengths(values: pa.Array) -> npt.NDArray[np.int64]:
    lengths: npt.NDArray[np.int64] = pc.binary_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _runs(sizes: npt.NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    """Ranges of entries that are together no larger than ``most`` bytes, or one entry."""
    ends, runs, start, before = np.cumsum(sizes), [], 0, 0
    while start < len(sizes):
        end = max(int(np.searchsorted(ends, before + most, side="right")), start + 1)
        runs.append((start, end))
        start, before = end, int(ends[end - 1])
    return runs


def _join(keys: pa.Array, values: pa.Array) -> memoryview:
    """The entries' bytes, one after another."""
    if len(keys) == 1:
        key, value = _full_key(keys[0].as_py()), values[0].as_py()
        return memoryview(b"".join((struct.pack(">ii", len(key), len(value)), key, value, b"\x00")))
    key_lengths = _lengths(keys)
    row = RowJoiner(len(keys))
    row.add(_big_endian(key_lengths + KEY_OVERHEAD, ">i4"))
    row.add(_big_endian(_lengths(values), ">i4"))
    row.add(_big_endian(key_lengths, ">i2"))
    row.add(keys.cast(pa.binary()))
    row.add(KEY_SUFFIX)
    row.add(values.cast(pa.binary()))
    row.add(b"\x00")
    _, offsets, data = row.join().buffers()
    ends = np.frombuffer(offsets, np.int32)[: len(keys) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]


def _big_endian(values: npt.NDArray[np.int64], kind: str) -> npt.NDArray[np.uint8]:
    numbers = values.astype(kind)
    return numbers.view(np.uint8).reshape(len(values), numbers.itemsize)


def _full_key(row: bytes) -> bytes:
    return struct.pack(">H", len(row)) + row + KEY_SUFFIX


def _hadoop_vint(value: int) -> bytes:
    """A number that is not negative, as Hadoop's ``WritableUtils.writeVInt`` writes it."""
    if value <= 127:
        return bytes([value])
    length = -(-value.bit_length() // 8)
    return bytes([256 - 112 - length]) + value.to_bytes(length, "big")
