"""From the extremes that a Delta writer noted to bounds that hold (Delta protocol, "Per-file Statistics").

Bounds only get wider here: a timestamp's digits that the writer cut off are given back, a NaN says that nothing is
known, what does not fit the column says nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.model.types import DecimalType, PrimitiveType, Type, arrow_type

__all__ = ["EXACT_DIGITS", "ColumnKind", "bounds_of", "column_kind"]

ColumnKind = Literal["integer", "floating", "decimal", "large_decimal", "date", "instant", "text", "none"]
"""How a column's extremes are read: ``none`` for types that have none (boolean, binary)."""

EXACT_DIGITS = 15
"""Decimals of so many digits survive a double."""

_KINDS: dict[str, ColumnKind] = {
    "byte": "integer",
    "short": "integer",
    "int": "integer",
    "long": "integer",
    "float": "floating",
    "double": "floating",
    "date": "date",
    "timestamp": "instant",
    "timestamptz": "instant",
    "string": "text",
}
_RANGES = {"byte": 2**7, "short": 2**15, "int": 2**31, "long": 2**63}
_SECOND = 1_000_000
_MILLISECOND = 1_000
_LAST_INSTANT = 2**63 - 1
_LAST_DAY = 2**31 - 1


def column_kind(type_: Type) -> ColumnKind:
    """How the extremes of a column of this type are read."""
    match type_:
        case PrimitiveType(kind):
            return _KINDS.get(kind, "none")
        case DecimalType(precision):
            return "decimal" if precision <= EXACT_DIGITS else "large_decimal"
        case _:
            return "none"


def bounds_of(kind: ColumnKind, type_: Type, lower: pa.Array, upper: pa.Array) -> dict[str, pa.Array]:
    """Bounds of a column, as ``DataFile`` batches hold them, from a writer's extremes.

    Args:
        kind: The column's kind.
        type_: Its type.
        lower: Smallest values: int64 for ``integer``, float64 for ``floating``, either that or decimals of the
            column's type for ``decimal``, the latter for ``large_decimal``, date32, int64 microseconds for
            ``instant``, string.
        upper: Largest values, likewise.

    Returns:
        ``lower``, ``upper`` and ``exact``.
    """
    target = arrow_type(type_)
    match kind:
        case "integer":
            name = type_.kind if isinstance(type_, PrimitiveType) else "long"
            lower, upper = _integer(lower, name).cast(target), _integer(upper, name).cast(target)
            exact = _known(lower, upper)
        case "floating":
            lower, upper, exact = _floating(lower, upper, single=pa.types.is_float32(target))
        case "decimal" if pa.types.is_floating(lower.type):
            (lower, sure), (upper, too) = _decimal(lower, target, up=False), _decimal(upper, target, up=True)
            exact = pc.and_(_known(lower, upper), pa.array(sure & too))
        case "date":
            lower, upper = _finite_dates(lower), _finite_dates(upper)
            exact = _known(lower, upper)
        case "instant":
            lower, upper = _finite_instants(lower), _completed(_finite_instants(upper))
            lower, upper = lower.cast(target), upper.cast(target)
            exact = pa.repeat(pa.scalar(value=False), len(lower))
        case "decimal" | "large_decimal":
            exact = _known(lower, upper)
        case _:
            exact = pa.repeat(pa.scalar(value=False), len(lower))
    crossed = pc.greater(lower, upper)
    if pc.any(crossed).as_py():
        lower, upper = _unless(crossed, lower), _unless(crossed, upper)
    return {"lower": lower, "upper": upper, "exact": exact}


def _known(lower: pa.Array, upper: pa.Array) -> pa.Array:
    return pc.or_(pc.is_valid(lower), pc.is_valid(upper))


def _unless(condition: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(condition, fill_value=False), pa.scalar(None, values.type), values)


def _within(values: pa.Array, integers: pa.Array, least: int, most: int) -> pa.Array:
    """The values whose integers lie in a range, ends included; the others become null."""
    extremes = pc.min_max(integers).as_py()
    if extremes["min"] is None or (extremes["min"] >= least and extremes["max"] <= most):
        return values
    return _unless(pc.or_(pc.less(integers, least), pc.greater(integers, most)), values)


