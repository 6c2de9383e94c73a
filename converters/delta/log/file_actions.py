"""The file actions of a log as Arrow columns, from JSON lines or a checkpoint's structs (Delta protocol, "Actions")."""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.commits import Lines
from converters.delta.log.engine import Shape, cursor, json_shape, query
from converters.delta.log.few_actions import few_actions
from converters.delta.partitions.values import texts_of
from converters.errors import CorruptTable

__all__ = ["VECTOR", "VECTOR_TAG", "file_actions", "file_columns", "first_adds", "unique_ids", "vector_ids"]

VECTOR_TAG = "TABLECAST_DELETION_VECTOR"
"""Tag of an ``add`` that a conversion wrote: the unique id of its deletion vector, a space, and the source's id of it.

Other writers keep tags when they delete more rows: the first part tells that they have.
"""

VECTOR = pa.struct(
    [
        pa.field("storageType", pa.string()),
        pa.field("pathOrInlineDv", pa.string()),
        pa.field("offset", pa.int32()),
        pa.field("sizeInBytes", pa.int32()),
        pa.field("cardinality", pa.int64()),
    ]
)
"""``deletionVector`` of an action (Delta protocol, "Deletion Vector Descriptor Schema")."""

_BEGIN = b'{"add":'

_DELETION_VECTOR: Shape = {
    "storageType": "VARCHAR",
    "pathOrInlineDv": "VARCHAR",
    "offset": "INTEGER",
    "sizeInBytes": "INTEGER",
    "cardinality": "BIGINT",
}
_KEY: dict[str, Shape] = {"path": "VARCHAR", "deletionVector": _DELETION_VECTOR}
_FILE: dict[str, Shape] = {"size": "BIGINT", "modificationTime": "BIGINT"}
_CONTENT: dict[str, Shape] = {
    "stats": "VARCHAR",
    "partitionValues": "MAP(VARCHAR,VARCHAR)",
    "tags": {VECTOR_TAG: "VARCHAR"},
}

_FEW_FILE = [
    pa.field("path", pa.string()),
    pa.field("deletionVector", VECTOR),
    pa.field("size", pa.int64()),
    pa.field("modificationTime", pa.int64()),
]
_TEXTS = pa.map_(pa.string(), pa.string())
_FEW_CONTENT = [pa.field("stats", pa.string()), pa.field("partitionValues", _TEXTS), pa.field("tags", _TEXTS)]
_FEW_ADDS = {False: pa.struct(_FEW_FILE), True: pa.struct(_FEW_FILE + _FEW_CONTENT)}
_FEW_REMOVES = pa.struct(_FEW_FILE[:2])


def file_actions(lines: Lines, *, content: bool) -> pa.Table:
    """The ``add`` and ``remove`` actions of some lines, in order.

    Args:
        lines: Whole lines.
        content: Also read what only those need who look into the files: statistics and partition values.

    Returns:
        The columns of ``file_columns``, and ``is_add``; size and what follows it are null for a remove.

    Raises:
        CorruptTable: A line is no JSON, or an action lacks its path or size.
    """
    add, remove = few_actions(lines, _FEW_ADDS[content], _FEW_REMOVES) or _many_actions(lines, content=content)
    is_add = pc.is_valid(add)
    wanted = pc.or_(is_add, pc.is_valid(remove))
    columns = file_columns(add, add.type)
    columns["path"] = pc.coalesce(columns["path"], pc.struct_field(remove, "path"))
    columns["deletion_vector"] = pc.coalesce(columns["deletion_vector"], vector_ids(remove))
    table = pa.table({"is_add": is_add, **columns})
    return table if pc.all(wanted).as_py() else table.filter(wanted)


def _many_actions(lines: Lines, *, content: bool) -> tuple[pa.StructArray, pa.StructArray]:
    """The ``add`` and the ``remove`` of each line; null where it has none."""
    import duckdb  # noqa: PLC0415 - heavy

    shape = json_shape({"add": _KEY | _FILE | (_CONTENT if content else {}), "remove": _KEY})
    sql = f"SELECT position, from_json(line, {shape}) AS action FROM lines"  # noqa: S608 - no outside text in it
    try:
        found = query(cursor(), sql, lines=_line_table(lines))
    except (duckdb.Error, UnicodeError) as error:
        raise _malformed(lines, error) from error
    action = found["action"].combine_chunks()
    add, remove = pc.struct_field(action, [0]), pc.struct_field(action, [1])
    incomplete = pc.or_(pc.is_null(pc.struct_field(add, "path")), pc.is_null(pc.struct_field(add, "size")))
    broken = pc.or_(
        pc.and_(add.is_valid(), incomplete), pc.and_(remove.is_valid(), pc.is_null(pc.struct_field(remove, "path")))
    )
    if pc.any(broken).as_py():
        position = found.filter(broken)["position"][0].as_py()
        msg = f"'{lines.path_of(position)}' has an action without a path or size."
        raise CorruptTable(msg)
    return add, remove


class _Add(msgspec.Struct):
    path: str
    size: int


class _Line(msgspec.Struct):
    add: _Add


def first_adds(lines: Lines | None) -> list[tuple[str, int]]:
    """The first and the last ``add`` of some lines, path and size, as far as they are written in the common way."""
    if lines is None:
        return []
    found: list[tuple[str, int]] = []
    for start in sorted({lines.data.find(_BEGIN), lines.data.rfind(_BEGIN)} - {-1}):
        try:
            line = msgspec.json.decode(lines.data[start : lines.data.find(b"\n", start)], type=_Line)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue  # told when all lines are read
        found.append((line.add.path, line.add.size))
    return found


