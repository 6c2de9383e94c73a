"""Tables that real writers change at random: delta-rs, pyiceberg, and Spark for what only it can write."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from pyiceberg.types import LongType, StringType

from tests.readers import Format, canonical_rows, read
from tests.readers import spark as spark_reader

__all__ = ["SPARK_KINDS", "DeltaRs", "PyIceberg", "SparkSql", "Writer", "rows_of"]

_PARTITIONS = "abc"


def rows_of(numbers: range, seed: int) -> pa.Table:
    """Rows with these ids, nulls among their values."""
    chance = random.Random(seed)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "p": pa.array([chance.choice(_PARTITIONS) for _ in numbers]),
            "n": pa.array([chance.choice([None, chance.randrange(-1000, 1000)]) for _ in numbers], pa.int32()),
            "s": pa.array([chance.choice([None, "", f"text {chance.randrange(100)}"]) for _ in numbers], pa.string()),
            "x": pa.array([chance.random() * 10 ** chance.randrange(-5, 6) for _ in numbers], pa.float64()),
        }
    )


class Writer(Protocol):
    """A table, and what its writer can do to it; every operation makes at least one commit, or none."""

    table_format: Format
    location: Path

    def operations(self) -> dict[str, Callable[[], object]]:
        """What can be done now, by name."""
        ...

    def version(self) -> str:
        """The table's version, as XTable's state names it."""
        ...

    def rows(self) -> list[str]:
        """Its canonical rows, by its own reader."""
        ...


class _Numbers:
    """Ids, each given out once, and choices among those that were."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.next = 0

    def more(self) -> pa.Table:
        count = self.chance.randrange(1, 12)
        self.next += count
        return rows_of(range(self.next - count, self.next), self.chance.randrange(2**30))

    def condition(self) -> str:
        """Some of the rows, in SQL."""
        low = self.chance.randrange(max(self.next, 1))
        return self.chance.choice(
            [f"id >= {low} AND id < {low + 5}", f"id = {low}", f"p = '{self.chance.choice(_PARTITIONS)}'", f"n > {low}"]
        )


