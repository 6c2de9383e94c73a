"""How Hudi tables are partitioned: key generators, directories, values."""
