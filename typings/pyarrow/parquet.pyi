# Arrow ships no types that a strict checker could use.
from typing import Any

def __getattr__(name: str) -> Any: ...
