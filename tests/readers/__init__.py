"""Real tables read by engines that are not ours, and what they say compared."""

from tests.readers.compare import (
    aggregate_differences,
    assert_same_rows,
    differences,
    filter_differences,
    row_differences,
)
from tests.readers.predicates import Column, Predicate, columns_of, predicates_of
from tests.readers.rows import canonical_rows, digest, schema_of
from tests.readers.tables import READERS, Format, Reader, metadata_file, metadata_of, read

__all__ = [
    "READERS",
    "Column",
    "Format",
    "Predicate",
    "Reader",
    "aggregate_differences",
    "assert_same_rows",
    "canonical_rows",
    "columns_of",
    "differences",
    "digest",
    "filter_differences",
    "metadata_file",
    "metadata_of",
    "predicates_of",
    "read",
    "row_differences",
    "schema_of",
]
