"""Columns that some versions of Hudi on Spark do not read as what they are.

Found by reading tables with Spark 3.5 and Hudi 0.15.0, 1.0.2 and 1.2.0 (``tests/hudi_timeline/test_readers.py``).
Where a Parquet column and the Avro schema differ in Spark's types, Hudi casts (``HoodieParquetFileFormatHelper``):

* a timestamp without a zone: 1.2.0 reads it; 1.0.2 knows ``local-timestamp-micros`` as a plain number only and gives
  the **seconds** since the epoch as a ``bigint``, without an error; 0.15.0 fails.
* an integer of 8 or 16 bits: 1.x reads it as an ``int``; 0.15.0 fails.
"""

from __future__ import annotations

import msgspec

from converters.model.schema import Schema
from converters.model.types import PrimitiveType

__all__ = ["ReaderLimit", "reader_limits"]

_LOCAL_TIMESTAMP = "Hudi 1.0.2 shows it as a number of seconds, and Hudi 0.15.0 fails; Hudi 1.2.0 reads it"
_SMALL_INTEGER = "Hudi 0.15.0 fails on it; Hudi 1.0.2 and 1.2.0 read it"
_LIMITS = {"timestamp": _LOCAL_TIMESTAMP, "byte": _SMALL_INTEGER, "short": _SMALL_INTEGER}


class ReaderLimit(msgspec.Struct, frozen=True):
    """A column that not every version of Hudi reads.

    Attributes:
        column: Its path.
        type: Its type.
        what: What which version does, as part of a sentence.
        is_silent: Whether a version gives other values without an error.
    """

    column: str
    type: str
    what: str
    is_silent: bool


def reader_limits(schema: Schema) -> tuple[ReaderLimit, ...]:
    """The columns of a table to be written that not every version of Hudi reads, nested ones included."""
    return tuple(
        ReaderLimit(node.dotted, node.type.kind, _LIMITS[node.type.kind], node.type.kind == "timestamp")
        for node in schema.nodes
        if isinstance(node.type, PrimitiveType) and node.type.kind in _LIMITS
    )
