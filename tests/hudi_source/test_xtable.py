"""What XTable noted of a Hudi source is what we would note, so that either goes on where the other stopped."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from deltalake import DeltaTable

from converters.sync.state import SyncState
from tests.corpus.xtable import XTABLE_TABLES, xtable_table
from tests.hudi_source.tables import opened


def test_versions_and_times_are_those_of_xtable(tmp_path: Path) -> None:
    for name in (name for name, source in XTABLE_TABLES.items() if source == "hudi"):
        table = xtable_table(name, tmp_path)
        noted = SyncState.from_properties(DeltaTable(table).metadata().configuration)
        snapshot = opened(table).snapshot()
        assert noted is not None
        assert noted.source_format == "HUDI"
        assert (noted.source_version, noted.last_instant) == (snapshot.version, snapshot.committed_at)
        assert noted.pending_instants == snapshot.pending_instants


def test_files_that_xtable_registered_are_found_with_their_row_counts(tmp_path: Path) -> None:
    for name in XTABLE_TABLES:
        source = opened(xtable_table(name, tmp_path))
        for batch in source.data_files(source.snapshot()):
            for path, rows in zip(batch.column("path").to_pylist(), batch.column("row_count").to_pylist(), strict=True):
                assert rows == pq.read_metadata(path.removeprefix("file://")).num_rows


def test_a_partition_spec_of_xtable_says_what_the_table_says(tmp_path: Path) -> None:
    table = xtable_table("hudi_flat", tmp_path)
    own, asked = opened(table).snapshot().table, opened(table, partition_spec="region:VALUE").snapshot().table
    assert msgspec.to_builtins(own.specs) == msgspec.to_builtins(asked.specs)
    assert [field.name for field in own.default_spec.fields] == ["region"]