def file_columns(add: pa.StructArray, members: Iterable[pa.Field]) -> dict[str, pa.Array]:
    """The content of ``add`` actions, in JSON or Parquet alike, as columns.

    Args:
        add: The actions.
        members: What to read of them.

    Returns:
        ``path`` (as written), ``deletion_vector`` (its unique id, or null), ``vector`` (itself, as ``VECTOR``),
        ``vector_tag`` (what a conversion remembers of it, see ``VECTOR_TAG``), ``size``, ``modified_at``, and as far as
        they were asked for ``partitions.values`` (a map), ``stats`` (text) and ``stats_parsed`` (a struct).
    """
    there = {field.name for field in members}
    columns = {"path": _member(add, "path", pa.string(), there), "deletion_vector": vector_ids(add)}
    columns["vector"] = _vectors(add)
    columns["vector_tag"] = _vector_tags(add, there)
    columns["size"] = _member(add, "size", pa.int64(), there)
    columns["modified_at"] = _member(add, "modificationTime", pa.int64(), there)
    if "partitionValues" in there:
        columns["partition_values"] = _member(add, "partitionValues", pa.map_(pa.string(), pa.string()), there)
    if "stats" in there:
        columns["stats"] = _member(add, "stats", pa.string(), there)
    if "stats_parsed" in there:
        columns["stats_parsed"] = pc.struct_field(add, "stats_parsed")
    return columns


def _member(add: pa.StructArray, name: str, type_: pa.DataType, there: Container[str]) -> pa.Array:
    if name not in there:
        return pa.nulls(len(add), type_)
    values = pc.struct_field(add, name)
    return values if values.type == type_ else values.cast(type_)


def _vectors(actions: pa.StructArray) -> pa.Array:
    if actions.type.get_field_index("deletionVector") < 0:
        return pa.nulls(len(actions), VECTOR)
    vector = pc.struct_field(actions, "deletionVector")
    if vector.null_count == len(actions):
        return pa.nulls(len(actions), VECTOR)
    members = {field.name for field in vector.type}
    columns = [
        pc.struct_field(vector, field.name).cast(field.type)
        if field.name in members
        else pa.nulls(len(vector), field.type)
        for field in VECTOR
    ]
    # Some writers leave a struct of nulls where there is none.
    return pa.StructArray.from_arrays(columns, fields=list(VECTOR), mask=pc.is_null(columns[0]))


def _vector_tags(add: pa.StructArray, there: Container[str]) -> pa.Array:
    if "tags" not in there:
        return pa.nulls(len(add), pa.string())
    tags = pc.struct_field(add, "tags")
    if tags.null_count == len(add):
        return pa.nulls(len(add), pa.string())
    return pc.struct_field(tags, VECTOR_TAG) if pa.types.is_struct(tags.type) else texts_of(tags, VECTOR_TAG)


def vector_ids(actions: pa.StructArray) -> pa.Array:
    """Unique ids of the deletion vectors of adds or removes (Delta protocol, "Deletion Vectors"); null where none."""
    if actions.type.get_field_index("deletionVector") < 0:
        return pa.nulls(len(actions), pa.string())
    vector = pc.struct_field(actions, "deletionVector")
    if vector.null_count == len(actions):
        return pa.nulls(len(actions), pa.string())
    return unique_ids(vector)


def unique_ids(vector: pa.StructArray) -> pa.Array:
    """The unique ids of deletion vectors; null where there is none.

    Raises:
        CorruptTable: One does not say where it is.
    """
    kind, place, offset = (pc.struct_field(vector, each) for each in ("storageType", "pathOrInlineDv", "offset"))
    if not pc.is_valid(kind).equals(pc.is_valid(place)):
        raise CorruptTable("The log has a deletion vector that does not say where it is.")
    at = pc.binary_join_element_wise("@", offset.cast(pa.string()), "")
    return pc.binary_join_element_wise(kind, place, pc.fill_null(at, ""), "")


def _line_table(lines: Lines) -> pa.Table:
    data, offsets = np.frombuffer(lines.data, np.uint8), lines.starts()
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(lines.data)]
    text = pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)
    table = pa.table({"position": pa.array(offsets[:-1]), "line": text})
    odd = np.flatnonzero(data[offsets[:-1]] != ord("{"))
    if not len(odd):
        return table
    keep = np.ones(len(table), dtype=bool)
    for row in odd.tolist():
        line = lines.data[offsets[row] : offsets[row + 1]].strip()
        keep[row] = line.startswith(b"{")
        if line and not keep[row]:
            msg = f"'{lines.path_of(int(offsets[row]))}' is not understood: a line is no JSON object."
            raise CorruptTable(msg)
    return table.filter(pa.array(keep))


def _malformed(lines: Lines, error: Exception) -> CorruptTable:
    """Find the line that is no JSON."""
    start = 0
    for line in lines.data.splitlines(keepends=True):
        try:
            if line.strip():
                msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as found:
            return CorruptTable(f"'{lines.path_of(start)}' is not understood: a line is no JSON ({found}).")
        start += len(line)
    paths = ", ".join(path for _, path in lines.origins[:3])
    return CorruptTable(f"A commit is not understood: {str(error)[:200]}.", hint=f"One of: {paths}")
