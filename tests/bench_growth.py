"""How the cost of a file grows with its size: microseconds a line, for files of each shape and several sizes."""

from __future__ import annotations

import argparse
import ast
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from bench import table, written_between_marks
from shapes import SHAPES, text_of

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.options import ALL_CODES, Options

HEAD = ["shape", "sizes", "microseconds a line", "growth at most"]
MARKS = ("<!-- growth -->", "<!-- end of growth -->")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it where ``--write`` says; 1 when a rule was lost."""
    parser = argparse.ArgumentParser(prog="bench_growth", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--passes", type=int, default=3, help="the best of so many counts (default: 3)")
    parser.add_argument("--largest", type=int, default=10_000, help="leave out larger sizes (default: 10000)")
    parser.add_argument("--write", type=Path, help="also write the table between the marks of this page")
    options = parser.parse_args(argv)
    seconds("dropped, in one function", 10)
    rows = table([HEAD, *rows_of(options.passes, options.largest)])
    print("\n".join(rows))
    if options.write:
        written_between_marks(options.write, [*rows, ""], MARKS)
    return 0


def rows_of(passes: int, largest: int) -> Iterator[list[str]]:
    """A row for each shape."""
    for name, (_, sizes) in SHAPES.items():
        measured = [one for one in sizes if one <= largest]
        costs = [min(seconds(name, one) for _ in range(passes)) / lines_in(name, one) * 1e6 for one in measured]
        growth = max(further / one for one, further in pairwise(costs))
        yield [name, ", ".join(map(str, measured)), ", ".join(f"{one:.0f}" for one in costs), f"{growth:.2f}"]


def lines_in(name: str, count: int) -> int:
    """The lines of a file."""
    return text_of(name, count).count("\n")


def seconds(name: str, count: int) -> float:
    """The seconds in the engine for one file, every code on, as flake8 asks for it."""
    text = text_of(name, count)
    tree, lines, options = ast.parse(text), text.splitlines(keepends=True), Options(codes=ALL_CODES)
    lost = lost_of(name, count)
    begin = time.perf_counter()
    engine.check(tree, lines, "case.py", options)
    took = time.perf_counter() - begin
    if lost:
        sys.exit(f"{name}, {count}: lost {lost}")
    return took


@cache
def lost_of(name: str, count: int) -> tuple[tuple[str, str], ...]:
    """The rules that are lost on a file."""
    text = text_of(name, count)
    return engine.examine(ast.parse(text), text.splitlines(keepends=True), "case.py", Options(codes=ALL_CODES)).lost


if __name__ == "__main__":
    sys.exit(main())
