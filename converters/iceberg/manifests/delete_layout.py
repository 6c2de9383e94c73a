"""What is to be written of each delete file."""

from __future__ import annotations

import msgspec

from converters.iceberg.manifests.entry_layout import EntryLayout, LeafLayout
from converters.iceberg.manifests.list_reader import DELETES

__all__ = ["delete_layout"]


def delete_layout(layout: EntryLayout, *, format_version: int, leaves: tuple[LeafLayout, ...] = ()) -> EntryLayout:
    """What the entries of delete files look like, for data files of some layout.

    Their batches have the columns ``path``, ``size``, ``row_count`` (deleted rows), ``file_format``, ``partition``,
    ``stats``, ``referenced_data_file``, ``content_size`` and, from version 3, ``content_offset``.
    """
    return msgspec.structs.replace(layout, format_version=format_version, leaves=leaves, content=DELETES)
