"""HFiles: what is written is read back, by hudi-rs, too, and what is damaged is not read as something else."""

import gzip
import io
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.avro.container import varint
from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature
from converters.hudi.containers.hfile_layout import BLOCK_BYTES, BLOCK_HEADER, ENTRY_OVERHEAD, TRAILER_BYTES
from converters.hudi.containers.hfile_reader import read_hfile
from converters.hudi.containers.hfile_writer import HFileWriter
from tests.hudi_containers import hudi_rs

Codec = Literal["gzip", "none"]
Rows = list[tuple[bytes, bytes]]

SCHEMA = (
    '{"type":"record","name":"HoodieMetadataRecord","namespace":"org.apache.hudi.avro.model","fields":['
    '{"name":"key","type":"string"},{"name":"type","type":"int"},{"name":"filesystemMetadata","type":["null",'
    '{"type":"map","values":{"type":"record","name":"HoodieMetadataFileInfo","fields":['
    '{"name":"size","type":"long"},{"name":"isDeleted","type":"boolean"}]}}]}]}'
)


def hfile(rows: Rows, codec: Codec = "gzip", *, batch: int = 10**9, key_range: bool = True) -> bytes:
    sink = io.BytesIO()
    writer = HFileWriter(sink, schema=SCHEMA, codec=codec, record_key_range=key_range)
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        writer.add(pa.array([key for key, _ in part], pa.binary()), pa.array([value for _, value in part], pa.binary()))
    assert writer.close() == len(sink.getvalue())
    return sink.getvalue()


def read_back(data: bytes) -> Rows:
    read = read_hfile(data, "It")
    return list(zip(read.keys.to_pylist(), read.values.to_pylist(), strict=True))


def files_record(names: int, size: int = 100) -> bytes:
    """A record of the partition `files`, with a number of files."""
    if names == 0:
        return b"\x00\x04\x00"
    entries = b"".join(
        varint(len(name)) + name + varint(size) + b"\x00" for name in (b"f%08d" % place for place in range(names))
    )
    return b"\x00\x04\x02" + varint(names) + entries + b"\x00"


def data_blocks(data: bytes) -> list[int]:
    """The uncompressed sizes of the data blocks."""
    sizes, place = [], 0
    while data[place : place + 8] == b"DATABLK*":
        _, on_disk, size, *_ = BLOCK_HEADER.unpack_from(data, place)
        sizes.append(size)
        place += BLOCK_HEADER.size + on_disk
    return sizes


@pytest.mark.parametrize("codec", ["gzip", "none"])
@given(
    rows=st.dictionaries(st.binary(max_size=40), st.one_of(st.binary(max_size=50), st.integers(0, 70_000).map(bytes))),
    batch=st.integers(1, 20),
)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read_back_however_it_is_added(codec: Codec, rows: dict[bytes, bytes], batch: int) -> None:
    ordered = sorted(rows.items())
    data = hfile(ordered, codec, batch=batch)
    assert read_back(data) == ordered
    assert data_blocks(data) == data_blocks(hfile(ordered, codec))


@pytest.mark.parametrize("codec", ["gzip", "none"])
def test_an_empty_file_is_read_back(codec: Codec) -> None:
    data = hfile([], codec)
    assert read_back(data) == []
    info = read_hfile(data, "It").info
    assert "minRecordKey" not in info
    assert info["schema"].decode() == SCHEMA


@pytest.mark.parametrize("codec", ["gzip", "none"])
@pytest.mark.parametrize("count", [1, 15, 16, 200_001])
def test_hudi_rs_reads_every_entry(tmp_path: Path, codec: Codec, count: int) -> None:
    rows = [(b"p=%06d" % place, files_record(place % 4)) for place in range(count)]
    read = hudi_rs.records(tmp_path, "files", hfile(rows, codec))
    assert read["key"].to_pylist() == [key.decode() for key, _ in rows]
    assert [len(files or []) for files in read["filesystemMetadata"].to_pylist()] == [
        place % 4 for place in range(count)
    ]


@pytest.mark.parametrize("codec", ["gzip", "none"])
def test_hudi_rs_reads_one_huge_entry_between_small_ones(tmp_path: Path, codec: Codec) -> None:
    rows = [(b"a", files_record(1)), (b"b", files_record(200_000)), (b"c", files_record(2))]
    data = hfile(rows, codec)
    assert len(data_blocks(data)) == 3
    assert read_back(data) == rows
    read = hudi_rs.records(tmp_path, "files", data)
    assert [len(files) for files in read["filesystemMetadata"].to_pylist()] == [1, 200_000, 2]


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_block_is_filled_to_its_last_byte_and_no_further(tmp_path: Path, beyond: int, batch: int) -> None:
    value = bytes(BLOCK_BYTES - 2 * (ENTRY_OVERHEAD + 1) + beyond)
    data = hfile([(b"a", value), (b"b", b"")], "none", batch=batch)
    assert len(data_blocks(data)) == (2 if beyond > 0 else 1)
    assert read_back(data) == [(b"a", value), (b"b", b"")]


