"""Literate cases: a Markdown file is a chapter, a heading is a test, its code blocks say what must be found.

Blocks of a case:

- ``python``: a module. A paragraph that ends with a file name in backticks and a colon (`` `base.py`: ``) names
  it; without one it is ``case.py``. Comments in it assert, at the end of a line or on the lines above it:
  ``# error: 9 [TLC002] "never cancelled"`` (column from 1, code, parts of the message) and
  ``# site: owner=self._task released=yes`` (a TLC900 finding with these values). A block with a site assertion
  must name all its sites; a block without assertions must be silent.
- ``py run``: executed in a fresh interpreter on a real event loop, with the modules of the case importable and
  ``await`` allowed at top level. Plain asserts say what happened.
- ``text``: prose.

``# enable: TLC101`` in a block turns an opt-in code on for the case; a paragraph that is nothing but
`` `--tlc-spawners=jobs.spawn` `` sets an option.
"""

from __future__ import annotations

import ast
import difflib
import io
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import (
    ALL_CODES,
    DEFAULT_CODES,
    OptionError,
    Options,
    parse_names,
    parse_version,
)
from flake8_task_lifecycle.prefilter import codes_for
from flake8_task_lifecycle.source import new_run

CASES = Path(__file__).parent / "cases"
RUNTIME = Path(__file__).parent / "runtime"
RUN_SECONDS = 60

Check = Callable[[ast.Module, Sequence[str], str, Options], list[Finding]]

_FILE_NAME = re.compile(r"`([\w./-]+\.py)`:\Z")
_OPTION = re.compile(r"`--(tlc-[a-z-]+)=([^`\s]+)`\Z")
_OPTION_FIELDS = {
    "tlc-spawners": "spawners",
    "tlc-keeping-spawners": "keeping_spawners",
    "tlc-cancellers": "cancellers",
    "tlc-min-python": "min_python",
}
_ERROR = re.compile(r'# error: ([1-9]\d*) \[(TLC\d{3})\]((?: "[^"]+")*)\Z')
_SITE = re.compile(r"# site:((?: [a-z]+=\S+)+)\Z")
_ENABLE = re.compile(r"# enable: (TLC\d{3}(?:, TLC\d{3})*)\Z")
_LABEL = re.compile(r"#\s*([A-Za-z]\w*)(\s*:)?")
_SITE_MESSAGE = re.compile(r"task site:((?: [a-z]+=\S+)+)(?: \(.+\))?\Z")
_SITE_KEYS = ("spawner", "coroutine", "owner", "released", "verdict")
_FOREIGN_LABELS = frozenset({"type", "noqa", "fmt", "flake8", "pragma"})
_ASSERTING_LABELS = ("error", "site", "enable")


class CasebookError(Exception):
    """A Markdown file that cannot be read as cases; its text says where and why."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One assertion: the module line it stands for, and what a finding on that line must have."""

    line: int
    written: str
    code: str
    column: int = 0
    parts: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()

    def matches(self, finding: Finding) -> bool:
        """True when the finding satisfies this assertion."""
        if (finding.code, finding.span.line) != (self.code, self.line):
            return False
        if self.column and finding.span.column + 1 != self.column:
            return False
        if self.values:
            return set(self.values) <= set(site_values(finding.message).items())
        return all(part in finding.message for part in self.parts)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: ``line`` is the Markdown line of its first code line, ``name`` is empty for a run block."""

    name: str
    text: str
    line: int
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One heading with its blocks."""

    path: Path
    heading: str
    modules: tuple[Block, ...]
    runs: tuple[Block, ...]
    options: Options = field(default_factory=Options)

    @property
    def id(self) -> str:
        """``TLC001/statements.md: A bare statement`` for pytest."""
        path = self.path.relative_to(CASES) if self.path.is_relative_to(CASES) else Path(self.path.name)
        return f"{path.as_posix()}: {self.heading}"


