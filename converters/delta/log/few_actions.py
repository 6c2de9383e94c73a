"""The file actions of a few lines, without DuckDB, which takes longer to start than they take to read.

What is written in an unusual way is left to DuckDB.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from converters.delta.log.commits import Lines

__all__ = ["few_actions"]

_MOST_BYTES = 2**20


class _Vector(msgspec.Struct, rename="camel"):
    storage_type: str
    path_or_inline_dv: str = msgspec.field(name="pathOrInlineDv")
    offset: int | None = None
    size_in_bytes: int | None = None
    cardinality: int | None = None


class _Remove(msgspec.Struct, rename="camel"):
    path: str
    deletion_vector: _Vector | None = None


class _Add(msgspec.Struct, rename="camel"):
    path: str
    size: int
    modification_time: int | None = None
    stats: str | None = None
    partition_values: dict[str, str | None] | None = None
    tags: dict[str, str | None] | None = None
    deletion_vector: _Vector | None = None


class _Line(msgspec.Struct):
    add: _Add | None = None
    remove: _Remove | None = None


_decoder = msgspec.json.Decoder(_Line)


def few_actions(
    lines: Lines, add_type: pa.StructType, remove_type: pa.StructType
) -> tuple[pa.StructArray, pa.StructArray] | None:
    """The ``add`` and ``remove`` actions of some lines, in order; None where DuckDB is to read them.

    Args:
        lines: Whole lines.
        add_type: What to read of an ``add``.
        remove_type: What to read of a ``remove``.

    Returns:
        Two arrays of one length; in each row one of them is null.
    """
    if len(lines.data) > _MOST_BYTES:
        return None
    adds: list[dict[str, Any] | None] = []
    removes: list[dict[str, Any] | None] = []
    try:
        for line in lines.data.split(b"\n"):
            if not line.strip():
                continue
            action = _decoder.decode(line)
            if action.add is not None or action.remove is not None:
                adds.append(msgspec.to_builtins(action.add))
                removes.append(msgspec.to_builtins(action.remove) if action.add is None else None)
        return pa.array(adds, add_type), pa.array(removes, remove_type)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, pa.ArrowException):
        return None
