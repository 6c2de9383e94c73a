"""What a table's properties say, and which of them are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import javaproperties
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.errors import CorruptTable, TablecastError, UnsupportedTableFeature
from converters.hudi.table_config import (
    TableConfig,
    metadata_table_location,
    plain_properties,
    properties_text,
    read_table_config,
    table_checksum,
)
from converters.storage import ObjectStorage
from tests.hudi_timeline.made import write_properties

CORPUS = Path("/corpus/hudi")


def _read(table: Path) -> TableConfig:
    config = read_table_config(ObjectStorage(), f"file://{table}")
    assert config is not None
    return config


def _made(table: Path, **properties: str) -> TableConfig:
    write_properties(table, {key.replace("__", "."): value for key, value in properties.items()})
    return _read(table)


def _refused(table: Path, kind: type[TablecastError], *told: str, **properties: str) -> TablecastError:
    with pytest.raises(kind) as caught:
        _made(table, **properties)
    for each in told:
        assert each in caught.value.message
    return caught.value


@given(st.dictionaries(st.text(min_size=1), st.text()), st.text())
def test_properties_come_back_as_they_went(properties: Mapping[str, str], comment: str) -> None:
    data = properties_text(properties, comment)
    assert data.isascii()
    assert javaproperties.loads(data) == properties


def test_checksums_are_those_that_hudi_writes() -> None:
    for directory in CORPUS.iterdir():
        for table in (directory, directory / ".hoodie/metadata"):
            if not (table / ".hoodie").exists():
                continue
            config = _read(table)
            assert config.properties["hoodie.table.checksum"] == str(table_checksum(config.name, config.database))


def test_a_directory_without_properties_is_no_table(tmp_path: Path) -> None:
    (tmp_path / ".hoodie").mkdir()
    assert read_table_config(ObjectStorage(), f"file://{tmp_path}") is None


@pytest.mark.parametrize("version, layout", [("5", 1), ("6", 1), ("8", 2), ("9", 2)])
def test_supported_versions(tmp_path: Path, version: str, layout: int) -> None:
    config = _made(tmp_path, hoodie__table__version=version, hoodie__timeline__layout__version=str(layout))
    assert (config.version, config.timeline_layout) == (int(version), layout)


@pytest.mark.parametrize("version", ["0", "4", "7", "10"])
def test_other_versions_are_refused_by_name(tmp_path: Path, version: str) -> None:
    error = _refused(
        tmp_path, UnsupportedTableFeature, f"table version {version}", str(tmp_path), hoodie__table__version=version
    )
    assert ("Downgrade" if version == "10" else "Upgrade") in error.hint


def test_a_version_that_is_no_number_is_corrupt(tmp_path: Path) -> None:
    _refused(tmp_path, CorruptTable, "'six'", "hoodie.properties", hoodie__table__version="six")


def test_a_layout_of_another_version_is_corrupt(tmp_path: Path) -> None:
    _refused(tmp_path, CorruptTable, "layout '2'", hoodie__timeline__layout__version="2")


def test_a_table_that_another_format_keeps_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path, UnsupportedTableFeature, "'iceberg'", hoodie__table__format="iceberg")


def test_a_table_of_an_unknown_type_is_corrupt(tmp_path: Path) -> None:
    _refused(tmp_path, CorruptTable, "'HEAP'", hoodie__table__type="HEAP")


@pytest.mark.parametrize(
    "key", ["hoodie__timeline__path", "hoodie__timeline__history__path", "hoodie__archivelog__folder"]
)
def test_a_timeline_outside_the_table_is_corrupt(tmp_path: Path, key: str) -> None:
    _refused(tmp_path, CorruptTable, "outside", **{key: "../../other"})


def test_the_backup_counts_when_an_update_broke_off(tmp_path: Path) -> None:
    broken = write_properties(tmp_path)
    whole = broken.read_bytes()
    write_properties(tmp_path, {"hoodie.table.type": "MERGE_ON_READ"}, "hoodie.properties.backup")
    renamed = whole.replace(b"hoodie.table.name=t", b"hoodie.table.name=u")
    for torn in (b"", whole[: len(whole) // 3], whole[:-5], renamed):
        broken.write_bytes(torn)
        assert _read(tmp_path).table_type == "MERGE_ON_READ"
    broken.unlink()
    assert _read(tmp_path).table_type == "MERGE_ON_READ"
    broken.write_bytes(whole)
    assert _read(tmp_path).table_type == "COPY_ON_WRITE"


@pytest.mark.parametrize("content", [b"", b"#only a comment\n", b"hoodie.table.name=t\n", b"a=\\uzzzz\n"])
def test_torn_properties_without_a_backup_are_corrupt(tmp_path: Path, content: bytes) -> None:
    write_properties(tmp_path).write_bytes(content)
    with pytest.raises(CorruptTable, match=r"/\.hoodie/hoodie\.properties"):
        _read(tmp_path)


def test_properties_that_were_edited_by_hand_are_read_when_there_is_no_backup(tmp_path: Path) -> None:
    path = write_properties(tmp_path, {"hoodie.table.checksum": "1"})
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert _read(tmp_path).name == "t"


@pytest.mark.parametrize(
    "case, fields, kinds, generator",
    [
        ("simple", (), (), "NON_PARTITION"),
        ("cow_v9", ("p",), ("SIMPLE",), "SIMPLE"),
        ("part_null", ("p", "q"), ("SIMPLE", "SIMPLE"), "COMPLEX"),
        ("ts_keygen_epoch", ("ts",), ("TIMESTAMP",), "TIMESTAMP"),
        ("custom_keygen", ("p", "ts"), ("SIMPLE", "TIMESTAMP"), "CUSTOM"),
        ("w0150_custom_keygen", ("p", "ts"), ("", ""), "CUSTOM"),
        ("w0150_ts_keygen_epoch", ("ts",), ("TIMESTAMP",), "TIMESTAMP"),
    ],
)
def test_partitioning_of_real_tables(
    case: str, fields: tuple[str, ...], kinds: tuple[str, ...], generator: str
) -> None:
    config = _read(CORPUS / case)
    assert (config.partition_fields, config.partition_kinds, config.key_generator) == (fields, kinds, generator)


def test_what_real_tables_say() -> None:
    nine = _read(CORPUS / "sql_table")
    assert (nine.version, nine.table_type, nine.database, nine.hive_style) == (9, "MERGE_ON_READ", "default", True)
    assert nine.metadata_partitions == {"column_stats", "files", "partition_stats"}
    assert (nine.record_key_fields, nine.ordering_fields) == (("id",), ("ver",))
    assert nine.create_schema is not None
    assert nine.create_schema.startswith('{"type":"record"')
    assert _read(CORPUS / "drop_part_cols").drops_partition_columns
    assert not _read(CORPUS / "no_meta_fields").populates_meta_fields
    assert not _read(CORPUS / "nonhive").hive_style
    assert not _read(CORPUS / "cow_v6_nomdt").metadata_partitions
    own = _read(CORPUS / "cow_v6/.hoodie/metadata")
    assert (own.base_file_format, own.table_type) == ("HFILE", "MERGE_ON_READ")


def test_places_of_a_table(tmp_path: Path) -> None:
    old = TableConfig({"hoodie.table.version": "6", "hoodie.archivelog.folder": "old"})
    paths = {"hoodie.timeline.path": "line", "hoodie.timeline.history.path": "h"}
    new = TableConfig({"hoodie.table.version": "8", **paths})
    table = f"file://{tmp_path}"
    assert (old.timeline_directory(table), old.archive_directory(table)) == (f"{table}/.hoodie", f"{table}/.hoodie/old")
    assert new.timeline_directory(table) == f"{table}/.hoodie/line"
    assert new.archive_directory(table) == f"{table}/.hoodie/line/h"
    assert metadata_table_location(table) == f"{table}/.hoodie/metadata"


@given(st.lists(st.sampled_from([*"ab=:#! \\\r\n\t\f.-_1é", "name=", "\n#", "x.y-z=1\n"]), max_size=24).map("".join))
def test_properties_without_anything_peculiar_are_what_java_reads(text: str) -> None:
    plain = plain_properties(text.encode())
    assert plain is None or plain == javaproperties.loads(text)
