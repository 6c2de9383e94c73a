"""The demo's own table, written by delta-rs."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

__all__ = ["write_sample"]

_REGIONS = ("emea", "apac", "latam")


def write_sample(directory: Path) -> int:
    """Write a partitioned Delta table in three commits, the last of which deletes rows.

    Returns:
        The number of rows that are left.
    """
    place = str(directory)
    write_deltalake(place, _orders(1, 6), partition_by=["region"], name="orders")
    write_deltalake(place, _orders(7, 12), mode="append")
    DeltaTable(place).delete("id % 4 = 0")
    return DeltaTable(place).count()


def _orders(first: int, last: int) -> pa.Table:
    ids = range(first, last + 1)
    start = date(2026, 1, 1)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "region": pa.array([_REGIONS[each % len(_REGIONS)] for each in ids], pa.string()),
            "amount": pa.array([Decimal(each) * Decimal("19.99") for each in ids], pa.decimal128(10, 2)),
            "ordered": pa.array([start + timedelta(days=each) for each in ids], pa.date32()),
        }
    )
