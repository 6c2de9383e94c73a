"""Apache Iceberg tables, format versions 1 to 3."""

from converters.iceberg.source import IcebergSource

__all__ = ["IcebergSource"]
