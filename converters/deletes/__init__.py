"""Deleted rows of data files: the blobs that deletion vectors are kept in."""
