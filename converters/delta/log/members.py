"""Members of nested structs, by number or name, without flattening a struct of a thousand columns a thousand times."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

__all__ = ["StructMembers"]


class StructMembers:
    """Reaches into one struct array; a member of a null struct is null."""

    def __init__(self, record: pa.StructArray) -> None:
        """Take the outermost struct."""
        self._record = record
        self._flat: dict[tuple[int, ...], list[pa.Array]] = {}

    def __len__(self) -> int:
        return len(self._record)

    def at(self, place: Sequence[int]) -> pa.Array:
        """The member at a place given by numbers, from the top."""
        found: pa.Array = self._record
        for depth, number in enumerate(place):
            key = tuple(place[:depth])
            members = self._flat.get(key)
            if members is None:
                members = self._flat[key] = found.flatten()
            found = members[number]
        return found

    def named(self, path: Sequence[str]) -> pa.Array | None:
        """The member at a path of names; None where there is none."""
        type_: pa.DataType = self._record.type
        place: list[int] = []
        for name in path:
            number = type_.get_field_index(name) if pa.types.is_struct(type_) else -1
            if number < 0:
                return None
            place.append(number)
            type_ = type_.field(number).type
        return self.at(place)
