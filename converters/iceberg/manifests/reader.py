"""Manifests: their entries as Arrow tables (Iceberg spec, "Manifests").

Manifests with the same schema and spec are decoded together, because many small ones are common.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.container import AvroFile, blocks, open_avro
from converters.avro.reader import FlatSchema, UndecodableRowsError, decode_rows
from converters.errors import CorruptTable, ObjectNotFound
from converters.iceberg.manifests.avro_schema import flatten
from converters.iceberg.manifests.list_reader import ManifestFile
from converters.iceberg.manifests.path_filter import PathFilter
from converters.storage.base import Storage
from converters.storage.location import split

__all__ = ["DATA_COLUMNS", "DELETE_COLUMNS", "FILE_COLUMNS", "Entries", "read_entries"]

STATUS, SEQUENCE, CONTENT, PATH, FORMAT, ROWS, SIZE = "f0", "f3", "f134", "f100", "f101", "f103", "f104"
NULL_COUNTS, NAN_COUNTS, LOWER, UPPER, KEY_METADATA = "f110", "f137", "f125", "f128", "f131"
EQUALITY_IDS, REFERENCED, OFFSET, LENGTH = "f135", "f143", "f144", "f145"
"""Column names of entries: ``f`` and the spec's field id."""

FILE_COLUMNS = (STATUS, SEQUENCE, CONTENT, PATH, FORMAT, ROWS, SIZE, KEY_METADATA)
"""What identifies a file and says how it is to be read."""

DATA_COLUMNS = (*FILE_COLUMNS, NULL_COUNTS, NAN_COUNTS, LOWER, UPPER)
"""The same, and the columns' statistics."""

DELETE_COLUMNS = (*FILE_COLUMNS, LOWER, UPPER, EQUALITY_IDS, REFERENCED, OFFSET, LENGTH)
"""All that is said of a delete file."""

_DELETED = 2
_BYTES_PER_CHUNK = 8 * 2**20
_BYTES_AHEAD = 64 * 2**20
_REQUESTS_AHEAD = 8


class Entries(msgspec.Struct, frozen=True):
    """Live entries of one or several manifests: their spec, their schema, and the columns; one chunk each.

    ``SEQUENCE`` is never null: what an entry does not say it has from its manifest (spec, "Sequence Number
    Inheritance").
    """

    spec_id: int
    schema: FlatSchema
    table: pa.Table


class _Part(msgspec.Struct, frozen=True):
    """A block of a manifest."""

    where: str
    sequence_number: int
    rows: int
    content: bytes


def read_entries(
    storage: Storage,
    manifests: Sequence[ManifestFile],
    rows_wanted: int,
    columns: Sequence[str] = DATA_COLUMNS,
    only: PathFilter | None = None,
) -> Iterator[Entries]:
    """Stream the entries of manifests that are not deleted.

    Args:
        storage: Where they lie.
        manifests: Which to read, in order.
        rows_wanted: Most entries to yield at once.
        columns: Which are wanted, ``FILE_COLUMNS`` among them.
        only: Which files; all when None.

    Raises:
        CorruptTable: A manifest is missing or unreadable; the message names it.
        LimitExceeded: One is larger than the limits.
        UnsupportedTableFeature: One uses an unknown codec.
    """
    pending: list[_Part] = []
    pending_key: tuple[bytes, int] = (b"", 0)
    rows = size = 0
    for manifest, data in _contents(storage, manifests):
        where = f"The manifest '{manifest.path}'"
        file = open_avro(data, where)
        key = (file.schema, _spec_id(manifest, file))
        for block_rows, content in blocks(file):
            if only is not None and not only.may_be_in(content):
                continue
            full = rows + block_rows > rows_wanted or size + len(content) > _BYTES_PER_CHUNK
            if pending and (full or key != pending_key):
                yield from _decoded(pending_key, pending, columns, rows_wanted, only)
                pending, rows, size = [], 0, 0
            pending_key = key
            pending.append(_Part(where, manifest.sequence_number, block_rows, content))
            rows += block_rows
            size += len(content)
    if pending:
        yield from _decoded(pending_key, pending, columns, rows_wanted, only)


def _spec_id(manifest: ManifestFile, file: AvroFile) -> int:
    if manifest.spec_id is not None:
        return manifest.spec_id
    try:
        return int(file.metadata.get("partition-spec-id", b"0"))
    except ValueError as error:
        raise CorruptTable(f"{file.where} does not say which partition spec it is of.") from error


