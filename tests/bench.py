"""What a run costs, against what it costs to parse the same files: ``make bench``.

Two sets of files from pinned wheels of real projects: a seeded random choice of all files, and every file full of
tasks. Each measure is a process of its own, as one worker of flake8 is: for each file the seconds of ``ast.parse``,
then the seconds in the checker's ``run()`` as flake8 calls it, the garbage collector left as Python sets it. Nothing is
known beforehand of the files or of those around them. The best of several processes counts.

The seconds are divided by the parser's in three processes. In the checker's own, where the collector also clears away
what the checker left behind. In that of the first peer, which is what flake8 pays with another plugin in our place. And
in one without any checker, the strictest: there the parser meets nobody's garbage. The last column is what a user waits
longer for having the checker: its seconds, and those that it adds to the parser's.
"""

from __future__ import annotations

import argparse
import ast
import cProfile
import datetime
import importlib.metadata
import io
import json
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flake8.main.application import Application
from flake8.plugins.finder import LoadedPlugin
from flake8.processor import FileProcessor

# fmt: off
WHEELS = (
    "aio-pika==10.2.1", "aiohttp==3.14.5", "aiormq==7.2.4", "anyio==4.16.0", "arq==0.28.0", "asyncssh==2.24.1",
    "celery==5.7.0", "chia-blockchain==2.7.5", "distributed==2026.8.0", "django==6.1.3", "homeassistant==2024.3.3",
    "jupyter-client==8.10.0", "jupyter-server==2.21.1", "livekit-agents==1.8.9", "mcp==2.3.0", "mitmproxy==12.3.1",
    "nats-py==2.16.0", "networkx==3.7", "nicegui==3.18.0", "pipecat-ai==1.14.0", "prefect==3.9.1",
    "prompt-toolkit==3.0.53", "pymodbus==3.16.1", "python-socketio==5.18.1", "sanic==25.12.1", "scrapy==2.19.0",
    "sqlalchemy==2.1.9", "starlette==1.10.0", "telethon==1.45.0", "textual==8.2.8", "tornado==6.6.1", "trio==0.35.0",
    "twisted==26.10.0", "uvicorn==0.54.0", "zigpy==2.4.0",
)
# fmt: on

