"""Apache Iceberg tables, format versions 1 to 3."""

from converters.iceberg.source import IcebergSource
from converters.iceberg.target import IcebergTarget

__all__ = ["IcebergSource", "IcebergTarget"]
