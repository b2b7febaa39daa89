"""What the plugin adds to a run of flake8 on one small file: pairs of runs, with it and without it.

Other plugins are hidden from flake8 in both runs, this one in the second: flake8 finds no distribution of that name.
The package is compiled first, as an installer leaves it.
"""

from __future__ import annotations

import argparse
import compileall
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import table, written_between_marks

import flake8_task_lifecycle

HEAD = ["file", "with the plugin", "without", "ratio"]
MARKS = ("<!-- start-up -->", "<!-- end of start-up -->")
PLUGIN = "flake8-task-lifecycle"
OTHERS = ("flake8-bugbear", "flake8-async")
FLAKE8 = """
import importlib.metadata, sys
found, hidden = importlib.metadata.distributions, sys.argv[1].split(",")
importlib.metadata.distributions = lambda **given: [one for one in found(**given) if one.metadata["name"] not in hidden]
from flake8.main.cli import main
main(["--isolated", "--exit-zero", "-j1", sys.argv[2]])
"""
FILES = {
    "without a task": '"""Adds."""\n\n\ndef add(one: int, other: int) -> int:\n    return one + other\n',
    "with one task": """
import asyncio


class Worker:
    def __init__(self, source):
        self.source = source
        self.task = asyncio.create_task(self.run())

    async def stop(self):
        self.task.cancel()
        await asyncio.wait([self.task])

    async def run(self):
        while True:
            try:
                await self.source.read()
            except Exception as error:
                print(error)
""".lstrip(),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it where ``--write`` says."""
    parser = argparse.ArgumentParser(prog="bench_startup", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=21, help="how many pairs of runs (default: 21)")
    parser.add_argument("--write", type=Path, help="also write the table between the marks of this page")
    options = parser.parse_args(argv)
    compileall.compile_dir(str(Path(flake8_task_lifecycle.__file__).parent), quiet=1)
    rows = table([HEAD, *rows_of(options.pairs)])
    print("\n".join(rows))
    if options.write:
        written_between_marks(options.write, [*rows, ""], MARKS)
    return 0


def rows_of(pairs: int) -> Iterator[list[str]]:
    """A row for each file: the medians in milliseconds, and the median of the pairs' ratios."""
    for name, text in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "case.py")
            path.write_text(text)
            seconds(path, OTHERS)
            measured = [(seconds(path, OTHERS), seconds(path, (*OTHERS, PLUGIN))) for _ in range(pairs)]
        own, bare = (statistics.median(column) * 1000 for column in zip(*measured, strict=True))
        ratio = statistics.median(one / other for one, other in measured)
        yield [name, f"{own:.0f} ms", f"{bare:.0f} ms", f"{ratio:.2f}"]


def seconds(path: Path, hidden: Sequence[str]) -> float:
    """The seconds of one run of flake8 on a file, some plugins hidden."""
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", FLAKE8, ",".join(hidden), path.name],
        cwd=path.parent,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
