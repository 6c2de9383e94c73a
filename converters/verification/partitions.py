"""Comparing partition values, by what they are derived from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from converters.model.partition import Transform
from converters.model.snapshot import Table
from converters.verification.listing import Part
from converters.verification.report import Check
from converters.verification.tally import Tally
from converters.verification.values import alike, differ, member

__all__ = ["PartitionCheck"]

_Derivation = tuple[tuple[str, ...], Transform]
"""The path of the column that a partition field is derived from, and how it is."""

_KEPT_IN_FILES = {"ICEBERG"}
"""Formats whose data files always hold the partition columns, so that a target can do without them."""


class PartitionCheck:
    """The check ``partitions``."""

    def __init__(self, source: Table, target: Table) -> None:
        """See which partition fields of the two tables mean the same."""
        ours, theirs = _fields(source), _fields(target)
        self._pairs = [(what, ids, theirs[what]) for what, ids in ours.items() if what in theirs]
        self._unsaid = [_name(what) for what in ours if what not in theirs]
        self._specs = {spec.spec_id: {field.id for field in spec.fields} for spec in source.specs}
        self._target_specs = {spec.spec_id: {field.id for field in spec.fields} for spec in target.specs}
        self._tally = Tally()
        self._must_say = [
            _name(what)
            for what in ours
            if what not in theirs and what[1].kind == "identity" and source.format not in _KEPT_IN_FILES
        ]
        self._invented = [_name(what) for what in theirs if what not in ours and what[0] in source.schema.by_path]
        self._is_partitioned = bool(ours or theirs)

    def take(self, part: Part) -> None:
        """Compare one part."""
        if part.source is None or part.target is None:
            return
        for what, ours, theirs in self._pairs:
            self._compare(part.source, part.target, what, ours, theirs)

    def _compare(
        self, source: pa.RecordBatch, target: pa.RecordBatch, what: _Derivation, ours: set[int], theirs: set[int]
    ) -> None:
        for our_id in ours:
            for their_id in theirs:
                has = pc.and_(_under(source, self._specs, our_id), _under(target, self._target_specs, their_id))
                left = member(source.column("partition"), str(our_id)).filter(has)
                right = member(target.column("partition"), str(their_id)).filter(has)
                pair = alike(left, right)
                paths = source.column("path").filter(has)
                wrong = pa.repeat(pa.scalar(value=True), len(paths)) if pair is None else differ(*pair)
                self._tally.add(wrong, _describer(paths, _name(what), left, right))

    def checks(self) -> Sequence[Check]:
        """What came of it."""
        if not self._is_partitioned:
            return (Check(name="partitions", result="ok", detail="neither table is partitioned"),)
        wrong = [f"{name}: the target is not partitioned by it" for name in self._must_say]
        wrong += [f"{name}: the source is not partitioned by it" for name in self._invented]
        aside = f"the target has no values of {', '.join(self._unsaid)}" if self._unsaid else ""
        if wrong and not self._tally.wrong:
            return (Check(name="partitions", result="differs", detail=aside or "other fields", examples=tuple(wrong)),)
        nothing = "no partition field is in both tables" if not self._pairs else "there are no files"
        return (self._tally.check("partitions", "partition values", nothing=nothing, aside=aside),)


def _fields(table: Table) -> dict[_Derivation, set[int]]:
    """Ids of the partition fields, by what they are derived from; those that say nothing are left out."""
    found: dict[_Derivation, set[int]] = {}
    for spec in table.specs:
        for field in spec.fields:
            node = table.schema.by_id.get(field.source_id)
            if node is not None and field.transform.kind != "void":
                found.setdefault((node.path, field.transform), set()).add(field.id)
    return found


def _under(batch: pa.RecordBatch, specs: dict[int, set[int]], field_id: int) -> pa.Array:
    """Which files were written under a spec that has the field."""
    having = pa.array([spec_id for spec_id, fields in specs.items() if field_id in fields], pa.int32())
    return pc.is_in(batch.column("spec_id"), value_set=having)


def _name(what: _Derivation) -> str:
    path, transform = what
    return ".".join(path) if transform.kind == "identity" else f"{transform}({'.'.join(path)})"


def _describer(paths: pa.Array, name: str, ours: pa.Array, theirs: pa.Array) -> Callable[[int], str]:
    return lambda place: f"{paths[place]}: {name} is {ours[place]} in the source, {theirs[place]} in the target"
