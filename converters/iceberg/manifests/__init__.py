"""Manifests and manifest lists, both ways (Iceberg spec, "Manifests")."""
