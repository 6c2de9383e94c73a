"""The target: new snapshots and versions, and the delete files that they need."""