class DeltaRs:
    """A Delta table that delta-rs writes."""

    table_format: Format = "delta"

    def __init__(self, location: Path, chance: random.Random) -> None:
        self.location = location
        self._chance = chance
        self._numbers = _Numbers(chance)
        by = chance.choice([None, ["p"]])
        write_deltalake(location, self._numbers.more(), partition_by=by, configuration=chance.choice(_DELTA_SETTINGS))

    def operations(self) -> dict[str, Callable[[], object]]:
        """See ``Writer``."""
        return {
            "append": self._append,
            "append again": self._append,
            "overwrite": lambda: write_deltalake(
                self.location, self._numbers.more(), mode="overwrite", schema_mode="merge"
            ),
            "overwrite a part": self._overwrite_a_part,
            "delete": lambda: self._table.delete(self._numbers.condition()),
            "delete all": lambda: self._table.delete() if self._chance.random() < 0.3 else None,
            "update": lambda: self._table.update({"s": "'updated'"}, predicate=self._numbers.condition()),
            "merge": self._merge,
            "compact": self._table.optimize.compact,
            "restore": self._restore,
            "add a column": self._add_a_column,
            "checkpoint": self._table.create_checkpoint,
            "vacuum": lambda: self._table.vacuum(0, dry_run=False, enforce_retention_duration=False),
            "set a property": lambda: self._table.alter.set_table_properties(
                {"delta.logRetentionDuration": f"interval {self._chance.randrange(30, 90)} days"}
            ),
        }

    def version(self) -> str:
        """See ``Writer``."""
        return str(self._table.version())

    def rows(self) -> list[str]:
        """See ``Writer``."""
        return canonical_rows(read("delta", self.location, "deltalake"))

    @property
    def _table(self) -> DeltaTable:
        return DeltaTable(self.location)

    def _append(self) -> None:
        write_deltalake(self.location, self._numbers.more(), mode="append", schema_mode="merge")

    def _overwrite_a_part(self) -> None:
        part = self._chance.choice(_PARTITIONS)
        rows = self._numbers.more()
        rows = rows.set_column(1, "p", pa.array([part] * len(rows)))
        write_deltalake(self.location, rows, mode="overwrite", predicate=f"p = '{part}'", schema_mode="merge")

    def _restore(self) -> None:
        if self._table.version():
            with suppress(DeltaError):  # its files may be gone
                self._table.restore(self._chance.randrange(self._table.version()))

    def _merge(self) -> None:
        rows = pa.concat_tables([rows_of(range(self._numbers.next // 2), 7).slice(0, 4), self._numbers.more()])
        merge = self._table.merge(rows, "t.id = s.id", source_alias="s", target_alias="t")
        merge = merge.when_matched_update({"s": "s.s", "x": "s.x"})
        merge.when_not_matched_insert({name: f"s.{name}" for name in rows.column_names}).execute()

    def _add_a_column(self) -> None:
        name = f"c{len(self._table.schema().fields)}"
        kind = self._chance.choice(["integer", "string", "date", "boolean", "long"])
        self._table.alter.add_columns([Field(name, PrimitiveType(kind))])


_DELTA_SETTINGS: tuple[dict[str, str | None] | None, ...] = (
    None,
    {"delta.checkpointInterval": "3"},
    {"delta.dataSkippingNumIndexedCols": "2"},
)


class PyIceberg:
    """An Iceberg table that pyiceberg writes."""

    table_format: Format = "iceberg"

    def __init__(self, location: Path, chance: random.Random) -> None:
        self.location = location
        self._chance = chance
        self._numbers = _Numbers(chance)
        location.mkdir(parents=True)
        catalog = SqlCatalog("histories", uri=f"sqlite:///{location}/catalog.db", warehouse=f"file://{location}")
        catalog.create_namespace("db")
        rows = self._numbers.more()
        self._table: Table = catalog.create_table("db.t", rows.schema, location=f"file://{location}")
        if chance.random() < 0.5:
            with self._table.update_spec() as spec:
                spec.add_identity("p")
        if chance.random() < 0.3:
            self._table.transaction().set_properties({"commit.manifest-merge.enabled": "true"}).commit_transaction()
        self._table.append(rows)

    def operations(self) -> dict[str, Callable[[], object]]:
        """See ``Writer``."""
        return {
            "append": lambda: self._table.append(self._shaped(self._numbers.more())),
            "append again": lambda: self._table.append(self._shaped(self._numbers.more())),
            "overwrite": lambda: self._table.overwrite(self._shaped(self._numbers.more())),
            "overwrite a part": lambda: self._table.overwrite(
                self._shaped(self._numbers.more()), overwrite_filter=self._numbers.condition()
            ),
            "delete": lambda: self._table.delete(self._numbers.condition()),
            "merge": self._upsert,
            "add a column": self._add_a_column,
            "rename a column": self._rename,
            "widen a column": self._widen,
            "roll back": self._roll_back,
            "expire": self._expire,
            "set a property": lambda: (
                self._table.transaction().set_properties({"a": str(self._chance.random())}).commit_transaction()
            ),
        }

    def version(self) -> str:
        """See ``Writer``."""
        current = self._table.current_snapshot()
        return str(current.snapshot_id) if current else "0"

    def rows(self) -> list[str]:
        """See ``Writer``."""
        return canonical_rows(self._table.scan().to_arrow())

    def _shaped(self, rows: pa.Table) -> pa.Table:
        """Rows with the columns that the table has now."""
        schema = self._table.schema().as_arrow()
        return pa.table(
            [
                rows.column(index).cast(field.type) if index < rows.num_columns else pa.nulls(len(rows), field.type)
                for index, field in enumerate(schema)
            ],
            schema=schema,
        )

    def _upsert(self) -> None:
        rows = pa.concat_tables([rows_of(range(self._numbers.next // 2), 7).slice(0, 4), self._numbers.more()])
        with suppress(ValueError):  # it knows only the names that columns had at first
            self._table.upsert(self._shaped(rows), join_cols=["id"])

    def _add_a_column(self) -> None:
        with self._table.update_schema() as update:
            update.add_column(
                f"c{self._table.schema().highest_field_id + 1}", self._chance.choice([LongType(), StringType()])
            )

    def _rename(self) -> None:
        names = [field.name for field in self._table.schema().fields if field.name.startswith("c")]
        if names:
            with self._table.update_schema() as update:
                update.rename_column(self._chance.choice(names), f"c_{self._chance.randrange(1000)}")

    def _widen(self) -> None:
        with self._table.update_schema() as update:
            update.update_column("n", LongType())

    def _roll_back(self) -> None:
        line = [entry.snapshot_id for entry in self._table.history()]
        current = self._table.current_snapshot()
        parents = []
        at = current.parent_snapshot_id if current else None
        while at is not None and (snapshot := self._table.snapshot_by_id(at)) is not None:
            parents.append(at)
            at = snapshot.parent_snapshot_id
        if parents and line:
            self._table.manage_snapshots().rollback_to_snapshot(self._chance.choice(parents)).commit()

    def _expire(self) -> None:
        current = self._table.current_snapshot()
        old = [each.snapshot_id for each in self._table.metadata.snapshots if current and each != current]
        if old:
            self._table.maintenance.expire_snapshots().by_id(self._chance.choice(old)).commit()


SPARK_KINDS: Mapping[str, tuple[Format, str]] = {
    "delta with deletion vectors": ("delta", "DELTA|TBLPROPERTIES ('delta.enableDeletionVectors'='true')"),
    "delta with column mapping": (
        "delta",
        "DELTA|TBLPROPERTIES ('delta.columnMapping.mode'='name', 'delta.enableDeletionVectors'='true')",
    ),
    "iceberg v2": (
        "iceberg",
        "ICEBERG|TBLPROPERTIES ('write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read')",
    ),
    "iceberg v3": (
        "iceberg",
        (
            "ICEBERG|TBLPROPERTIES ('format-version'='3', 'write.delete.mode'='merge-on-read', "
            "'write.update.mode'='merge-on-read')"
        ),
    ),
    "hudi": ("hudi", "HUDI|TBLPROPERTIES (primaryKey='id', hoodie.metadata.enable='true')"),
}


class SparkSql:
    """A table that Spark writes: Delta with deletion vectors, Iceberg with delete files, Hudi."""

    def __init__(self, kind: str, location: Path, chance: random.Random) -> None:
        """Make it.

        Args:
            kind: A key of ``SPARK_KINDS``.
            location: Where it is to be (of Iceberg tables only the name counts: see ``location``).
            chance: What decides.
        """
        self.table_format, self._using = SPARK_KINDS[kind]
        self._chance = chance
        self._numbers = _Numbers(chance)
        session = spark_reader.session()
        if self.table_format == "iceberg":
            name = f"h{uuid.uuid4().hex}"
            self._name = f"ice.histories.{name}"
            self.location = Path(f"{session.conf.get('spark.sql.catalog.ice.warehouse')}/histories/{name}")
            place = ""
        else:
            self.location = location
            self._name = f"delta.`{location}`" if self.table_format == "delta" else f"h{uuid.uuid4().hex}"
            place = f"LOCATION '{location}'" if self.table_format == "hudi" else ""
        by = "PARTITIONED BY (p)" if chance.random() < 0.5 else ""
        columns = "(id BIGINT, p STRING, n INT, s STRING, x DOUBLE)"
        if self.table_format == "hudi":
            columns = "(id BIGINT, n INT, s STRING, x DOUBLE, p STRING)"
        using, _, properties = self._using.partition("|")
        self._sql(f"CREATE TABLE {self._name} {columns} USING {using} {by} {place} {properties}")
        self._append()

    def operations(self) -> dict[str, Callable[[], object]]:
        """See ``Writer``."""
        found: dict[str, Callable[[], object]] = {
            "append": self._append,
            "delete": lambda: self._sql(f"DELETE FROM {self._name} WHERE {self._numbers.condition()}"),
            "update": lambda: self._sql(f"UPDATE {self._name} SET s = 'updated' WHERE {self._numbers.condition()}"),
            "overwrite": lambda: self._insert("OVERWRITE"),
        }
        if self.table_format == "delta":
            found["compact"] = lambda: self._sql(f"OPTIMIZE {self._name}")
            found["purge"] = lambda: self._sql(f"REORG TABLE {self._name} APPLY (PURGE)")
            found["restore"] = self._restore
        if self.table_format == "iceberg":
            options = "map('rewrite-all', 'true')"
            name = self._name.removeprefix("ice.")
            found["compact"] = lambda: self._sql(
                f"CALL ice.system.rewrite_data_files(table => '{name}', options => {options})"
            )
            found["rewrite deletes"] = lambda: self._sql(
                f"CALL ice.system.rewrite_position_delete_files(table => '{name}')"
            )
            found["rewrite manifests"] = lambda: self._sql(f"CALL ice.system.rewrite_manifests('{name}')")
            found["roll back"] = self._roll_back
        return found

    def version(self) -> str:
        """See ``Writer``."""
        if self.table_format == "delta":
            return str(DeltaTable(self.location).version())
        if self.table_format == "iceberg":
            found = self._sql(f"SELECT snapshot_id FROM {self._name}.history ORDER BY made_current_at DESC LIMIT 1")
            return str(found[0][0]) if found else "0"
        timeline = self.location / ".hoodie" / "timeline"
        instants = [file.name for file in timeline.iterdir() if file.suffix in {".commit", ".replacecommit"}]
        return max(instants).partition("_")[0]

    def rows(self) -> list[str]:
        """See ``Writer``."""
        return canonical_rows(read(self.table_format, self.location, "spark"))

    def _sql(self, text: str) -> Sequence[tuple[object, ...]]:
        found: Sequence[tuple[object, ...]] = spark_reader.session().sql(text).collect()
        return found

    def _append(self) -> None:
        self._insert("INTO")

    def _insert(self, how: str) -> None:
        rows = self._numbers.more()
        names = ["id", "n", "s", "x", "p"] if self.table_format == "hudi" else rows.column_names
        values = ", ".join("(" + ", ".join(_literal(row[name]) for name in names) + ")" for row in rows.to_pylist())
        self._sql(f"INSERT {how} {self._name} VALUES {values}")

    def _restore(self) -> None:
        version = self._chance.randrange(int(self.version()) + 1)
        self._sql(f"RESTORE TABLE {self._name} TO VERSION AS OF {version}")

    def _roll_back(self) -> None:
        older = self._sql(f"SELECT parent_id FROM {self._name}.snapshots WHERE snapshot_id = {self.version()}")
        if older and older[0][0] is not None:
            name = self._name.removeprefix("ice.")
            self._sql(f"CALL ice.system.rollback_to_snapshot('{name}', {older[0][0]})")


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f"'{value}'"
    return f"{value!r}D" if isinstance(value, float) else str(value)
