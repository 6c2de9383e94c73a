# Arrow makes most of these functions when it is imported, so that no checker can see them.
from typing import Any

def __getattr__(name: str) -> Any: ...
