"""The properties of a target and of its metadata table, as they are written once, at the first sync."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from converters.hudi.table_config import INDEXED_COLUMNS, TableConfig, table_checksum

__all__ = ["INDEX_DEFINITIONS", "index_definitions", "metadata_table_config", "table_config"]

INDEX_DEFINITIONS = ".index_defs/index.json"
"""Below ``.hoodie``: which columns have statistics; Hudi 1.x skips no files without it (``HoodieIndexMetadata``)."""

"""The same for Hudi 0.15, which takes every column that has no statistics for null in files where another has some."""

_LAYOUT_2 = 8
_NATIVE_FORMAT = 9
_KEY_GENERATORS = ("NonpartitionedKeyGenerator", "SimpleKeyGenerator", "ComplexKeyGenerator")
_KEY_GENERATOR_TYPES = ("NON_PARTITION", "SIMPLE", "COMPLEX")
_BY_COMMIT_TIME = "ce9acb64-bde0-424c-9b91-f6ebba25356d"
_CUSTOM_MERGER = "00000000-0000-0000-0000-000000000000"


def table_config(
    name: str,
    version: int,
    *,
    partition_columns: Sequence[str],
    record_key: Sequence[str],
    hive_style: bool,
    escaped: bool,
    indexed_columns: Sequence[str] | None,
) -> TableConfig:
    """The properties of a table to be (``HoodieTableConfig``).

    No database is named: Spark SQL of Hudi 0.15 would refuse ``CREATE TABLE … LOCATION`` in another.

    Args:
        name: The table's.
        version: 6 or 9.
        partition_columns: In the order of the directories.
        record_key: Columns that identify a row; may be empty.
        hive_style: Whether directories are called ``name=value``.
        escaped: Whether values in directories are escaped.
        indexed_columns: Columns with statistics; None where the table has no partition ``column_stats``.
    """
    kind = min(len(partition_columns), 2)
    if len(record_key) > 1 and kind == 1:
        kind = 2
    properties = {
        **_common(name, version),
        "hoodie.table.type": "COPY_ON_WRITE",
        "hoodie.table.base.file.format": "PARQUET",
        "hoodie.table.timeline.timezone": "UTC",
        "hoodie.table.recordkey.fields": ",".join(record_key),
        "hoodie.table.keygenerator.class": f"org.apache.hudi.keygen.{_KEY_GENERATORS[kind]}",
        "hoodie.datasource.write.hive_style_partitioning": _flag(hive_style),
        "hoodie.datasource.write.partitionpath.urlencode": _flag(escaped),
        "hoodie.table.cdc.enabled": "false",
        "hoodie.partition.metafile.use.base.format": "false",
        "hoodie.table.metadata.partitions": "files" if indexed_columns is None else "column_stats,files",
    }
    if partition_columns:
        properties["hoodie.table.partition.fields"] = ",".join(partition_columns)
    if indexed_columns is not None:
        properties["hoodie.table.index.defs.path"] = f".hoodie/{INDEX_DEFINITIONS}"
        properties[INDEXED_COLUMNS] = ",".join(indexed_columns)
    if version >= _LAYOUT_2:
        properties |= {
            "hoodie.table.keygenerator.type": _KEY_GENERATOR_TYPES[kind],
            "hoodie.record.merge.mode": "COMMIT_TIME_ORDERING",
            "hoodie.record.merge.strategy.id": _BY_COMMIT_TIME,
        }
    else:
        properties["hoodie.compaction.payload.class"] = "org.apache.hudi.common.model.HoodieAvroPayload"
    if version >= _NATIVE_FORMAT:
        properties["hoodie.table.format"] = "native"
    return TableConfig(properties)


def metadata_table_config(name: str, version: int) -> TableConfig:
    """The properties of the metadata table of a table of this name and version."""
    properties = {
        **_common(f"{name}_metadata", version),
        "hoodie.table.type": "MERGE_ON_READ",
        "hoodie.table.base.file.format": "HFILE",
        "hoodie.table.recordkey.fields": "key",
        "hoodie.compaction.payload.class": "org.apache.hudi.metadata.HoodieMetadataPayload",
        "hoodie.table.keygenerator.class": "org.apache.hudi.metadata.HoodieTableMetadataKeyGenerator",
    }
    if version >= _LAYOUT_2:
        properties |= {
            "hoodie.table.keygenerator.type": "HOODIE_TABLE_METADATA",
            "hoodie.record.merge.mode": "CUSTOM",
            "hoodie.record.merge.strategy.id": _CUSTOM_MERGER,
        }
    return TableConfig(properties)


def index_definitions(columns: Sequence[str]) -> bytes:
    """The content of ``INDEX_DEFINITIONS``."""
    definition = {
        "indexName": "column_stats",
        "indexType": "column_stats",
        "indexFunction": "column_stats",
        "sourceFields": list(columns),
        "indexOptions": {},
        "version": "V1",
    }
    return msgspec.json.encode({"indexDefinitions": {"column_stats": definition}})


def _common(name: str, version: int) -> dict[str, str]:
    properties = {
        "hoodie.table.name": name,
        "hoodie.table.version": str(version),
        "hoodie.timeline.layout.version": "2" if version >= _LAYOUT_2 else "1",
        "hoodie.archivelog.folder": "history" if version >= _LAYOUT_2 else "archived",
        "hoodie.populate.meta.fields": "false",
        "hoodie.datasource.write.drop.partition.columns": "false",
        "hoodie.table.checksum": str(table_checksum(name)),
    }
    if version >= _LAYOUT_2:
        properties |= {
            "hoodie.table.initial.version": str(version),
            "hoodie.timeline.path": "timeline",
            "hoodie.timeline.history.path": "history",
        }
    return properties


def _flag(value: bool) -> str:  # noqa: FBT001 - it is all there is
    return "true" if value else "false"
