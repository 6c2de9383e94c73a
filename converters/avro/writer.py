"""Avro object container files, encoded column by column.

A record's bytes are the bytes of its members one after another, so a batch of records is a join of encoded columns:
constants, varints, values.  Source: Avro specification 1.12, "Binary encoding" and "Object container files".
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import IO, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.container import avro_bytes, varint

__all__ = [
    "EMPTY",
    "ROWS_PER_BLOCK",
    "ByteArray",
    "Cells",
    "ContainerWriter",
    "RowJoiner",
    "avro_bytes",
    "binary_from_lengths",
    "binary_from_matrix",
    "deflate",
    "record_blocks",
    "varint",
    "varints",
]

IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

Cells: TypeAlias = "ByteArray | pa.Array"
"""An encoded column: a matrix, a value to a row, where all are equally wide; else a binary array without nulls."""

EMPTY = b"\x00"
"""An array or map without items, and the null branch of a union that names null first."""

ROWS_PER_BLOCK = 1000
"""Records to a block: enough that compression works, few enough that a reader of one block needs little memory."""

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_LOW_BITS = np.uint64(0x7F)
_MORE = np.uint8(0x80)


def varints(values: npt.NDArray[Any], *, prefix: bytes = b"", present: BoolArray | None = None) -> Cells:
    """A column of ``int`` or ``long``.

    Args:
        values: Integers.
        prefix: Stands before each.
        present: Where false, nothing is written at all: no prefix either.
    """
    chosen = values if present is None else values[present]
    signed = np.ascontiguousarray(chosen, dtype=np.int64)
    unsigned = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
    widest = _varint_length(int(unsigned.max())) if len(unsigned) else 1
    narrowest = _varint_length(int(unsigned.min())) if len(unsigned) else 1
    matrix = np.empty((len(unsigned), len(prefix) + widest), np.uint8)
    matrix[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    lengths = np.full(len(unsigned), len(prefix) + narrowest, np.int32)
    for place in range(widest):
        rest = unsigned >> np.uint64(7 * place) if place else unsigned
        column = (rest & _LOW_BITS).astype(np.uint8)
        if place < widest - 1:
            more = rest > _LOW_BITS
            column |= more * _MORE
            if place >= narrowest - 1:
                lengths += more
        matrix[:, len(prefix) + place] = column
    ragged = widest > narrowest
    if present is None and not ragged:
        return matrix
    data = matrix[np.arange(matrix.shape[1]) < lengths[:, None]] if ragged else matrix.reshape(-1)
    if present is not None:
        spread = np.zeros(len(values), np.int32)
        spread[present] = lengths
        lengths = spread
    return binary_from_lengths(lengths, data)


def _varint_length(zigzagged: int) -> int:
    return max(1, -(-zigzagged.bit_length() // 7))


def binary_from_lengths(lengths: npt.NDArray[np.int32], data: ByteArray) -> pa.Array:
    """A binary array without nulls from its values' lengths and its values' bytes, one after another."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.Array.from_buffers(pa.binary(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def binary_from_matrix(matrix: ByteArray) -> pa.Array:
    """A binary array of the rows of a matrix."""
    count, width = matrix.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(matrix)
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


class RowJoiner:
    """Collects the columns of a record in order, and joins them to one binary value a record."""

    def __init__(self, rows: int) -> None:
        """Start records of ``rows`` rows."""
        self._rows = rows
        self._pieces: list[pa.Array | pa.Scalar] = []
        self._fixed: list[bytes | ByteArray] = []

    def add(self, cells: bytes | Cells) -> None:
        """Append a column, or the same bytes to each record."""
        if isinstance(cells, bytes | np.ndarray):
            self._fixed.append(cells)
        else:
            self._flush()
            self._pieces.append(cells)

    def join(self) -> pa.Array:
        """One binary value a record; at least one column that is no constant must have been given."""
        self._flush()
        return pc.binary_join_element_wise(*self._pieces, pa.scalar(b"", pa.binary()))

    def _flush(self) -> None:
        """Make one piece of all that is equally wide in each record: joining costs by the piece."""
        if not self._fixed:
            return
        if all(isinstance(each, bytes) for each in self._fixed):
            self._pieces.append(pa.scalar(b"".join(cast("list[bytes]", self._fixed)), pa.binary()))
        else:
            self._pieces.append(binary_from_matrix(_beside(self._fixed, self._rows)))
        self._fixed = []


def _beside(parts: list[bytes | ByteArray], rows: int) -> ByteArray:
    if len(parts) == 1 and isinstance(parts[0], np.ndarray):
        return parts[0]
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    matrix = np.empty((rows, sum(widths)), np.uint8)
    start = 0
    for part, width in zip(parts, widths, strict=True):
        matrix[:, start : start + width] = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        start += width
    return matrix


def deflate(data: bytes | memoryview) -> bytes:
    """Raw deflate, as the Avro codec of this name; every reader takes it."""
    from isal import isal_zlib  # noqa: PLC0415 - only who writes a container needs it

    compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


class ContainerWriter:
    """Writes one object container file, deflated."""

    def __init__(self, out: IO[bytes], metadata: Mapping[str, str]) -> None:
        """Write the header.

        Args:
            out: Where the file goes; writing starts at its current position.
            metadata: The header's entries, ``avro.schema`` among them; ``avro.codec`` is added.
        """
        self._out = out
        self._sync = os.urandom(_SYNC_BYTES)
        entries = {**metadata, "avro.codec": "deflate"}
        header = bytearray(_MAGIC + varint(len(entries)))
        for key, value in entries.items():
            header += avro_bytes(key.encode()) + avro_bytes(value.encode())
        header += EMPTY + self._sync
        self.size = out.write(header)

    def write(self, records: pa.Array) -> None:
        """Append a binary array of encoded records (without nulls) as blocks."""
        for count, data in record_blocks(records):
            self.block(count, data)

    def block(self, count: int, data: bytes | memoryview) -> None:
        """Append one block of ``count`` encoded records."""
        packed = deflate(data)
        self.size += self._out.write(varint(count) + varint(len(packed)))
        self.size += self._out.write(packed)
        self.size += self._out.write(self._sync)


def record_blocks(records: pa.Array) -> Iterator[tuple[int, memoryview]]:
    """Cut a binary array of encoded records (without nulls) into blocks: how many records each has, and these."""
    if len(records) == 0:
        return
    _, offsets_buffer, data_buffer = records.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[records.offset : records.offset + len(records) + 1]
    data = memoryview(data_buffer)
    for start in range(0, len(records), ROWS_PER_BLOCK):
        end = min(start + ROWS_PER_BLOCK, len(records))
        yield end - start, data[offsets[start] : offsets[end]]
