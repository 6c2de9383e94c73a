"""Deletion vectors are written as the source has them, byte for byte, and found again."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.deletes.blob import blob_of, positions_in
from converters.deletes.reader import read_blobs
from converters.delta.log import z85
from converters.delta.log.deletion_vectors import deletion_vectors
from converters.delta.log.file_actions import unique_ids
from converters.delta.writing import vector_files
from converters.delta.writing.vector_files import VectorFiles
from converters.errors import CorruptTable
from converters.model.deletion_vector import DELETION_VECTOR
from converters.storage import ObjectStorage

POSITIONS = st.sets(st.integers(0, 2**40), min_size=1, max_size=20)


def _vectors(blobs: list[bytes]) -> pa.Array:
    vectors = [
        {"id": str(number), "inline": blob, "cardinality": len(positions_in(blob, ""))}
        for number, blob in enumerate(blobs)
    ]
    return pa.array(vectors, DELETION_VECTOR)


def _paths(blobs: list[bytes]) -> pa.Array:
    return pa.array([f"file:///t/{number}.parquet" for number in range(len(blobs))])


def test_the_protocols_own_example() -> None:
    """Delta protocol, "Deletion Vector Format": the file of ``ab^-aqEH.-t@S}K{vb[*k^`` behind the prefix ``ab``."""
    name = UUID("d2c639aa-8816-431a-aaf6-d3fe2512ff61")
    assert z85.encoded(name.bytes) == "^-aqEH.-t@S}K{vb[*k^"
    assert z85.decoded("^-aqEH.-t@S}K{vb[*k^") == name.bytes


@given(st.binary().map(lambda data: data[: len(data) // 4 * 4]))
def test_any_bytes_as_text(data: bytes) -> None:
    assert z85.decoded(z85.encoded(data)) == data


@given(st.lists(st.lists(POSITIONS, max_size=4), max_size=3), st.sampled_from([1, 60, 2**20]))
def test_what_is_written_is_what_was_there(batches: list[list[set[int]]], most: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        contextlib.ExitStack() as opened,
    ):
        patch.setattr(vector_files, "_MOST_BYTES", most)
        storage, location = ObjectStorage(), f"file://{folder}"
        files = VectorFiles(storage, location, opened)
        for each in batches:
            blobs = [blob_of(np.array(sorted(positions), np.uint64)) for positions in each]
            written = files.add(_vectors(blobs), _paths(blobs))
            assert written.field("cardinality").to_pylist() == [len(positions) for positions in each]
            assert not list(Path(folder).iterdir())
            with contextlib.ExitStack() as again:
                copy = VectorFiles(storage, location, again)
                described = deletion_vectors(
                    copy.add(_vectors(blobs), _paths(blobs)), unique_ids(written), _paths(blobs), location
                )
                copy.put()
                if len(described):
                    assert list(read_blobs(storage, described, _paths(blobs))) == blobs
                copy.discard()
        files.put()
        found = list(Path(folder).iterdir())
        assert all(path.name.startswith("deletion_vector_") and path.read_bytes()[:1] == b"\x01" for path in found)
        assert bool(found) == any(batches)
        files.discard()
        assert not list(Path(folder).iterdir())


def test_a_damaged_vector_is_refused_by_the_name_of_its_data_file(tmp_path: Path) -> None:
    blob = bytearray(blob_of(np.array([1, 2], np.uint64)))
    blob[-1] ^= 1
    vector = {"id": "1", "inline": bytes(blob), "cardinality": 2}
    with contextlib.ExitStack() as opened:
        files = VectorFiles(ObjectStorage(), f"file://{tmp_path}", opened)
        with pytest.raises(CorruptTable, match=r"file:///t/0\.parquet"):
            files.add(pa.array([vector], DELETION_VECTOR), pa.array(["file:///t/0.parquet"]))
    assert not list(tmp_path.iterdir())
