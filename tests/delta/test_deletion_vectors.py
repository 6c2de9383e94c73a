"""Deletion vectors, in every place that a log may keep them, delete the rows that they delete for other readers."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.deletes.blob import blob_of, positions_in
from converters.deletes.reader import read_blobs
from converters.delta import DeltaSource
from converters.delta.log.deletion_vectors import deletion_vectors
from converters.delta.log.file_actions import VECTOR, unique_ids
from converters.delta.source import DeltaSourceOptions
from converters.errors import CorruptTable, PathNotAllowed
from converters.storage import ObjectStorage, Roots
from tests.corpus import Case, Corpus, cases
from tests.delta.logs import Action, Table, add, column, metadata, protocol, remove
from tests.readers import canonical_rows, digest

FEATURE = (protocol(3, 7, ["deletionVectors"]), metadata())
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
PYTHON = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
NAME = uuid.UUID("d2c639aa-8816-431a-aaf6-d3fe2512ff61")  # the protocol's own example
LOCATION = "file:///t"


def z85(data: bytes) -> str:
    padded = data + b"\0" * (-len(data) % 4)
    return base64.b85encode(padded).decode().translate(str.maketrans(PYTHON, Z85))


def relative(positions: Sequence[int], offset: int | None = 1, prefix: str = "", name: uuid.UUID = NAME) -> Any:
    return _described("u", prefix + z85(name.bytes), positions, offset)


def absolute(positions: Sequence[int], path: str, offset: int | None = 1) -> Any:
    return _described("p", path, positions, offset)


def inline(positions: Sequence[int]) -> Any:
    return _described("i", z85(_data(positions)), positions, None)


def _data(positions: Sequence[int]) -> bytes:
    return blob_of(np.array(positions, np.uint64))[4:-4]


def _described(kind: str, place: str, positions: Sequence[int], offset: int | None) -> Mapping[str, Any]:
    found = {"storageType": kind, "pathOrInlineDv": place, "sizeInBytes": len(_data(positions))}
    found |= {} if offset is None else {"offset": offset}
    return {**found, "cardinality": len(positions)}


def _write(path: Path, positions: Sequence[int], before: bytes = b"\x01") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(before + blob_of(np.array(positions, np.uint64)))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "a table")


def _deleted(table: Table) -> dict[str, list[int]]:
    """The deleted positions of each file that has some."""
    _, files = table.read()
    files = files.filter(files["deletion_vector"].is_valid())
    vectors, paths = files["deletion_vector"].combine_chunks(), files["path"].combine_chunks()
    blobs = read_blobs(ObjectStorage(), vectors, paths)
    found = {path: positions_in(blob, path).tolist() for path, blob in zip(paths.to_pylist(), blobs, strict=True)}
    counts = dict(zip(paths.to_pylist(), vectors.field("cardinality").to_pylist(), strict=True))
    assert counts == {path: len(positions) for path, positions in found.items()}
    return {path.rpartition("/")[2]: positions for path, positions in found.items()}


def test_every_storage_type(table: Table, tmp_path: Path) -> None:
    _write(table.directory / f"deletion_vector_{NAME}.bin", [1, 5])
    _write(table.directory / f"ab/deletion_vector_{NAME}.bin", [2], b"\x01" + b"x" * 99)
    _write(tmp_path / "elsewhere ü" / "x.bin", [3, 2**33])
    outside = quote(str(tmp_path / "elsewhere ü" / "x.bin"))
    table.commit(
        0,
        *FEATURE,
        add("plain", 9),
        add("u", 9, deletionVector=relative([1, 5])),
        add("prefix", 9, deletionVector=relative([2], 100, "ab")),
        add("p", 9, deletionVector=absolute([3, 2**33], outside)),
        add("uri", 9, deletionVector=absolute([3, 2**33], f"file://{outside}")),
        add("i", 9, deletionVector=inline([7, 8])),
        add("none", 9, deletionVector={**relative([], None), "cardinality": 0}),
    )
    expected = {"u": [1, 5], "prefix": [2], "p": [3, 2**33], "uri": [3, 2**33], "i": [7, 8]}
    assert _deleted(table) == expected
    assert set(table.read()[1]["row_count"].to_pylist()) == {9}
    entries = [add(name, 9, deletionVector=each) for name, each in {"u": relative([1, 5]), "i": inline([7, 8])}.items()]
    table.parquet(f"{0:020d}.checkpoint.parquet", *FEATURE, *entries, add("plain", 9))
    assert _deleted(table) == {"u": [1, 5], "i": [7, 8]}


@given(st.lists(st.sets(st.integers(0, 2**34), min_size=1, max_size=50), min_size=1, max_size=5), st.booleans())
def test_inline_vectors_are_read_as_they_were_written(all_positions: list[set[int]], with_gap: bool) -> None:
    given_: list[Any] = [inline(sorted(positions)) for positions in all_positions]
    rows = [each for vector in given_ for each in ([None, vector] if with_gap else [vector])]
    vectors = pa.array(rows, VECTOR)
    paths = pa.array([f"{LOCATION}/{n}" for n in range(len(rows))])
    found = deletion_vectors(vectors, unique_ids(vectors), paths, LOCATION)
    assert found.is_valid().to_pylist() == [row is not None for row in rows]
    blobs = read_blobs(ObjectStorage(), found.drop_null(), paths.filter(found.is_valid()))
    assert [set(positions_in(blob, "x").tolist()) for blob in blobs] == all_positions
    assert all(len(id_) < 300 for id_ in found.field("id").drop_null().to_pylist())


def test_ids_are_those_of_the_protocol_unless_they_are_long() -> None:
    large = inline(list(range(0, 100_000, 7)))
    other = inline(list(range(1, 100_000, 7)))
    rows = [relative([1], 4, "ab"), absolute([1], "s3://b/k%20l", 7), inline([1]), large, other, large]
    vectors = pa.array(rows, VECTOR)
    ids = deletion_vectors(vectors, unique_ids(vectors), pa.array(["x"] * 6), LOCATION).field("id").to_pylist()
    assert ids[0] == f"uab{z85(NAME.bytes)}@4"
    assert ids[1] == "ps3://b/k%20l@7"
    assert ids[2] == "i" + inline([1])["pathOrInlineDv"]
    assert ids[3] == ids[5] != ids[4]
    assert ids[3].startswith("isha256:")


def test_the_protocols_example() -> None:
    example = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4, "sizeInBytes": 40}
    vectors = pa.array([{**example, "cardinality": 6}], VECTOR)
    [found] = deletion_vectors(vectors, unique_ids(vectors), pa.array(["x"]), "s3://mytable").to_pylist()
    assert found["path"] == f"s3://mytable/ab/deletion_vector_{NAME}.bin"
    assert (found["offset"], found["length"], found["cardinality"]) == (4, 48, 6)
    assert found["id"] == "uab^-aqEH.-t@S}K{vb[*k^@4"


BROKEN: list[tuple[Mapping[str, Any], str]] = [
    ({"storageType": "x"}, "storage type"),
    ({"storageType": None}, "where it is"),
    ({"pathOrInlineDv": None}, "where it is"),
    ({"pathOrInlineDv": "tooshort"}, "name of its file"),
    ({"pathOrInlineDv": "~" * 20}, "Base85"),
    ({"pathOrInlineDv": "ü" * 20}, "Base85"),
    ({"pathOrInlineDv": "#" * 20}, "Base85"),
    ({"cardinality": None}, "how large"),
    ({"cardinality": -1}, "how large"),
    ({"sizeInBytes": None}, "how large"),
    ({"sizeInBytes": 0}, "how large"),
    ({"offset": -1}, "begins before"),
    ({"storageType": "i"}, "what it says"),
    ({**inline([1, 2]), "sizeInBytes": 5}, "what it says"),
    ({**inline([1, 2]), "pathOrInlineDv": z85(b"no magic number")}, "what it says"),
]


@pytest.mark.parametrize("change,told", BROKEN)
def test_damaged_descriptions_are_refused(table: Table, change: Mapping[str, Any], told: str) -> None:
    broken = {**relative([1, 2]), **change}
    table.commit(0, *FEATURE, add("a"), add("b", deletionVector=broken))
    with pytest.raises(CorruptTable, match=told):
        table.read()
    table.commit(0, *FEATURE, add("a"))
    table.parquet(f"{0:020d}.checkpoint.parquet", *FEATURE, add("b", deletionVector=broken))
    with pytest.raises(CorruptTable, match=told):
        table.read()


def test_a_file_with_two_vectors_is_refused(table: Table) -> None:
    one, two = add("a", deletionVector=relative([1])), add("a", deletionVector=relative([1], 50))
    for first, second in ((one, two), (one, add("a")), (add("a"), two)):
        table.commit(0, *FEATURE, first, add("b"))
        table.commit(1, second)
        with pytest.raises(CorruptTable, match="/a' twice"):
            table.read()
    table.commit(1, remove("a"), two)
    assert table.paths() == ["a", "b"]


def test_a_vector_that_the_protocol_excludes_is_refused(table: Table) -> None:
    table.commit(0, protocol(), metadata(), add("a", deletionVector=relative([1])))
    with pytest.raises(CorruptTable, match="protocol"):
        table.read()


def test_vectors_outside_of_the_roots_are_refused(table: Table) -> None:
    storage = ObjectStorage(roots=Roots([table.location]))
    for vector in (absolute([1], "file:///elsewhere/x.bin"), relative([1], prefix="../..")):
        table.commit(0, *FEATURE, add("a", deletionVector=vector))
        source = DeltaSource.open(storage, table.location, DeltaSourceOptions())
        with pytest.raises(PathNotAllowed):
            list(source.data_files(source.snapshot()))


def test_vectors_of_an_old_version_must_be_there(table: Table) -> None:
    table.commit(0, *FEATURE, add("a", deletionVector=relative([1])))
    table.commit(1, remove("a", deletionVector=relative([1])))
    (table.directory / "a").touch()
    with pytest.raises(CorruptTable, match=r"deletion vector .* no longer exists"):
        table.read(0)
    _write(table.directory / f"deletion_vector_{NAME}.bin", [1])
    assert table.paths(0) == ["a"]


def test_statistics_of_files_with_deleted_rows_hold_for_all_rows(table: Table) -> None:
    def action(path: str, *, tight: bool | None, **more: Any) -> Action:
        stats = {"numRecords": 5, "minValues": {"id": 1}, "maxValues": {"id": 9}, "nullCount": {"id": 0}}
        return add(path, stats=stats | ({} if tight is None else {"tightBounds": tight}), **more)

    table.commit(
        0,
        FEATURE[0],
        metadata(column("id", "long")),
        action("a", tight=True),
        action("b", tight=None, deletionVector=relative([1])),
        action("c", tight=True, deletionVector=relative([1])),
        action("d", tight=False, deletionVector=relative([1])),
    )
    stats = [row["1"] for row in table.read()[1]["stats"].to_pylist()]
    assert [each["exact"] for each in stats] == [True, False, False, False]
    assert [each["null_count"] for each in stats] == [0, None, None, 0]
    assert {(each["lower"], each["upper"]) for each in stats} == {(1, 9)}


WITH_VECTORS = [case for case in cases("delta") if "dv" in case.name or "vector" in case.notes.lower()]


@pytest.mark.parametrize("case", WITH_VECTORS, ids=str)
def test_rows_of_real_tables(corpus: Corpus, case: Case) -> None:
    for stage in (None, *range(1, len(case.stages) + 1)):
        directory = corpus.path(case, stage)
        source = DeltaSource.open(ObjectStorage(), f"file://{directory}", DeltaSourceOptions())
        snapshot = source.snapshot()
        rows: list[pa.Table] = []
        for batch in source.data_files(snapshot):
            rows.extend(_rows(batch, file) for file in batch.to_pylist())
        found = pa.concat_tables(rows).select([field.name for field in snapshot.table.schema.fields])
        assert digest(canonical_rows(found)) == case.at(stage).sha256


def _rows(batch: pa.RecordBatch, file: Mapping[str, Any]) -> pa.Table:
    data = pq.ParquetFile(file["path"].removeprefix("file://"), coerce_int96_timestamp_unit="us").read()
    if file["deletion_vector"] is None:
        return data
    vectors = pa.array([file["deletion_vector"]], batch.schema.field("deletion_vector").type)
    [blob] = read_blobs(ObjectStorage(), vectors, pa.array([file["path"]]))
    keep = np.ones(len(data), dtype=bool)
    keep[positions_in(blob, file["path"])] = False
    return data.filter(pa.array(keep))