def site_values(message: str) -> dict[str, str]:
    """The ``key=value`` pairs of a TLC900 message; empty when it does not have the promised form."""
    match = _SITE_MESSAGE.match(message)
    if match is None:
        return {}
    pairs = [pair.split("=", 1) for pair in match[1].split()]
    return {pair[0]: pair[1] for pair in pairs} if tuple(key for key, _ in pairs) == _SITE_KEYS else {}


def read(path: Path) -> list[Case]:
    """The cases of a Markdown file, in order; CasebookError when it is malformed or has none."""
    tokens = MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8"))
    cases: list[Case] = []
    headings: set[str] = set()
    for title, body in _sections(path, tokens):
        heading = _inline(title)
        where = f"{path}:{_line(title[0])}"
        if heading.casefold() in headings:
            raise CasebookError(f"{where}: the heading {heading!r} stands twice")
        headings.add(heading.casefold())
        case = _case(path, heading, body)
        if case.modules or case.runs:
            cases.append(case)
        elif not _is_parent(title[0], tokens):
            raise CasebookError(f"{where}: the heading {heading!r} has no code block")
    if not cases:
        raise CasebookError(f"{path}:1: no cases")
    return cases


def _sections(path: Path, tokens: Sequence[Token]) -> Iterator[tuple[Sequence[Token], Sequence[Token]]]:
    """Pairs of heading tokens and the tokens up to the next heading."""
    starts = [i for i, token in enumerate(tokens) if token.type == "heading_open" and token.level == 0]
    preface = tokens[: starts[0]] if starts else tokens
    for token in preface:
        if token.type in ("fence", "code_block"):
            raise CasebookError(f"{path}:{_line(token)}: a code block without a heading")
    for start, end in pairwise([*starts, len(tokens)]):
        yield tokens[start : start + 3], tokens[start + 3 : end]


def _is_parent(title: Token, tokens: Sequence[Token]) -> bool:
    """True when the next heading is deeper: this one only groups."""
    later = [token for token in tokens if token.type == "heading_open" and _line(token) > _line(title)]
    return bool(later) and later[0].tag > title.tag


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0


def _inline(tokens: Sequence[Token]) -> str:
    return next((token.content for token in tokens if token.type == "inline"), "")


def _case(path: Path, heading: str, body: Sequence[Token]) -> Case:
    modules: list[Block] = []
    runs: list[Block] = []
    enabled: set[str] = set()
    options = Options()
    paragraph = ""
    for token in body:
        where = f"{path}:{_line(token)}"
        if token.type == "inline":
            paragraph = token.content.strip()
            options = _with_option(options, paragraph, where)
        elif token.type == "code_block" or (token.type == "fence" and token.level):
            raise CasebookError(f"{where}: an indented or nested code block is not run; fence it at the margin")
        elif token.type == "fence":
            block = _block(path, token, paragraph)
            if block is not None and block.name:
                if any(block.name == other.name for other in modules):
                    raise CasebookError(f"{where}: a second {block.name} in the case {heading!r}; give it a name")
                expected, codes = _assertions(path, block)
                enabled |= codes
                modules.append(replace(block, expected=tuple(expected)))
            elif block is not None:
                runs.append(block)
            paragraph = ""
    return Case(path, heading, tuple(modules), tuple(runs), replace(options, codes=DEFAULT_CODES | enabled))


def _with_option(options: Options, paragraph: str, where: str) -> Options:
    """The options after a paragraph, which may be an option line."""
    if not paragraph.startswith("`--"):
        return options
    match = _OPTION.match(paragraph)
    if match is None or match[1] not in _OPTION_FIELDS:
        raise CasebookError(f"{where}: not an option line: {paragraph}")
    target = _OPTION_FIELDS[match[1]]
    try:
        if target == "min_python":
            return replace(options, min_python=parse_version(f"--{match[1]}", match[2]))
        names = getattr(options, target) | parse_names(f"--{match[1]}", match[2].split(","))
    except OptionError as error:
        raise CasebookError(f"{where}: {error}") from error
    spawners, keeping, cancellers = (
        names if target == one else getattr(options, one) for one in ("spawners", "keeping_spawners", "cancellers")
    )
    return replace(options, spawners=spawners, keeping_spawners=keeping, cancellers=cancellers)


