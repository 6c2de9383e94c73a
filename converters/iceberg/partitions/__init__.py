"""Partition specs, and partitions of data files (Iceberg spec, "Partitioning")."""
