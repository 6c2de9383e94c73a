"""The columns that equality deletes compare, read from data files and delete files in one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.iceberg.metadata.structs import TableMetadata
from converters.iceberg.row_deletes.default_values import default_scalar
from converters.iceberg.row_deletes.position_files import open_parquet
from converters.iceberg.schema.json_form import schema_from_json
from converters.iceberg.schema.name_mapping import NAME_MAPPING_KEY, mapped_names, parse_name_mapping
from converters.model.schema import Leaf, Schema
from converters.model.types import Type, arrow_type
from converters.storage.base import Storage

if TYPE_CHECKING:
    import polars as pl

__all__ = ["KeyColumns"]

_ROWS_AT_ONCE = 500_000


class _Key(msgspec.Struct, frozen=True):
    """A column: its id, current type, and what files that lack it are read as having."""

    id: int
    name: str
    type: Type
    missing: pa.Scalar


class KeyColumns:
    """Reads columns by field id, whatever name and type a file has them under (spec, "Column Projection")."""

    def __init__(self, storage: Storage, metadata: TableMetadata, schema: Schema) -> None:
        """Name the table.

        Args:
            storage: Where its files are.
            metadata: It has the former schemas, in which columns that were dropped are looked for.
            schema: The current one.
        """
        self._storage = storage
        self._metadata = metadata
        self._schema = schema
        text = metadata.properties.get(NAME_MAPPING_KEY)
        self._mapped = {} if text is None else dict(mapped_names(parse_name_mapping(text)))
        self._keys: dict[int, _Key] = {}

    def read(
        self,
        path: str,
        ids: Sequence[int],
        where: str,
        *,
        constants: Mapping[int, pa.Scalar] | None = None,
        may_lack: bool = True,
    ) -> Iterator[pl.DataFrame]:
        """Yield the columns of a Parquet file, named by their ids, all rows in order.

        Values are equal where Iceberg's are: null is a value, so is NaN, and zeros of different sign differ.

        Args:
            path: The file.
            ids: Field ids of the columns.
            where: What it is, for messages.
            constants: By field id, what the file's partition says of columns that it lacks.
            may_lack: Whether it may be older than a column.

        Raises:
            CorruptTable: It is missing or unreadable, or lacks a column.
            UnsupportedTableFeature: A column cannot be found, or compared.
        """
        import polars as pl  # noqa: PLC0415 - heavy

        keys = [self._key(id_) for id_ in ids]
        file = open_parquet(self._storage, path, where)
        try:
            places = self._places(file, where)
            wanted = {key.id: places[key.id] for key in keys if key.id in places}
            columns = [".".join(place) for place in wanted.values()]
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
                arrays: dict[str, pa.Array] = {}
                for key in keys:
                    if key.id in wanted:
                        values = _member(batch, wanted[key.id], where)
                    elif not may_lack:
                        raise CorruptTable(f"{where} lacks the column '{key.name}' that it deletes by.")
                    else:
                        missing = (constants or {}).get(key.id, key.missing)
                        values = pa.repeat(missing, len(batch))
                    arrays[str(key.id)] = _comparable(values, key)
                frame = pl.from_arrow(pa.table(arrays))
                assert isinstance(frame, pl.DataFrame)
                yield frame
        except (pa.ArrowException, OSError) as error:
            raise CorruptTable(f"{where} cannot be read: {str(error)[:200]}") from error
        finally:
            file.close()

    def _places(self, file: Any, where: str) -> dict[int, tuple[str, ...]]:
        """Where the file has each column."""
        from converters.parquet.footers import footer_of  # noqa: PLC0415 - heavy

        columns = footer_of(file.metadata).columns
        by_id = {column.field_id: place for place, column in columns.items() if column.field_id is not None}
        if by_id:
            return by_id
        if not self._mapped:
            raise UnsupportedTableFeature(
                f"{where} has no field ids, and the table no name mapping, so that its columns cannot be told."
            )
        return {self._mapped[place]: place for place in columns if place in self._mapped}

    def _key(self, id_: int) -> _Key:
        if id_ not in self._keys:
            leaf = next(self._leaves(id_), None)
            if leaf is None:
                raise UnsupportedTableFeature(
                    f"Equality deletes compare the column of field id {id_}, which no schema of the table has as one "
                    "of a primitive type outside lists and maps."
                )
            name = ".".join(leaf.path)
            try:
                missing = default_scalar(leaf.field.initial_default, leaf.field.type)
            except ValueError as error:
                raise CorruptTable(f"The initial default of the column '{name}' is not understood: {error}.") from error
            self._keys[id_] = _Key(id_, name, leaf.field.type, missing)
        return self._keys[id_]

    def _leaves(self, id_: int) -> Iterator[Leaf]:
        """The column in the current schema, else in former ones, the newest first."""
        yield from (leaf for leaf in self._schema.leaves if leaf.field.id == id_)
        for former in sorted(self._metadata.schemas, key=lambda each: each.schema_id or 0, reverse=True):
            yield from (leaf for leaf in schema_from_json(former).leaves if leaf.field.id == id_)


def _member(batch: pa.RecordBatch, place: tuple[str, ...], where: str) -> pa.Array:
    top = batch.schema.get_field_index(place[0])
    if top < 0:
        raise UnsupportedTableFeature(f"{where} has several columns called '{place[0]}'.")
    values = batch.column(top)
    for name in place[1:]:
        values = pc.struct_field(values, name)
    return values


def _comparable(values: pa.Array, key: _Key) -> pa.Array:
    """Values of the column's current type, such that equal ones are equal to Polars, too."""
    wanted = arrow_type(key.type)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    try:
        if pa.types.is_fixed_size_binary(wanted) or pa.types.is_binary(wanted):
            return values.cast(pa.binary())
        values = values.cast(wanted)
    except pa.ArrowInvalid as error:
        raise UnsupportedTableFeature(f"Values of the column '{key.name}' cannot be compared: {error}.") from error
    if pa.types.is_floating(wanted):
        return _float_bits(values)
    if pa.types.is_temporal(wanted) and wanted.bit_width == 64:
        return values.view(pa.int64())
    return values


def _float_bits(values: pa.Array) -> pa.Array:
    numbers = values.fill_null(0).to_numpy(zero_copy_only=False).copy()
    numbers[np.isnan(numbers)] = np.nan
    bits = pa.array(numbers.view(f"i{numbers.itemsize}"))
    return pc.if_else(values.is_valid(), bits, pa.scalar(None, bits.type))
