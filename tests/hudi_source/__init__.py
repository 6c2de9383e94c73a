"""Hudi tables as sources: what counts, what is in the files, what is refused."""
