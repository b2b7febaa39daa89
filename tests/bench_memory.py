"""What the engine holds in memory: one process, every file of the pinned wheels, then the same few again and again.

The peak and the growth are those of the process's own memory, less what it had before the first file. What the parser
alone takes for the same files, in a process of its own, stands beside it: flake8 has spent that anyway.
"""

from __future__ import annotations

import argparse
import ast
import gc
import multiprocessing
import resource
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench import python_files, readable, unpacked

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.options import Options

PARTS = 10
PAGES = Path("/proc/self/statm")
MEBIBYTE = 2**20


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench_memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="where wheels are kept (default: .bench)")
    parser.add_argument("--files", type=int, default=0, help="no more than so many files (default: all)")
    parser.add_argument("--runs", type=int, default=50, help="how often the same files are checked (default: 50)")
    parser.add_argument("--same", type=int, default=200, help="how many files that are (default: 200)")
    options = parser.parse_args(argv)
    paths = sorted(python_files(unpacked(options.cache)))
    paths = paths[:: max(len(paths) // options.files, 1)] if options.files else paths
    idle = resident()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        alone = other.submit(peaks, paths, is_checked=False).result()
    ours = peaks(paths, is_checked=True)
    print(f"{len(paths)} files in one process, the peak of each tenth above idle ({idle:.0f} MiB):")
    for who, found in (("checked", ours), ("only parsed", alone)):
        print(f"{who}:", ", ".join(f"{peak:.0f}" for peak in found), "MiB")
    again = paths[:: max(len(paths) // options.same, 1)][: options.same]
    after = [(list(sizes(again, is_checked=True)), settled())[1] for _ in range(options.runs)]
    print(f"{len(again)} files {options.runs} times, what is held after a run above idle:")
    print(", ".join(f"{size - idle:.0f}" for size in after[:: max(options.runs // 10, 1)]), "MiB")
    return 0


def peaks(paths: Sequence[Path], *, is_checked: bool) -> list[float]:
    """The peak of each part of the paths above what this process has before the first."""
    idle = resident()
    return [max(sizes(part, is_checked=is_checked)) - idle for part in parts(paths, PARTS)]


def sizes(paths: Sequence[Path], *, is_checked: bool) -> Iterator[float]:
    """Parses files one after another, and checks them; the size of the process after each."""
    yield resident()
    for sample in readable(paths):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse("".join(sample.lines))
        if is_checked:
            engine.check(tree, sample.lines, str(sample.path), Options())
        yield resident()


def parts(paths: Sequence[Path], count: int) -> list[Sequence[Path]]:
    """The paths in so many parts."""
    size = -(-len(paths) // count)
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def settled() -> float:
    """The size of the process once nothing is left to collect."""
    gc.collect()
    return resident()


def resident() -> float:
    """The memory that the process has now, in MiB; its highest where the system does not tell."""
    if not PAGES.exists():
        return highest()
    return int(PAGES.read_text().split()[1]) * resource.getpagesize() / MEBIBYTE


def highest() -> float:
    """The most memory that the process ever had, in MiB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / MEBIBYTE if sys.platform == "darwin" else used / 1024


if __name__ == "__main__":
    sys.exit(main())
