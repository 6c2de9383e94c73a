"""Statistics of data files as Delta's JSON (Delta protocol, "Per-file Statistics"), a batch at a time.

What is written is true and may be too wide, never too narrow: timestamps are rounded outward to milliseconds, long
strings cut outward, and what JSON or a date cannot say is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.json_text import escaped, json_string
from converters.model.data_file import stat
from converters.model.schema import Schema
from converters.model.types import DecimalType, Field, PrimitiveType, StructType, Type, is_nested

__all__ = ["Part", "Statistics", "joined"]

MOST_CODE_POINTS = 32
"""Longest string bound that is written; Delta's own writers cut there too."""

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01, 9999-12-31
_MILLIS_A_DAY = 86_400_000
_ANSWERED_FROM_STATS = {"byte", "short", "int", "long", "float", "double", "date"}

Part: TypeAlias = "pa.Array | str"
"""A piece of text for each file, or one for all of them."""


class _Value(msgspec.Struct):
    """A value of a JSON object's member: one text for all files, or texts that are null where it is left out.

    ``quoted`` texts stand between quotes, before ``unit`` and the second one, and are escaped for it.
    """

    texts: Part
    quoted: bool = False
    unit: str = ""


class _Object(msgspec.Struct):
    """A JSON object: its members by name."""

    members: list[tuple[str, _Value | _Object]]


class Statistics:
    """The statistics of a batch of files, in either form that a log needs."""

    def __init__(self, batch: pa.RecordBatch, schema: Schema, left_out: frozenset[int] = frozenset()) -> None:
        """Turn bounds and counts into text.

        Args:
            batch: The files, as a ``DataFile`` batch.
            schema: The batch's schema; statistics are named as the columns are inside the files.
            left_out: Ids of columns without statistics, such as partition columns.
        """
        columns = [field for field in schema.fields if field.id not in left_out]
        rows = _Value(_constant(batch.column("row_count")))
        self._rows = len(batch)
        self._object = _Object(
            [
                *([("numRecords", rows)] if _is_known(rows) else []),
                ("minValues", _members(batch, columns, "lower")),
                ("maxValues", _members(batch, columns, "upper")),
                ("nullCount", _members(batch, columns, "null_count")),
                *_tight_bounds(batch),
            ]
        )

    def plain(self) -> pa.Array:
        """As JSON: how a checkpoint has them."""
        return joined(_rendered(self._object, nested=False), self._rows)

    def nested_parts(self) -> list[Part]:
        """As pieces of what stands between the quotes of a JSON string: how a commit has them; see ``joined``."""
        return _rendered(self._object, nested=True)


_OPEN = "\x03"
"""An opening brace that a comma may follow; control characters are no part of JSON."""


def joined(parts: Sequence[Part], rows: int) -> pa.Array:
    """The pieces put together, a text for each of the ``rows``."""
    merged = _merged(parts)
    if len(merged) == 1 and isinstance(merged[0], str):
        return pa.repeat(pa.scalar(merged[0].replace(_OPEN, "{")), rows)
    text = pc.binary_join_element_wise(*merged, "")
    if any(isinstance(part, str) and _OPEN in part for part in merged):
        text = pc.replace_substring(text, _OPEN + ",", "{")
        text = pc.replace_substring(text, _OPEN, "{")
    return text


def _rendered(value: _Object, *, nested: bool) -> list[Part]:
    """The pieces of a JSON object.

    Every member but the first brings its comma.  A member that is always there goes first; where there is none, the
    comma too many is taken out of the joined text.
    """
    first = next((each for each in value.members if not _may_be_absent(each[1])), None)
    parts: list[Part] = ["{" if first is not None or not value.members else _OPEN]
    if first is not None:
        parts += _member(*first, nested=nested)
    for each in value.members:
        if each is first:
            continue
        pieces = _merged([",", *_member(*each, nested=nested)])
        if isinstance(each[1], _Value) and _may_be_absent(each[1]):
            present = pc.is_valid(each[1].texts)
            blank = [pc.if_else(present, p, "") if isinstance(p, str) else pc.fill_null(p, "") for p in pieces]
            parts += blank
        else:
            parts += pieces
    return [*parts, "}"]


