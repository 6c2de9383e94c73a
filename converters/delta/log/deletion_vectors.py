"""Deletion vectors as the log describes them, and as the model does (Delta protocol, "Deletion Vectors")."""

from __future__ import annotations

import hashlib
import uuid

import pyarrow as pa
import pyarrow.compute as pc

from converters.deletes.blob import MAGIC, wrapped
from converters.delta.log import z85
from converters.delta.log.paths import locations
from converters.errors import CorruptTable
from converters.model.deletion_vector import DELETION_VECTOR
from converters.storage.location import join

__all__ = ["deletion_vectors"]

_LONGEST_ID = 256
_UUID_DIGITS = 20
_UUID_BYTES = 16
_FRAME = 4 + 4
"""Bytes of a blob that ``sizeInBytes`` does not count: its length and its checksum."""

_FIRST = 1
"""Where the first blob of a file begins: behind the byte that tells the file's version."""


def deletion_vectors(vectors: pa.StructArray, ids: pa.Array, paths: pa.Array, table_location: str) -> pa.Array:
    """What the model says of the deletion vectors of some files.

    Args:
        vectors: As the log has them (``VECTOR``); null where a file has none.
        ids: Their unique ids.
        paths: The data files, for messages.
        table_location: The table's directory, canonical.

    Returns:
        An array of ``DELETION_VECTOR``; null where no row is deleted.

    Raises:
        CorruptTable: One is not described in full, or not as the protocol has it.
    """
    if vectors.null_count == len(vectors):
        return pa.nulls(len(vectors), DELETION_VECTOR)
    # A vector that deletes nothing may stand for none.
    given = pc.fill_null(pc.not_equal(pc.struct_field(vectors, "cardinality"), 0), fill_value=True)
    given = pc.and_(given, vectors.is_valid())
    described = _described(vectors.filter(given), ids.filter(given), paths.filter(given), table_location)
    rows = pc.subtract(pc.cumulative_sum(given.cast(pa.int64())), 1)
    return described.take(pc.if_else(given, rows, None))


def _described(vectors: pa.StructArray, ids: pa.Array, data_paths: pa.Array, table_location: str) -> pa.StructArray:
    kind, place, offset, size, cardinality = vectors.flatten()
    offset, size = pc.fill_null(offset.cast(pa.int64()), _FIRST), size.cast(pa.int64())

    def check(is_right: pa.Array, why: str) -> None:
        wrong = pc.invert(pc.fill_null(is_right, fill_value=False))
        if pc.any(wrong).as_py():
            raise _refusal(data_paths.filter(wrong)[0].as_py(), why)

    check(pc.is_in(kind, value_set=pa.array(["u", "p", "i"])), "its storage type is unknown")
    check(pc.and_(pc.greater(cardinality, 0), pc.greater_equal(size, len(MAGIC))), "it does not say how large it is")
    check(pc.greater_equal(offset, 0), "it begins before its file")
    is_inline = pc.equal(kind, "i")
    inline = [
        _inline(text, length, path) if here else None
        for here, text, length, path in zip(
            is_inline.to_pylist(), place.to_pylist(), size.to_pylist(), data_paths.to_pylist(), strict=True
        )
    ]
    columns = {
        "id": _short(ids),
        "path": _paths(kind, place, data_paths, table_location),
        "offset": pc.if_else(is_inline, None, offset),
        "length": pc.if_else(is_inline, None, pc.add(size, _FRAME)),
        "inline": pa.array(inline, pa.binary()),
        "cardinality": cardinality,
    }
    return pa.StructArray.from_arrays([columns[field.name] for field in DELETION_VECTOR], fields=list(DELETION_VECTOR))


def _short(ids: pa.Array) -> pa.Array:
    """Ids of at most some hundred bytes: an inline vector's own is as long as the vector."""
    is_long = pc.greater(pc.binary_length(ids), _LONGEST_ID)
    if not pc.any(is_long).as_py():
        return ids
    digests = [
        f"{text[0]}sha256:{hashlib.sha256(text.encode()).hexdigest()}" for text in ids.filter(is_long).to_pylist()
    ]
    return pc.replace_with_mask(ids, is_long, pa.array(digests, pa.string()))


def _paths(kind: pa.Array, place: pa.Array, data_paths: pa.Array, table_location: str) -> pa.Array:
    """The files that vectors lie in; null where they lie in the log.  Few files hold many vectors."""
    is_relative, is_absolute = pc.equal(kind, "u"), pc.equal(kind, "p")
    found = pa.nulls(len(place), pa.string())
    if pc.any(is_relative).as_py():
        names = place.filter(is_relative).dictionary_encode()
        firsts = data_paths.filter(is_relative)
        files = [
            _relative(text, firsts[pc.index(names.indices, number).as_py()].as_py(), table_location)
            for number, text in enumerate(names.dictionary.to_pylist())
        ]
        found = pc.replace_with_mask(found, is_relative, pa.array(files, pa.string()).take(names.indices))
    if pc.any(is_absolute).as_py():
        # In the same form as the paths of data files.
        found = pc.replace_with_mask(found, is_absolute, locations(place.filter(is_absolute), table_location))
    return found


def _relative(text: str, data_path: str, table_location: str) -> str:
    """A file below the table: an optional directory and the file's UUID."""
    prefix, name = text[:-_UUID_DIGITS], _decoded(text[-_UUID_DIGITS:], data_path)
    if len(name) != _UUID_BYTES:
        raise _refusal(data_path, "the name of its file is damaged")
    file = f"deletion_vector_{uuid.UUID(bytes=name)}.bin"
    return join(table_location, f"{prefix}/{file}" if prefix else file)


def _inline(text: str, size: int, data_path: str) -> bytes:
    data = _decoded(text, data_path)
    # The text stands for whole groups of four bytes.
    if not size <= len(data) < size + 4 or not data.startswith(MAGIC):
        raise _refusal(data_path, "what the log holds of it is not what it says")
    return wrapped(data[:size])


def _decoded(text: str, data_path: str) -> bytes:
    try:
        return z85.decoded(text)
    except ValueError as error:
        raise _refusal(data_path, "its Base85 text is damaged") from error


def _refusal(data_path: str, why: str) -> CorruptTable:
    return CorruptTable(f"The deletion vector of the data file '{data_path}' is not understood: {why}.")
