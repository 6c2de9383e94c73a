"""Columns: schema JSON, ids and names, types that changed (Delta protocol, "Schema Serialization Format")."""