def _member(name: str, value: _Value | _Object, *, nested: bool) -> list[Part]:
    key = json_string(name) + ":"
    if isinstance(value, _Object):
        return [_constant_text(key, nested=nested), *_rendered(value, nested=nested)]
    texts = value.texts
    if not value.quoted:
        return [_constant_text(key, nested=nested), texts]
    if nested and not isinstance(texts, str):
        texts = escaped(texts)
    before, after = key + '"', value.unit + '"'
    return [_constant_text(before, nested=nested), texts, _constant_text(after, nested=nested)]


def _constant_text(text: str, *, nested: bool) -> str:
    return json_string(text)[1:-1] if nested else text


def _may_be_absent(value: _Value | _Object) -> bool:
    return isinstance(value, _Value) and not isinstance(value.texts, str) and bool(value.texts.null_count)


def _is_known(value: _Value) -> bool:
    """Whether any file has the value."""
    return isinstance(value.texts, str) or value.texts.null_count < len(value.texts)


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Neighbouring constants as one."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif not isinstance(part, str) or part:
            merged.append(part)
    return merged


def _constant(counts: pa.Array) -> Part:
    """Counts as text: as one where all are the same, which null counts often are."""
    if len(counts) and not counts.null_count:
        edges = pc.min_max(counts).as_py()
        if edges["min"] == edges["max"]:
            return str(edges["min"])
    return counts.cast(pa.string())


def _tight_bounds(batch: pa.RecordBatch) -> list[tuple[str, _Value]]:
    """Where rows are deleted, bounds and counts are of all rows in the file, and said to be so."""
    vectors = batch.column("deletion_vector")
    if vectors.null_count == len(vectors):
        return []
    return [("tightBounds", _Value(pc.if_else(pc.is_valid(vectors), "false", pa.scalar(None, pa.string()))))]


def _members(batch: pa.RecordBatch, columns: Sequence[Field], kind: str) -> _Object:
    """The columns of one level for which at least one file has this statistic."""
    found: list[tuple[str, _Value | _Object]] = []
    for column in columns:
        value: _Value | _Object | None = None
        if isinstance(column.type, StructType):
            inside = _members(batch, column.type.fields, kind)
            value = inside if inside.members else None
        elif not is_nested(column.type):
            leaf = _leaf(batch, column, kind)
            value = leaf if leaf is not None and _is_known(leaf) else None
        if value is not None:
            found.append((column.stored_name, value))
    return _Object(found)


def _leaf(batch: pa.RecordBatch, column: Field, kind: str) -> _Value | None:
    values = stat(batch, column.id, kind)
    if values.null_count == len(values):
        return None
    if kind == "null_count":
        return _Value(_constant(_null_counts(batch, column, values)))
    if kind == "upper" and _is_floating(column.type):
        # Delta counts NaN as the greatest value.
        no_nan = pc.equal(stat(batch, column.id, "nan_count"), 0)
        values = pc.if_else(pc.fill_null(no_nan, fill_value=False), values, None)
    return _bound(values, column.type, upper=kind == "upper")


def _null_counts(batch: pa.RecordBatch, column: Field, counts: pa.Array) -> pa.Array:
    """Null counts, left out where Spark would otherwise answer ``SELECT MIN(column)`` from a bound that is wide.

    Spark does so for a table when each file has both bounds and the null count, whatever ``tightBounds`` says.
    """
    if not (isinstance(column.type, PrimitiveType) and column.type.kind in _ANSWERED_FROM_STATS):
        return counts
    # What is deleted may have been the least or the greatest value.
    exact = pc.and_(stat(batch, column.id, "exact"), pc.is_null(batch.column("deletion_vector")))
    if not exact.null_count and pc.all(exact).as_py():
        return counts
    bounded = pc.and_(*(pc.is_valid(stat(batch, column.id, name)) for name in ("lower", "upper")))
    wide = pc.and_(bounded, pc.invert(pc.fill_null(exact, fill_value=False)))
    return pc.if_else(wide, None, counts)


