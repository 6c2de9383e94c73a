"""Whether a Hudi table that is there can be continued by a sync, or must be replaced as a whole."""

from __future__ import annotations

from converters.errors import UnsupportedTableFeature
from converters.hudi.metadata_table.file_names import COLUMN_STATS, FILES
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.table_config import TableConfig
from converters.hudi.writing.layout import Layout

__all__ = ["check_continuable", "open_metadata_table"]

_KEPT_UP = {FILES, COLUMN_STATS}
_VERSIONS = {6, 8, 9}


def check_continuable(config: TableConfig, location: str, layout: Layout) -> None:
    """Refuse a table that a commit of ours would not make right.

    Args:
        config: Its properties, which never change.
        location: Its directory.
        layout: What it has to be.

    Raises:
        UnsupportedTableFeature: Says what is in the way.
    """
    reason = _reason(config, layout)
    if reason is not None:
        raise UnsupportedTableFeature(
            f"The Hudi table at '{location}' cannot be continued: {reason}.",
            hint="Convert to another path, or delete its directory '.hoodie' to have it made anew.",
        )


def open_metadata_table(table: MetadataTable | None, location: str) -> MetadataTable:
    """The metadata table, if a commit can be added to it.

    Raises:
        UnsupportedTableFeature: It is not there, or in the midst of a compaction.
    """
    if table is None:
        raise UnsupportedTableFeature(
            f"The Hudi table at '{location}' cannot be continued: its metadata table cannot be used.",
            hint="Delete its directory '.hoodie' to have it made anew.",
        )
    for slices in table.slices.values():
        for each in slices:
            if each.base_instant is None or (each.base is not None and f"_{each.base_instant}." not in each.base.path):
                raise UnsupportedTableFeature(
                    f"The Hudi table at '{location}' cannot be continued: '{each.file_id}' of its metadata table is "
                    "being compacted.",
                    hint="Let its writer finish, and try again.",
                )
    return table


def _reason(config: TableConfig, layout: Layout) -> str | None:
    others = config.metadata_partitions - _KEPT_UP
    there, wanted = (", ".join(each) or "nothing" for each in (config.partition_fields, layout.partition_columns))
    reasons = (
        (config.version not in _VERSIONS, f"it has table version {config.version}"),
        (config.table_type != "COPY_ON_WRITE", "it is merge on read"),
        (config.base_file_format != "PARQUET", f"its files are of the format {config.base_file_format}"),
        (config.populates_meta_fields, "its files have Hudi's own columns (hoodie.populate.meta.fields)"),
        (config.is_bootstrapped, "it is bootstrapped from another table"),
        (FILES not in config.metadata_partitions, "it has no metadata table"),
        (bool(others), f"its metadata table has the index '{min(others, default='')}', which would not be kept up"),
        (there != wanted, f"it is partitioned by {there}, the source by {wanted}"),
        (
            bool(layout.partition_columns)
            and not (layout.forms.hive_style if config.hive_style else layout.forms.bare),
            "its directories are of another form than its properties say (hive_style_partitioning)",
        ),
        (
            not (layout.forms.escaped if config.url_encoded else layout.forms.plain),
            "its directories are escaped otherwise than its properties say (partitionpath.urlencode)",
        ),
        (config.drops_partition_columns, "its files lack the partition columns"),
    )
    return next((reason for holds, reason in reasons if holds), None)