def _block(path: Path, token: Token, paragraph: str) -> Block | None:
    """A fence as a block; None for prose."""
    line = _line(token)
    where = f"{path}:{line}"
    info = token.info.strip()
    if not token.map or token.map[1] - token.map[0] != token.content.count("\n") + 2:
        raise CasebookError(f"{where}: the code block is not closed")
    if info == "text":
        return None
    if info not in ("python", "py run"):
        raise CasebookError(f"{where}: a block is python, py run or text, not {info!r}")
    try:
        tree = compile(token.content, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        raise CasebookError(f"{path}:{line + (error.lineno or 1)}: {error.msg}") from error
    if info == "py run":
        if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
            raise CasebookError(f"{where}: a run block without an assert shows nothing")
        return Block("", token.content, line + 1)
    match = _FILE_NAME.search(paragraph)
    name = match[1] if match else "case.py"
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise CasebookError(f"{where}: {name} is outside the case")
    return Block(name, token.content, line + 1)


def _assertions(path: Path, block: Block) -> tuple[list[Expected], set[str]]:
    """The assertions of a module and the codes it enables."""
    expected: list[Expected] = []
    enabled: set[str] = set()
    waiting: list[Expected] = []
    code_lines: set[int] = set()
    comments: list[tuple[int, str, bool]] = []
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(block.text).readline):
        if token.type == tokenize.COMMENT:
            comments.append((token.start[0], token.string.rstrip(), not token.line[: token.start[1]].strip()))
        elif token.type not in skipped:
            code_lines.update(range(token.start[0], token.end[0] + 1))
    for line, text, alone in comments:
        where = f"{path}:{block.line + line - 1}"
        match = _ENABLE.match(text)
        if match:
            codes = set(match[1].split(", "))
            if not codes <= ALL_CODES:
                raise CasebookError(f"{where}: there is no {', '.join(sorted(codes - ALL_CODES))}")
            enabled |= codes
            continue
        assertion = _assertion(text, where)
        if assertion is None:
            continue
        target = min((number for number in code_lines if number > line), default=0) if alone else line
        if not target:
            raise CasebookError(f"{where}: no line of code follows {text!r}")
        waiting.append(replace(assertion, line=target))
    expected.extend(waiting)
    return expected, enabled


def _assertion(text: str, where: str) -> Expected | None:
    """A comment as an assertion; None for an ordinary comment, CasebookError for a misspelt assertion."""
    match = _ERROR.match(text)
    if match:
        parts = tuple(re.findall(r'"([^"]+)"', match[3]))
        return Expected(0, text, match[2], column=int(match[1]), parts=parts)
    match = _SITE.match(text)
    if match:
        pairs = tuple((key, value) for key, value in (pair.split("=", 1) for pair in match[1].split()))
        unknown = sorted({key for key, _ in pairs} - set(_SITE_KEYS))
        if unknown:
            raise CasebookError(f"{where}: a site has no {', '.join(unknown)}")
        return Expected(0, text, "TLC900", values=pairs)
    if re.search(r"\S\s*#\s*(?:error|site|enable)\b", text):
        raise CasebookError(f"{where}: an assertion is a comment of its own: {text}")
    label = _LABEL.match(text)
    if label is None or label[1] in _FOREIGN_LABELS:
        return None
    looks_like = difflib.get_close_matches(label[1].lower(), _ASSERTING_LABELS, cutoff=0.7)
    if label[2] or looks_like or re.search(r"TLC\d", text):
        raise CasebookError(f"{where}: not an assertion: {text}")
    return None


def problems(case: Case, directory: Path, check: Check = engine.check) -> list[str]:
    """What is wrong with a case, one text each: its modules are written into ``directory``, checked and run."""
    for block in case.modules:
        target = directory / block.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")
    found = [text for block in case.modules for text in _check_module(case, block, directory, check)]
    return found + [text for block in case.runs for text in _run(case, block, directory)]


