"""What the parts of a partition's path mean, by the table's key generator (``KeyGenUtils`` and its subclasses).

A partition's path is the text of each partition field's value, joined by ``/``, each with ``name=`` before it in
hive style.  A key generator of the kind ``TIMESTAMP`` writes a time by a format that the table may note
(``hoodie.keygen.timebased.output.dateformat``), which may have slashes of its own.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from converters.hudi.table_config import TableConfig

__all__ = ["PathField", "PathFieldKind", "granularity", "path_fields"]

PathFieldKind = Literal["value", "year", "month", "day", "hour", "unknown"]

_WITHOUT_PARTITIONS = frozenset({"NON_PARTITION", "GLOBAL_DELETE"})
_OUTPUT_FORMAT = ".keygen.timebased.output.dateformat"
_QUOTED = re.compile(r"'[^']*'")
_GRANULARITIES: tuple[tuple[str, PathFieldKind], ...] = (
    ("HkKhmsSAnNa", "hour"),
    ("dDEeuF", "day"),
    ("MLwWQq", "month"),
    ("yY", "year"),
)


class PathField(msgspec.Struct, frozen=True):
    """One field of partition paths.

    Attributes:
        column: The column that it is derived from; dotted where that is a member of a struct.
        kind: ``value``: the column's value itself; a unit of time: the time as far as that; ``unknown``: nothing that
            can be told.
        parts: How many parts of the path, between slashes, it takes; 0: all of them.
    """

    column: str
    kind: PathFieldKind
    parts: int = 1


def path_fields(config: TableConfig) -> tuple[PathField, ...]:
    """The fields of a table's partition paths, in order; none for a table without partitions."""
    if config.key_generator in _WITHOUT_PARTITIONS:
        return ()
    names, kinds = config.partition_fields, config.partition_kinds
    output = next((text for key, text in config.properties.items() if key.endswith(_OUTPUT_FORMAT)), "")
    fields = [_field(name, kind, output) for name, kind in zip(names, kinds, strict=True)]
    if len(fields) == 1:
        # A value may have slashes.
        return (msgspec.structs.replace(fields[0], parts=0),)
    return tuple(fields)


def granularity(time_format: str) -> PathFieldKind:
    """The smallest unit of time in a Java date format (``yyyy/MM/dd`` is ``day``); ``unknown`` where it has none."""
    letters = set(_QUOTED.sub("", time_format))
    for units, kind in _GRANULARITIES:
        if letters & set(units):
            return kind
    return "unknown"


def _field(name: str, kind: str, output_format: str) -> PathField:
    if kind == "TIMESTAMP":
        return PathField(name, granularity(output_format), output_format.count("/") + 1)
    return PathField(name, "value")
