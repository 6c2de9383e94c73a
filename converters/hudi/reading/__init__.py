"""From a Hudi table to the model: its live files, their statistics and what cannot be told."""
