"""Statistics of data files as Delta's JSON (Delta protocol, "Per-file Statistics"), a batch at a time.

What is written is true and may be too wide, never too narrow: timestamps are rounded outward to milliseconds, long
strings cut outward, and what JSON or a date cannot say is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.json_text import QUOTE, escaped, json_string
from converters.model.data_file import stat
from converters.model.schema import Schema
from converters.model.types import DecimalType, Field, PrimitiveType, StructType, Type, is_nested

__all__ = ["stats_text"]

MOST_CODE_POINTS = 32
"""Longest string bound that is written; Delta's own writers cut there too."""

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01, 9999-12-31
_MILLIS_A_DAY = 86_400_000
_ANSWERED_FROM_STATS = {"byte", "short", "int", "long", "float", "double", "date"}

Part: TypeAlias = "pa.Array | str"
"""A piece of text for each file, or one for all of them."""


class _Member(msgspec.Struct):
    """A member of a JSON object: pieces of text to be joined, and in which rows it is there (None: in all)."""

    parts: list[Part]
    present: pa.Array | None = None


class _Text(msgspec.Struct):
    """The texts of a bound, null where it is left out, and what stands around them."""

    values: pa.Array
    before: str = ""
    after: str = ""

    def member(self, name: str) -> _Member | None:
        """The bound as a member of an object; None where no file has it."""
        if self.values.null_count == len(self.values):
            return None
        present = pc.is_valid(self.values) if self.values.null_count else None
        return _Member([_key(name) + self.before, self.values, self.after], present)


def stats_text(batch: pa.RecordBatch, schema: Schema, left_out: frozenset[int] = frozenset()) -> pa.Array:
    """Statistics of a ``DataFile`` batch as JSON with the stand-ins of ``json_text``.

    Args:
        batch: The files.
        schema: The batch's schema; statistics are named as the columns are inside the files.
        left_out: Ids of columns without statistics, such as partition columns.
    """
    columns = [field for field in schema.fields if field.id not in left_out]
    members = [
        _Text(batch.column("row_count").cast(pa.string())).member("numRecords"),
        *(
            _Member([_key(name), *_object(_members(batch, columns, kind))])
            for name, kind in (("minValues", "lower"), ("maxValues", "upper"), ("nullCount", "null_count"))
        ),
    ]
    parts = _merged(_object([each for each in members if each is not None]))
    if len(parts) == 1:
        return pa.repeat(pa.scalar(parts[0]), len(batch))
    joined = pc.binary_join_element_wise(*parts, "")
    if any(isinstance(part, str) and _OPEN in part for part in parts):
        joined = pc.replace_substring(joined, _OPEN + ",", "{")
        joined = pc.replace_substring(joined, _OPEN, "{")
    return joined


_OPEN = "\x03"
"""An opening brace that a comma may follow."""


def _object(members: Sequence[_Member]) -> list[Part]:
    """The pieces of a JSON object.

    Every member but the first brings its comma.  A member that is always there goes first; where there is none, the
    comma too many is taken out of the joined text.
    """
    if not members:
        return ["{}"]
    first = next((number for number, each in enumerate(members) if each.present is None), None)
    if first is None:
        return [_OPEN, *_with_commas(members), "}"]
    return ["{", *members[first].parts, *_with_commas([*members[:first], *members[first + 1 :]]), "}"]


def _with_commas(members: Sequence[_Member]) -> Iterator[Part]:
    for member in members:
        if member.present is None:
            yield ","
            yield from member.parts
        else:
            for part in _merged([",", *member.parts]):
                blank = isinstance(part, str)
                yield pc.if_else(member.present, part, "") if blank else pc.fill_null(part, "")


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Neighbouring constants as one."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif not isinstance(part, str) or part:
            merged.append(part)
    return merged


def _key(name: str) -> str:
    return json_string(name, stand_ins=True) + ":"


def _members(batch: pa.RecordBatch, columns: Sequence[Field], kind: str) -> list[_Member]:
    """The columns of one level for which at least one file has this statistic."""
    found: list[_Member] = []
    for column in columns:
        member: _Member | None = None
        if isinstance(column.type, StructType):
            inside = _members(batch, column.type.fields, kind)
            member = _Member([_key(column.stored_name), *_object(inside)]) if inside else None
        elif not is_nested(column.type):
            text = _leaf(batch, column, kind)
            member = text.member(column.stored_name) if text is not None else None
        if member is not None:
            found.append(member)
    return found


def _leaf(batch: pa.RecordBatch, column: Field, kind: str) -> _Text | None:
    values = stat(batch, column.id, kind)
    if values.null_count == len(values):
        return None
    if kind == "null_count":
        return _Text(_null_counts(batch, column, values).cast(pa.string()))
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
    lower, upper, exact = (stat(batch, column.id, name) for name in ("lower", "upper", "exact"))
    bounded = pc.and_(pc.is_valid(lower), pc.is_valid(upper))
    wide = pc.and_(bounded, pc.invert(pc.fill_null(exact, fill_value=False)))
    return pc.if_else(wide, None, counts)


def _is_floating(type_: Type) -> bool:
    return isinstance(type_, PrimitiveType) and type_.kind in {"float", "double"}


def _bound(values: pa.Array, type_: Type, *, upper: bool) -> _Text | None:
    """Bounds as text; None where Delta has none for the type."""
    if isinstance(type_, DecimalType):
        return _Text(_decimals(values))
    match type_:
        case PrimitiveType("byte" | "short" | "int" | "long"):
            return _Text(values.cast(pa.string()))
        case PrimitiveType("float" | "double"):
            return _Text(_floats(values))
        case PrimitiveType("date"):
            return _Text(_dates(values), QUOTE, QUOTE)
        case PrimitiveType("timestamp"):
            return _Text(_timestamps(values, upper=upper), QUOTE, QUOTE)
        case PrimitiveType("timestamptz"):
            return _Text(_timestamps(values, upper=upper), QUOTE, "Z" + QUOTE)
        case PrimitiveType("string"):
            return _Text(escaped(_cut(values, upper=upper), stand_ins=True), QUOTE, QUOTE)
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
    return pc.if_else(pc.is_finite(doubles), doubles, None).cast(pa.string())


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
