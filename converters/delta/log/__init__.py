"""The log: what lies in it, its commits and checkpoints, and which actions of them count (Delta protocol)."""
