"""The content of completed commits: JSON in table version 6, Avro from version 8 on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa

from converters.hudi.writing.commit_files import write_json
from converters.staging import Spool

__all__ = ["CommitContent"]

_AVRO = 8


class CommitContent:
    """How commits of tables of one version are written."""

    def __init__(self, version: int) -> None:
        """Choose by the table version."""
        self._is_avro = version >= _AVRO

    def write(
        self,
        out: Spool,
        instant: str,
        extra: Mapping[str, str],
        added: pa.Table,
        replaced: Mapping[str, Iterable[str]],
    ) -> None:
        """Write a replace commit; arguments are those of ``commit_files.write_json``."""
        if self._is_avro:
            from converters.hudi.writing.commit_avro import write_avro  # noqa: PLC0415 - rarely needed

            write_avro(out, instant, extra, added, replaced)
        else:
            write_json(out, instant, extra, added, replaced)

    def delta_commit(self, commit: Mapping[str, Any]) -> bytes:
        """A delta commit of a metadata table."""
        if self._is_avro:
            from converters.hudi.writing.commit_avro import delta_commit  # noqa: PLC0415 - rarely needed

            return delta_commit(commit)
        encoded: bytes = msgspec.json.encode(commit)
        return encoded
