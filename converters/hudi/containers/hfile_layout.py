"""The layout of an HFile, version 3, as Hudi's metadata table has it; all numbers are big endian.

::

    data blocks            DATABLK*   entries, sorted by key
    other blocks           METABLKc   Bloom filters and the like, which are not read here
    root data index        IDXROOT2   per block: int64 offset | int32 size on disk | VInt length | first key
    meta index             IDXROOT2   may be empty, but is there
    file info              FILEINF2   "PBUF" | varint length | InfoProto
    trailer                4096 bytes: TRABLK"$ | varint length | FileTrailerProto | zeros | minor and major version

    block    magic (8) | int32 size on disk without this header | int32 size uncompressed | int64 place of the block
             before of the same kind | int8 kind of checksum | int32 bytes per checksum | int32 size on disk with this
             header, without checksums | the payload, compressed | a checksum of 4 bytes for each 16 KiB
    entry    int32 key's length | int32 value's length | key | value | VInt 0 (no MVCC stamp)
    key      int16 row's length | row | int8 0 (no column family) | int64 time stamp | int8 4 (put)

The *row* is what Hudi calls the key; the modules here do, too.  Source: Hudi's ``hfile_format.md`` (hudi-io) and
HBase's ``HFileWriterImpl``, ``HFileBlock`` and ``FixedFileTrailer``.
"""

from __future__ import annotations

import struct

__all__ = [
    "BLOCK_BYTES",
    "BLOCK_HEADER",
    "BYTES_PER_CHECKSUM",
    "CODECS",
    "DATA_MAGIC",
    "ENTRY_OVERHEAD",
    "INDEX_MAGIC",
    "INFO_MAGIC",
    "KEY_OVERHEAD",
    "KEY_SUFFIX",
    "TRAILER_BYTES",
    "TRAILER_MAGIC",
    "VERSION",
    "checksum_bytes",
]

BLOCK_HEADER = struct.Struct(">8siiqBii")
"""Magic, size on disk without header, size uncompressed, place of the block before, kind of checksum, bytes per
checksum, size on disk with header."""

DATA_MAGIC, INDEX_MAGIC, INFO_MAGIC = b"DATABLK*", b"IDXROOT2", b"FILEINF2"

TRAILER_BYTES = 4096
TRAILER_MAGIC = b'TRABLK"$'
VERSION = b"\x03\x00\x00\x03"
"""Minor version 3 in one byte, major version 3 in three: the trailer's last bytes."""

CODECS = {"gzip": 1, "none": 2}
"""Numbers of the ways to compress blocks (HBase's ``Compression.Algorithm``)."""

BLOCK_BYTES = 64 * 1024
"""Largest payload of a data block of several entries, uncompressed.

Hudi's reader does not look for an entry in the last ``4 * ceil(size / 16384)`` bytes of a block, so in larger blocks it
would lose a small last entry.  No entry is smaller than that in a block of this size.
"""

BYTES_PER_CHECKSUM = 16 * 1024

KEY_SUFFIX = b"\x00" + struct.pack(">q", 2**63 - 1) + b"\x04"
"""What follows the row in each key: no family, the latest time stamp, a put."""

KEY_OVERHEAD = 2 + len(KEY_SUFFIX)
"""Bytes of a key that are not its row."""

ENTRY_OVERHEAD = 8 + KEY_OVERHEAD + 1
"""Bytes of an entry that are neither its row nor its value."""


def checksum_bytes(size_with_header: int) -> int:
    """The length of the checksums of a block that takes this many bytes with its header."""
    return 4 * -(-size_with_header // BYTES_PER_CHECKSUM)
