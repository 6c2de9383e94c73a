"""Looking up files in the metadata table finds what reading all of it finds."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.avro.lockstep import DamagedRecordsError
from converters.avro.shapes import read_shape
from converters.hudi.metadata_table.listed_entries import entries_in
from converters.hudi.metadata_table.records import files_value
from converters.hudi.metadata_table.schemas import FILES_SCHEMA
from converters.hudi.reading.file_names import base_files

SHAPE = read_shape(FILES_SCHEMA, "It")
NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1, max_size=40)
RECORDED = st.one_of(
    st.builds("{}_20240101000000{:03d}_hudiext".format, NAMES, st.integers(0, 999)),
    st.builds("{}_{:014d}_hudiext".format, NAMES, st.integers(0, 10**14 - 1)),
    st.builds("{}_0-1-2_2024.parquet".format, NAMES),
    st.builds("{}_hudiext_20240101000000000_hudiext".format, NAMES),
    NAMES,
)


def _record(entries: list[tuple[str, int, bool]]) -> bytes:
    names, sizes, deleted = zip(*entries, strict=True) if entries else ((), (), ())
    table = {
        "name": pa.array(names, pa.string()),
        "size": pa.array(sizes, pa.int64()),
        "deleted": pa.array(deleted, pa.bool_()),
    }
    return files_value(pa.table(table))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(RECORDED, st.integers(0, 2**62), st.booleans()), unique_by=lambda each: each[0], max_size=30),
    st.lists(NAMES, max_size=3),
    st.integers(1, 200),
    st.data(),
)
def test_every_wanted_entry_of_a_record_is_found(
    entries: list[tuple[str, int, bool]], others: list[str], piece: int, data: st.DataObject
) -> None:
    record = _record(entries)
    listed = pa.table(
        {"partition": [""] * len(entries), "name": [name for name, _, _ in entries], "size": [0] * len(entries)},
        pa.schema([("partition", pa.string()), ("name", pa.string()), ("size", pa.int64())]),
    )
    there = sorted(set(base_files(listed)["name"].to_pylist()))
    chosen = data.draw(st.lists(st.sampled_from(there), max_size=5)) if there else []
    wanted = {*chosen, *others}
    first = max(piece, 8)
    pieces = [record[:first], *(record[at : at + piece] for at in range(first, len(record), piece))]
    found = list(entries_in(iter(pieces), SHAPE, pa.array(sorted(wanted), pa.string()), "It"))
    rows = [tuple(row.values()) for part in found for row in part.to_pylist()]
    assert set(rows) <= set(entries)
    assert len(rows) == len(set(rows))
    assert {row for row in entries if _real(row[0]) in wanted} <= set(rows)


def _real(recorded: str) -> str | None:
    table = pa.table({"partition": [""], "name": [recorded], "size": pa.array([0], pa.int64())})
    found = base_files(table)["name"].to_pylist()
    return found[0] if found else None


@pytest.mark.parametrize("cut", [1, 2, 30, 60])
def test_a_record_that_is_too_short_is_refused(cut: int) -> None:
    record = _record([(f"f{n}.parquet_20240101000000000_hudiext", 100 + n, False) for n in range(3)])
    with pytest.raises(DamagedRecordsError):
        list(entries_in(iter((record[:-cut],)), SHAPE, pa.array(["x"]), "It"))