def _decoded(
    key: tuple[bytes, int], parts: list[_Part], names: Sequence[str], rows_wanted: int, only: PathFilter | None
) -> Iterator[Entries]:
    text, spec_id = key
    where = parts[0].where
    schema = flatten(text, where)
    missing = next((name for name in (STATUS, PATH, FORMAT, ROWS, SIZE) if schema.column(name) is None), None)
    if missing is not None:
        raise CorruptTable(f"{where} lacks the column of field id {missing[1:]}.")
    wanted = [*names, *(column.name for column in schema.columns if column.name[0] in "pq")]
    try:
        table = _rows(schema, parts, wanted)
    except UndecodableRowsError as error:
        raise CorruptTable(f"{_culprit(schema, parts, wanted)} cannot be decoded: {error}.") from error
    table = _with_sequence_numbers(table, parts)
    kept = pc.not_equal(table.column(STATUS), _DELETED)
    if not pc.all(kept).as_py():
        table = table.filter(kept).combine_chunks()
    if len(table):
        _check(table, where)
    if only is not None:
        table = table.filter(only.mask(table.column(PATH).combine_chunks())).combine_chunks()
    for start in range(0, len(table), rows_wanted):
        yield Entries(spec_id, schema, table.slice(start, rows_wanted))


def _rows(schema: FlatSchema, parts: Sequence[_Part], wanted: Sequence[str]) -> pa.Table:
    count = sum(part.rows for part in parts)
    return decode_rows(schema, count, [part.content for part in parts], wanted, key=PATH)


def _with_sequence_numbers(table: pa.Table, parts: Sequence[_Part]) -> pa.Table:
    inherited = pa.array(np.repeat([part.sequence_number for part in parts], [part.rows for part in parts]), pa.int64())
    place = table.schema.get_field_index(SEQUENCE)
    if place < 0:
        return table.append_column(SEQUENCE, inherited)
    return table.set_column(place, SEQUENCE, pc.coalesce(table.column(place).cast(pa.int64()), inherited))


def _culprit(schema: FlatSchema, parts: Sequence[_Part], wanted: Sequence[str]) -> str:
    """Which of the manifests that were decoded together is the damaged one."""
    for where in dict.fromkeys(part.where for part in parts):
        try:
            _rows(schema, [part for part in parts if part.where == where], wanted)
        except UndecodableRowsError:
            return where
    return parts[0].where


def _check(table: pa.Table, where: str) -> None:
    for name in (PATH, FORMAT, ROWS, SIZE):
        if table.column(name).null_count:
            raise CorruptTable(f"{where}, or one read with it, has an entry without the column of field id {name[1:]}.")
    least = np.minimum(table.column(ROWS).to_numpy(), table.column(SIZE).to_numpy())
    if least.min() < 0:
        path = table.column(PATH)[int(least.argmin())].as_py()
        raise CorruptTable(f"The data file '{path}' has a negative size or row count in its manifest.")


def _contents(storage: Storage, manifests: Sequence[ManifestFile]) -> Iterator[tuple[ManifestFile, bytes]]:
    """Read manifests in order; where that takes a request over a network, some ahead."""
    if all(split(manifest.path)[0] in {"file", "memory"} for manifest in manifests):
        for manifest in manifests:
            yield manifest, _get(storage, manifest)
        return
    queue: deque[tuple[ManifestFile, Future[bytes]]] = deque()
    left = deque(manifests)
    with ThreadPoolExecutor(_REQUESTS_AHEAD) as pool:
        try:
            while left or queue:
                ahead = sum(manifest.length for manifest, _ in queue)
                while left and (not queue or (len(queue) < _REQUESTS_AHEAD and ahead < _BYTES_AHEAD)):
                    manifest = left.popleft()
                    queue.append((manifest, pool.submit(_get, storage, manifest)))
                    ahead += manifest.length
                manifest, future = queue.popleft()
                yield manifest, future.result()
        finally:
            for _, future in queue:
                future.cancel()


def _get(storage: Storage, manifest: ManifestFile) -> bytes:
    try:
        return storage.get(manifest.path)
    except ObjectNotFound as error:
        raise CorruptTable(f"The manifest '{manifest.path}' does not exist.") from error
