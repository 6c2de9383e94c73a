"""Tables on S3 are verified, too; DuckDB gets the credentials of the environment."""

from __future__ import annotations

import pytest
from deltalake import write_deltalake

import converters
from tests.s3 import S3Server
from tests.tables import sample
from tests.verify.broken import check_of


def test_rows_on_s3(s3: S3Server, s3_folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    options = {f"aws_{key}": value for key, value in s3.storage_options.items()} | {"aws_allow_http": "true"}
    for first in (0, 20):
        write_deltalake(s3_folder, sample(first, 20), mode="append", storage_options=options)
    assert converters.convert(s3_folder, ["iceberg", "hudi"]).ok
    report = converters.verify(s3_folder, ["iceberg", "hudi"], source_format="delta", mode="rows")
    assert [target.result for target in report.targets] == ["equal", "equal"], report.targets
    assert all("40 rows" in check_of(target, "rows").detail for target in report.targets)