NOBODY = "none"
OURS = "flake8-task-lifecycle"
OURS_WHOLE = f"{OURS}, every code"
PEERS = {"flake8-bugbear": "B", "flake8-async": "ASY"}
SLOW_PEERS = frozenset({"flake8-async"})  # one process of theirs takes minutes
KINDS = {"random": "A random choice of all files", "tasks": "Every file with five or more words that spawn"}
HEAD = ["checker", "seconds", "own process", "first peer's", "parser alone", "added seconds", "findings"]
MARKS = ("<!-- tables -->", "<!-- end of tables -->")
ALWAYS_SHOWN = ("flake8", "astroid", OURS, *PEERS)

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
    """What one process took over a set: seconds of the parser and of one checker, its findings, its slowest files."""

    parse: float = 0.0
    run: float = 0.0
    found: int = 0
    slowest: list[tuple[float, float, str]] = field(default_factory=list)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and write them where ``--write`` says."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="where wheels are kept (default: .bench)")
    parser.add_argument("--files", type=int, default=400, help="how many random files (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choice (default: 1)")
    parser.add_argument("--passes", type=int, default=3, help="the best of so many processes counts (default: 3)")
    parser.add_argument("--profile", action="store_true", help="also print where our time goes")
    parser.add_argument("--slowest", type=int, default=3, help="print so many of our slowest files (default: 3)")
    parser.add_argument("--write", type=Path, help="also write the tables between the marks of this page")
    parser.add_argument("--one", nargs=2, metavar=("CHECKER", "SET"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        name, kind = options.one
        print(json.dumps(asdict(one_pass(name, kind, options))))
        return 0

    unpacked(options.cache)
    lines = [f"Python {platform.python_version()} on {platform.machine()}; " + "; ".join(versions()) + ".", ""]
    names = [NOBODY, OURS, OURS_WHOLE, *(name for name in PEERS if is_installed(name))]
    notes = []
    for kind in KINDS:
        samples = samples_of(kind, options)
        size = sum(len(one.lines) for one in samples)
        lines += [f"{KINDS[kind]}: {len(samples)} files, {size} lines.", ""]
        best = {name: best_pass(name, kind, options) for name in names}
        lines += [*table([HEAD, *rows_of(best)]), ""]
        notes += [
            f"slowest, {kind}: {seconds * 1000:.0f} ms, {seconds / parse:.1f} of its parse, {path}"
            for seconds, parse, path in best[OURS].slowest
        ]
    print("\n".join([*lines, *notes]))
    if options.write:
        written_between_marks(options.write, lines, of=f", {len(WHEELS)} projects")
    if options.profile:
        for kind in KINDS:
            print_profile(kind, samples_of(kind, options))
    return 0


def rows_of(best: dict[str, Pass]) -> Iterator[list[str]]:
    """A row for each checker."""
    alone = best[NOBODY].parse
    beside = next((best[peer].parse for peer in PEERS if peer in best), alone)
    for name, one in best.items():
        if name != NOBODY:
            ratios = [f"{one.run / parse:.2f}" for parse in (one.parse, beside, alone)]
            yield [name, f"{one.run:.2f}", *ratios, f"{one.run + one.parse - alone:.2f}", str(one.found)]


def best_pass(name: str, kind: str, options: argparse.Namespace) -> Pass:
    """The quickest of several processes that run one checker over one set."""
    command = [sys.executable, "-m", "tests.bench", "--one", name, kind, "--seed", str(options.seed)]
    command += ["--cache", str(options.cache), "--files", str(options.files), "--slowest", str(options.slowest)]
    passes = 1 if name in SLOW_PEERS else options.passes
    said = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(passes)]
    return min((Pass(**json.loads(one)) for one in said), key=lambda one: one.run or one.parse)


def one_pass(name: str, kind: str, options: argparse.Namespace) -> Pass:
    """Every file of a set once through the parser and through one checker."""
    app, plugin = load_checker(name)
    samples = samples_of(kind, options)
    if plugin is not None:
        run_once(plugin, app, Path("warm_up.py"), io.StringIO(WARM_UP).readlines(), fresh_tree([WARM_UP]))
    total = Pass()
    for sample in samples:
        text = "".join(sample.lines)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            begin = time.perf_counter()
            tree = ast.parse(text)
            parsing = time.perf_counter() - begin
        total.parse += parsing
        if plugin is not None:
            seconds, found = run_once(plugin, app, sample.path, sample.lines, tree)
            total.run += seconds
            total.found += found
            total.slowest.append((seconds, parsing, "/".join(sample.path.parts[-3:])))
    total.slowest = sorted(total.slowest, reverse=True)[: options.slowest]
    return total


def samples_of(kind: str, options: argparse.Namespace) -> list[Sample]:
    """The files of one set."""
    paths = sorted(python_files(unpacked(options.cache)))
    if kind == "tasks":
        return list(readable(one for one in paths if is_full_of_tasks(one)))
    random.Random(options.seed).shuffle(paths)
    return list(take(readable(paths), options.files))


def load_checker(name: str) -> tuple[Application, LoadedPlugin | None]:
    """flake8 with its options, and a checker as it loads and configures it; None for no checker."""
    prefixes = {**PEERS, OURS: "TLC", OURS_WHOLE: "TLC"}
    app = Application()
    chosen = ["TLC1"] if name == OURS_WHOLE else []
    app.initialize(["--isolated", f"--select={','.join([*prefixes.values(), *chosen])}"])
    if name == NOBODY:
        return app, None
    assert app.plugins is not None
    for plugin in app.plugins.checkers.tree:
        if plugin.plugin.package == name.partition(",")[0] and plugin.entry_name == prefixes[name]:
            return app, plugin
    sys.exit(f"bench: {name} is not installed")


def is_installed(name: str) -> bool:
    """Whether a peer can be measured."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


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
    for pin in WHEELS:
        (sources / pin / "pyproject.toml").touch()  # each a project of its own, as in its repository
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


def run_once(
    plugin: LoadedPlugin, app: Application, path: Path, lines: list[str], tree: ast.Module
) -> tuple[float, int]:
    """Seconds and findings of one run of a checker, called with the parameters it asks flake8 for."""
    assert app.options is not None
    processor = FileProcessor(str(path), app.options, list(lines))
    parameters: dict[str, Any] = processor.keyword_arguments_for(plugin.parameters, {"tree": tree})
    begin = time.perf_counter()
    found = sum(1 for _ in plugin.obj(**{"tree": tree, **parameters}).run())
    return time.perf_counter() - begin, found


def versions() -> list[str]:
    """The versions of everything that takes part."""
    said = []
    for name in ALWAYS_SHOWN:
        try:
            said.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            said.append(f"{name} not installed")
    return said


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as a table in Markdown, the first of them its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    padded.insert(1, ["-" * width for width in widths])
    return [f"| {' | '.join(row)} |" for row in padded]


def written_between_marks(page: Path, lines: Sequence[str], marks: tuple[str, str] = MARKS, of: str = "") -> None:
    """Puts the tables, with today's date and what was measured, between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, _, after = rest.partition(marks[1])
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    body = "\n".join([marks[0], "", f"Measured on {today}{of}.", "", *lines])
    page.write_text(f"{before}{body}{marks[1]}{after}", encoding="utf-8")


def print_profile(title: str, samples: Sequence[Sample]) -> None:
    """Where our time goes over one set."""
    app, plugin = load_checker(OURS)
    assert plugin is not None
    profile = cProfile.Profile()
    assert app.options is not None
    for sample in samples:
        tree = fresh_tree(sample.lines)
        processor = FileProcessor(str(sample.path), app.options, list(sample.lines))
        parameters: dict[str, Any] = processor.keyword_arguments_for(plugin.parameters, {"tree": tree})
        profile.enable()
        list(plugin.obj(**{"tree": tree, **parameters}).run())
        profile.disable()
    print(f"\n{title}: by own time, then by time with callees")
    statistics = pstats.Stats(profile)
    statistics.strip_dirs().sort_stats("tottime").print_stats(25)
    statistics.sort_stats("cumulative").print_stats(40)


if __name__ == "__main__":
    sys.exit(main())
