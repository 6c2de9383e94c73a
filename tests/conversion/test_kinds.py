"""Tables of kinds that the corpus lacks, written by Spark here and now: each converts with the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import converters
from tests.conversion.outcomes import others
from tests.readers import Reader, assert_same_rows, read
from tests.readers import spark as spark_reader
from tests.readers.tables import Format


@dataclass(frozen=True)
class Kind:
    """A table by the statements that make it; ``{t}`` stands for its name, ``{path}`` for its directory."""

    name: str
    statements: tuple[str, ...]
    second: Reader | None = "duckdb"
    old_hudi: Reader = "spark-hudi-0.15.0"
    refused: dict[Format, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _rows(columns: str) -> str:
    """Ten rows whose columns are expressions over ``id``."""
    return f"SELECT {columns} FROM range(-3, 7)"


def _partitioned_by(type_: str, expression: str, values: str = "id % 3") -> tuple[str, ...]:
    return (
        f"CREATE TABLE {{t}} (id BIGINT, p {type_}) USING {{using}} PARTITIONED BY (p) {{at}}",
        f"INSERT INTO {{t}} {_rows(f'id, CAST({expression} AS {type_})')}".replace("$", f"({values})"),
        "INSERT INTO {t} VALUES (100, NULL)",
    )


PARTITIONS = (
    Kind("by boolean", _partitioned_by("BOOLEAN", "$ = 1")),
    Kind("by tinyint", _partitioned_by("INT", "$ - 1")),
    Kind("by bigint", _partitioned_by("BIGINT", "$ * 5000000000")),
    Kind("by float", _partitioned_by("FLOAT", "$ / 3")),
    Kind("by double", _partitioned_by("DOUBLE", "$ / 3")),
    Kind("by decimal", _partitioned_by("DECIMAL(20,4)", "$ * -1234567890.1234")),
    Kind("by negative date", _partitioned_by("DATE", "date_add(DATE'1969-12-31', cast($ as int))")),
    Kind("by timestamp", _partitioned_by("TIMESTAMP", "timestamp_micros($ * 1500001)")),
    Kind("by timestamp_ntz", _partitioned_by("TIMESTAMP_NTZ", "timestamp_micros($ * 1500001)")),
    Kind("by awkward text", _partitioned_by("STRING", "concat('a b/c%20=ü:#?&+', $, '\\'\"')")),
)

DELTA = (
    Kind(
        "column mapping by id",
        (
            (
                "CREATE TABLE {t} (id BIGINT, `a b` STRING, s STRUCT<x: INT, y: STRING>, p STRING) USING DELTA "
                "PARTITIONED BY (p) {at} TBLPROPERTIES ('delta.columnMapping.mode'='id')"
            ),
            "INSERT INTO {t} SELECT id, concat('n', id), struct(cast(id AS INT), 'y'), 'k' FROM range(5)",
            "ALTER TABLE {t} RENAME COLUMN `a b` TO c",
            "ALTER TABLE {t} RENAME COLUMN p TO q",
            "INSERT INTO {t} SELECT id, concat('m', id), struct(cast(id AS INT), 'z'), 'l' FROM range(5, 9)",
        ),
        second="pyiceberg",
    ),
    Kind(
        "timestamps without zone",
        (
            "CREATE TABLE {t} (id BIGINT, t TIMESTAMP_NTZ) USING DELTA {at}",
            "INSERT INTO {t} SELECT id, timestamp_micros(id * 1234567) FROM range(-5, 5)",
        ),
    ),
    Kind(
        "widened byte to int",
        (
            "CREATE TABLE {t} (id INT, n TINYINT) USING DELTA {at} TBLPROPERTIES ('delta.enableTypeWidening'='true')",
            "INSERT INTO {t} SELECT id, cast(id AS TINYINT) FROM range(-5, 5)",
            "ALTER TABLE {t} ALTER COLUMN n TYPE SMALLINT",
            "INSERT INTO {t} VALUES (10, 1000)",
            "ALTER TABLE {t} ALTER COLUMN n TYPE INT",
            "INSERT INTO {t} VALUES (11, 100000)",
        ),
        old_hudi="spark-hudi-1.0.2",  # 0.15.0 fails on integers of 8 and 16 bits
    ),
    Kind(
        "v2 checkpoints in Parquet with in-commit timestamps",
        (
            (
                "CREATE TABLE {t} (id BIGINT, v STRING) USING DELTA {at} TBLPROPERTIES ('delta.checkpointPolicy'='v2', "
                "'delta.checkpointInterval'='2', 'delta.enableInCommitTimestamps'='true', "
                "'delta.checkpoint.writeStatsAsStruct'='true', 'delta.checkpoint.writeStatsAsJson'='false')"
            ),
            *(f"INSERT INTO {{t}} VALUES ({n}, 'v{n}')" for n in range(7)),
        ),
    ),
    Kind(
        "statistics as structs only",
        (
            (
                "CREATE TABLE {t} (id BIGINT, s STRUCT<d: DECIMAL(38,18), t: TIMESTAMP>, p DATE) USING DELTA "
                "PARTITIONED BY (p) {at} TBLPROPERTIES ('delta.checkpointInterval'='3', "
                "'delta.checkpoint.writeStatsAsStruct'='true', 'delta.checkpoint.writeStatsAsJson'='false')"
            ),
            *(
                f"INSERT INTO {{t}} SELECT {n}, named_struct('d', {n - 3}.000000000000000001BD, 't', "
                f"timestamp_micros({n} * 1500001)), DATE'2024-01-0{n}'"
                for n in range(1, 7)
            ),
        ),
    ),
    Kind(
        "a bounded text",
        (
            "CREATE TABLE {t} (id BIGINT, c VARCHAR(5), v VARCHAR(9)) USING DELTA {at}",
            "INSERT INTO {t} VALUES (1, 'a', 'b'), (2, NULL, 'ccc')",
        ),
    ),
    Kind(
        "shallow clone",
        (
            "CREATE TABLE delta.`{path}-source` (id BIGINT, p STRING) USING DELTA PARTITIONED BY (p)",
            "INSERT INTO delta.`{path}-source` SELECT id, concat('a b', id % 2) FROM range(10)",
            "CREATE TABLE delta.`{path}` SHALLOW CLONE delta.`{path}-source`",
            "INSERT INTO {t} VALUES (100, 'new')",
        ),
    ),
    Kind(
        "many columns",
        (
            "CREATE TABLE {t} USING DELTA {at} AS SELECT "
            + ", ".join(f"id * {n} AS c{n}" for n in range(60))
            + " FROM range(5)",
        ),
    ),
    Kind(
        "special numbers",
        (
            "CREATE TABLE {t} (id INT, f FLOAT, d DOUBLE) USING DELTA {at}",
            "INSERT INTO {t} VALUES (1, cast('NaN' AS FLOAT), cast('NaN' AS DOUBLE)), (2, 1.5, -1.5)",
            "INSERT INTO {t} VALUES (3, cast('Infinity' AS FLOAT), cast('-Infinity' AS DOUBLE)), (4, -0.0, 0.0)",
            "INSERT INTO {t} VALUES (5, cast('NaN' AS FLOAT), NULL), (6, NULL, cast('NaN' AS DOUBLE))",
            "INSERT INTO {t} VALUES (7, cast(-0.0 AS FLOAT), cast(-0.0 AS DOUBLE))",
        ),
    ),
    Kind(
        "long texts",
        (
            "CREATE TABLE {t} (id INT, s STRING) USING DELTA {at}",
            "INSERT INTO {t} SELECT id, repeat(concat(char(233), X'F09F9880'), cast(id * 30 AS INT)) FROM range(5)",
            "INSERT INTO {t} SELECT id, concat(repeat('z', 40), id) FROM range(5, 9)",
            "INSERT INTO {t} VALUES (20, ''), (21, NULL), (22, decode(X'F48FBFBFF48FBFBF', 'utf-8'))",
        ),
    ),
    Kind(
        "no columns with statistics beyond the first",
        (
            (
                "CREATE TABLE {t} (a INT, b STRING, c DATE) USING DELTA {at} "
                "TBLPROPERTIES ('delta.dataSkippingNumIndexedCols'='1')"
            ),
            "INSERT INTO {t} VALUES (1, 'x', DATE'2020-01-01'), (NULL, NULL, NULL)",
        ),
    ),
    Kind(
        "lists and maps under column mapping",
        (
            (
                "CREATE TABLE {t} (id INT, l ARRAY<INT>, m MAP<STRING, INT>) USING DELTA {at} "
                "TBLPROPERTIES ('delta.columnMapping.mode'='name')"
            ),
            "INSERT INTO {t} VALUES (1, array(1, 2), map('a', 1)), (2, NULL, NULL)",
        ),
        refused={"iceberg": "Iceberg readers would not find these"},
    ),
    Kind(
        "uniform: lists and maps with ids",
        (
            (
                "CREATE TABLE {t} (id INT, l ARRAY<STRUCT<x: INT>>, m MAP<STRING, INT>) USING DELTA {at} "
                "TBLPROPERTIES ('delta.columnMapping.mode'='name', 'delta.enableIcebergCompatV2'='true')"
            ),
            "INSERT INTO {t} VALUES (1, array(named_struct('x', 1)), map('a', 1)), (2, NULL, NULL)",
        ),
    ),
)

ICEBERG = (
    *(
        Kind(
            f"by {transform}",
            (
                (
                    f"CREATE TABLE {{t}} (id BIGINT, s STRING, d DATE, t TIMESTAMP, n DECIMAL(9,2)) USING ICEBERG "
                    f"PARTITIONED BY ({transform})"
                ),
                (
                    "INSERT INTO {t} SELECT id, concat('text', id), date_add(DATE'1970-01-01', cast(id AS INT) * 40), "
                    "timestamp_micros(id * 4000000000001), cast(id * 1.5 AS DECIMAL(9,2)) FROM range(-5, 5)"
                ),
                "INSERT INTO {t} VALUES (100, NULL, NULL, NULL, NULL)",
            ),
        )
        for transform in (
            "bucket(4, id)",
            "bucket(3, s)",
            "truncate(10, id)",
            "truncate(3, s)",
            "truncate(50, n)",
            "days(d)",
            "years(d)",
            "bucket(2, d), months(t)",
        )
    ),
    Kind(
        "gzipped metadata",
        (
            (
                "CREATE TABLE {t} (id BIGINT, v STRING) USING ICEBERG "
                "TBLPROPERTIES ('write.metadata.compression-codec'='gzip')"
            ),
            "INSERT INTO {t} VALUES (1, 'a'), (2, 'b')",
        ),
    ),
    *(
        Kind(
            f"{codec} manifests",
            (
                (
                    "CREATE TABLE {t} (id BIGINT, v STRING) USING ICEBERG "
                    f"TBLPROPERTIES ('write.avro.compression-codec'='{codec}')"
                ),
                "INSERT INTO {t} VALUES (1, 'a'), (2, 'b')",
                "INSERT INTO {t} VALUES (3, 'c')",
            ),
        )
        for codec in ("zstd", "snappy", "uncompressed")
    ),
    Kind(
        "a required column and an identifier",
        (
            "CREATE TABLE {t} (id BIGINT NOT NULL, s STRUCT<x: INT, y: STRING>) USING ICEBERG",
            "ALTER TABLE {t} SET IDENTIFIER FIELDS id",
            "INSERT INTO {t} VALUES (1, named_struct('x', 1, 'y', 'a')), (2, NULL)",
        ),
    ),
    Kind(
        "a column added first and one dropped",
        (
            "CREATE TABLE {t} (id BIGINT, gone STRING, kept STRING) USING ICEBERG",
            "INSERT INTO {t} VALUES (1, 'g', 'k')",
            "ALTER TABLE {t} DROP COLUMN gone",
            "ALTER TABLE {t} ADD COLUMN early INT FIRST",
            "INSERT INTO {t} VALUES (5, 2, 'k2')",
        ),
    ),
    Kind(
        "rewritten after a rename",
        (
            "CREATE TABLE {t} (id BIGINT, a STRING) USING ICEBERG",
            "INSERT INTO {t} VALUES (1, 'x')",
            "ALTER TABLE {t} RENAME COLUMN a TO b",
            "INSERT OVERWRITE {t} SELECT id + 1, b FROM {t}",
        ),
    ),
    Kind(
        "a sorted table of format 3",
        (
            "CREATE TABLE {t} (id BIGINT, v STRING) USING ICEBERG TBLPROPERTIES ('format-version'='3')",
            "ALTER TABLE {t} WRITE ORDERED BY v",
            "INSERT INTO {t} SELECT id, concat('v', id) FROM range(20)",
        ),
    ),
    Kind(
        "special numbers",
        (
            "CREATE TABLE {t} (id INT, f FLOAT, d DOUBLE) USING ICEBERG",
            "INSERT INTO {t} VALUES (1, cast('NaN' AS FLOAT), cast('NaN' AS DOUBLE)), (2, 1.5, -1.5)",
            "INSERT INTO {t} VALUES (3, cast('Infinity' AS FLOAT), cast('-Infinity' AS DOUBLE)), (4, -0.0, 0.0)",
            "INSERT INTO {t} VALUES (5, cast('NaN' AS FLOAT), NULL), (6, NULL, cast('NaN' AS DOUBLE))",
        ),
    ),
)


TRANSFORMS = tuple(kind.name for kind in ICEBERG if kind.name.startswith("by "))
# What Hudi cannot carry of these, and the words by which the refusal names it.
NOT_IN_HUDI: Mapping[Format, Mapping[str, str]] = {
    "delta": {
        "by float": "'p' of the type float",
        "by double": "'p' of the type double",
        "by timestamp": "'p' of the type timestamptz",
        "by timestamp_ntz": "'p' has type 'timestamp'",
        "column mapping by id": "is no partition",
        "timestamps without zone": "'t' has type 'timestamp'",
        "shallow clone": "lies outside",
        "lists and maps under column mapping": "is no partition",
        "uniform: lists and maps with ids": "is no partition",
    },
    "iceberg": {
        "by float": "'p' of the type float",
        "by double": "'p' of the type double",
        "by timestamp_ntz": "'p' has type 'timestamp'",
        "by awkward text": "is no partition",
        **dict.fromkeys(TRANSFORMS, "The table is partitioned by"),
    },
}


def _delta(kind: Kind, directory: Path) -> str:
    for statement in kind.statements:
        sql = statement.replace("{t}", f"delta.`{directory}`").replace("{path}", str(directory))
        sql = sql.replace("{using}", "DELTA").replace("{at}", "")
        spark_reader.session().sql(sql)
    return str(directory)


def _iceberg(kind: Kind, number: int) -> str:
    session = spark_reader.session()
    table = f"ice.kinds.t{number}"
    session.sql(f"DROP TABLE IF EXISTS {table}")
    for statement in kind.statements:
        session.sql(statement.replace("{t}", table).replace("{using}", "ICEBERG").replace("{at}", ""))
    return f"{session.conf.get('spark.sql.catalog.ice.warehouse')}/kinds/t{number}"


def _check(kind: Kind, source: Format, target: Format, location: str) -> None:
    expected = read(source, location, "spark")
    report = converters.convert(location, [target], source_format=source, options=kind.options).targets[0]
    refused = kind.refused.get(target) or (NOT_IN_HUDI[source].get(kind.name) if target == "hudi" else None)
    if refused is not None:
        assert report.error is not None
        assert report.error.type == "UnsupportedTableFeature"
        assert refused in report.error.message
        return
    assert report.error is None
    if target == "hudi":
        place = report.location.removeprefix("file://")
        assert_same_rows("hudi", place, expected, ("spark",))
        assert_same_rows("hudi", place, expected, (kind.old_hudi,), filters=False)
        return
    readers: tuple[Reader, ...] = ("spark",) if kind.second is None else ("spark", kind.second)
    assert_same_rows(target, location, expected, readers)


@pytest.mark.parametrize("target", others("delta"))
@pytest.mark.parametrize("kind", [*PARTITIONS, *DELTA], ids=str)
def test_a_delta_table(kind: Kind, target: Format, tmp_path: Path) -> None:
    _check(kind, "delta", target, _delta(kind, tmp_path / "t"))


@pytest.mark.parametrize("number,kind", list(enumerate((*PARTITIONS, *ICEBERG))), ids=str)
def test_an_iceberg_table_to_delta(number: int, kind: Kind) -> None:
    _check(kind, "iceberg", "delta", _iceberg(kind, number))


# Iceberg's directory of null is called as that of the text is, and Hudi's readers know no difference.
WITHOUT_NULL = tuple(replace(kind, statements=kind.statements[:-1]) for kind in PARTITIONS)


@pytest.mark.parametrize("number,kind", list(enumerate((*WITHOUT_NULL, *ICEBERG))), ids=str)
def test_an_iceberg_table_to_hudi(number: int, kind: Kind) -> None:
    _check(kind, "iceberg", "hudi", _iceberg(kind, number))
