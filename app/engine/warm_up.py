"""Paying for the first conversion before it is asked for: one in memory loads whatever is loaded on first use."""

from __future__ import annotations

import logging

import converters
from converters.registry import source_class, source_names, target_class, target_names
from converters.storage.location import join

__all__ = ["warm_up"]

_LOG = (
    b'{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}\n'
    b'{"metaData":{"id":"5bd6b0f0-4f6b-4e5a-9a53-5a7f1d1b5a10","format":{"provider":"parquet","options":{}},'
    b'"schemaString":"{\\"type\\":\\"struct\\",\\"fields\\":['
    b'{\\"name\\":\\"id\\",\\"type\\":\\"long\\",\\"nullable\\":true,\\"metadata\\":{}},'
    b'{\\"name\\":\\"at\\",\\"type\\":\\"timestamp\\",\\"nullable\\":true,\\"metadata\\":{}},'
    b'{\\"name\\":\\"day\\",\\"type\\":\\"date\\",\\"nullable\\":true,\\"metadata\\":{}}]}",'
    b'"partitionColumns":["day"],"configuration":{},"createdTime":1700000000000}}\n'
    b'{"add":{"path":"day=2024-01-01/a.parquet","partitionValues":{"day":"2024-01-01"},"size":1000,'
    b'"modificationTime":1700000000000,"dataChange":true,"stats":"{\\"numRecords\\":2,'
    b'\\"minValues\\":{\\"id\\":1,\\"at\\":\\"2024-01-01T00:00:00.000Z\\"},'
    b'\\"maxValues\\":{\\"id\\":2,\\"at\\":\\"2024-01-01T01:00:00.000Z\\"},\\"nullCount\\":{\\"id\\":0,\\"at\\":0}}"}}\n'
    b'{"commitInfo":{"timestamp":1700000000000,"operation":"WRITE","operationParameters":{}}}\n'
)
"""A Delta table's first commit."""


def warm_up() -> None:
    """Load every plug-in and convert a small Delta table in memory to each format, and back.

    Never fails: what is wrong with a plug-in is said to the caller who asks for it.
    """
    try:
        _convert_everywhere()
    except Exception:
        logging.getLogger(__name__).exception("warming up failed")


def _convert_everywhere() -> None:
    for name in source_names():
        source_class(name)
    for name in target_names():
        target_class(name)
    storage = converters.ObjectStorage()
    storage.put(join("memory:///delta", "_delta_log/00000000000000000000.json"), _LOG)
    others = [name for name in target_names() if name != "DELTA"]
    report = converters.convert("memory:///delta", others, source_format="DELTA", storage=storage)
    for target in report.targets:
        back = "memory:///back-from-" + target.format.lower()
        converters.convert("memory:///delta", ["DELTA"], source_format=target.format, target_path=back, storage=storage)
