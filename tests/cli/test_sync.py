"""``tablecast sync``: the configuration files of XTable's RunSync."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from converters.errors import InvalidRequest, LimitExceeded
from tests.cli.command import json_of, run
from tests.corpus import Corpus
from tests.readers import assert_same_rows
from tests.tables import read_rows, write_delta, write_iceberg

from app.cli.dataset_config import read_dataset_config  # isort: skip


def _config(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "my_config.yaml"
    file.write_text(text)
    return file


def test_every_table_of_a_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_delta(tmp_path / name)
    config = _config(
        tmp_path,
        f"""---
sourceFormat: DELTA
targetFormats:
  - ICEBERG
datasets:
  -
    tableBasePath: {tmp_path}/one
    tableName: one
  -
    tableBasePath: file://{tmp_path}/two
    tableDataPath: {tmp_path}/two/data
    tableName: 2024
    partitionSpec: region:VALUE
    namespace: a.b
""",
    )
    done = run("sync", "--dataset-config", config)
    assert done.code == 0, done.err
    for name in ("one", "two"):
        assert read_rows("iceberg", tmp_path / name) == read_rows("delta", tmp_path / name)
    assert done.err.count("Note: ") == 3
    assert "partitionSpec is for Hudi tables" in done.err
    assert '"2024"' in done.out
    for spelling in ("--datasetConfig", "-d"):
        again = json_of(run("sync", spelling, config, "--output", "json"))
        assert [each["report"]["targets"][0]["status"] for each in again] == ["unchanged", "unchanged"]


def test_one_that_fails_does_not_keep_the_others(tmp_path: Path) -> None:
    write_iceberg(tmp_path / "good")
    config = _config(
        tmp_path,
        f"""
sourceFormat: ICEBERG
targetFormats: [DELTA]
datasets:
  - {{tableBasePath: {tmp_path}/nothing, tableName: nothing}}
  - {{tableBasePath: {tmp_path}/good, tableName: good}}
""",
    )
    done = run("sync", "-d", config)
    assert done.code == 1
    assert f"{tmp_path}/nothing: " in done.err
    assert read_rows("delta", tmp_path / "good") == read_rows("iceberg", tmp_path / "good")
    results = json_of(run("sync", "-d", config, "-o", "json"))
    assert [each.keys() - {"table"} for each in results] == [{"error"}, {"report"}]


def test_the_partition_spec_of_a_hudi_table_counts(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/nonhive", tmp_path)
    text = f"sourceFormat: HUDI\ntargetFormats: [DELTA]\ndatasets:\n- tableBasePath: {table}\n  partitionSpec: "
    wrong = run("sync", "-d", _config(tmp_path, text + "nobody:VALUE"))
    assert (wrong.code, "'nobody'" in wrong.err) == (1, True)
    done = run("sync", "-d", _config(tmp_path, text + "p:VALUE"))
    assert done.code == 0, done.err
    assert DeltaTable(table).metadata().partition_columns == ["p"]
    assert_same_rows("delta", table, corpus.rows("hudi/nonhive"), ("duckdb", "deltalake"))


GOOD = "sourceFormat: DELTA\ntargetFormats: [ICEBERG]\n"


@pytest.mark.parametrize(
    "text,named",
    [
        ("", "Expected `object`"),
        ("[]", "Expected `object`"),
        ("just words", "Expected `object`"),
        ("sourceFormat: DELTA", "targetFormats"),
        (GOOD, "datasets"),
        (GOOD + "datasets: []", "datasets"),
        (GOOD + "datasets: [{tableName: t}]", "tableBasePath"),
        (GOOD + "datasets: [{tableBasePath: }]", "tableBasePath"),
        (GOOD + "datasets: [{tableBasePath: /t, tableNmae: t}]", "tableNmae"),
        (GOOD + "datasets: [{tableBasePath: [/t]}]", "tableBasePath"),
        (GOOD + "datasets: [{tableBasePath: /t}]\nsourceformat: x", "sourceformat"),
        (GOOD + "datasets: [", "line 3"),
        ("sourceFormat: !!python/object/apply:os.system ['true']", "sourceFormat"),
        ("a: *b", "b"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_dataset_config(_config(tmp_path, text))
    assert named.replace("`", "'") in caught.value.message
    assert "my_config.yaml" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1 if n else ''},*a{n - 1 if n else ''}]" for n in range(40)),
        "[" * 100_000,
        "x" * 5_000_000,
    ],
    ids=["aliases", "depth", "size"],
)
def test_bombs(tmp_path: Path, text: str) -> None:
    with pytest.raises((LimitExceeded, InvalidRequest)):
        read_dataset_config(_config(tmp_path, text))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidRequest):
        read_dataset_config(file)


def test_nulls_and_anchors(tmp_path: Path) -> None:
    config = read_dataset_config(
        _config(
            tmp_path,
            """
sourceFormat: DELTA
targetFormats: &formats [ICEBERG]
datasets:
  - {tableBasePath: /a, tableName: no, tableDataPath: null, namespace: ~}
  - {tableBasePath: /b, tableName: 0123, partitionSpec: }
""",
        )
    )
    assert [dataset.table_name for dataset in config.datasets] == ["no", "0123"]
    assert [dataset.notes("DELTA") for dataset in config.datasets] == [[], []]