@given(sizes=st.lists(st.integers(0, 3 * BLOCK_BYTES // 2), min_size=1, max_size=30))
@settings(deadline=None, max_examples=40)
def test_no_block_of_several_entries_is_larger_than_hudi_reads_without_loss(sizes: list[int]) -> None:
    data = hfile([(b"%04d" % place, bytes(size)) for place, size in enumerate(sizes)], "none")
    assert all(size <= BLOCK_BYTES or size - ENTRY_OVERHEAD - 4 in sizes for size in data_blocks(data))
    # As few blocks as can be: no two neighbours would fit into one.
    assert all(one + other > BLOCK_BYTES or other > 0 for one, other in pairwise(data_blocks(data)))


def test_blocks_larger_than_hudi_reads_without_loss_are_refused() -> None:
    with pytest.raises(ValueError):
        HFileWriter(io.BytesIO(), schema=SCHEMA, block_bytes=BLOCK_BYTES + 1, record_key_range=True)


@pytest.mark.parametrize("keys", [[b"b", b"a"], [b"a", b"a"], [b"a\xff", b"a"], [b"\xff", b"\x00"]])
@pytest.mark.parametrize("batch", [1, 2])
def test_keys_out_of_order_are_refused(keys: list[bytes], batch: int) -> None:
    with pytest.raises(ValueError, match="follows"):
        hfile([(key, b"") for key in keys], batch=batch)


def test_a_key_without_value_is_refused() -> None:
    writer = HFileWriter(io.BytesIO(), schema=SCHEMA, record_key_range=True)
    with pytest.raises(ValueError):
        writer.add(pa.array([b"a"]), pa.array([None], pa.binary()))
    with pytest.raises(ValueError):
        writer.add(pa.array([b"a", b"b"]), pa.array([b""]))
    with pytest.raises(ValueError):
        writer.add(pa.array([bytes(2**15)]), pa.array([b""]))


@pytest.mark.parametrize("key_range", [True, False])
def test_a_base_file_names_its_smallest_and_largest_key(key_range: bool) -> None:
    info = read_hfile(hfile([(b"a", b""), (b"k", b""), (b"z", b"")], key_range=key_range), "It").info
    assert (info.get("minRecordKey"), info.get("maxRecordKey")) == ((b"a", b"z") if key_range else (None, None))


GOOD: dict[Codec, bytes] = {
    "gzip": hfile([(b"%03d" % place, bytes(place * 30)) for place in range(100)], "gzip"),
    "none": hfile([(b"%03d" % place, bytes(place * 30)) for place in range(100)], "none"),
}


@pytest.mark.parametrize("codec", ["gzip", "none"])
@given(length=st.integers(0, 2**20))
@settings(deadline=None)
def test_a_truncated_file_is_corrupt(codec: Codec, length: int) -> None:
    data = GOOD[codec]
    with pytest.raises(CorruptTable):
        read_hfile(data[: length % len(data)], "It")


@pytest.mark.parametrize("codec", ["gzip", "none"])
@given(
    place=st.integers(0, 2**20),
    what=st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(8)])),
)
@settings(deadline=None, max_examples=300)
def test_a_damaged_file_is_refused_or_read_whole(codec: Codec, place: int, what: bytes) -> None:
    """Values may differ, where nothing tells; but there is no other error and no other number of entries."""
    data = bytearray(GOOD[codec])
    place %= len(data) - len(what)
    data[place : place + len(what)] = what
    try:
        read = read_hfile(bytes(data), "It")
        assert len(read.keys) == len(read.values) == 100
    except (CorruptTable, UnsupportedTableFeature):
        pass


@pytest.mark.parametrize("data", [b"", b"\x00" * TRAILER_BYTES, b"PAR1" * 2000])
def test_what_is_no_hfile_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptTable, match="is no HFile"):
        read_hfile(data, "It")


@pytest.mark.parametrize("claimed", [2**30 + 1, 2**31 - 1, 40_000_000])
def test_a_block_that_says_it_is_enormous_is_not_decompressed(claimed: int) -> None:
    data = bytearray(GOOD["gzip"])
    fields = list(BLOCK_HEADER.unpack_from(data, 0))
    fields[2] = claimed
    BLOCK_HEADER.pack_into(data, 0, *fields)
    with pytest.raises(LimitExceeded):
        read_hfile(bytes(data), "It")


def test_a_block_that_decompresses_to_more_than_it_says_is_corrupt() -> None:
    data = bytearray(GOOD["gzip"])
    fields = list(BLOCK_HEADER.unpack_from(data, 0))
    packed = gzip.compress(bytes(10**6))
    start = BLOCK_HEADER.size
    data[start : start + fields[6] - start] = packed.ljust(fields[6] - start, b"\x00")
    with pytest.raises(CorruptTable):
        read_hfile(bytes(data), "It")


def test_another_codec_is_refused_by_its_number() -> None:
    data = bytearray(GOOD["none"])
    end = data.rindex(b"\x60\x02\x00\x00")  # field 12, the codec, is the trailer's last
    data[end + 1] = 6
    with pytest.raises(UnsupportedTableFeature, match="codec number 6"):
        read_hfile(bytes(data), "It")


def test_a_file_that_is_larger_than_the_limit_is_not_decompressed() -> None:
    size = sum(data_blocks(GOOD["gzip"]))
    assert len(read_hfile(GOOD["gzip"], "It", limit=size).entries) == 100
    with pytest.raises(LimitExceeded):
        read_hfile(GOOD["gzip"], "It", limit=size - 1)
