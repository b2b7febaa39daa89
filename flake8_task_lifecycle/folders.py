"""What lies in the folders of a project: names, Python files, their times and sizes. Nothing is opened."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

from flake8_task_lifecycle import source

FOREIGN_FOLDERS = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__", "build", "dist"})
_ENVIRONMENT = "pyvenv.cfg"  # in the top folder of a virtual environment
_MAX_FILES = 5_000
_MAX_READ_BYTES = 50_000_000
_KEPT_FOLDERS = 4_000
_KEPT_LISTINGS = 8


def version_of(path: Path | str) -> tuple[int, int] | None:
    """When a file changed last, in nanoseconds, and its size in bytes; None when it cannot be looked at."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size)


_entries_seen: dict[str, frozenset[str]] = {}
_entries_run = 0


def entries_of(folder: str) -> frozenset[str]:
    """The names in a folder, listed once a run; none where there is no such folder."""
    global _entries_run  # noqa: PLW0603
    if _entries_run != source.run_number() or len(_entries_seen) > _KEPT_FOLDERS:
        _entries_seen.clear()
        _entries_run = source.run_number()
    if folder not in _entries_seen:
        try:
            _entries_seen[folder] = frozenset(os.listdir(folder))  # noqa: PTH208
        except (OSError, ValueError):
            _entries_seen[folder] = frozenset()
    return _entries_seen[folder]


_listings: OrderedDict[Path, tuple[int, list[Path] | None]] = OrderedDict()


def files_below(base: Path) -> list[Path] | None:
    """The Python files below a folder, walked once a run; None when they are too many or too large to read."""
    known = _listings.pop(base, None)
    if known is None or known[0] != source.run_number():
        known = (source.run_number(), _walked(base))
    _listings[base] = known
    if len(_listings) > _KEPT_LISTINGS:
        _listings.popitem(last=False)
    return known[1]


def _walked(base: Path) -> list[Path] | None:
    found: list[str] = []
    size = 0
    for folder, folders, files in os.walk(base):
        if _ENVIRONMENT in files and folder != str(base):
            folders.clear()
            continue
        folders[:] = sorted(filter(_may_be_own, folders))
        paths = [f"{folder}{os.sep}{file}" for file in sorted(files) if file.endswith(".py")]
        found += paths
        size += sum(version[1] for path in paths if (version := version_of(path)) is not None)
        if len(found) > _MAX_FILES or size > _MAX_READ_BYTES:
            return None
    return list(map(Path, found))


def is_own(folder: Path) -> bool:
    """Whether the walk through a project goes into a folder: not where others' code lies, or an environment."""
    return _may_be_own(folder.name) and _ENVIRONMENT not in entries_of(str(folder))


def _may_be_own(name: str) -> bool:
    return not name.startswith(".") and name not in FOREIGN_FOLDERS
