"""What is to be written of each file of a batch: the layout of manifest entries."""

from __future__ import annotations

from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.manifests.list_reader import DATA
from converters.model.data_file import STAT_NAMES
from converters.model.partition import PartitionField
from converters.model.types import Type, arrow_type

__all__ = [
    "ADDED",
    "DELETED",
    "EXISTING",
    "EntryLayout",
    "LeafLayout",
    "Origins",
    "PartitionMember",
    "Status",
    "partition_column",
    "statistic",
]

Status = Literal[0, 1, 2]

EXISTING: Status = 0
ADDED: Status = 1
DELETED: Status = 2

_PLACE = {name: place for place, name in enumerate(STAT_NAMES)}


class LeafLayout(msgspec.Struct, frozen=True):
    """A column with statistics: the member of ``stats`` that has them, and the column's field id in the target."""

    member: str
    field_id: int
    type: Type


class PartitionMember(msgspec.Struct, frozen=True):
    """A partition field: the member of ``partition`` that has its values, the target's field, and its values' type."""

    member: str
    field: PartitionField
    type: Type


class EntryLayout(msgspec.Struct, frozen=True):
    """What entries look like: those of one partition spec of the target, from one kind of batch.

    With ``content`` ``DELETES`` they are of delete files, whose batches have other columns (``delete_layout``).
    """

    format_version: int
    spec_id: int
    partition: tuple[PartitionMember, ...]
    leaves: tuple[LeafLayout, ...]
    content: int = DATA


class Origins(msgspec.Struct, frozen=True):
    """Where entries come from that an earlier snapshot added: int64 columns without nulls, but ``first_row_id``."""

    snapshot_id: pa.Array
    sequence_number: pa.Array
    file_sequence_number: pa.Array
    first_row_id: pa.Array


def partition_column(batch: pa.RecordBatch, member: PartitionMember) -> pa.Array:
    """A partition field's values; null where the batch has none."""
    values = batch.column("partition")
    place = values.type.get_field_index(member.member)
    return pc.struct_field(values, [place]) if place >= 0 else pa.nulls(len(batch), arrow_type(member.type))


def statistic(stats: pa.Array, leaf: LeafLayout, name: str) -> pa.Array:
    """A statistic of a column, by its name in ``STAT_NAMES``."""
    return pc.struct_field(stats, [stats.type.get_field_index(leaf.member), _PLACE[name]])
