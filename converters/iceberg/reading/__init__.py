"""The source: snapshots of a table as files and changes."""
