"""Tables that Spark writes, compacts, clusters, rolls back and restores are at each step what Spark reads of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.errors import FullSyncNeeded, UnsupportedTableFeature
from converters.model.snapshot import Snapshot
from tests.changes import Files, files_listed, files_of
from tests.hudi_source.tables import opened, rows_of, timeline_files
from tests.hudi_source.test_changes import state_of
from tests.readers import canonical_rows, hudi, read
from tests.readers.hudi import VERSIONS
from tests.readers.tables import Reader

READERS: list[Reader] = ["spark", "spark-hudi-1.0.2", "spark-hudi-0.15.0"]


class Life:
    """One table, told what to do in SQL; ``{t}`` is its name."""

    def __init__(self, reader: Reader, directory: Path, kind: str, *properties: str) -> None:
        self.reader: Reader = reader
        self.path = directory / "t"
        self.name = f"life_{kind}_{VERSIONS[str(reader)].replace('.', '_')}"
        more = ", ".join(
            [
                f"type = '{kind}'",
                "primaryKey = 'id'",
                "preCombineField = 'n'",
                "'hoodie.compact.inline' = 'false'",
                *properties,
            ]
        )
        self.last: tuple[Snapshot, Files] | None = None
        self.not_told: list[str] = []
        self.does(f"DROP TABLE IF EXISTS {self.name}")
        self.does(
            f"CREATE TABLE {self.name} (id INT, name STRING, n BIGINT, p STRING) USING hudi PARTITIONED BY (p) "
            f"LOCATION '{self.path}' TBLPROPERTIES ({more})"
        )

    def does(self, *statements: str) -> None:
        """Run statements, each in its own write."""
        hudi.run(
            self.reader,
            *[each.format(t=self.name, now="hoodie.compact.inline.max.delta.commits=1") for each in statements],
        )

    def is_right(self) -> None:
        """Compare with what Spark reads, and with what changed since it was compared before."""
        source = opened(self.path)
        assert rows_of(source) == canonical_rows(read("hudi", self.path, self.reader))
        files = files_of(source)
        until = source.snapshot()
        if self.last is not None:
            since, told = self.last
            try:
                for change in source.changes(state_of(since), until):
                    told = {path: said for path, said in told.items() if path not in set(change.removed.to_pylist())}
                    told |= files_listed(change.added())
                assert told == files
            except FullSyncNeeded as error:
                self.not_told.append(error.message)
        self.last = until, files

    def is_refused(self) -> None:
        """There are log files."""
        with pytest.raises(UnsupportedTableFeature, match="log files"):
            opened(self.path).snapshot()

    def newest(self) -> str:
        """The version that we see."""
        return opened(self.path).snapshot().version


INSERTS = (
    "INSERT INTO {t} VALUES (1, 'a', 1, 'x'), (2, 'b', 1, 'x'), (3, 'c', 1, 'y')",
    "INSERT INTO {t} VALUES (4, 'd', 2, 'y'), (5, 'e', 2, 'z')",
)


@pytest.mark.parametrize("reader", READERS)
def test_the_life_of_a_table_that_is_copied_on_write(reader: Reader, tmp_path: Path) -> None:
    life = Life(reader, tmp_path, "cow")
    for statement in (*INSERTS, "UPDATE {t} SET name = 'A', n = 3 WHERE id = 1", "DELETE FROM {t} WHERE id = 2"):
        life.does(statement)
        life.is_right()
    kept = life.newest()
    life.does(f"CALL create_savepoint(table => '{{t}}', commit_time => '{kept}')")
    life.is_right()
    life.does("UPDATE {t} SET name = 'B', n = 4 WHERE id = 3", "INSERT INTO {t} VALUES (6, 'f', 5, 'x')")
    life.is_right()
    undone = life.newest()
    life.does(f"CALL rollback_to_instant(table => '{{t}}', instant_time => '{undone}')")
    life.is_right()
    assert life.newest() < undone
    life.does(f"CALL rollback_to_savepoint(table => '{{t}}', instant_time => '{kept}')")
    life.is_right()
    assert life.newest() == kept
    life.does("CALL run_clustering(table => '{t}', op => 'schedule')")
    life.is_right()
    life.does("CALL run_clustering(table => '{t}', op => 'execute')")
    life.is_right()
    life.does("INSERT OVERWRITE {t} PARTITION (p = 'y') SELECT 7, 'g', 6L")
    life.is_right()
    life.does("ALTER TABLE {t} DROP PARTITION (p = 'z')")
    life.is_right()
    life.does("CALL run_clean(table => '{t}', retain_commits => 1)")
    life.is_right()
    # Undone were the newest instant, and the newest again.
    assert [each.partition(" that was synced last ")[2] for each in life.not_told] == ["was rolled back"] * 2


@pytest.mark.parametrize("reader", READERS)
def test_the_life_of_a_table_that_is_merged_on_read(reader: Reader, tmp_path: Path) -> None:
    life = Life(reader, tmp_path, "mor")
    life.does(*INSERTS)
    life.is_right()
    life.does("UPDATE {t} SET name = 'A', n = 3 WHERE id = 1")
    life.is_refused()
    life.does("CALL run_compaction(op => 'schedule', table => '{t}', options => '{now}')")
    life.is_refused()
    life.does("CALL run_compaction(op => 'run', table => '{t}')")
    life.is_right()
    life.does("DELETE FROM {t} WHERE id = 3")
    life.is_refused()
    undone = max(path.name for path in timeline_files(life.path)).split(".")[0].split("_")[0]
    life.does(f"CALL rollback_to_instant(table => '{{t}}', instant_time => '{undone}')")
    life.is_right()
    life.does("UPDATE {t} SET name = 'E', n = 4 WHERE id = 5")
    life.does("CALL run_compaction(op => 'schedule', table => '{t}', options => '{now}')")
    life.does("UPDATE {t} SET name = 'EE', n = 5 WHERE id = 5")
    life.does("CALL run_compaction(op => 'run', table => '{t}')")
    life.is_refused()
    life.does("CALL run_compaction(op => 'schedule', table => '{t}', options => '{now}')")
    life.does("CALL run_compaction(op => 'run', table => '{t}')")
    life.is_right()
    assert not life.not_told
