"""Looking up files in the metadata table finds what reading all of it finds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.avro.lockstep import DamagedRecordsError
from converters.avro.shapes import read_shape
from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.hudi.containers.hfile_lookup import HFileLookup
from converters.hudi.containers.hfile_writer import HFileWriter
from converters.hudi.metadata_table.listed_entries import entries_in
from converters.hudi.metadata_table.records import files_value
from converters.hudi.metadata_table.schemas import FILES_SCHEMA
from converters.hudi.reading.file_names import base_files
from converters.storage import ObjectStorage
from converters.storage.base import ObjectMeta

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


def _file(directory: Path, entries: dict[bytes, bytes]) -> ObjectMeta:
    path = directory / "f.hfile"
    with path.open("wb") as out:
        writer = HFileWriter(out, schema=FILES_SCHEMA, record_key_range=True)
        keys = sorted(entries)
        writer.add(pa.array(keys, pa.binary()), pa.array([entries[key] for key in keys], pa.large_binary()))
        size = writer.close()
    return ObjectMeta(f"file://{path}", size, 0)


def test_single_entries_of_a_file_are_found_in_small_blocks_and_in_large_ones(tmp_path: Path) -> None:
    entries = {f"p={n:05}".encode(): f"value {n} ".encode() * (n % 50) for n in range(0, 10_000, 2)}
    large = b"".join(n.to_bytes(4, "big") for n in range(3_000_000))
    entries |= {b"large": large, b"larger": large + b"and more"}
    lookup = HFileLookup(ObjectStorage(), _file(tmp_path, entries), "It")
    assert lookup.schema == FILES_SCHEMA
    assert lookup.can_look_up
    for key in [*list(entries)[::97], b"large", b"larger"]:
        found = lookup.find(key)
        assert found is not None
        assert b"".join(found) == entries[key]
    for absent in (b"", b"a", b"largd", b"larges", b"p=00001", b"p=09999", b"z"):
        assert lookup.find(absent) is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 8_000), st.integers(0, 255)), max_size=4),
    st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_a_damaged_file_is_refused_or_gives_what_is_there(
    tmp_path: Path, changes: list[tuple[int, int]], share: float
) -> None:
    meta = _file(tmp_path, {f"p={n:05}".encode(): b"value" * 40 for n in range(1_000)})
    path = tmp_path / "f.hfile"
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[-place] = value
    del content[int(share * len(content)) :]
    path.write_bytes(content)
    with suppress(CorruptTable, UnsupportedTableFeature):
        found = HFileLookup(ObjectStorage(), ObjectMeta(meta.path, len(content), 0), "It").find(b"p=00500")
        assert found is None or isinstance(b"".join(found), bytes)
