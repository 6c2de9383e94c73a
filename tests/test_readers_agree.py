"""The readers see in the corpus what its writers put there, wherever it lies: unfiltered, filtered and counted.

This is the ground that the tests of conversions stand on, so what a reader gets wrong by itself is listed here.
"""

from pathlib import Path

import pyarrow as pa
import pytest

from tests.corpus import Case, Corpus, case, cases
from tests.readers import (
    READERS,
    Reader,
    aggregate_differences,
    canonical_rows,
    differences,
    digest,
    filter_differences,
    hudi,
    metadata_of,
    read,
    row_differences,
    schema_of,
)
from tests.readers.hudi import HudiError
from tests.s3 import S3Server

# What a reader refuses, or reads wrongly, in a table that another engine wrote well.
CANNOT_READ: dict[Reader, dict[str, str]] = {
    "spark": {
        "hudi/part_binary": "takes the text in the path for the bytes",
        "hudi/ts_keygen_epoch": "takes the time in the path for the column's value",
        "hudi/w0150_ts_keygen_epoch": "takes the time in the path for the column's value",
        "iceberg/py_types": "has no time type",
    },
    "duckdb": {
        "delta/colmap_name": "reads a renamed partition column as null",
        "iceberg/avro_files": "reads Parquet alone",
        "iceberg/orc_files": "reads Parquet alone",
    },
    "pyiceberg": {
        "iceberg/avro_files": "reads no Avro data",
        "iceberg/equality_deletes": "knows no equality deletes",
        "iceberg/nested": "reads a null map as an empty one",
    },
    "deltalake": {"delta/types_extremes": "overflows at timestamps in INT96 far from now"},
    "polars": {
        "delta/checkpoint_v2_json": "knows no v2 checkpoints",
        "delta/colmap_name": "knows no column mapping",
        "delta/colmap_upgrade": "knows no column mapping",
        "delta/part_binary": "knows no binary partition values",
        "delta/types_extremes": "overflows at timestamps in INT96 far from now",
        "iceberg/avro_files": "reads no Avro data",
        "iceberg/equality_deletes": "knows no equality deletes",
        "iceberg/py_uuid": "reads a UUID as bytes",
        "iceberg/uuid_fixed_via_java": "reads a UUID as bytes",
    },
    "hudi-rs": {
        "hudi/custom_keygen": "takes the name of a partition field for 'p:SIMPLE'",
        "hudi/drop_part_cols": "refuses tables whose files lack the partition columns",
        "hudi/schema_on_read": "reads a renamed column as null where a file has the old name",
        "hudi/types_all": "has no timestamps without zone",
        "hudi/w0150_drop_part_cols": "refuses tables whose files lack the partition columns",
    },
    "spark-hudi-1.0.2": {"hudi/w0150_ts_keygen_epoch": "takes the time in the path for the column's value"},
    "spark-hudi-0.15.0": {
        "hudi/w0150_custom_keygen": "takes the time in the path for the column's value",
        "hudi/w0150_ts_keygen_epoch": "takes the time in the path for the column's value",
    },
}
# The newest version of Hudi's layout that a reader knows; of a newer one it says so.
NEWEST_LAYOUT: dict[Reader, int] = {"spark-hudi-0.15.0": 6, "spark-hudi-1.0.2": 8}
# What a reader reads well, and filters wrongly.
CANNOT_FILTER: dict[Reader, dict[str, str]] = {
    "spark": {"iceberg/v3_defaults": "skips files without a column whose default the filter keeps"},
    "pyiceberg": {
        "iceberg/py_uuid": "cannot compare UUIDs",
        "iceberg/required_comments": "sees no null in a required field of a null struct",
        "iceberg/types_extremes": "skips a file by an infinite bound",
    },
    "polars": {"delta/nested": "fails on a filter beside nested structs"},
}
# Spark takes seconds to filter a Delta or a Hudi table; these have the types and the layouts.
# (Hudi itself finds no row in `hudi/types_extremes` for a condition on a column with NaN, of which it has no bounds,
# and none for one on a column whose time it formatted for the path.)
SPARK_FILTERS = {
    "delta/colmap_name",
    "delta/dml_dv",
    "delta/nested",
    "delta/part_null",
    "delta/simple",
    "delta/types_all",
    "delta/types_extremes",
    "delta/types_small",
    "hudi/evolve",
    "hudi/mor_v6",
    "hudi/nested",
    "hudi/part_null",
    "hudi/types_all",
    "hudi/w0150_cow_v6",
    "hudi/w102_cow_v8",
}
CANNOT_AGGREGATE = {
    "iceberg/py_types": "has no time type",
    "iceberg/py_uuid": "fails on the bounds of a UUID",
    "iceberg/uuid_fixed_via_java": "fails on the bounds of a UUID",
}


