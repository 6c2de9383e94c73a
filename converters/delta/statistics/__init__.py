"""Statistics of data files, both ways (Delta protocol, "Per-file Statistics")."""
