"""Reading position delete files: which rows of which data files they delete (Iceberg spec, "Position Delete Files")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, ObjectNotFound, UnsupportedTableFeature
from converters.iceberg.row_deletes.delete_files import FILE_PATH_ID
from converters.storage.base import Storage
from converters.storage.location import canonical_all

__all__ = ["deleted_positions", "open_parquet"]

Positions = npt.NDArray[np.uint64]

_POSITION_ID = 2147483545
_NAMES = {FILE_PATH_ID: "file_path", _POSITION_ID: "pos"}
_ROWS_AT_ONCE = 500_000
_FIELD_ID = b"PARQUET:field_id"


def deleted_positions(storage: Storage, path: str, file_format: str) -> Iterator[tuple[str, Positions]]:
    """Yield canonical paths of data files and positions of rows in them; a path may come more than once.

    Args:
        storage: Where the delete file lies.
        path: The delete file.
        file_format: Its format, upper case.

    Raises:
        CorruptTable: It is missing, unreadable, or has no such content.
        UnsupportedTableFeature: It is no Parquet file.
    """
    where = f"The position delete file '{path}'"
    for paths, codes, positions in _batches(storage, path, file_format, where):
        if len(positions) and positions.min() < 0:
            raise CorruptTable(f"{where} has a negative position.")
        order = np.argsort(codes, kind="stable")
        ends = np.flatnonzero(np.diff(codes[order])) + 1
        for rows in np.split(order, ends):
            if len(rows):
                yield paths[codes[rows[0]]], positions[rows].astype(np.uint64)


def open_parquet(storage: Storage, path: str, where: str, known: Any = None, encoded: Sequence[str] = ()) -> Any:
    """Open a Parquet file that is to be read in parts.

    Args:
        storage: Where it is.
        path: Its location.
        where: What it is, for messages.
        known: Its footer, if it was read before.
        encoded: Columns that are to be read as dictionaries.

    Raises:
        CorruptTable: It is missing or no Parquet file.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    try:
        return pq.ParquetFile(storage.open(path), metadata=known, read_dictionary=list(encoded))
    except ObjectNotFound as error:
        raise CorruptTable(f"{where} does not exist.") from error
    except (pa.ArrowException, OSError) as error:
        raise CorruptTable(f"{where} cannot be read: {str(error)[:200]}") from error


def _batches(
    storage: Storage, path: str, file_format: str, where: str
) -> Iterator[tuple[list[str], npt.NDArray[Any], npt.NDArray[np.int64]]]:
    """Canonical paths, and for each row which of them it names and its position."""
    if file_format != "PARQUET":
        raise UnsupportedTableFeature(
            f"{where} is of the format {file_format[:32]}; only Parquet is read.",
            hint="Have it rewritten (rewrite_position_delete_files), or compact the table.",
        )
    with open_parquet(storage, path, where) as file:
        columns = [_column(file.schema_arrow, id_, where) for id_ in (FILE_PATH_ID, _POSITION_ID)]
        footer = file.metadata
    # Few different paths stand in many rows.
    file = open_parquet(storage, path, where, footer, columns[:1])
    try:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
            paths, positions = (batch.column(name) for name in columns)
            if not pa.types.is_dictionary(paths.type):
                paths = pc.dictionary_encode(paths.cast(pa.string()))
            if paths.null_count or positions.null_count:
                raise CorruptTable(f"{where} has a row without a path or a position.")
            names = canonical_all(paths.dictionary.cast(pa.string())).to_pylist()
            yield names, paths.indices.to_numpy(), positions.cast(pa.int64()).to_numpy()
    except (pa.ArrowException, OSError) as error:
        raise CorruptTable(f"{where} cannot be read: {str(error)[:200]}") from error
    finally:
        file.close()


def _column(schema: pa.Schema, field_id: int, where: str) -> str:
    """The column of this field id, or of its name where the file has no ids."""
    by_id = [each.name for each in schema if (each.metadata or {}).get(_FIELD_ID) == str(field_id).encode()]
    name: str = (by_id or [_NAMES[field_id]])[0]
    place = schema.get_field_index(name)
    if place < 0 or pa.types.is_nested(schema.field(place).type):
        raise CorruptTable(f"{where} has no column '{_NAMES[field_id]}', or not one.")
    return name
