"""Table metadata: where it is, what it says, its snapshots and their order (Iceberg spec, "Table Metadata")."""