def _is_floating(type_: Type) -> bool:
    return isinstance(type_, PrimitiveType) and type_.kind in {"float", "double"}


def _bound(values: pa.Array, type_: Type, *, upper: bool) -> _Value | None:
    """Bounds as text; None where Delta has none for the type."""
    if isinstance(type_, DecimalType):
        return _Value(_decimals(values))
    match type_:
        case PrimitiveType("byte" | "short" | "int" | "long"):
            return _Value(values.cast(pa.string()))
        case PrimitiveType("float" | "double"):
            return _Value(_floats(values))
        case PrimitiveType("date"):
            return _Value(_dates(values), quoted=True)
        case PrimitiveType("timestamp"):
            return _Value(_timestamps(values, upper=upper), quoted=True)
        case PrimitiveType("timestamptz"):
            return _Value(_timestamps(values, upper=upper), quoted=True, unit="Z")
        case PrimitiveType("string"):
            return _Value(escaped(_cut(values, upper=upper)), quoted=True)
        case _:
            return None


def _decimals(values: pa.Array) -> pa.Array:
    texts = values.cast(pa.string())
    scientific = pc.match_substring(texts, "E")
    if not pc.any(scientific).as_py():
        return texts
    scientific = pc.fill_null(scientific, fill_value=False)
    plain = [format(each, "f") for each in values.filter(scientific).to_pylist()]
    return pc.replace_with_mask(texts, scientific, pa.array(plain, pa.string()))


def _floats(values: pa.Array) -> pa.Array:
    # A float is written with the digits of a double, so that a reader may take it for either.
    doubles = values.cast(pa.float64())
    texts = pc.if_else(pc.is_finite(doubles), doubles, None).cast(pa.string())
    if pc.any(pc.equal(doubles, 0)).as_py():
        # An integer has no negative zero.
        return pc.if_else(pc.equal(texts, "-0"), "-0.0", texts)
    return texts


def _dates(values: pa.Array) -> pa.Array:
    days = values.cast(pa.int32())
    sayable = pc.and_(pc.greater_equal(days, _FIRST_DAY), pc.less_equal(days, _LAST_DAY))
    return pc.if_else(sayable, values, None).cast(pa.string())


def _timestamps(values: pa.Array, *, upper: bool) -> pa.Array:
    micros = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    millis = -(-micros // 1000) if upper else micros // 1000
    known = np.asarray(values.is_valid()) & (millis >= _FIRST_DAY * _MILLIS_A_DAY)
    known &= millis < (_LAST_DAY + 1) * _MILLIS_A_DAY
    texts = pa.array(millis, mask=~known).cast(pa.timestamp("ms")).cast(pa.string())
    return pc.binary_replace_slice(texts, 10, 11, "T")


def _cut(values: pa.Array, *, upper: bool) -> pa.Array:
    long = pc.greater(pc.utf8_length(values), MOST_CODE_POINTS)
    if not pc.any(long).as_py():
        return values
    long = pc.fill_null(long, fill_value=False)
    cut = pc.utf8_slice_codeunits(values.filter(long), 0, MOST_CODE_POINTS)
    if upper:
        cut = pa.array([_next(each) for each in cut.to_pylist()], pa.string())
    return pc.replace_with_mask(values, long, cut)


def _next(prefix: str) -> str | None:
    """The least text that is greater than all with this prefix and has no more code points; None if there is none."""
    while prefix:
        code = ord(prefix[-1])
        if code < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if code == 0xD7FF else code + 1)
        prefix = prefix[:-1]
    return None
