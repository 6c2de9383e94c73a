"""A Hudi table's timeline: its instants, what is in their files, and those that were archived."""
