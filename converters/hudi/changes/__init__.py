"""What was done to a Hudi table since a former state of it, commit by commit, without reading the whole table."""
