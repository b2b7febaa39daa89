"""``task-lifecycle``, also ``python -m flake8_task_lifecycle``: the audit, and what the codes mean, in the terminal."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from flake8_task_lifecycle import __version__
from flake8_task_lifecycle.rules import RULES, Rule, pages

PROGRAM = "task-lifecycle"
SCHEMA = 1
USAGE_ERROR = 2
NEAR = 0.65
BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended

_ITEM = re.compile(r"- |\d+\. ")


class UsageError(Exception):
    """What was asked for cannot be given; its text is one line that says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit status: 0, 2 for a wrong use, 141 when nobody reads on; the audit's own."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["audit"]:
        from flake8_task_lifecycle.audit import cli

        return cli.main(words[1:])
    given = _parser().parse_args(words)
    try:
        sys.stdout.write(given.command(given))
        sys.stdout.flush()
    except UsageError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return USAGE_ERROR
    except BrokenPipeError:
        # The interpreter flushes once more when it ends: let it write to where nothing breaks.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description="The rules of flake8-task-lifecycle.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    verbs.add_parser("audit", add_help=False, help="report on every task of a project")  # main() has taken it
    verb = verbs.add_parser("explain", help="print the page of a code", description="Print the page of a code.")
    verb.add_argument("code", metavar="CODE", help="a code or a name, such as TLC001 or dangling-task")
    verb.set_defaults(command=_explain)
    verb = verbs.add_parser("rules", help="list the rules", description="List the rules.")
    verb.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    verb.set_defaults(command=_rules)
    return parser


def _explain(given: argparse.Namespace) -> str:
    rule = _rule(given.code)
    if not pages.docstring(rule):
        raise UsageError("the pages are made of docstrings, and python -OO leaves them out")
    page = pages.page(rule)
    return "\n".join(_fitted(page, _width())) if sys.stdout.isatty() else page


def _rule(wanted: str) -> Rule:
    """The rule of a code or a name, in whatever case."""
    names = {key: rule for rule in RULES for key in (rule.code.lower(), rule.name)}
    key = wanted.strip().lower()
    if key in names:
        return names[key]
    likeness = {one: difflib.SequenceMatcher(None, key, one).ratio() for one in names}
    near = sorted((one for one in names if likeness[one] >= NEAR), key=lambda one: -likeness[one])
    codes = list(dict.fromkeys(names[one].code for one in near))[:3]
    hint = f"did you mean {' or '.join(codes)}?" if codes else f"'{PROGRAM} rules' lists what there is"
    raise UsageError(f"there is no rule {wanted!r}: {hint}")


def _rules(given: argparse.Namespace) -> str:
    if given.format == "json":
        listed = [
            {
                "code": rule.code,
                "name": rule.name,
                "summary": pages.summary(rule),
                "severity": rule.severity,
                "default": pages.ON_OR_OFF[rule.on_by_default],
            }
            for rule in RULES
        ]
        return json.dumps({"schema": SCHEMA, "rules": listed}, indent=2) + "\n"
    rows: list[tuple[str, str, str, str]] = [("code", "name", "severity", "default")]
    rows += [(rule.code, rule.name, rule.severity, pages.ON_OR_OFF[rule.on_by_default]) for rule in RULES]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join((*map(str.ljust, row[:3], widths), row[3])) for row in rows]
    if sys.stdout.isatty() and max(map(len, lines)) > _width():
        lines = [f"{code} {name}\n  {severity}, {default}" for code, name, severity, default in rows[1:]]
    return "".join(f"{line}\n" for line in lines)


def _width() -> int:
    return max(shutil.get_terminal_size().columns, 20)


def _fitted(page: str, width: int) -> Iterator[str]:
    """The lines of a Markdown page with its paragraphs and items filled anew; code and headings stay as they are.

    The last one is empty.
    """
    waiting: list[str] = []
    in_code = False
    for line in [*page.splitlines(), ""]:
        fence = line.startswith("```")
        kept = fence or in_code or line.startswith(("#", "|")) or not line
        if waiting and (kept or _ITEM.match(line)):
            indent = " " * len(match[0]) if (match := _ITEM.match(waiting[0])) else ""
            text = " ".join(part.strip() for part in waiting)
            yield from textwrap.wrap(
                text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
            waiting = []
        in_code ^= fence
        if kept:
            yield line
        else:
            waiting.append(line)


if __name__ == "__main__":
    sys.exit(main())
