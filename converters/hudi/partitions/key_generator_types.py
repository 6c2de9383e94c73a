"""Which key generator a table uses, and how its partition fields become text (``KeyGeneratorType``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["partition_kinds", "simple_key_generator"]

_TYPES = {
    "SimpleKeyGenerator": "SIMPLE",
    "SimpleAvroKeyGenerator": "SIMPLE",
    "ComplexKeyGenerator": "COMPLEX",
    "ComplexAvroKeyGenerator": "COMPLEX",
    "TimestampBasedKeyGenerator": "TIMESTAMP",
    "TimestampBasedAvroKeyGenerator": "TIMESTAMP",
    "CustomKeyGenerator": "CUSTOM",
    "CustomAvroKeyGenerator": "CUSTOM",
    "NonpartitionedKeyGenerator": "NON_PARTITION",
    "NonpartitionedAvroKeyGenerator": "NON_PARTITION",
    "GlobalDeleteKeyGenerator": "GLOBAL_DELETE",
    "GlobalAvroDeleteKeyGenerator": "GLOBAL_DELETE",
    "AutoRecordGenWrapperKeyGenerator": "AUTO_RECORD",
    "AutoRecordGenWrapperAvroKeyGenerator": "AUTO_RECORD",
    "HoodieTableMetadataKeyGenerator": "HOODIE_TABLE_METADATA",
    "SqlKeyGenerator": "SPARK_SQL",
    "UuidKeyGenerator": "SPARK_SQL_UUID",
    "MergeIntoKeyGenerator": "SPARK_SQL_MERGE_INTO",
}


def simple_key_generator(properties: Mapping[str, str]) -> str:
    """The type of the table's key generator; see ``TableConfig.key_generator``."""
    class_name = properties.get("hoodie.table.keygenerator.class", "").strip().rpartition(".")[2]
    if class_name:
        return _TYPES.get(class_name, class_name)
    return properties.get("hoodie.table.keygenerator.type", "").strip().upper().removesuffix("_AVRO")


def partition_kinds(key_generator: str, fields: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """How the values of each partition field become text; see ``TableConfig.partition_kinds``.

    Args:
        key_generator: Its type.
        fields: Each field's name and the kind after its colon, which may be empty.
    """
    if key_generator == "CUSTOM":
        return tuple(kind for _, kind in fields)
    every = "TIMESTAMP" if key_generator == "TIMESTAMP" else "SIMPLE"
    return tuple(kind or every for _, kind in fields)
