"""Every HFile and log file that Hudi itself wrote into a metadata table decodes."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import fastavro
import pytest

from converters.hudi.containers.hfile_reader import HFile, read_hfile
from converters.hudi.containers.log_block import COMMAND, DELETE, HFILE_DATA, read_log
from tests.corpus import Case, Corpus
from tests.hudi_containers import hudi_rs
from tests.hudi_containers.tables import WITH_METADATA


def base_files(table: Path) -> Iterator[Path]:
    yield from (table / ".hoodie" / "metadata").glob("*/*.hfile")


def log_files(table: Path) -> Iterator[Path]:
    yield from (path for path in (table / ".hoodie" / "metadata").glob("*/.*.log.*") if path.suffix != ".crc")


def every_record_decodes(read: HFile) -> None:
    schema = fastavro.parse_schema(json.loads(read.schema))
    for value in read.values.to_pylist():
        rest = io.BytesIO(value)
        fastavro.schemaless_reader(rest, schema, None)
        assert rest.read() == b""


@pytest.mark.parametrize("case", WITH_METADATA, ids=str)
def test_base_files_decode_as_hudi_rs_decodes_them(case: Case, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.path(case)
    for number, path in enumerate(sorted(base_files(table))):
        read = read_hfile(path.read_bytes(), str(path))
        every_record_decodes(read)
        if path.parent.name in {"files", "column_stats"}:
            other = hudi_rs.records(tmp_path / str(number), path.parent.name, path.read_bytes())
            assert other["key"].to_pylist() == [key.decode() for key in read.keys.to_pylist()]


@pytest.mark.parametrize("case", WITH_METADATA, ids=str)
def test_log_files_decode(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    for path in log_files(table):
        for block in read_log(path.read_bytes(), str(path)):
            assert block.type in {HFILE_DATA, DELETE, COMMAND}
            assert block.instant
            if block.type == HFILE_DATA:
                every_record_decodes(read_hfile(block.content, str(path)))
