"""How large a request may be."""

from __future__ import annotations

__all__ = ["BODY", "CONFIGURATIONS", "CONFIGURATION_VALUE", "NAME", "PATH", "TARGETS"]

BODY = 2**20
"""Bytes of a request's body."""

NAME = 512
"""Characters of a format's, a table's or a configuration's name."""

PATH = 2048
"""Characters of a path."""

TARGETS = 8
"""Target formats of one request."""

CONFIGURATIONS = 64
"""Configurations of one request."""

CONFIGURATION_VALUE = 4096
"""Characters of a configuration's value."""
