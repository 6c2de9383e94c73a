"""From the model to a Hudi table: the layout, the commit, and its upkeep."""
