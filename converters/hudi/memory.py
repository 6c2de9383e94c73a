"""What a Hudi source remembers of a table's data files from sync to sync.

Some things only the files themselves tell, or the statistics of all of them: whether they hold the values that their
partition paths say, in which types they hold columns, which other columns they have.  A target keeps them for us
(``Snapshot.memory``), so that a later sync has to look at the files that were added since, and at no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from converters.hudi.reading.columns import TableColumns
from converters.hudi.table_config import TableConfig
from converters.model.partition import (
    FIRST_PARTITION_FIELD_ID,
    UNPARTITIONED,
    PartitionField,
    PartitionSpec,
    Transform,
)
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.sync.state import SyncState

__all__ = ["Memory", "memories", "table_key"]

_FORMAT = 1
_LONGEST = 4_000


class _Column(msgspec.Struct, frozen=True, array_like=True):
    """A partition field: its column, transform and name."""

    column: str
    transform: str
    name: str


class Memory(msgspec.Struct, frozen=True, omit_defaults=True, rename="kebab"):
    """What is remembered of a table in one state.

    Attributes:
        key: ``table_key`` of the table.
        partitioned_by: The partition fields that its files bear out.
        former_types: ``Table.promotions``, by path.
        old_lists: ``Table.two_level_lists``, by column; paths from the table's directory.
        other_columns: ``Table.other_columns``.
        notes: What a person should know of how it is read.
    """

    key: str
    partitioned_by: tuple[_Column, ...] = ()
    former_types: tuple[tuple[tuple[str, ...], str], ...] = ()
    old_lists: tuple[tuple[str, str], ...] = ()
    other_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, table: Table, notes: Sequence[str]) -> str:
        """What is to be remembered, as text; empty where that would be too much."""
        if table.field_ids != "none" or not table.names_are_stable:
            return ""  # files have to be looked at every time
        by_id, start = table.schema.by_id, len(table.location) + 1
        fields = table.default_spec.fields
        memory = cls(
            key=key,
            partitioned_by=tuple(
                _Column(by_id[each.source_id].dotted, each.transform.kind, each.name) for each in fields
            ),
            former_types=tuple((by_id[id_].path, former) for id_, former in table.promotions.items()),
            old_lists=tuple((by_id[id_].dotted, path[start:]) for id_, path in table.two_level_lists.items()),
            other_columns=table.other_columns,
            notes=tuple(notes),
        )
        text = msgspec.json.encode(memory).decode()
        return text if len(text) <= _LONGEST else ""

    def table(self, now: Table, columns: TableColumns) -> Table | None:
        """The table in the state that is remembered.

        Args:
            now: What does not depend on the data files.
            columns: Its columns then.

        Returns:
            None where the memory is of other columns.
        """
        schema = columns.schema
        nodes = schema.by_path
        spec = self._spec(schema)
        places = [*(path for path, _ in self.former_types), *((name,) for name, _ in self.old_lists)]
        if spec is None or any(place not in nodes for place in places):
            return None
        return msgspec.structs.replace(
            now,
            schema=schema,
            specs=(spec,),
            default_spec_id=spec.spec_id,
            schema_text=columns.text,
            names_are_stable=True,
            field_ids="none",
            promotions={nodes[path].id: former for path, former in self.former_types},
            two_level_lists={nodes[(name,)].id: f"{now.location}/{path}" for name, path in self.old_lists},
            other_columns=self.other_columns,
        )

    def _spec(self, schema: Schema) -> PartitionSpec | None:
        fields: list[PartitionField] = []
        for number, each in enumerate(self.partitioned_by):
            field = schema.field(each.column)
            if field is None:
                return None
            id_ = FIRST_PARTITION_FIELD_ID + number
            transform = Transform(each.transform)  # type: ignore[arg-type]  # it was one when it was written
            fields.append(PartitionField(id=id_, source_id=field.id, name=each.name, transform=transform))
        return PartitionSpec(0, tuple(fields)) if fields else UNPARTITIONED


def memories(known: Iterable[SyncState], key: str) -> list[tuple[SyncState, Memory]]:
    """What is remembered of a table, by the states that it is of.

    Args:
        known: States that syncs left.
        key: The table's, as it is now.
    """
    found: list[tuple[SyncState, Memory]] = []
    for state in known:
        if state.mark is None or not state.mark.memory:
            continue
        try:
            memory = msgspec.json.decode(state.mark.memory, type=Memory)
        except msgspec.DecodeError:
            continue  # of a newer version of this library, perhaps
        if memory.key == key:
            found.append((state, memory))
    return found


def table_key(location: str, config: TableConfig, options: msgspec.Struct) -> str:
    """What stands for everything besides the timeline that a snapshot depends on."""
    content = (_FORMAT, location, sorted(config.properties.items()), options)
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:32]
