"""XTable's description of a Hudi table's partitions: ``path:type:format,…``.

Source: ``ConfigurationBasedPartitionSpecExtractor``.  The type is ``VALUE``, ``YEAR``, ``MONTH``,
``DAY`` or ``HOUR``; the format, of a time, is how it is written in paths.
"""

from __future__ import annotations

from converters.errors import InvalidOption
from converters.hudi.partitions.key_generators import PathField, PathFieldKind

__all__ = ["parse_partition_spec"]

_KINDS: dict[str, PathFieldKind] = {"VALUE": "value", "YEAR": "year", "MONTH": "month", "DAY": "day", "HOUR": "hour"}
_FORMAT = "The form is column:type:format,… with the types VALUE, YEAR, MONTH, DAY and HOUR."


def parse_partition_spec(text: str) -> tuple[PathField, ...]:
    """Read a description; an empty one is of a table without partitions.

    Raises:
        InvalidOption: It is not understood.
    """
    fields = tuple(_field(part) for part in text.split(",") if part.strip())
    if len(fields) == 1 and fields[0].kind == "value":
        # A value may have slashes.
        return (PathField(fields[0].column, "value", 0),)
    return fields


def _field(text: str) -> PathField:
    column, _, rest = text.strip().partition(":")
    type_, _, time_format = rest.partition(":")
    kind = _KINDS.get(type_.strip().upper())
    if not column or kind is None:
        msg = f"The partition spec has the field '{text.strip()[:128]}', which is not understood."
        raise InvalidOption(msg, hint=_FORMAT)
    return PathField(column.strip(), kind, 1 if kind == "value" else time_format.count("/") + 1)
