"""One state of a table: everything but its files, which stream beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from converters.model.partition import UNPARTITIONED, PartitionSpec
from converters.model.schema import Schema

__all__ = ["FieldIds", "Snapshot", "Table"]

FieldIds = Literal["all", "none", "unknown"]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a table is, apart from its rows.

    Attributes:
        format: ``DELTA``, ``ICEBERG`` or another registered name, upper case.
        location: Absolute location of the table's directory, without a trailing slash.
        id: The table's own unique id (Delta ``metaData.id``, Iceberg ``table-uuid``); tells a table that was
            dropped and made anew under the same path from the old one.
        name: Its name, if it has one.
        description: Its comment, if it has one.
        schema: Current columns.
        specs: Every partition spec that a live file may be under.
        default_spec_id: The spec that new files are written under.
        properties: The table's own properties, as text.
        metadata_path: What the REST contract calls ``target-metadata-path``: Iceberg's current ``metadata.json``,
            Delta's ``_delta_log``.
        schema_text: The schema in the format's own serialisation.
        names_are_stable: True when each column has had one name in all data files ever written and no
            other column has had that name, so that files can be read by name.
        field_ids: Whether the data files carry Parquet field ids for every column, nested ones included.
        feature_names: Table features in use, for people (``deletionVectors``, ``v2``).
        promotions: The first type of each column whose type was widened since, by field id (``int``,
            ``decimal(9,2)``): data files may still hold it.
        two_level_lists: Top-level columns with lists that data files hold in Parquet's old two-level form, by field id,
            with one of the files each.
        other_columns: Top-level columns that data files have although the schema has not.
    """

    format: str
    location: str
    id: str
    schema: Schema
    metadata_path: str
    schema_text: str
    name: str | None = None
    description: str | None = None
    specs: tuple[PartitionSpec, ...] = (UNPARTITIONED,)
    default_spec_id: int = 0
    properties: Mapping[str, str] = {}
    names_are_stable: bool = True
    field_ids: FieldIds = "unknown"
    feature_names: tuple[str, ...] = ()
    promotions: Mapping[int, str] = {}
    two_level_lists: Mapping[int, str] = {}
    other_columns: tuple[str, ...] = ()

    @property
    def default_spec(self) -> PartitionSpec:
        """The spec that new files are written under."""
        return self.spec(self.default_spec_id)

    def spec(self, spec_id: int) -> PartitionSpec:
        """The spec of this number.

        Raises:
            KeyError: The table has none of this number.
        """
        for spec in self.specs:
            if spec.spec_id == spec_id:
                return spec
        raise KeyError(spec_id)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A table at one version.

    Attributes:
        version: The source identifier of XTable's state: Delta's version, Iceberg's snapshot id ("0" if empty).
        committed_at: When this version was committed, milliseconds since the epoch.
        table: The table as of this version.
        file_count: Live data files, where the format says so without reading them all; else None.
        pending_instants: When those commits began that are still running and may become visible although they are
            older than this version (Hudi), milliseconds since the epoch, ascending.
        memory: What the source wants to be told at the next sync (``formats.Remembering``); a few thousand characters
            at most.
    """

    version: str
    committed_at: int
    table: Table
    file_count: int | None = None
    pending_instants: tuple[int, ...] = ()
    memory: str = ""
