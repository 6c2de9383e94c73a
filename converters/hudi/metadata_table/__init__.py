"""Hudi's metadata table: which files a table has, and statistics of their columns; read and written."""
