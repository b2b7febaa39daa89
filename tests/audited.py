"""Small projects written to disk and audited, for the tests of the audit's rows."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from textwrap import dedent

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.audit.inquiry import Inquiry
from flake8_task_lifecycle.audit.report import Site
from flake8_task_lifecycle.audit.sites import sites_of
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.source import new_run


def nothing_hides(_path: str, _finding: Finding) -> str:
    return ""


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Writes files by their relative paths, with a marker that ends the project there."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").touch()
    for name, text in files.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text).lstrip("\n"), encoding="utf-8")


def audited(
    directory: Path,
    files: Mapping[str, str],
    options: Options | None = None,
    hidden: Callable[[str, Finding], str] = nothing_hides,
) -> tuple[list[Site], Inquiry]:
    """The sites of every file, by file and line, and what was asked on the way."""
    write(directory, files)
    new_run()
    options = options or Options()
    inquiry = Inquiry(options, shown=lambda path: os.path.relpath(path, directory).replace(os.sep, "/"), hidden=hidden)
    found = []
    for name in sorted(files):
        path = directory / name
        text = path.read_text(encoding="utf-8")
        examination = engine.examine(ast.parse(text), text.splitlines(keepends=True), str(path), options)
        found += sites_of(examination, name, inquiry)
    return found, inquiry


def sites(directory: Path, files: Mapping[str, str], options: Options | None = None) -> list[Site]:
    """The sites of every file, by file and line."""
    return audited(directory, files, options)[0]


def only(directory: Path, files: Mapping[str, str], options: Options | None = None) -> Site:
    """The one site that there is."""
    (site,) = sites(directory, files, options)
    return site


def steps(site: Site, *kinds: str) -> list[tuple[str, str, int]]:
    """What ends the task, each with file and line; of these kinds, or all but the callers."""
    return [
        (proof.what, proof.file, proof.line)
        for proof in site.shutdown
        if (proof.what in kinds if kinds else proof.what != "caller")
    ]


def chain(site: Site) -> list[str]:
    """The chain of callers, each step as ``file:line note``."""
    return [f"{proof.file}:{proof.line} {proof.note}" for proof in site.shutdown if proof.what == "caller"]


def differences(one: Site, other: Site) -> set[str]:
    """The names of the fields in which two sites differ."""
    return {field.name for field in fields(Site) if getattr(one, field.name) != getattr(other, field.name)}
