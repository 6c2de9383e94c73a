"""Delete blocks of log files: ``int32 version 3 | int32 length | HoodieDeleteRecordList``, as Avro.

Versions 1 and 2 hold Java objects, serialised; no writer of metadata tables leaves such there.  Source: Hudi's
``HoodieDeleteBlock`` and ``HoodieDeleteRecordList.avsc``.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import msgspec
import pyarrow as pa

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.hudi.metadata_table.schemas import WRAPPERS

__all__ = ["DeletedKeys", "read_delete_block"]

_HEAD = struct.Struct(">ii")
_VERSION = 3
_EMPTY = b"\x00"


class DeletedKeys(msgspec.Struct, frozen=True):
    """What a delete block takes away.

    Attributes:
        keys: Keys of records; binary, in ascending order.
    """

    keys: pa.Array


def read_delete_block(content: bytes, where: str) -> DeletedKeys:
    """Read a delete block.

    Args:
        content: The block's content.
        where: What the block is in, for messages.

    Raises:
        CorruptTable: It is damaged.
        UnsupportedTableFeature: It is of another version than 3.
    """
    if len(content) < _HEAD.size:
        raise CorruptTable(f"{where} has a truncated delete block.")
    version, length = _HEAD.unpack_from(content)
    if version != _VERSION:
        raise UnsupportedTableFeature(f"{where} has a delete block of version {version}, which is not supported.")
    body = content[_HEAD.size :]
    if length != len(body):
        raise CorruptTable(f"{where} has a damaged delete block.")
    return DeletedKeys(pa.array([] if body == _EMPTY else _keys(body, where), pa.binary()))


def _keys(body: bytes, where: str) -> list[bytes]:
    import fastavro  # noqa: PLC0415 - heavy

    try:
        deleted: Any = fastavro.schemaless_reader(io.BytesIO(body), _schema(), None)
        return sorted({record["recordKey"].encode() for record in deleted["deleteRecordList"]})
    except (EOFError, ValueError, LookupError, AttributeError, TypeError, OverflowError, MemoryError) as error:
        raise CorruptTable(f"{where} has a damaged delete block.") from error


def _schema() -> dict[str, Any]:
    wrappers = [
        {"type": "record", "name": name, "fields": [{"name": "value", "type": kind}]} for name, kind in WRAPPERS.items()
    ]
    fields = [
        {"name": "recordKey", "type": ["null", "string"]},
        {"name": "partitionPath", "type": ["null", "string"]},
        {"name": "orderingVal", "type": ["null", *wrappers]},
    ]
    record = {"type": "record", "name": "HoodieDeleteRecord", "fields": fields}
    deletes = [{"name": "deleteRecordList", "type": {"type": "array", "items": record}}]
    return {"type": "record", "name": "HoodieDeleteRecordList", "fields": deletes}
