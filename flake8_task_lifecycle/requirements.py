"""What a pyproject.toml requires of Python.

https://packaging.python.org/en/latest/specifications/pyproject-toml/#requires-python and
https://packaging.python.org/en/latest/specifications/version-specifiers/.
"""

from __future__ import annotations

import re
import tomllib

_CLAUSE = re.compile(r"\s*(~=|===?|!=|<=?|>=?)\s*(\d+)(?:\.(\d+))?(?:\.(?:\d+|\*))*\s*\Z")
_LOWER = frozenset({">=", ">", "~=", "==", "==="})


def min_python(text: str) -> tuple[int, int] | None:
    """The lowest Python version, as (3, 11), that the text of a pyproject.toml allows; None when it does not say."""
    try:
        project = tomllib.loads(text).get("project")
    except tomllib.TOMLDecodeError:
        return None
    required = project.get("requires-python") if isinstance(project, dict) else None
    if not isinstance(required, str):
        return None
    bounds = []
    for clause in required.split(","):
        match = _CLAUSE.match(clause)
        if match is None:
            return None
        if match[1] in _LOWER:
            bounds.append((int(match[2]), int(match[3] or 0)))
    return max(bounds, default=None)