def _knows(reader: Reader, case: Case) -> bool:
    return case.table_version is None or case.table_version <= NEWEST_LAYOUT.get(reader, case.table_version)


PAIRS = [
    (case, reader)
    for case in cases()
    for reader in READERS[case.format]
    if case.name not in CANNOT_READ[reader] and _knows(reader, case)
]


@pytest.mark.parametrize("case,reader", PAIRS, ids=str)
def test_rows(corpus: Corpus, case: Case, reader: Reader) -> None:
    rows = read(case.format, corpus.path(case), reader)
    found = canonical_rows(rows)
    assert row_differences(canonical_rows(corpus.rows(case)), found) == []
    assert (digest(found), len(found)) == (case.contents.sha256, case.contents.rows)
    if reader == case.reader:
        assert tuple(map(tuple, schema_of(rows))) == case.contents.schema


@pytest.mark.parametrize(
    "case,reader", [(case("hudi/cow_v8"), "spark-hudi-0.15.0"), (case("hudi/cow_v9"), "spark-hudi-1.0.2")], ids=str
)
def test_a_layout_that_a_reader_does_not_know_is_an_error(corpus: Corpus, case: Case, reader: Reader) -> None:
    with pytest.raises(HudiError):
        read("hudi", corpus.path(case), reader)


def _filters(case: Case, reader: Reader) -> bool:
    if reader == "hudi-rs":
        return False
    if case.format == "hudi" or (case.format, reader) == ("delta", "spark"):
        return case.name in SPARK_FILTERS
    return case.name not in CANNOT_FILTER.get(reader, {})


@pytest.mark.parametrize("case,reader", [pair for pair in PAIRS if _filters(*pair)], ids=str)
def test_filters(corpus: Corpus, case: Case, reader: Reader) -> None:
    assert filter_differences(case.format, corpus.path(case), corpus.rows(case), reader) == []


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if case.format != "hudi" and case.name not in CANNOT_AGGREGATE],
    ids=str,
)
def test_aggregates(corpus: Corpus, case: Case) -> None:
    assert aggregate_differences(case.format, corpus.path(case), corpus.rows(case)) == []


@pytest.mark.parametrize("case", [case for case in cases() if case.stages], ids=str)
def test_stages(corpus: Corpus, case: Case, tmp_path: Path) -> None:
    """A later stage takes an earlier one's place, and is seen."""
    quick: Reader = "hudi-rs" if case.format == "hudi" else "duckdb"
    reader: Reader = quick if case.name not in CANNOT_READ[quick] else "spark"
    for stage, contents in enumerate(case.stages, 1):
        place = corpus.copy(case, tmp_path, stage)
        assert digest(canonical_rows(read(case.format, place, reader))) == contents.sha256


@pytest.mark.parametrize("reader", READERS["delta"])
def test_delta_versions(corpus: Corpus, reader: Reader) -> None:
    many = case("delta/many_commits")
    for stage, version in enumerate((3, 7, 11), 1):
        rows = read("delta", corpus.path(many), reader, version=version)
        assert digest(canonical_rows(rows)) == many.at(stage).sha256


