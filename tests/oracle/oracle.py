"""Rules against the event loop: a program is flagged if and only if some schedule shows the hazard."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from parts import RELEASES, WORKERS
from programs import Program
from schedules import STOPPED_WAITING, observe

from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import Options

CODES = frozenset({"TLC001", "TLC002", "TLC003"})
PLACES = {"spawn": ("TLC001", "TLC002"), "handler": ("TLC003",), "stop": ("TLC003",)}
"""The marks of a program's lines, and the codes that may stand on them."""

Check = Callable[[ast.Module, Sequence[str], str, Options], list[Finding]]


@dataclass(slots=True)
class Tally:
    """What a run of the oracle saw: its words, its verdicts, and the exemptions with the hazards they covered.

    ``held``: tasks that nobody holds, but what they wait for happens to.
    """

    programs: int = 0
    words: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    exempt: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """The tally as text."""
        found = [f"oracle: {self.programs} programs"]
        found += [f"  {key}: {self.flagged[key]} flagged, {self.silent[key]} silent" for key in sorted(self.silent)]
        found += [
            f"  exempt: {tag}: {count}, of which {self.shown[tag]} with the hazard"
            for tag, count in sorted(self.exempt.items())
        ]
        found += [f"  flagged all the same: TLC001 {tag}: {count}" for tag, count in sorted(self.held.items())]
        return found


def judge(program: Program, check: Check, tally: Tally | None = None) -> list[str]:
    """Where rules and event loop disagree on a program, one line each."""
    text, tags = program.text, program.tags
    found, problems = _findings(text, check)
    tally = tally if tally is not None else Tally()
    tally.programs += 1
    tally.words.update(program.words)
    seen = _seen(program, text, tally)
    for key in ("TLC001", "TLC002", "handler", "stop"):
        flagged, hazard = key in found, key in seen
        if key in tags:
            tag = f"{_code(key)} {tags[key]}"
            tally.exempt[tag] += 1
            tally.shown[tag] += hazard
            if flagged:
                problems.append(f"{key}: flagged, though exempt: {tags[key]}")
            continue
        tally.flagged[key] += flagged
        tally.silent[key] += not flagged
        if flagged and not hazard:
            problems.append(f"{key}: a false alarm, no schedule shows the hazard")
        if hazard and not flagged:
            problems.append(f"{key}: a missed alarm, shown by {', '.join(sorted(seen[key]))}")
    return problems


def _seen(program: Program, text: str, tally: Tally) -> dict[str, set[str]]:
    """What the schedules show, as far as it counts, by the key that it should be flagged under."""
    seen = {key: set(schedules) for key, schedules in observe(text, program.root).items()}
    if "stop" in seen and "  # stop\n" not in text:
        seen.setdefault("handler", set()).update(seen.pop("stop"))  # what it waits for absorbs the cancellation
    bare = program.unsheltered
    if bare is not program:
        truth = observe(bare.text, bare.root)
        tally.held[WORKERS[program.worker].sheltered] += "TLC001" in truth and "TLC001" not in seen
        seen = {key: seen[key] for key in seen if key not in CODES}
        seen |= {key: set(truth[key]) for key in truth if key in CODES}
    if "TLC001" in seen and "TLC001" not in program.tags:
        seen.pop("TLC002", None)  # TLC001 excludes TLC002 for the same spawn
    excused = RELEASES[program.release].excused
    if excused and "TLC002" in seen:
        tally.exempt[f"TLC002 {excused}"] += 1
        tally.shown[f"TLC002 {excused}"] += STOPPED_WAITING in seen["TLC002"]
        seen["TLC002"].discard(STOPPED_WAITING)
        if not seen["TLC002"]:
            del seen["TLC002"]
    return seen


def _code(key: str) -> str:
    return key if key.startswith("TLC") else "TLC003"


def _findings(text: str, check: Check) -> tuple[set[str], list[str]]:
    """The keys of what is flagged; and the findings that stand where none can stand."""
    lines = text.splitlines(keepends=True)
    keys, problems = set(), []
    for finding in check(ast.parse(text), lines, "program.py", Options(codes=CODES)):
        mark = lines[finding.span.line - 1].rpartition("  # ")[2].strip()
        if finding.code not in PLACES.get(mark, ()):
            problems.append(f"{finding.code} at line {finding.span.line}, where it cannot be: {finding.message}")
        keys.add(finding.code if mark == "spawn" else mark)
    return keys, problems
