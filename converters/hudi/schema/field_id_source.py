"""The field ids of a Hudi schema: the internal schema's, those that XTable's Hudi extension tracks, or made up.

Hudi's files have no field ids.  Its columns have none of their own either, unless the table has an internal schema
(``internal_schema``), or the writer ran XTable's extension, which keeps them in a property of the Avro schema
(``IdTracker``)::

    "hudi_id_tracking": {"idMappings": [{"name": "id", "id": 1, "fields": [ … members … ]}, …], "lastIdUsed": 7}

Ids that are made up go to the columns in their order first, then to the members of each (the order in which Hudi's
internal schema and XTable's extension give theirs), so a column that is appended leaves the others' ids alone unless
there are nested columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from converters.errors import CorruptTable

__all__ = ["FieldIdSource"]

_PROPERTY = "hudi_id_tracking"


class _IdMapping(msgspec.Struct, frozen=True):
    name: str
    id: int
    fields: tuple[_IdMapping, ...] | None = None


class _IdTracking(msgspec.Struct, frozen=True, rename="camel"):
    id_mappings: tuple[_IdMapping, ...] = ()
    last_id_used: int = 0


class FieldIdSource:
    """Gives each place of a schema its id, parents first."""

    def __init__(
        self, schema: Mapping[str, Any], where: str, known: Mapping[tuple[str, ...], int] | None = None
    ) -> None:
        """Look for tracked ids in a table's record.

        Args:
            schema: The record.
            where: Whose it is, for messages.
            known: Ids by path from elsewhere, which count instead.

        Raises:
            CorruptTable: The property is there but cannot be understood.
        """
        self._where = where
        self._known: dict[tuple[str, ...], int] = {}
        self._next = 1
        self._are_own = known is not None or _PROPERTY in schema
        if known is not None:
            self._known.update(known)
            self._next = max([0, *known.values()]) + 1
        elif self._are_own:
            try:
                tracking = msgspec.convert(schema[_PROPERTY], _IdTracking)
            except (msgspec.ValidationError, RecursionError) as error:
                raise CorruptTable(f"{where} has damaged field ids ('{_PROPERTY}'): {error}.") from error
            self._add(tracking.id_mappings, ())
            self._next = max([tracking.last_id_used, *self._known.values(), 0]) + 1
            if len(set(self._known.values())) != len(self._known) or min(self._known.values(), default=1) < 1:
                raise CorruptTable(f"{where} has damaged field ids ('{_PROPERTY}'): one is there twice, or below 1.")

    @property
    def are_own(self) -> bool:
        """Whether the table keeps its ids, so that they outlive a change of the schema."""
        return self._are_own

    def take(self, parent: tuple[str, ...], names: Sequence[str]) -> list[int]:
        """The ids of all members of one place.

        Args:
            parent: The place's path of names; empty for the table.
            names: Its members; ``element``, or ``key`` and ``value``, for a list or map.
        """
        return [self._take((*parent, name)) for name in names]

    def _take(self, path: tuple[str, ...]) -> int:
        known = self._known.get(path)
        if known is not None:
            return known
        self._next += 1
        return self._next - 1

    def _add(self, mappings: Sequence[_IdMapping], parent: tuple[str, ...]) -> None:
        for mapping in mappings:
            self._known[(*parent, mapping.name)] = mapping.id
            self._add(mapping.fields or (), (*parent, mapping.name))
