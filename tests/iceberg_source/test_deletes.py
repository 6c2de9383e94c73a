"""Which delete files apply to which data files, and what becomes of damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.errors import CorruptTable, UnsupportedTableFeature
from tests.iceberg_source.deleted import DeletedRows, columns, deleted_rows
from tests.readers import read

IDS = {1: "id", 2: "x", 3: "s"}


@pytest.fixture
def made(tmp_path: Path) -> DeletedRows:
    return DeletedRows(tmp_path / "t")


def _rows(*ids: int | None, **more: Any) -> pa.Table:
    return columns(IDS, id=pa.array(ids, pa.int64()), **more)


FIVE = _rows(0, 1, 2, 3, 4)


def test_a_position_applies_to_files_that_are_no_newer(made: DeletedRows) -> None:
    for name, sequence in (("old", 1), ("same", 2), ("new", 3)):
        made.data(name, FIVE, sequence=sequence)
    made.positions("d", [(name, 1) for name in ("old", "same", "new", "gone")], sequence=2)
    assert deleted_rows(made.finish()) == {"old": [1], "same": [1], "new": []}


def test_positions_of_several_files_are_put_together(made: DeletedRows) -> None:
    made.data("a", FIVE)
    made.data("b", FIVE)
    made.positions("d1", [("b", 4), ("a", 3), ("b", 4), ("a", 0)])
    made.positions("d2", [("a", 1)], sequence=5, referenced_data_file=made.path("a"))
    assert deleted_rows(made.finish()) == {"a": [0, 1, 3], "b": [4]}


def test_positions_apply_within_their_partition(made: DeletedRows) -> None:
    for name, spec, p in (("one", 0, 1), ("two", 0, 2), ("none", 0, None), ("all", 1, None)):
        made.data(name, FIVE, spec=spec, p=p)
    named = [(name, 0) for name in ("one", "two", "none", "all")]
    made.positions("d1", named, spec=0, p=1)
    made.positions("d2", [(name, 1) for name, _ in named], spec=0, p=None)
    made.positions("d3", [(name, 2) for name, _ in named], spec=1)
    assert deleted_rows(made.finish()) == {"one": [0], "two": [], "none": [1], "all": [2]}


def test_a_file_of_positions_about_one_data_file_applies_in_any_partition(made: DeletedRows) -> None:
    made.data("a", FIVE, spec=0, p=1)
    made.positions("d1", [("a", 0)], referenced_data_file=made.path("a"))
    bound = str(made.table.folder / "a").encode()
    made.positions("d2", [("a", 1)], lower_bounds={2147483546: bound}, upper_bounds={2147483546: bound})
    assert deleted_rows(made.finish()) == {"a": [0, 1]}


def test_paths_are_compared_whatever_way_they_are_written(made: DeletedRows) -> None:
    made.data("a", FIVE)
    plain = str(made.table.folder / "a")
    made.positions("d", [(plain, 0), (f"file:{plain}", 1), (f"file://{plain}", 2)])
    assert deleted_rows(made.finish()) == {"a": [0, 1, 2]}


def test_a_vector_stands_for_all_positions_of_its_file(made: DeletedRows) -> None:
    made.data("a", FIVE)
    made.data("b", FIVE)
    made.positions("d", [("a", 0), ("b", 0)], sequence=9)
    made.vector("v", "a", [2, 3], sequence=9)
    made.vector("w", "gone", [1])
    assert deleted_rows(made.finish()) == {"a": [2, 3], "b": [0]}
    (batch,) = made.source().data_files(made.source().snapshot())
    vector = batch.column("deletion_vector")[0].as_py()
    assert (vector["id"], vector["path"], vector["offset"]) == (f"{made.path('v')}@4", made.path("v"), 4)


def test_a_vector_of_an_older_file_of_the_same_name_does_not_apply(made: DeletedRows) -> None:
    made.data("a", FIVE, sequence=3)
    made.vector("v", "a", [2], sequence=2)
    made.vector("w", "a", [4], sequence=3)
    assert deleted_rows(made.finish()) == {"a": [4]}


def test_values_delete_from_older_files(made: DeletedRows) -> None:
    for name, sequence in (("old", 1), ("same", 2), ("new", 3)):
        made.data(name, FIVE, sequence=sequence)
    made.values("e", _rows(1, 3, 7), [1], sequence=2)
    assert deleted_rows(made.finish()) == {"old": [1, 3], "same": [], "new": []}


def test_values_delete_within_their_partition_or_everywhere(made: DeletedRows) -> None:
    for name, spec, p in (("one", 0, 1), ("two", 0, 2), ("all", 1, None)):
        made.data(name, FIVE, spec=spec, p=p)
    made.values("e1", _rows(1), [1], spec=0, p=1)
    made.values("e2", _rows(3), [1], spec=1)
    assert deleted_rows(made.finish()) == {"one": [1, 3], "two": [3], "all": [3]}


def test_nulls_and_nans_are_values_and_zeros_have_signs(made: DeletedRows) -> None:
    numbers = [None, float("nan"), 0.0, -0.0, 1.0]
    made.data("a", _rows(0, 1, 2, 3, 4, x=pa.array(numbers, pa.float64())))
    made.values("e", columns(IDS, x=pa.array([None, float("nan"), -0.0], pa.float64())), [2])
    assert deleted_rows(made.finish()) == {"a": [0, 1, 3]}


def test_all_columns_of_a_delete_file_have_to_agree(made: DeletedRows) -> None:
    made.data("a", _rows(0, 1, 1, None, s=["a", "a", "b", None]))
    made.values("e1", _rows(1, None, s=["b", None]), [1, 3])
    made.values("e2", _rows(0, 1, s=["b", "c"]), [3, 1])
    made.values("e3", columns(IDS, s=["a"], id=pa.array([7], pa.int64())), [3])
    assert deleted_rows(made.finish()) == {"a": [0, 1, 2, 3]}


def test_columns_are_found_by_their_ids_in_whatever_type_they_were(made: DeletedRows) -> None:
    old = columns({1: "former", 2: "id"}, former=pa.array([5, 6], pa.int32()), id=pa.array([1.5, 2.5], pa.float32()))
    made.data("a", old)
    made.values("e", _rows(6, x=[2.5]), [1, 2])
    assert deleted_rows(made.finish()) == {"a": [1]}


def test_a_column_that_a_file_lacks_has_its_default(made: DeletedRows) -> None:
    made.data("a", columns({2: "x"}, x=[1.0, 2.0]), spec=0, p=8)
    made.data("b", columns({2: "x"}, x=[1.0, 2.0]))
    made.values("e1", columns(IDS, id=pa.array([8], pa.int64()), s=["x"]), [1, 3], spec=1)
    made.values("e2", columns(IDS, id=pa.array([None], pa.int64()), x=[2.0]), [1, 2], spec=1)
    schema = [
        {"id": 1, "name": "id", "required": False, "type": "long"},
        {"id": 2, "name": "x", "required": False, "type": "double"},
        {"id": 3, "name": "s", "required": False, "type": "string", "initial-default": "x", "write-default": "y"},
    ]
    source = made.finish(schemas=[{"type": "struct", "schema-id": 0, "fields": schema}])
    assert deleted_rows(source) == {"a": [0, 1], "b": [1]}


def test_a_member_of_a_struct_may_be_compared(made: DeletedRows) -> None:
    inner = pa.field("m", pa.string(), metadata={b"PARQUET:field_id": b"5"})
    outer = pa.field("o", pa.struct([inner]), metadata={b"PARQUET:field_id": b"4"})
    rows = pa.table([pa.array([{"m": "a"}, None, {"m": None}, {"m": "b"}], outer.type)], pa.schema([outer]))
    made.data("a", rows)
    made.values("e", rows.slice(1, 1), [5])
    member = {"id": 5, "name": "m", "required": False, "type": "string"}
    column = {"id": 4, "name": "o", "required": False, "type": {"type": "struct", "fields": [member]}}
    source = made.finish(schemas=[{"type": "struct", "schema-id": 0, "fields": [column]}], last_column_id=5)
    assert deleted_rows(source) == {"a": [1, 2]}


def test_files_without_ids_are_read_by_the_name_mapping(made: DeletedRows) -> None:
    made.data("a", pa.table({"former": [1, 2]}))
    made.values("e", _rows(2), [1])
    mapping = '[{"field-id":1,"names":["id","former"]}]'
    assert deleted_rows(made.finish(properties={"schema.name-mapping.default": mapping})) == {"a": [1]}


def test_files_without_ids_and_without_a_name_mapping_are_refused(made: DeletedRows) -> None:
    made.data("a", pa.table({"id": [1, 2]}))
    made.values("e", _rows(2), [1])
    with pytest.raises(UnsupportedTableFeature, match="/a' has no field ids"):
        deleted_rows(made.finish())


def test_values_add_to_positions_and_vectors(made: DeletedRows) -> None:
    for name in ("a", "b"):
        made.data(name, FIVE)
    made.positions("d", [("a", 0)], sequence=2)
    made.vector("v", "b", [1, 2], sequence=2)
    made.values("e", _rows(2, 4), [1], sequence=2)
    assert deleted_rows(made.finish()) == {"a": [0, 2, 4], "b": [1, 2, 4]}


def test_many_values_are_read_again_for_every_file(made: DeletedRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.iceberg.row_deletes.equality_deletes._ROWS_HELD", 1)
    monkeypatch.setattr("converters.iceberg.row_deletes.key_columns._ROWS_AT_ONCE", 2)
    for name in ("a", "b"):
        made.data(name, FIVE)
    made.values("e", _rows(4, 2, 0, 9, 8), [1])
    made.values("f", _rows(3), [1])
    assert deleted_rows(made.finish()) == {"a": [0, 2, 3, 4], "b": [0, 2, 3, 4]}


def test_equality_deletes_are_refused_where_data_may_not_be_read(made: DeletedRows) -> None:
    made.data("a", FIVE)
    made.values("e", _rows(1), [1])
    made.finish()
    with pytest.raises(UnsupportedTableFeature, match=r"equality deletes.*/e'"):
        deleted_rows(made.source(read_data=False))


def _two_vectors(made: DeletedRows) -> None:
    made.vector("v", "a", [1])
    made.vector("w", "a", [1])


Spoil = Callable[[DeletedRows], object]
DAMAGED: dict[str, tuple[Spoil, str]] = {
    "a position beyond the file": (lambda t: t.positions("d", [("a", 5)]), "Row 5 of the data file .*/a' .* 5 rows"),
    "a negative position": (lambda t: t.positions("d", [("a", -1)]), "/d' has a negative position"),
    "another data file than said": (
        lambda t: t.positions("d", [("b", 1)], referenced_data_file=t.path("a")),
        "/d' is said to be about the data file .*/a', but names .*/b'",
    ),
    "two vectors": (_two_vectors, "/a' has two deletion vectors"),
    "a vector of more rows": (lambda t: t.vector("v", "a", [1], record_count=6), "/a' deletes 6 rows of 5"),
    "a vector of no rows": (lambda t: t.vector("v", "a", [1], record_count=0), "/a' deletes 0 rows of 5"),
    "a vector of no file": (lambda t: t.vector("v", "a", [1], referenced_data_file=None), "does not say its data file"),
    "a vector nowhere": (lambda t: t.vector("v", "a", [1], content_offset=None), "/v' does not say its offset"),
    "a vector before its file": (lambda t: t.vector("v", "a", [1], content_offset=-1), "/v' does not lie within"),
    "a vector after its file": (lambda t: t.vector("v", "a", [1], content_size_in_bytes=2**62), "not lie within"),
    "a vector beyond all files": (
        lambda t: t.vector("v", "a", [1], content_offset=2**62, content_size_in_bytes=2**62),
        "/v' does not lie within",
    ),
    "an empty vector": (lambda t: t.vector("v", "a", [1], content_size_in_bytes=0), "/v' does not lie within"),
    "values of no columns": (lambda t: t.values("e", _rows(1), []), "/e' does not say by which columns"),
    "values without the column": (lambda t: t.values("e", _rows(1), [2]), "/e' lacks the column 'x'"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_deletes_that_cannot_be_are_named(made: DeletedRows, kind: str) -> None:
    spoil, message = DAMAGED[kind]
    made.data("a", FIVE)
    spoil(made)
    with pytest.raises(CorruptTable, match=message):
        deleted_rows(made.finish())


@pytest.mark.parametrize(
    "rows",
    [
        pa.table({"file_path": ["x", None], "pos": [1, 2]}),
        pa.table({"file_path": ["x", "y"], "pos": [1, None]}),
        pa.table({"file_path": [b"\xff", b"\xfe"], "pos": [1, 2]}),
        pa.table({"file_path": ["x", "y"], "pos": ["a", "b"]}),
        pa.table({"file_path": [["x"], ["y"]], "pos": [1, 2]}),
    ],
    ids=["no path", "no position", "no text", "no number", "no path but a list"],
)
def test_files_of_something_else_than_positions_are_named(made: DeletedRows, rows: pa.Table) -> None:
    made.data("a", FIVE)
    pq.write_table(rows, made.table.folder / "d")
    made.add("d", content=1, sequence=1, spec=1, p=None)
    with pytest.raises(CorruptTable, match="/d'"):
        deleted_rows(made.finish())


@pytest.mark.parametrize("kind", ["positions", "values"])
@pytest.mark.parametrize("damage", ["gone", "empty", "torn", "others"])
def test_damaged_delete_files_are_named(made: DeletedRows, kind: str, damage: str) -> None:
    made.data("a", FIVE)
    if kind == "positions":
        made.positions("d", [("a", 1)])
    else:
        made.values("d", _rows(1), [1])
    place = made.table.folder / "d"
    if damage == "gone":
        place.unlink()
    elif damage == "others":
        pq.write_table(pa.table({"z": [1]}), place)
    else:
        place.write_bytes(b"" if damage == "empty" else place.read_bytes()[:-20])
    with pytest.raises((CorruptTable, UnsupportedTableFeature), match="/d'"):
        deleted_rows(made.finish())


@pytest.mark.parametrize("kind", ["positions", "values"])
def test_delete_files_of_other_formats_are_refused(made: DeletedRows, kind: str) -> None:
    made.data("a", FIVE)
    if kind == "positions":
        made.positions("d", [("a", 1)], file_format="orc")
    else:
        made.values("d", _rows(1), [1], file_format="avro")
    with pytest.raises(UnsupportedTableFeature, match=r"/d' is of the format (ORC|AVRO)"):
        deleted_rows(made.finish())


def test_data_files_that_cannot_be_looked_into_are_refused(made: DeletedRows) -> None:
    made.add("a", sequence=1, spec=1, p=None, file_format="orc")
    made.values("e", _rows(1), [1])
    with pytest.raises(UnsupportedTableFeature, match=r"/a' has equality deletes.*ORC"):
        deleted_rows(made.finish())


def test_a_data_file_of_another_length_is_corrupt(made: DeletedRows) -> None:
    pq.write_table(FIVE, made.table.folder / "a")
    made.add("a", sequence=1, spec=1, p=None, record_count=6)
    made.values("e", _rows(1), [1])
    with pytest.raises(CorruptTable, match="/a' has 5 rows; its manifest says 6"):
        deleted_rows(made.finish())


def test_columns_that_cannot_be_compared_are_refused(made: DeletedRows) -> None:
    made.data("a", FIVE)
    made.values("e", _rows(1), [9])
    with pytest.raises(UnsupportedTableFeature, match="field id 9"):
        deleted_rows(made.finish())


@pytest.mark.parametrize(
    "members, message",
    [
        ({"content": 7}, "unknown kind 7.*/d'"),
        ({"content": 1, "key_metadata": b"k"}, "/d' is encrypted"),
    ],
)
def test_unknown_and_encrypted_deletes_are_refused(made: DeletedRows, members: dict[str, Any], message: str) -> None:
    made.data("a", FIVE)
    made.add("d", sequence=1, spec=1, p=None, **members)
    with pytest.raises(UnsupportedTableFeature, match=message):
        deleted_rows(made.finish())


def test_bounds_that_differ_are_about_no_single_file(made: DeletedRows) -> None:
    for name in ("a", "b"):
        made.data(name, FIVE)
    lower, upper = ({2147483546: str(made.table.folder / name).encode()} for name in ("a", "b"))
    made.positions("d", [("a", 0), ("b", 1)], lower_bounds=lower, upper_bounds=upper)
    assert deleted_rows(made.finish()) == {"a": [0], "b": [1]}


def test_deletes_that_were_removed_again_do_not_matter(made: DeletedRows) -> None:
    made.data("a", FIVE)
    for content in (1, 2):
        made.add("d", content=content, sequence=3, spec=1, p=None, status=2)
    assert deleted_rows(made.finish()) == {"a": []}


def _all_kinds(made: DeletedRows) -> None:
    """Positions and values of all scopes, over columns that changed."""
    all_columns = {"x": [1.0, float("nan"), 0.0, -0.0, None], "s": ["a", None, "b", None, "c"]}
    for name, sequence, spec, p in (
        ("a", 1, 0, 1),
        ("b", 1, 0, 2),
        ("c", 1, 1, None),
        ("d", 2, 1, None),
        ("e", 3, 1, None),
    ):
        ids = [p] * 5 if p else range(5)
        made.data(f"{name}.parquet", _rows(*ids, **all_columns), sequence=sequence, spec=spec, p=p)
    former = columns(
        {1: "x", 2: "id"}, x=pa.array([5, 6, None], pa.int32()), id=pa.array([1.5, 2.5, 2.5], pa.float32())
    )
    made.data("f.parquet", former)
    made.data("g.parquet", columns({2: "x"}, x=[1.0, 2.5, 2.0]))
    named = [(f"{name}.parquet", 0) for name in "abcdef"]
    made.positions("p1.parquet", named, sequence=2, spec=0, p=1)
    made.positions("p2.parquet", named, sequence=2, spec=1)
    made.positions(
        "p3.parquet", [("b.parquet", 4)], sequence=2, referenced_data_file=str(made.table.folder / "b.parquet")
    )
    made.values("v1.parquet", columns(IDS, s=[None, "c"]), [3], sequence=2, spec=0, p=2)
    made.values("v2.parquet", columns(IDS, x=pa.array([-0.0, float("nan")], pa.float64())), [2], sequence=3)
    made.values("v3.parquet", _rows(6, None, None, x=[2.5, 2.5, 2.0]), [1, 2], sequence=3)
    made.values("v4.parquet", _rows(4, 0, s=["c", "b"]), [3, 1], sequence=3)


def test_spark_sees_the_same_rows(made: DeletedRows) -> None:
    _all_kinds(made)
    source = made.finish(format_version=2)
    deleted = deleted_rows(source)
    left: list[tuple[Any, ...]] = []
    for name, positions in deleted.items():
        rows = pq.read_table(made.table.folder / name).to_pylist()
        if name == "f.parquet":
            rows = [{"id": row["x"], "x": row["id"]} for row in rows]
        left += [(row.get("id"), row.get("x"), row.get("s")) for at, row in enumerate(rows) if at not in positions]
    seen = read("iceberg", made.table.folder, "spark").select(["id", "x", "s"]).to_pylist()
    assert sorted(map(repr, left)) == sorted(repr(tuple(row.values())) for row in seen)
    assert all(deleted[f"{name}.parquet"] for name in "abcdfg")
    assert not deleted["e.parquet"]
