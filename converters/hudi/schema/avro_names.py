"""Names in Avro schemas: what is legal, full names, and Hudi's own columns.

Source: Avro specification 1.12, "Names"; ``Schema.validateName`` of Avro for Java, which takes letters and digits
of any script; ``HoodieAvroUtils.sanitizeName``; ``HoodieRecord.HOODIE_META_COLUMNS``.
"""

from __future__ import annotations

import re

__all__ = ["META_COLUMNS", "full_name", "is_legal_name", "legal_name", "record_name"]

META_COLUMNS = (
    "_hoodie_commit_time",
    "_hoodie_commit_seqno",
    "_hoodie_record_key",
    "_hoodie_partition_path",
    "_hoodie_file_name",
    "_hoodie_operation",
)
"""Columns that Hudi adds to each row; the last one only to tables that keep changes."""

_MASK = "__"


def is_legal_name(name: str) -> bool:
    """Whether Hudi can have a column of this name."""
    if not name or not (name[0].isalpha() or name[0] == "_"):
        return False
    return all(character.isalpha() or character.isdecimal() or character == "_" for character in name)


def legal_name(name: str) -> str:
    """A name for a record made of any text, as Hudi makes it of a table's name."""
    text = name if re.match(r"[A-Za-z_]", name) else _MASK + name[1:]
    return re.sub(r"[^A-Za-z0-9_]", _MASK, text)


def record_name(table_name: str) -> tuple[str, str]:
    """Name and namespace of a table's record (``AvroConversionUtils.getAvroRecordNameAndNamespace``)."""
    name = legal_name(table_name)
    return f"{name}_record", f"hoodie.{name}"


def full_name(name: str, namespace: str) -> str:
    """The name under which a named type is known."""
    return name if "." in name or not namespace else f"{namespace}.{name}"
