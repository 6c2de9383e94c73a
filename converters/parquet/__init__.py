"""What we need to know of data files that only their Parquet footers say."""

from converters.parquet.footers import Footer, field_id_presence, read_footer, read_footers, row_counts

__all__ = ["Footer", "field_id_presence", "read_footer", "read_footers", "row_counts"]
