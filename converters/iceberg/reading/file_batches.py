"""From entries of manifests to ``DataFile`` batches."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.iceberg.manifests.reader import FORMAT, KEY_METADATA, PATH, ROWS, SIZE, Entries
from converters.iceberg.partitions.values import partition_values
from converters.iceberg.statistics.reader import BoundTrust, leaf_statistics
from converters.model.data_file import data_file_batch
from converters.model.snapshot import Table
from converters.storage.location import canonical_all
from converters.sync.state import SOURCE_KEY, XTABLE_KEY

__all__ = ["file_batch"]

_UNIFORM_KEY = "delta-version"
"""Property of tables that Delta Lake writes beside its own (UniForm)."""


def file_batch(entries: Entries, table: Table, shape: pa.Schema) -> pa.RecordBatch:
    """Assemble a batch.

    Args:
        entries: Live entries of data manifests.
        table: The table that they are of.
        shape: What ``data_file_schema`` returned for it.

    Raises:
        CorruptTable: An entry contradicts the table's metadata.
        UnsupportedTableFeature: A file is encrypted.
    """
    columns = entries.table
    paths = canonical_all(columns.column(PATH).chunk(0).cast(pa.string()))
    _refuse_encrypted(columns, paths)
    _refuse_relative(paths)
    try:
        spec = table.spec(entries.spec_id)
    except KeyError as error:
        raise CorruptTable(f"A manifest is of partition spec {entries.spec_id}, which the table has not.") from error
    row_counts = columns.column(ROWS).chunk(0)
    rows = len(paths)
    return data_file_batch(
        shape,
        {
            "path": paths,
            "size": columns.column(SIZE).chunk(0),
            "row_count": row_counts,
            "file_format": pc.utf8_upper(columns.column(FORMAT).chunk(0).cast(pa.string())),
            "spec_id": pa.repeat(pa.scalar(entries.spec_id, pa.int32()), rows),
        },
        partition_values(entries, spec, table.schema),
        leaf_statistics(table.schema, columns, row_counts.to_numpy(), _trust(table)),
    )


def _trust(table: Table) -> BoundTrust:
    """How far the bounds can be trusted: what a converter wrote comes from another format's bounds."""
    if SOURCE_KEY in table.properties:
        return BoundTrust(exact=False)
    if XTABLE_KEY in table.properties or _UNIFORM_KEY in table.properties:
        # They cut timestamps to milliseconds, so that an upper bound may be too low.
        return BoundTrust(exact=False, timestamps=False)
    return BoundTrust()


def _refuse_encrypted(columns: pa.Table, paths: pa.Array) -> None:
    if KEY_METADATA not in columns.column_names:
        return
    keys = columns.column(KEY_METADATA)
    if keys.null_count < len(keys):
        path = paths.filter(keys.is_valid().chunk(0))[0].as_py()
        raise UnsupportedTableFeature(f"The data file '{path}' is encrypted, which is not supported.")


def _refuse_relative(paths: pa.Array) -> None:
    absolute = pc.match_substring_regex(paths, r"^[a-z][a-z0-9+.-]*://")
    if not pc.all(absolute).as_py():
        path = paths.filter(pc.invert(absolute))[0].as_py()
        raise CorruptTable(f"The data file '{path}' is not named by an absolute location.")
