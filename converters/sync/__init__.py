"""Bringing targets up to date with a source."""
