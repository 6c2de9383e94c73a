"""Statistics of data files in manifest entries, both ways (Iceberg spec, appendix D)."""
