"""Keys of the metadata table's records, for many files at once.

The key of a column's statistics is ``base64(xxh64(column)) + base64(xxh64(partition)) + base64(md5(file name))``, 12,
12 and 24 characters long (Hudi's ``ColumnIndexID``, ``PartitionIndexID``, ``FileIndexID``).
"""

from __future__ import annotations

import binascii
import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import numbers_of
from converters.avro.writer import binary_from_matrix

__all__ = [
    "ALL_PARTITIONS",
    "UNPARTITIONED",
    "FileKeys",
    "column_key",
    "column_stats_keys",
    "file_group_of",
    "partition_key",
    "with_one_unpartitioned",
]

ALL_PARTITIONS = "__all_partitions__"
"""Key of the record that lists the partitions."""

UNPARTITIONED = "."
"""What stands for the empty partition path."""

ByteArray = npt.NDArray[np.uint8]

_SEED = 0xFFFFFFFF_DABADABA


def partition_key(path: str) -> str:
    """The key of a partition's files; paths are relative to the table, as they are on disk."""
    return path or UNPARTITIONED


def column_key(column: str) -> bytes:
    """What the keys of a column's statistics begin with: 12 characters.

    In the order of these, all of one column's statistics follow all of another's.
    """
    return _hashes([column]).tobytes()


def with_one_unpartitioned(keys: ByteArray) -> ByteArray:
    """Give keys of statistics, the rows of a matrix, the one form that this module makes.

    Hudi 0.14, and with it Java XTable 0.4, hashes the empty partition path as it is, later versions as ``.``.
    """
    empty, wanted = (_hashes([path])[0] for path in ("", UNPARTITIONED))
    start, stop = len(wanted), 2 * len(wanted)
    rows = np.flatnonzero(keys[:, start] == empty[0])
    rows = rows[(keys[rows, start:stop] == empty).all(axis=1)]
    if len(rows):
        keys = keys.copy()
        keys[rows, start:stop] = wanted
    return keys


def column_stats_keys(column: str, partitions: pa.Array, names: pa.Array) -> pa.Array:
    """The keys of a column's statistics in files.

    Args:
        column: The column's name, with dots where it is nested.
        partitions: Each file's partition path, empty where there are no partitions.
        names: Each file's name in its directory, without what Hudi appends to the names of files that others wrote.

    Returns:
        Binary, in the files' order.
    """
    return FileKeys(partitions, names).keys(column)


class FileKeys:
    """What does not depend on the column in the keys of some files' statistics; computed once for all columns."""

    def __init__(self, partitions: pa.Array, names: pa.Array) -> None:
        """Name the files; they are hashed when their keys are asked for.

        Args:
            partitions: Each file's partition path, string.
            names: Each file's name, string.
        """
        self._partitions = partitions
        self._names = names

    def __len__(self) -> int:
        """How many files there are."""
        return len(self._names)

    @functools.cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """The files' places in ascending order of their keys, whatever the column is."""
        as_texts = self.suffixes.view(f"S{self.suffixes.shape[1]}")[:, 0]
        return np.argsort(as_texts, kind="stable")

    @functools.cached_property
    def suffixes(self) -> ByteArray:
        """The keys without the column's part, a row each, in the files' order."""
        encoded = pc.dictionary_encode(self._partitions)
        hashes = _hashes([partition_key(path) for path in encoded.dictionary.to_pylist()])
        places = numbers_of(encoded.indices)
        return np.concatenate((hashes[places], _digests(self._names.cast(pa.binary()))), axis=1)

    def keys(self, column: str) -> pa.Array:
        """The keys of a column's statistics, binary, in the files' order."""
        return _with_column(column, self.suffixes)

    def old_keys(self, column: str) -> pa.Array:
        """The keys as Hudi 0.14 writes them, where these are others (``with_one_unpartitioned``)."""
        empty, wanted = (_hashes([path])[0] for path in ("", UNPARTITIONED))
        suffixes = self.suffixes[(self.suffixes[:, : len(wanted)] == wanted).all(axis=1)].copy()
        suffixes[:, : len(empty)] = empty
        return _with_column(column, suffixes)


def file_group_of(keys: pa.Array, groups: int) -> npt.NDArray[np.int64]:
    """Which file group each record goes to, by its key (``HoodieTableMetadataUtil.mapRecordKeyToFileGroupIndex``).

    Args:
        keys: Binary; equally long and ASCII where there are several groups, as those of ``column_stats`` are.
        groups: How many there are.
    """
    if groups == 1 or len(keys) == 0:
        return np.zeros(len(keys), np.int64)
    _, offsets, data = keys.buffers()
    bounds = np.frombuffer(offsets, np.int32)[keys.offset : keys.offset + len(keys) + 1]
    texts = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(len(keys), -1)
    found = np.zeros(len(keys), np.uint32)
    for place in range(texts.shape[1]):
        found = found * np.uint32(31) + texts[:, place]
    numbers = found.view(np.int32).astype(np.int64)
    # Java's absolute value of the least int is itself, and its remainder has the sign of the dividend.
    positive = np.where(numbers == -(2**31), numbers, np.abs(numbers))
    return np.abs(np.fmod(positive, groups))


def _with_column(column: str, suffixes: ByteArray) -> pa.Array:
    prefix = np.frombuffer(column_key(column), np.uint8)
    matrix = np.empty((len(suffixes), len(prefix) + suffixes.shape[1]), np.uint8)
    matrix[:, : len(prefix)] = prefix
    matrix[:, len(prefix) :] = suffixes
    return binary_from_matrix(matrix)


def _hashes(texts: Sequence[str]) -> ByteArray:
    """A matrix of base64(xxh64) of each text; 64 bits are eleven characters and a ``=``."""
    import xxhash  # noqa: PLC0415 - heavy

    digests = b"".join(xxhash.xxh64_digest(text.encode(), _SEED) for text in texts)
    return _base64(np.frombuffer(digests, np.uint8).reshape(-1, 8), padding=1)


def _digests(names: pa.Array) -> ByteArray:
    """A matrix of base64(md5) of each name; 128 bits are 22 characters and ``==``."""
    digests = b"".join(hashlib.md5(name, usedforsecurity=False).digest() for name in names.to_pylist())
    return _base64(np.frombuffer(digests, np.uint8).reshape(-1, 16), padding=2)


def _base64(digests: ByteArray, padding: int) -> ByteArray:
    """Encode the rows of a matrix: all at once, each filled up with zeros to a multiple of three bytes."""
    count, width = digests.shape
    filled = np.zeros((count, width + padding), np.uint8)
    filled[:, :width] = digests
    encoded = binascii.b2a_base64(filled.tobytes(), newline=False)
    matrix = np.frombuffer(encoded, np.uint8).reshape(count, 4 * (filled.shape[1] // 3)).copy()
    matrix[:, -padding:] = ord("=")
    return matrix
