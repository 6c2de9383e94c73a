"""Numbers in statistics JSON that a double cannot hold: large decimals, and integers written as reals.

The fast JSON reader turns every number with a point or an exponent into a double.  Here the digits are kept.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ExactReader", "Side", "decimals", "integers"]

Side = Literal["lower", "upper"]
"""Which of a file's two extremes."""

_CONTEXT = decimal.Context(prec=2000, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
_MOST_DIGITS = 1000


class ExactReader:
    """Reads the bounds of a few columns as they are written."""

    def __init__(self, paths: Sequence[tuple[str, ...]]) -> None:
        """Name the columns by their paths in ``minValues`` and ``maxValues``."""
        self._attributes: list[list[str]] = []
        tree: dict[str, Any] = {}
        for path in paths:
            node = tree
            for name in path[:-1]:
                node = node.setdefault(name, {})
            node[path[-1]] = None
        bounds = _struct_for(tree)
        record = msgspec.defstruct(
            "Stats",
            [("lower", bounds | None, None), ("upper", bounds | None, None)],
            rename={"lower": "minValues", "upper": "maxValues"},
        )
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(record)
        self._places = [_place(tree, path) for path in paths]

    def read(self, stats: pa.ChunkedArray) -> list[dict[Side, pa.Array]]:
        """The bounds of each column as text; null where there is none."""
        rows = [self._decoded(text) for text in stats.to_pylist()]
        return [
            {
                "lower": pa.array([_text(row and row.lower, place) for row in rows], pa.string()),
                "upper": pa.array([_text(row and row.upper, place) for row in rows], pa.string()),
            }
            for place in self._places
        ]

    def _decoded(self, text: str | None) -> Any:
        if not text:
            return None
        try:
            return self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None


def _struct_for(tree: Mapping[str, Any]) -> Any:
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for number, (name, below) in enumerate(tree.items()):
        attribute = f"f{number}"
        names[attribute] = name
        if below is None:
            fields.append((attribute, msgspec.Raw, msgspec.Raw(b"")))
        else:
            fields.append((attribute, _struct_for(below) | None, None))
    return msgspec.defstruct("Bounds", fields, rename=names)


def _place(tree: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    place: list[str] = []
    node: Mapping[str, Any] = tree
    for name in path:
        place.append(f"f{list(node).index(name)}")
        node = node[name]
    return place


def _text(bounds: Any, place: list[str]) -> str | None:
    for attribute in place:
        if bounds is None:
            return None
        bounds = getattr(bounds, attribute)
    raw = bytes(bounds) if bounds is not None else b""
    if raw in {b"", b"null"} or len(raw) > _MOST_DIGITS:
        return None
    return raw.decode().strip('"')


def decimals(texts: pa.Array, type_: pa.Decimal128Type, side: Side) -> pa.Array:
    """Numbers as decimals of a column's type, rounded outwards; null where they do not fit or are none."""
    whole, scale = type_.precision - type_.scale, type_.scale
    simple = rf"^-?[0-9]{{1,{max(1, whole)}}}(?:\.[0-9]{{0,{scale}}})?$"
    # A type without whole digits still writes the zero before its point.
    if whole and pc.all(pc.match_substring_regex(texts, simple)).as_py() in {True, None}:
        return texts.cast(type_)
    rounding = decimal.ROUND_FLOOR if side == "lower" else decimal.ROUND_CEILING
    return pa.array([_rounded(text, scale, type_.precision, rounding) for text in texts.to_pylist()], type_)


def integers(texts: pa.Array, side: Side) -> pa.Array:
    """Numbers as integers of 64 bits, rounded outwards; null where they do not fit or are none."""
    rounding = decimal.ROUND_FLOOR if side == "lower" else decimal.ROUND_CEILING
    found = [_rounded(text, 0, 20, rounding) for text in texts.to_pylist()]
    return pa.array([int(n) if n is not None and -(2**63) <= n < 2**63 else None for n in found], pa.int64())


def _rounded(text: str | None, scale: int, precision: int, rounding: str) -> decimal.Decimal | None:
    if text is None:
        return None
    try:
        number = _CONTEXT.create_decimal(text)
        if not number.is_finite() or number.adjusted() >= precision - scale:
            return None
        rounded = number.quantize(decimal.Decimal(1).scaleb(-scale), rounding=rounding, context=_CONTEXT)
    except decimal.DecimalException:
        return None
    return rounded if rounded.is_zero() or rounded.adjusted() < precision - scale else None
