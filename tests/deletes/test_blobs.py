"""A deletion vector's blob says the positions that went into it, and nothing else is taken for one."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.deletes.blob import blob_of, check_blob, positions_in
from converters.deletes.reader import read_blobs
from converters.errors import CorruptTable
from converters.model.deletion_vector import DELETION_VECTOR
from converters.storage import ObjectStorage

positions = st.one_of(
    st.sets(st.integers(0, 2**40), min_size=1, max_size=50),
    st.integers(0, 100_000).map(lambda count: set(range(count + 1))),
)


@given(positions)
def test_what_went_in_comes_out(chosen: set[int]) -> None:
    blob = blob_of(np.array(sorted(chosen), np.uint64))
    assert positions_in(blob, "it").tolist() == sorted(chosen)


@given(positions, st.data())
def test_a_changed_byte_is_found(chosen: set[int], data: st.DataObject) -> None:
    blob = bytearray(blob_of(np.array(sorted(chosen), np.uint64)))
    place = data.draw(st.integers(0, len(blob) - 1))
    blob[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptTable, match="it is damaged"):
        check_blob(bytes(blob), "it")


@given(st.binary(max_size=64))
def test_other_bytes_are_refused(other: bytes) -> None:
    with pytest.raises(CorruptTable):
        positions_in(other, "it")


def test_blobs_are_read_from_files_and_from_the_metadata_itself(tmp_path: object) -> None:
    blobs = [blob_of(np.array([number], np.uint64)) for number in range(3)]
    path = f"file://{tmp_path}/vectors.bin"
    storage = ObjectStorage()
    storage.put(path, b"\x01" + blobs[0] + blobs[1])
    kept = {"path": path, "inline": None, "cardinality": 1}
    vectors = pa.array(
        [
            {"id": "b", "offset": 1 + len(blobs[0]), "length": len(blobs[1]), **kept},
            {"id": "a", "offset": 1, "length": len(blobs[0]), **kept},
            {"id": "c", "path": None, "offset": None, "length": None, "inline": blobs[2], "cardinality": 1},
        ],
        DELETION_VECTOR,
    )
    names = pa.array(["b", "a", "c"])
    assert list(read_blobs(storage, vectors, names)) == [blobs[1], blobs[0], blobs[2]]
    with pytest.raises(CorruptTable, match="of the data file 'b' is damaged"):
        list(read_blobs(storage, pa.array([{"id": "d", "offset": 2, "length": 9, **kept}], DELETION_VECTOR), names[:1]))
