"""Comparing columns of values that the formats may hold in different types."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["alike", "differ", "is_known", "member"]


def alike(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    """Both in one type that can hold either; None where there is none."""
    if left.type == right.type:
        return left, right
    for first, second in ((left, right), (right, left)):
        try:
            cast = second.cast(first.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            continue
        return (left, cast) if first is left else (cast, right)
    return None


def differ(left: pa.Array, right: pa.Array) -> pa.Array:
    """Where two columns of one type differ: null equals null, and NaN equals NaN."""
    unequal = pc.fill_null(pc.not_equal(left, right), fill_value=False)
    if pa.types.is_floating(left.type):
        both_nan = pc.fill_null(pc.and_(pc.is_nan(left), pc.is_nan(right)), fill_value=False)
        unequal = pc.and_not(unequal, both_nan)
    return pc.or_(unequal, pc.not_equal(pc.is_null(left), pc.is_null(right)))


def is_known(left: pa.Array, right: pa.Array) -> pa.Array:
    """Where both columns have a value."""
    return pc.and_(pc.is_valid(left), pc.is_valid(right))


def member(struct: pa.StructArray, name: str) -> pa.Array:
    """A struct's member of this name, null where the struct is."""
    return pc.struct_field(struct, [name])
