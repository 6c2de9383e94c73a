"""XTable's generated partition columns: how Delta can say Iceberg's time transforms, at the price of a column more.

Names, types, expressions and texts are XTable's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature
from converters.model.partition import Transform
from converters.model.types import PRIMITIVE_KINDS, Field, PrimitiveType

__all__ = ["generated_field", "generated_texts"]

_TIMES = {"timestamp", "timestamptz"}
_SIMPLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_KINDS: dict[str, tuple[str, str, set[str]]] = {
    "year": ("int", "YEAR({})", {"date", *_TIMES}),
    "month": ("string", "DATE_FORMAT({}, 'yyyy-MM')", {"date", *_TIMES}),
    "day": ("date", "CAST({} as DATE)", {"date", *_TIMES}),
    "hour": ("string", "DATE_FORMAT({}, 'yyyy-MM-dd-HH')", _TIMES),
}
"""The column's type, its expression, and the types that it may be derived from."""


def generated_field(source: Field, transform: Transform, id_: int) -> Field | None:
    """The column that stands for a transform of ``source``; None where there is none for it."""
    known = _KINDS.get(transform.kind)
    if known is None or not isinstance(source.type, PrimitiveType) or source.type.kind not in known[2]:
        return None
    kind, expression, _ = known
    name = source.name if _SIMPLE.match(source.name) else "`" + source.name.replace("`", "``") + "`"
    return Field(
        id=id_,
        name=f"xtable_partition_col_{transform.kind.upper()}_{source.name}",
        type=PRIMITIVE_KINDS[kind],
        generation_sql=expression.format(name),
    )


def generated_texts(values: pa.Array, transform: Transform, column: str) -> pa.Array:
    """A transform's results (Iceberg spec, "Partition Transforms") as partition values of the generated column.

    Raises:
        UnsupportedTableFeature: One lies outside the years 1 to 9999.
    """
    counts = values.cast(pa.int32())
    encoded = pc.dictionary_encode(counts)
    write = _WRITERS[transform.kind]
    try:
        texts = [None if each is None else write(each) for each in encoded.dictionary.to_pylist()]
    except (ValueError, OverflowError) as error:
        raise UnsupportedTableFeature(
            f"A value of the partition column '{column}' lies outside the years 1 to 9999.",
            hint="Convert without delta.target.generated-columns.",
        ) from error
    return pa.array(texts, pa.string()).take(encoded.indices)


def _year(years: int) -> str:
    return str(date(1970 + years, 1, 1).year)


def _month(months: int) -> str:
    return f"{date(1970 + months // 12, months % 12 + 1, 1):%Y-%m}".rjust(7, "0")


def _day(days: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + days).isoformat()


def _hour(hours: int) -> str:
    return f"{_day(hours // 24)}-{hours % 24:02d}"


_WRITERS: dict[str, Callable[[int], str]] = {"year": _year, "month": _month, "day": _day, "hour": _hour}
