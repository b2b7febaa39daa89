"""The lines of source around a site and its proofs, for the page."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flake8_task_lifecycle.audit.report import Proof, Site

LARGEST_FILE = 5_000_000
LONGEST_LINE = 240
MOST_LINES = 80
_AROUND_SITE, _AROUND_PROOF, _SMALLEST_GAP = 3, 1, 2
_LONGEST_SPAWN = 8
_WORDLESS = {tokenize.COMMENT: "comment", tokenize.STRING: "string"}
_STRING_PARTS = {
    getattr(tokenize, name) for name in ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END") if hasattr(tokenize, name)
}

Piece = tuple[str, str]
"""The class of a stretch of source (``keyword``, ``string``, ``comment`` or "") and its text."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source. ``mark`` says what it proves, "" when it only stands nearby; ``is_site`` marks the spawn."""

    number: int
    pieces: tuple[Piece, ...]
    mark: str = ""
    is_site: bool = False


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Stretches of one file, each of lines that follow one another."""

    file: str
    stretches: tuple[tuple[Line, ...], ...]


@dataclass(frozen=True, slots=True)
class _Text:
    lines: list[str]
    colours: dict[int, list[tuple[int, int, str]]]


class Sources:
    """The files under the root of a report, each read once. What cannot be read has no lines."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._texts: dict[str, _Text | None] = {}

    def excerpts(self, site: Site) -> list[Excerpt]:
        """What there is to see of a site: its own file first, then the files of its proofs, as they come."""
        marks: dict[str, dict[int, list[str]]] = {site.file: {}}
        for proof in proofs(site):
            said = marks.setdefault(proof.file, {}).setdefault(proof.line, [])
            if proof.what not in said:
                said.append(proof.what)
        found, left = [], MOST_LINES
        for file, marked in marks.items():
            spawn = range(site.line, min(max(site.end_line, site.line), site.line + _LONGEST_SPAWN) + 1)
            excerpt = self._excerpt(file, marked, spawn if file == site.file else range(0), left)
            if excerpt is not None:
                found.append(excerpt)
                left -= sum(map(len, excerpt.stretches))
        return found

    def _excerpt(self, file: str, marks: dict[int, list[str]], spawn: range, most: int) -> Excerpt | None:
        text = self._text(file)
        if text is None or most <= 0:
            return None
        wanted = {line + step for line in spawn for step in range(-_AROUND_SITE, _AROUND_SITE + 1)}
        wanted |= {line + step for line in marks for step in range(-_AROUND_PROOF, _AROUND_PROOF + 1)}
        numbers = sorted(line for line in wanted if 1 <= line <= len(text.lines))[:most]
        if not numbers:
            return None
        stretches: list[list[Line]] = []
        last = 0
        for number in _without_small_gaps(numbers):
            if number != last + 1 or not stretches:
                stretches.append([])
            mark = ", ".join((["spawn"] if number == spawn.start and spawn else []) + marks.get(number, []))
            stretches[-1].append(Line(number, _pieces(text, number), mark, number in spawn))
            last = number
        return Excerpt(file, tuple(map(tuple, stretches)))

    def _text(self, file: str) -> _Text | None:
        if file not in self._texts:
            text = _read(Path(self._root) / file)
            self._texts[file] = None if text is None else _Text(text.removesuffix("\n").split("\n"), _colours(text))
        return self._texts[file]


def proofs(site: Site) -> Iterator[Proof]:
    """Every proof of a site but those of its findings, in the order of its fields."""
    yield from site.lifetime_evidence
    if site.guard is not None:
        yield site.guard
    yield from site.shutdown
    yield from site.handlers
    yield from site.observers


def _without_small_gaps(numbers: list[int]) -> Iterator[int]:
    last = numbers[0] - 1
    for number in numbers:
        if number - last - 1 <= _SMALLEST_GAP:
            yield from range(last + 1, number)
        yield number
        last = number


def _read(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_FILE:
            return None
        data = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.TextIOWrapper(io.BytesIO(data), encoding, errors="replace", newline=None).read()
    except (OSError, ValueError, SyntaxError, LookupError):
        return None


def _colours(text: str) -> dict[int, list[tuple[int, int, str]]]:
    """For each line the stretches of keywords, strings and comments, in order; what Python cannot read has fewer."""
    found: dict[int, list[tuple[int, int, str]]] = {}
    lines = text.split("\n")
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = _kind(token)
            if not kind:
                continue
            (first, start), (last, end) = token.start, token.end
            for number in range(first, min(last, len(lines)) + 1):
                begin, stop = (start if number == first else 0), (end if number == last else len(lines[number - 1]))
                found.setdefault(number, []).append((begin, stop, kind))
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError):
        pass
    return found


def _kind(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME:
        return "keyword" if keyword.iskeyword(token.string) else ""
    return "string" if token.type in _STRING_PARTS else _WORDLESS.get(token.type, "")


def _pieces(text: _Text, number: int) -> tuple[Piece, ...]:
    line = text.lines[number - 1].expandtabs(4) if "\t" in text.lines[number - 1] else text.lines[number - 1]
    if line != text.lines[number - 1] or len(line) > LONGEST_LINE:
        cut = line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…"
        return (("", cut),)
    pieces, at = [], 0
    for begin, stop, kind in text.colours.get(number, ()):
        if begin > at:
            pieces.append(("", line[at:begin]))
        if stop > max(begin, at):
            pieces.append((kind, line[max(begin, at) : stop]))
        at = max(at, stop)
    return (*pieces, ("", line[at:])) if at < len(line) else tuple(pieces)
