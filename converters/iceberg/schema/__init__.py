"""Schemas, field ids and names (Iceberg spec, "Schemas and Data Types")."""
