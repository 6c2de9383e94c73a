"""What is known of the insides of a source's data files, beyond its schema.

Iceberg readers look into data files themselves: for field ids, else for names.  Table properties of Delta tell what
its writers put there (Delta protocol, "Change Data Files", "Row Tracking", "IcebergCompatV2").
"""

from __future__ import annotations

from converters.model.snapshot import Table

__all__ = ["has_ids_everywhere", "has_own_ids", "hidden_columns"]

_COMPATIBLE = ("delta.enableIcebergCompatV2", "delta.enableIcebergCompatV3")
_CHANGE_DATA_FEED = "delta.enableChangeDataFeed"
_CHANGE_TYPE = "_change_type"
_ROW_TRACKING = (
    "delta.rowTracking.materializedRowIdColumnName",
    "delta.rowTracking.materializedRowCommitVersionColumnName",
)


def has_own_ids(table: Table) -> bool:
    """Whether the schema's field ids are the source's own, and may be in its data files."""
    return table.field_ids == "all" or any(field.physical_name is not None for field in table.schema.fields)


def has_ids_everywhere(table: Table) -> bool:
    """Whether every data file has field ids for members of lists and maps too."""
    if table.field_ids == "all":
        return True
    return has_own_ids(table) and any(table.properties.get(key, "").lower() == "true" for key in _COMPATIBLE)


def hidden_columns(table: Table) -> tuple[str, ...]:
    """Top-level columns that data files may have although the schema has not.

    They have to be mapped: pyiceberg fails where one is not, and DuckDB reads null for every column after it.
    """
    names = [table.properties[key] for key in _ROW_TRACKING if key in table.properties]
    if _CHANGE_DATA_FEED in table.properties:
        names.append(_CHANGE_TYPE)
    names += table.other_columns
    stored = {field.stored_name for field in table.schema.fields}
    return tuple(dict.fromkeys(name for name in names if name not in stored))
