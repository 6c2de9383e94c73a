"""Deleted rows of data files: delete files of all kinds, as one deletion vector a data file."""
