"""The target: commits, checkpoints and deletion vectors."""