def _check_module(case: Case, block: Block, directory: Path, check: Check) -> list[str]:
    options = case.options
    if any(expected.values for expected in block.expected):
        options = replace(options, codes=options.codes | {"TLC900"})
    tree = ast.parse(block.text)
    before = ast.dump(tree, include_attributes=True)
    lines = io.StringIO(block.text).readlines()
    new_run()
    findings = check(tree, lines, str(directory / block.name), options)
    texts = []
    if ast.dump(tree, include_attributes=True) != before:
        texts.append(f"{case.path}:{block.line}: the tree was changed")
    if findings != sorted(findings, key=lambda finding: (finding.span, finding.code)):
        texts.append(f"{case.path}:{block.line}: the findings are not sorted")
    called_for = codes_for(tree, block.text, str(directory / block.name), options)
    skipped = {finding.code for finding in findings} - called_for
    if skipped:
        texts.append(f"{case.path}:{block.line}: the prefilter would have skipped {', '.join(sorted(skipped))}")
    for finding in findings:
        place = _place(case, block, finding.span.line)
        texts += [f"{place}: {flaw}: {_show(finding)}" for flaw in _flaws(finding, lines, options)]
    return texts + _differences(case, block, findings)


def _flaws(finding: Finding, lines: Sequence[str], options: Options) -> Iterator[str]:
    """What is wrong with a finding whatever the case says."""
    span = finding.span
    if finding.code not in options.codes:
        yield "a code that is not on"
    inside = 1 <= span.line <= span.end_line <= len(lines) and span.column < len(lines[span.line - 1].rstrip("\n"))
    if not inside or (span.line, span.column) >= (span.end_line, span.end_column):
        yield "a span outside the text"
    if "\n" in finding.message or finding.message.endswith(".") or finding.message.startswith("TLC"):
        yield "a message is one line, without the code and without a full stop"
    if finding.code == "TLC900" and not site_values(finding.message):
        yield "not the form of a task site"


def _differences(case: Case, block: Block, findings: Sequence[Finding]) -> list[str]:
    """Expectations that no finding meets and findings that nobody expected, in the order of the text."""
    taken: dict[int, int] = {}

    def place(index: int, seen: set[int]) -> bool:
        for other, finding in enumerate(findings):
            if other in seen or not block.expected[index].matches(finding):
                continue
            seen.add(other)
            if other not in taken or place(taken[other], seen):
                taken[other] = index
                return True
        return False

    unmet = [expected for index, expected in enumerate(block.expected) if not place(index, set())]
    surplus = [finding for index, finding in enumerate(findings) if index not in taken]
    differences = [(item.line, f"- expected {item.written[2:]}") for item in unmet]
    differences += [(item.span.line, f"+ found    {_show(item)}") for item in surplus]
    lines = ["", *io.StringIO(block.text).readlines()]
    return [
        f"{_place(case, block, line)}: {lines[line if line < len(lines) else 0].strip()}\n    {text}"
        for line, text in sorted(differences, key=lambda difference: difference[0])
    ]


def _place(case: Case, block: Block, line: int) -> str:
    return f"{case.path}:{block.line + line - 1}"


def _show(finding: Finding) -> str:
    return f"error: {finding.span.column + 1} [{finding.code}] {finding.message!r}"


def _run(case: Case, block: Block, directory: Path) -> list[str]:
    """Executes a run block; its traceback names the lines of the Markdown file."""
    script = directory / f"run_{block.line}.txt"
    script.write_text("\n" * (block.line - 1) + block.text, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join([str(directory), str(RUNTIME)])
    command = [sys.executable, str(RUNTIME / "run_block.py"), str(script), str(case.path)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"{case.path}:{block.line}: the run block did not end within {RUN_SECONDS} seconds"]
    if done.returncode == 0:
        return []
    return [f"{case.path}:{block.line}: the run block failed\n{done.stderr.rstrip()}"]
