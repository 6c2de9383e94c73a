"""Statistics of Parquet files from their footers, many files at once.

What a file's row groups say of a column is put together: where one of them does not say, nothing is known.  A file
that lacks a column has nulls only there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.model.schema import Leaf
from converters.model.types import DecimalType, PrimitiveType, Type, arrow_type
from converters.parquet.footers import Footer, footer_of, read_metadata
from converters.parquet.stored_types import StoredType, bounds_of, stored_type
from converters.storage.base import Storage

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["FileStatistics", "LeafStatistics", "Shape", "read_statistics"]

_READERS = 16
_AT_ONCE = 4_096
_NEVER_CUTS = "parquet-mr"
"""A writer that leaves long bounds out; others may cut them and do not say so to every reader."""

_CUT = ("string", "binary")


class LeafStatistics(msgspec.Struct, frozen=True):
    """Statistics of one column, one value a file: as ``DataFile`` batches have them.

    ``present`` says whether the file has the column at all (null = unknown).
    """

    present: pa.Array
    null_count: pa.Array
    lower: pa.Array
    upper: pa.Array
    exact: pa.Array

    @classmethod
    def unknown(cls, type_: Type, count: int) -> LeafStatistics:
        """Nothing, of so many files."""
        bounds = pa.nulls(count, arrow_type(type_))
        return cls(
            pa.nulls(count, pa.bool_()), pa.nulls(count, pa.int64()), bounds, bounds, pa.nulls(count, pa.bool_())
        )


class Shape(msgspec.Struct, frozen=True):
    """A schema that files have.

    Attributes:
        columns: Its leaves by their paths, as ``Footer.columns`` has them.
        depths: How many names each leaf's path has in the file itself, where a list or map is at least two levels.
        footer: The footer of the first of the files.
        path: Where that is.
    """

    columns: Mapping[tuple[str, ...], StoredType]
    depths: Mapping[tuple[str, ...], int]
    footer: Footer
    path: str


class FileStatistics(msgspec.Struct, frozen=True):
    """Statistics of files: row counts, and each column's by field id.

    ``shapes`` are the different schemas that were found in the files.
    """

    row_count: pa.Array
    columns: Mapping[int, LeafStatistics]
    shapes: tuple[Shape, ...] = ()


class _Raw(msgspec.Struct, frozen=True):
    """What one footer says: row count, number of the schema, and for each leaf its null count and raw bounds."""

    row_count: int
    shape: int
    cuts: bool
    leaves: list[tuple[int | None, Any, Any] | None]


def read_statistics(
    storage: Storage, paths: Sequence[str], sizes: Sequence[int], leaves: Sequence[Leaf]
) -> FileStatistics:
    """Read the footers of files.

    Args:
        storage: Where the files are.
        paths: Their locations.
        sizes: Their sizes in bytes, as far as is known.
        leaves: The columns wanted; found by their names inside the files.

    Raises:
        CorruptTable: A file is missing or no Parquet file; the message names it.
        UnsupportedTableFeature: A file is encrypted.
    """
    reader = _Reader(leaves)
    files: list[_Raw] = []
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(paths), _AT_ONCE):
            part = paths[start : start + _AT_ONCE]
            found = pool.map(
                lambda path, size: read_metadata(storage, path, size), part, sizes[start : start + _AT_ONCE]
            )
            files += [reader.read(path, metadata) for path, metadata in zip(part, found, strict=True)]
    columns = {leaf.field.id: reader.column(number, files) for number, leaf in enumerate(leaves)}
    shapes = tuple(shape for shape, _, _ in reader.shapes)
    return FileStatistics(pa.array([file.row_count for file in files], pa.int64()), columns, shapes)


class _Place(msgspec.Struct, frozen=True):
    """The number of a column in a file, and what makes its raw bounds values that can be compared."""

    number: int
    value: Callable[[Any], Any]


class _Reader:
    """Takes footers apart."""

    def __init__(self, leaves: Sequence[Leaf]) -> None:
        self._leaves = leaves
        self.shapes: list[tuple[Shape, pq.ParquetSchema, list[_Place | None]]] = []

    def read(self, path: str, metadata: pq.FileMetaData) -> _Raw:
        """What a footer says."""
        shape = self._shape(path, metadata)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        groups = [group for group in groups if group.num_rows]
        rows = metadata.num_rows
        leaves = [
            None if place is None else _merged((group.column(place.number).statistics for group in groups), place.value)
            for place in self.shapes[shape][2]
        ]
        cuts = not (metadata.created_by or "").startswith(_NEVER_CUTS)
        return _Raw(rows, shape, cuts, leaves)

    def column(self, number: int, files: Sequence[_Raw]) -> LeafStatistics:
        """The statistics of one column in all files."""
        leaf = self._leaves[number]
        type_ = leaf.field.type
        raw = [file.leaves[number] for file in files]
        nulls = [file.row_count if each is None else each[0] for file, each in zip(files, raw, strict=True)]
        lower, upper = self._bounds(number, files)
        known = pc.and_(pc.is_valid(lower), pc.is_valid(upper))
        is_cut = isinstance(type_, PrimitiveType) and type_.kind in _CUT
        is_whole = is_cut or not isinstance(type_, PrimitiveType | DecimalType)
        cuts = pa.array([file.cuts for file in files], pa.bool_()) if is_whole else None
        exact = known if cuts is None else pc.and_(known, pc.invert(cuts))
        nothing = pa.scalar(None, lower.type)
        return LeafStatistics(
            present=pa.array([each is not None for each in raw], pa.bool_()),
            null_count=pa.array(nulls, pa.int64()),
            lower=pc.if_else(known, lower, nothing),
            upper=pc.if_else(known, upper, nothing),
            exact=exact,
        )

    def _bounds(self, number: int, files: Sequence[_Raw]) -> tuple[pa.Array, pa.Array]:
        leaf = self._leaves[number]
        parts: list[tuple[pa.Array, pa.Array]] = []
        places: list[int] = []
        for shape, (found, _, _) in enumerate(self.shapes):
            mine = [place for place, file in enumerate(files) if file.shape == shape]
            stored = found.columns.get(leaf.stored_path)
            values = [files[place].leaves[number] or (None, None, None) for place in mine]
            lower, upper = [each[1] for each in values], [each[2] for each in values]
            typed = None if stored is None else bounds_of(lower, upper, stored, leaf.field.type)
            parts.append(typed or _unknown(leaf, len(mine)))
            places += mine
        parts = parts or [_unknown(leaf, 0)]
        order = pa.array(sorted(range(len(places)), key=places.__getitem__), pa.int64())
        return (
            pa.concat_arrays([part[0] for part in parts]).take(order),
            pa.concat_arrays([part[1] for part in parts]).take(order),
        )

    def _shape(self, path: str, metadata: pq.FileMetaData) -> int:
        schema = metadata.schema
        for number, (_, known, _) in enumerate(self.shapes):
            if known.equals(schema):
                return number
        footer = footer_of(metadata)
        columns = [schema.column(number) for number in range(len(schema.names))]
        leaves = [place for place, column in footer.columns.items() if column.physical_type is not None]
        # Leaves below a list or map have a repetition level, and no statistics that we ask for.
        flat = {
            place: number
            for number, (place, column) in enumerate(zip(leaves, columns, strict=True))
            if column.max_repetition_level == 0
        }
        stored = {place: stored_type(column) for place, column in zip(leaves, columns, strict=True)}
        depths = {place: column.path.count(".") + 1 for place, column in zip(leaves, columns, strict=True)}
        places = [
            _Place(flat[leaf.stored_path], _value_of(stored[leaf.stored_path])) if leaf.stored_path in flat else None
            for leaf in self._leaves
        ]
        self.shapes.append((Shape(stored, depths, footer, path), schema, places))
        return len(self.shapes) - 1


def _unknown(leaf: Leaf, count: int) -> tuple[pa.Array, pa.Array]:
    return pa.nulls(count, arrow_type(leaf.field.type)), pa.nulls(count, arrow_type(leaf.field.type))


def _value_of(stored: StoredType) -> Callable[[Any], Any]:
    """Decimals in bytes are numbers of two's complement; all else compares as it is."""
    return _number if stored.logical == "Decimal" else _as_is


def _number(raw: int | bytes) -> int:
    return raw if isinstance(raw, int) else int.from_bytes(raw, "big", signed=True)


def _as_is(raw: Any) -> Any:
    return raw


def _merged(groups: Iterable[pq.Statistics | None], value: Callable[[Any], Any]) -> tuple[int | None, Any, Any]:
    """Null count and raw bounds over row groups."""
    nulls: int | None = 0
    lower = upper = None
    known = True
    for statistics in groups:
        if statistics is None:
            return None, None, None
        count = statistics.null_count if statistics.has_null_count else None
        nulls = None if nulls is None or count is None else nulls + count
        if statistics.has_min_max:
            low, high = value(statistics.min_raw), value(statistics.max_raw)
            if low != low or high != high:  # noqa: PLR0124 - NaN
                known = False
            lower = low if lower is None or low < lower else lower
            upper = high if upper is None or high > upper else upper
        elif count is None or statistics.num_values:
            known = False
    return nulls, lower if known else None, upper if known else None
