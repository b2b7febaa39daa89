"""Which files an audit looks at, how each is called in the report, and whether it is test code."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flake8_task_lifecycle.audit.report import Loss
from flake8_task_lifecycle.source import is_test


class Chooser(Protocol):
    """What the configuration says of paths."""

    def excludes(self, path: str) -> bool:
        """Whether a file or folder is left out."""
        ...

    def wants(self, path: str) -> bool:
        """Whether a file found in a folder is looked at."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """One file: the path to open, its name in the report, and whether it is test code.

    ``path`` is relative to the root where it lies below it; ``shown`` is the same with forward slashes, and with bytes
    that are no UTF-8 spelt out.
    """

    path: str
    shown: str
    is_test: bool


def find(paths: Sequence[str], chooser: Chooser, scope: Sequence[str], root: Path) -> tuple[list[File], list[Loss]]:
    """The Python files at and below the paths, each once, sorted by name, and what could not be listed.

    A file named by its path is taken whatever it is called; links to folders are followed only where they are
    themselves among the paths. ``scope`` keeps the files whose path relative to the root matches one of the globs.
    """
    losses: list[Loss] = []
    found: dict[str, File] = {}
    for given in paths:
        for path, below in _expanded(given, chooser, losses, root):
            local = _local(path, root)
            name = shown(local)
            if local not in found and (not scope or any(matches(name, glob) for glob in scope)):
                found[local] = File(local, name, is_test(below))
    return sorted(found.values(), key=lambda file: (file.shown, file.path)), sorted(losses, key=lambda loss: loss.file)


def _expanded(given: str, chooser: Chooser, losses: list[Loss], root: Path) -> Iterator[tuple[str, str]]:
    """Every file of one path given, with the part of its path that says whether it is a test."""
    if chooser.excludes(given):
        return
    try:
        mode = Path(given).stat().st_mode
    except (OSError, ValueError) as error:
        losses.append(Loss(name_of(given, root), reason(error)))
        return
    if not stat.S_ISDIR(mode):
        if stat.S_ISREG(mode):
            yield given, _below(given, str(Path(given).parent), root)
        else:
            losses.append(Loss(name_of(given, root), "neither a file nor a folder"))
        return

    def unlisted(error: OSError) -> None:
        losses.append(Loss(name_of(os.fsdecode(error.filename), root), reason(error)))

    for folder, inner, files in os.walk(given, onerror=unlisted):
        inner[:] = sorted(one for one in inner if not chooser.excludes(str(Path(folder, one))))
        for one in sorted(files):
            path = os.path.join(folder, one)  # noqa: PTH118 (as flake8 spells it, with the ./ of the option filename)
            if not chooser.excludes(path) and chooser.wants(path) and not _is_odd(path):
                yield path, _below(path, given, root)


def _is_odd(path: str) -> bool:
    """Whether reading would wait or never end: a pipe, a socket, a device. A broken link is none: reading says so."""
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except OSError:
        return False


def _local(path: str, root: Path) -> str:
    """A path relative to the root where it lies below it, else as it was given, without ``.`` and ``//``."""
    full = Path(os.path.normpath(root / path))
    return str(full.relative_to(root)) if full.is_relative_to(root) else os.path.normpath(path)


def _below(path: str, base: str, root: Path) -> str:
    """The part of a path that may name test code: from the root on, or from the path that was given."""
    local = _local(path, root)
    is_outside = Path(local).is_absolute() or local.startswith(os.pardir)
    return os.path.relpath(path, base) if is_outside else local


def shown(path: str) -> str:
    """The name of a path in the report: forward slashes, and bytes that are no UTF-8 spelt out."""
    return os.fsencode(path.replace(os.sep, "/")).decode("utf-8", "backslashreplace")


def name_of(path: str, root: Path) -> str:
    """The name in the report of the file at a path."""
    return shown(_local(path, root))


def matches(name: str, glob: str) -> bool:
    """Whether a relative path lies in a scope: ``backend/app/**``, ``src/*/jobs.py``, or a folder, ``backend/app``.

    ``*`` and ``?`` stay within one part of the path, ``**`` spans any number of them.
    """
    wanted = glob.removeprefix("./").rstrip("/")
    return wanted in {"", "."} or re.fullmatch(f"{_expression(wanted.split('/'))}(?:/.*)?", name, re.DOTALL) is not None


def _expression(parts: Iterable[str]) -> str:
    pattern = ""
    for part in parts:
        if part == "**":
            pattern += "(?:[^/]+/)*"
            continue
        inner = "".join({"*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece)) for piece in re.split(r"([*?])", part))
        pattern += f"{inner}/"
    return pattern[:-1] if pattern.endswith("/") else f"{pattern}[^/]+"


def reason(error: Exception) -> str:
    """Why a file could not be read, as a clause."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split()) or type(error).__name__
