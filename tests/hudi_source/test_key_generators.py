"""What the parts of partition paths mean, from the table's own properties or from XTable's partition spec."""

from __future__ import annotations

import pytest

from converters.errors import InvalidOption
from converters.hudi.partitions.key_generators import PathField, granularity, path_fields
from converters.hudi.partitions.xtable_spec import parse_partition_spec
from converters.hudi.table_config import TableConfig


def _fields(generator: str, partition_fields: str, **more: str) -> tuple[PathField, ...]:
    properties = {
        "hoodie.table.keygenerator.type": generator,
        "hoodie.table.partition.fields": partition_fields,
        **more,
    }
    return path_fields(TableConfig(properties))


def test_a_single_value_may_have_slashes() -> None:
    assert _fields("SIMPLE", "p") == (PathField("p", "value", 0),)


def test_several_values_are_parts_of_the_path() -> None:
    assert _fields("COMPLEX", "p,q") == (PathField("p", "value"), PathField("q", "value"))


@pytest.mark.parametrize("generator", ["NON_PARTITION", "GLOBAL_DELETE"])
def test_some_key_generators_have_no_partitions(generator: str) -> None:
    assert _fields(generator, "p") == ()


def test_the_class_of_a_key_generator_tells_as_much_as_its_type() -> None:
    name = {"hoodie.table.keygenerator.class": "org.apache.hudi.keygen.TimestampBasedKeyGenerator"}
    output = {"hoodie.keygen.timebased.output.dateformat": "yyyy/MM/dd"}
    assert _fields("", "ts", **name, **output) == (PathField("ts", "day", 0),)


def test_a_custom_key_generator_tells_the_kind_of_each_field() -> None:
    output = {"hoodie.deltastreamer.keygen.timebased.output.dateformat": "yyyy-MM-dd/HH"}
    assert _fields("CUSTOM", "p:SIMPLE,ts:TIMESTAMP", **output) == (PathField("p", "value"), PathField("ts", "hour", 2))


def test_a_time_whose_format_is_not_noted_is_unknown() -> None:
    assert _fields("CUSTOM", "p:SIMPLE,ts:TIMESTAMP")[1] == PathField("ts", "unknown")


@pytest.mark.parametrize(
    "time_format,kind",
    [
        ("yyyy/MM/dd", "day"),
        ("yyyyMMddHH", "hour"),
        ("yyyy-MM-dd'T'HH:mm:ss", "hour"),
        ("yyyy-MM", "month"),
        ("yyyy", "year"),
        ("'day' yyyy", "year"),
        ("", "unknown"),
    ],
)
def test_a_format_tells_how_fine_times_are(time_format: str, kind: str) -> None:
    assert granularity(time_format) == kind


def test_a_partition_spec_of_xtable() -> None:
    assert parse_partition_spec("p:VALUE, ts:day:yyyy/MM/dd") == (PathField("p", "value"), PathField("ts", "day", 3))
    assert parse_partition_spec("p:VALUE") == (PathField("p", "value", 0),)
    assert parse_partition_spec("") == ()


@pytest.mark.parametrize("text", ["p", "p:", ":VALUE", "p:BUCKET:16", "p:VALUE,q"])
def test_a_partition_spec_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"column:type:format"):
        parse_partition_spec(text)