@pytest.mark.parametrize("reader", READERS["iceberg"])
def test_iceberg_snapshots(corpus: Corpus, reader: Reader) -> None:
    """By number, and by the name of a branch."""
    table = corpus.path("iceberg/simple")
    snapshots = [each["snapshot-id"] for each in metadata_of(table)["snapshots"]]
    for stage, snapshot in enumerate(snapshots, 1):
        rows = read("iceberg", table, reader, version=snapshot)
        assert digest(canonical_rows(rows)) == case("iceberg/simple").at(stage).sha256
    rows = read("iceberg", table, reader, version="main")
    assert digest(canonical_rows(rows)) == case("iceberg/simple").contents.sha256


@pytest.mark.parametrize("reader", READERS["hudi"])
def test_hudi_instants(corpus: Corpus, reader: Reader) -> None:
    """A table as it was; the instants are those of its timeline."""
    many = case("hudi/w0150_cow_v6")
    table = corpus.path(many)
    instants = sorted(file.name.split(".")[0] for file in (table / ".hoodie").glob("*commit"))
    assert len(instants) == len(many.stages)
    for stage, instant in enumerate(instants, 1):
        rows = read("hudi", table, reader, version=instant)
        assert digest(canonical_rows(rows)) == many.at(stage).sha256


@pytest.mark.parametrize("reader", hudi.VERSIONS)
def test_hudi_skips_files(corpus: Corpus, reader: Reader) -> None:
    """A condition on the partition shows in the number of files that were opened."""
    table = corpus.path("hudi/w0150_cow_v6")
    assert [hudi.files_read(reader, table, where) for where in ("true", "p = 'x'")] == [3, 1]


@pytest.mark.parametrize("reader", hudi.VERSIONS)
def test_hudi_by_name(corpus: Corpus, reader: Reader) -> None:
    """A table that SQL gave a name to."""
    wanted = case("hudi/w0150_cow_v6")
    rows = hudi.run(
        reader,
        "DROP TABLE IF EXISTS named",
        f"CREATE TABLE named USING hudi LOCATION '{corpus.path(wanted)}'",
        "SELECT id, name, amount, ver, p FROM named",
    )
    assert digest(canonical_rows(rows)) == wanted.contents.sha256


def test_wrong_rows_and_wrong_bounds_are_told(corpus: Corpus, tmp_path: Path) -> None:
    """A file left out shows as rows; a bound inside the data shows under a filter, and in Spark's own minimum."""
    rows = corpus.rows("delta/simple")
    assert differences("delta", corpus.path("delta/simple"), rows.slice(1), ["duckdb"])
    table = corpus.copy("delta/simple", tmp_path)
    commit = table / "_delta_log" / f"{0:020}.json"
    text = commit.read_text(encoding="utf-8")
    narrowed = text.replace(r"\"minValues\":{\"id\":1", r"\"minValues\":{\"id\":2")
    assert narrowed != text
    commit.write_text(narrowed, encoding="utf-8")
    commit.with_name(f".{commit.name}.crc").unlink(missing_ok=True)
    for reader in ("spark", "duckdb"):
        assert row_differences(canonical_rows(rows), canonical_rows(read("delta", table, reader))) == []
        assert [said for said in filter_differences("delta", table, rows, reader) if '"id" <=' in said]
    assert [said for said in aggregate_differences("delta", table, rows) if "min(" in said]


@pytest.mark.parametrize(
    "name,reader", [("delta/simple", reader) for reader in ("duckdb", "deltalake", "polars")], ids=str
)
def test_tables_on_s3(corpus: Corpus, s3: S3Server, s3_folder: str, name: str, reader: Reader) -> None:
    url = s3.upload(corpus.path(name), s3_folder.removeprefix(f"{s3.url}/"))
    rows: pa.Table = read("delta", url, reader, store=s3)
    assert digest(canonical_rows(rows)) == case(name).contents.sha256
