"""The HTTP interface; its contract is ``openapi.yaml``."""