def _integer(values: pa.Array, name: str) -> pa.Array:
    limit = _RANGES[name]
    return values if name == "long" else _within(values, values, -limit, limit - 1)


def _floating(lower: pa.Array, upper: pa.Array, *, single: bool) -> tuple[pa.Array, pa.Array, pa.Array]:
    low, has_low = _numbers(lower)
    high, has_high = _numbers(upper)
    # NaN is the largest number to Spark: a smallest one of NaN means that there is nothing else.
    has_high &= ~np.isnan(high) & ~(has_low & np.isnan(low))
    has_low &= ~np.isnan(low)
    if single:
        low, high = _single(low, up=False), _single(high, up=True)
        # Beyond the type: no value of it can be meant.
        has_low &= ~np.isinf(low) | np.isinf(_numbers(lower)[0])
        has_high &= ~np.isinf(high) | np.isinf(_numbers(upper)[0])
    is_zero = (has_low & (low == 0)) | (has_high & (high == 0))
    low, high = np.where(low == 0, low.dtype.type(-0.0), low), np.where(high == 0, high.dtype.type(0.0), high)
    exact = pa.array((has_low | has_high) & ~is_zero)
    return pa.array(low, mask=~has_low), pa.array(high, mask=~has_high), exact


def _single(values: np.ndarray, *, up: bool) -> np.ndarray:
    """The nearest floats, which is what the text of a float means; halfway between two, the outer one."""
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = values.astype(np.float32)
        outer = np.nextafter(nearest, np.float32(np.inf if up else -np.inf))
        inside = nearest < values if up else nearest > values
        halfway = inside & (np.abs(nearest - values) == np.abs(outer - values)) & np.isfinite(nearest)
    return np.where(halfway, outer, nearest)


def _decimal(values: pa.Array, target: pa.Decimal128Type, *, up: bool) -> tuple[pa.Array, np.ndarray]:
    """Doubles as decimals of few digits, and where that was exact; others are rounded outwards."""
    numbers, known = _numbers(values)
    power = 10.0**target.scale
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = numbers * power
        nearest = np.rint(scaled)
        exact = nearest / power == numbers
        outward = np.ceil(scaled) + 1 if up else np.floor(scaled) - 1
        unscaled = np.where(exact, nearest, outward)
        known &= np.abs(unscaled) < 10.0**target.precision
    whole = pa.array(np.where(known, unscaled, 0).astype(np.int64), mask=~known)
    return _shifted(whole, target), exact


def _shifted(unscaled: pa.Array, target: pa.Decimal128Type) -> pa.Array:
    """Integers as the digits of decimals: 1234 with scale 2 is 12.34."""
    low = np.asarray(unscaled.fill_null(0)).astype(np.int64)
    words = np.empty((len(low), 2), np.int64)
    words[:, 0], words[:, 1] = low, low >> 63
    valid = unscaled.is_valid()
    bitmap = None if not unscaled.null_count else pa.array(valid).buffers()[1]
    return pa.Array.from_buffers(target, len(low), [bitmap, pa.py_buffer(words.tobytes())])


def _finite_dates(values: pa.Array) -> pa.Array:
    """Without the days that stand for plus and minus infinity."""
    return _within(values, values.cast(pa.int32()), -_LAST_DAY + 1, _LAST_DAY - 1)


def _finite_instants(values: pa.Array) -> pa.Array:
    """Without the times that stand for plus and minus infinity."""
    return _within(values, values, -_LAST_INSTANT + 1, _LAST_INSTANT - 1)


def _completed(values: pa.Array) -> pa.Array:
    """Writers cut the largest time to milliseconds, or to seconds: the cut digits may have been nines."""
    times = np.asarray(values.fill_null(0)).astype(np.int64)
    cut = np.where(times % _SECOND == 0, _SECOND - 1, np.where(times % _MILLISECOND == 0, _MILLISECOND - 1, 0))
    return pa.array(times + np.minimum(cut, _LAST_INSTANT - np.maximum(times, 0)), mask=~np.asarray(values.is_valid()))


def _numbers(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Values (0 where unknown) and where they are known."""
    known = np.asarray(values.is_valid())
    return np.asarray(values.fill_null(0.0)).astype(np.float64), known
