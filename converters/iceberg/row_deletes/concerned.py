"""Which data files the delete files concern that only one of two snapshots has."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from converters.iceberg.manifests.file_lists import listed_files
from converters.iceberg.manifests.list_reader import DATA, DELETES
from converters.iceberg.partitions.keys import PartitionKeys
from converters.iceberg.reading.difference import Difference
from converters.iceberg.row_deletes.delete_files import EQUALITY, POSITION, of_kind, read_delete_files
from converters.iceberg.row_deletes.equality_deletes import newest_by_scope
from converters.iceberg.row_deletes.position_files import deleted_positions
from converters.storage.base import Storage

__all__ = ["concerned_paths"]

_IDENTITY = ["path", "offset", "sequence", "referenced"]


def concerned_paths(storage: Storage, difference: Difference, keys: PartitionKeys) -> tuple[pl.Series, pl.Series]:
    """Paths of data files whose deleted rows may differ between two snapshots; they need not be live.

    Args:
        storage: Where the files are.
        difference: Between the snapshots.
        keys: Of the table.

    Returns:
        Those that a vector or a position delete file names; and those that only equality deletes may concern.

    Raises:
        CorruptTable: A manifest or a delete file is missing or unreadable.
        UnsupportedTableFeature: A delete file is of a kind that is not read.
    """
    before = read_delete_files(storage, difference.only_before(DELETES), keys)
    after = read_delete_files(storage, difference.only_after(DELETES), keys)
    changed = pa.concat_tables([_without(before, after), _without(after, before)])
    named = pl.Series(changed.column("referenced").drop_null(), dtype=pl.String)
    positions = of_kind(changed, POSITION)
    unnamed = positions.filter(positions.column("referenced").is_null())
    found = {
        named_path
        for path, file_format in zip(*(unnamed.column(name).to_pylist() for name in ("path", "format")), strict=True)
        for named_path, _ in deleted_positions(storage, path, file_format)
    }
    by_name = pl.concat([named, pl.Series(sorted(found), dtype=pl.String)]).unique()
    equality = of_kind(changed, EQUALITY)
    if not len(equality):
        return by_name, pl.Series([], dtype=pl.String)
    files = listed_files(storage, [*difference.only_after(DATA), *difference.kept(DATA)], keys)
    older = newest_by_scope(equality, keys).applies_to(
        files["sequence"].to_numpy(), files["partition"].to_arrow(compat_level=pl.CompatLevel.oldest())
    )
    by_value = files.filter(pl.Series(older))["path"]
    return by_name, by_value.filter(~by_value.is_in(by_name.implode()))


def _without(files: pa.Table, others: pa.Table) -> pa.Table:
    ours, theirs = (pl.DataFrame(each.select(_IDENTITY)) for each in (files, others))
    rows = ours.with_row_index("row").join(theirs, on=_IDENTITY, how="anti", nulls_equal=True)["row"]
    return files.take(pa.array(rows.sort().to_numpy()))
