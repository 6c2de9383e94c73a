"""Holding back what is to be written until all of it is known to be right."""

from converters.staging.file_columns import FileColumns, stored_columns
from converters.staging.spool import Spool, no_room
from converters.staging.staged_files import StagedFiles

__all__ = ["FileColumns", "Spool", "StagedFiles", "no_room", "stored_columns"]
