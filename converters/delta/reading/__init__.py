"""The source: versions of a table as snapshots, files and changes."""
