"""What a run costs, against what it costs to parse the same files: ``make bench``.

Two sets of files from pinned wheels of real projects: a seeded random choice of all files, and every file full of
tasks. In one process, for each file and on a fresh tree each time: the seconds of ``ast.parse``, then the seconds in
each checker's ``run()`` as flake8 calls it. A ratio is the sum of a checker's seconds over the sum of the parser's,
each the best of several passes over the whole set.
"""

from __future__ import annotations

import argparse
import ast
import cProfile
import gc
import importlib.metadata
import io
import platform
import pstats
import random
import re
import subprocess
import sys
import time
import tokenize
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flake8.main.application import Application
from flake8.plugins.finder import LoadedPlugin
from flake8.processor import FileProcessor

# fmt: off
WHEELS = (
    "aio-pika==10.2.1", "aiohttp==3.14.5", "aiormq==7.2.4", "anyio==4.16.0", "arq==0.28.0", "asyncssh==2.24.1",
    "celery==5.7.0", "distributed==2026.8.0", "django==6.1.3", "jupyter-client==8.10.0", "jupyter-server==2.21.1",
    "livekit-agents==1.8.9", "mcp==2.3.0", "mitmproxy==12.3.1", "nats-py==2.16.0", "networkx==3.7",
    "nicegui==3.18.0", "pipecat-ai==1.14.0", "prompt-toolkit==3.0.53", "pymodbus==3.16.1",
    "python-socketio==5.18.1", "sanic==25.12.1", "scrapy==2.19.0", "sqlalchemy==2.1.9", "starlette==1.10.0",
    "telethon==1.45.0", "textual==8.2.8", "tornado==6.6.1", "trio==0.35.0", "twisted==26.10.0", "uvicorn==0.54.0",
    "zigpy==2.4.0",
)
# fmt: on

OURS = "flake8-task-lifecycle"
CHECKERS = {OURS: "TLC", "flake8-bugbear": "B", "flake8-async": "ASY"}
ALWAYS_SHOWN = ("flake8", "astroid", *CHECKERS)

SPAWN_WORD = re.compile(
    rb"\b(?:create_task|ensure_future|run_coroutine_threadsafe|start_soon|asyncio\.(?:gather|shield|Task))\s*\("
)
FULL_OF_TASKS = 5

WARM_UP = """\
import asyncio


async def main():
    asyncio.create_task(main())
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One file: its path below the cache, and its lines as flake8 reads them."""

    path: Path
    lines: list[str]


@dataclass(slots=True)
class Pass:
    """What one pass over a set took: seconds of the parser and, by checker, of its runs."""

    parse: float = 0.0
    runs: dict[str, float] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    slowest: list[tuple[float, float, Path]] = field(default_factory=list)
    """Of our own runs: seconds, seconds of the parser, file."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="where wheels are kept (default: .bench)")
    parser.add_argument("--files", type=int, default=400, help="how many random files (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choice (default: 1)")
    parser.add_argument("--passes", type=int, default=3, help="the best of so many passes counts (default: 3)")
    parser.add_argument("--profile", action="store_true", help="also print where our time goes")
    parser.add_argument("--slowest", type=int, default=3, help="print so many of our slowest files (default: 3)")
    options = parser.parse_args(argv)

    checkers, app = load_checkers()
    first = run_once(checkers[OURS], app, Path("warm_up.py"), io.StringIO(WARM_UP).readlines()).seconds
    paths = list(python_files(unpacked(options.cache)))
    chooser = random.Random(options.seed)
    shuffled = sorted(paths)
    chooser.shuffle(shuffled)
    sets = {
        f"{options.files} random": list(take(readable(shuffled), options.files)),
        f">= {FULL_OF_TASKS} spawn words": list(readable(one for one in sorted(paths) if is_full_of_tasks(one))),
    }
    print(f"Python {platform.python_version()} on {platform.machine()}; " + "; ".join(versions()))
    print(f"{len(WHEELS)} projects, {len(paths)} files; seed {options.seed}; best of {options.passes} passes")
    print(f"first file of a process, imports included: {first * 1000:.0f} ms")
    print()
    header = ["set", "files", "lines", "parse s", *(f"{name} s / ratio / found" for name in checkers)]
    rows = [header]
    notes = []
    for title, samples in sets.items():
        passes = [one_pass(checkers, app, samples) for _ in range(options.passes)]
        rows.append(table_row(title, samples, passes, list(checkers)))
        notes += slow_files(title, passes[-1], options.slowest)
    print_table(rows)
    print("\n".join(notes))
    if options.profile:
        for title, samples in sets.items():
            print_profile(title, samples, checkers[OURS], app)
    return 0


def load_checkers() -> tuple[dict[str, LoadedPlugin], Application]:
    """The checkers that are installed, as flake8 loads and configures them, and the application that did so."""
    app = Application()
    app.initialize(["--isolated", f"--select={','.join(CHECKERS.values())}"])
    assert app.plugins is not None
    found = {}
    for name, prefix in CHECKERS.items():
        for plugin in app.plugins.checkers.tree:
            if plugin.plugin.package == name and plugin.entry_name == prefix:
                found[name] = plugin
    if OURS not in found:
        sys.exit(f"bench: {OURS} is not installed")
    return found, app


def unpacked(cache: Path) -> list[Path]:
    """A folder of Python files for each pinned wheel, fetched and unpacked where the cache lacks it."""
    wheels, sources = cache / "wheels", cache / "src"
    wheels.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in WHEELS if not (sources / pin).is_dir()]
    # The same wheels whatever Python measures: those made for one version of it.
    fetch = ["download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", "3.13", "-d", str(wheels)]
    if missing:
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *fetch, *missing], check=True)
    for pin in missing:
        name, _, version = pin.partition("==")
        [wheel] = [path for path in wheels.glob(f"*-{version}-*.whl") if normal(path.name.split("-")[0]) == name]
        partial = sources / f".{pin}"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(partial, [entry for entry in archive.namelist() if entry.endswith(".py")])
        partial.rename(sources / pin)
    return [sources / pin for pin in WHEELS]


def normal(name: str) -> str:
    """A distribution's name as the table above writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_files(folders: Sequence[Path]) -> Iterator[Path]:
    """Every Python file below the folders."""
    for folder in folders:
        yield from folder.rglob("*.py")


def readable(paths: Iterable[Path]) -> Iterator[Sample]:
    """The files that can be decoded and parsed by this Python; the others are left out."""
    for path in paths:
        try:
            with tokenize.open(path) as file:
                lines = file.readlines()
            fresh_tree(lines)
        except (SyntaxError, UnicodeError, RecursionError, ValueError):
            continue
        yield Sample(path, lines)


def take(samples: Iterator[Sample], count: int) -> Iterator[Sample]:
    """The first ``count`` of the samples."""
    for _, sample in zip(range(count), samples, strict=False):
        yield sample


def is_full_of_tasks(path: Path) -> bool:
    """True for a file with many words that spawn."""
    return len(SPAWN_WORD.findall(path.read_bytes())) >= FULL_OF_TASKS


def fresh_tree(lines: Sequence[str]) -> ast.Module:
    """The tree as flake8 makes it, without the warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse("".join(lines))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a checker over one file."""

    seconds: float
    found: int


def settle() -> None:
    """Collect what earlier runs left behind, and let what stays in memory burden nobody's next collection."""
    gc.collect()
    gc.freeze()


def run_once(plugin: LoadedPlugin, app: Application, path: Path, lines: list[str]) -> Run:
    """One run of a checker on a fresh tree, called with the parameters it asks flake8 for."""
    settle()
    tree = fresh_tree(lines)
    assert app.options is not None
    processor = FileProcessor(str(path), app.options, list(lines))
    parameters: dict[str, Any] = processor.keyword_arguments_for(plugin.parameters, {"tree": tree})
    begin = time.perf_counter()
    found = sum(1 for _ in plugin.obj(tree=tree, **parameters).run())
    return Run(time.perf_counter() - begin, found)


def parse_once(lines: Sequence[str]) -> float:
    """Seconds to parse one file."""
    text = "".join(lines)
    settle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        ast.parse(text)
        return time.perf_counter() - begin


def one_pass(checkers: dict[str, LoadedPlugin], app: Application, samples: Sequence[Sample]) -> Pass:
    """Every file once through the parser and through each checker."""
    total = Pass(runs=dict.fromkeys(checkers, 0.0), found=dict.fromkeys(checkers, 0))
    for sample in samples:
        parsing = parse_once(sample.lines)
        total.parse += parsing
        for name, plugin in checkers.items():
            run = run_once(plugin, app, sample.path, sample.lines)
            total.runs[name] += run.seconds
            total.found[name] += run.found
            if name == OURS:
                total.slowest.append((run.seconds, parsing, sample.path))
    return total


def versions() -> list[str]:
    """The versions of everything that takes part."""
    said = []
    for name in ALWAYS_SHOWN:
        try:
            said.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            said.append(f"{name} not installed")
    return said


def table_row(title: str, samples: Sequence[Sample], passes: Sequence[Pass], names: Sequence[str]) -> list[str]:
    """One line of the table: the best pass of each measure."""
    parse = min(one.parse for one in passes)
    row = [title, str(len(samples)), str(sum(len(one.lines) for one in samples)), f"{parse:.3f}"]
    for name in names:
        seconds = min(one.runs[name] for one in passes)
        row.append(f"{seconds:.3f} / {seconds / parse:.2f} / {passes[-1].found[name]}")
    return row


def slow_files(title: str, one: Pass, count: int) -> list[str]:
    """A line for each of our slowest files of a pass."""
    slowest = sorted(one.slowest, reverse=True)[:count]
    return [
        f"slowest of {title}: {seconds * 1000:.0f} ms, {seconds / parse:.1f} of the parse, {Path(*path.parts[-4:])}"
        for seconds, parse, path in slowest
    ]


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns side by side."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_profile(title: str, samples: Sequence[Sample], plugin: LoadedPlugin, app: Application) -> None:
    """Where our time goes over one set."""
    profile = cProfile.Profile()
    assert app.options is not None
    for sample in samples:
        tree = fresh_tree(sample.lines)
        processor = FileProcessor(str(sample.path), app.options, list(sample.lines))
        parameters: dict[str, Any] = processor.keyword_arguments_for(plugin.parameters, {"tree": tree})
        profile.enable()
        list(plugin.obj(tree=tree, **parameters).run())
        profile.disable()
    print(f"\n{title}: by own time, then by time with callees")
    statistics = pstats.Stats(profile)
    statistics.strip_dirs().sort_stats("tottime").print_stats(25)
    statistics.sort_stats("cumulative").print_stats(40)


if __name__ == "__main__":
    sys.exit(main())
