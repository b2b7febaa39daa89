"""The oracle over the rules, and wrong rules before the oracle."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from oracle import CODES, PLACES, Check, Tally, judge
from parts import AFTER, BODIES, CAUGHT, PLACEMENTS, RELEASES, SPAWNERS, STEPS, WORKERS
from programs import Handler, Program, all_tags, each_word, programs
from schedules import observe

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.model import Finding, Span
from flake8_task_lifecycle.options import Options

PROGRAMS = 200
PLAIN = list(dict.fromkeys(each_word()))


@functools.lru_cache(maxsize=1024)
def _found(text: str, name: str, options: Options) -> tuple[Finding, ...]:
    return tuple(engine.check(ast.parse(text), text.splitlines(keepends=True), name, options))


def rules(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
    """The real rules, asked once for each program."""
    return list(_found("".join(lines), name, options))


def _assert_agreed(program: Program, tally: Tally) -> None:
    problems = judge(program, rules, tally)
    if problems:
        pytest.fail("\n".join([repr(program), *problems, "", program.text]), pytrace=False)


def test_random_programs(say: list[str]) -> None:
    tally = Tally()

    @settings(
        max_examples=PROGRAMS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def agree(program: Program) -> None:
        _assert_agreed(program, tally)

    agree()
    assert tally.programs >= PROGRAMS
    for key in ("TLC001", "TLC002", "handler", "stop"):
        assert tally.flagged[key], f"no program was flagged for {key}: the 200 say nothing of it"
        assert tally.silent[key]
    say.extend(tally.lines())


def test_every_word_and_every_exemption() -> None:
    tally = Tally()
    for program in PLAIN:
        _assert_agreed(program, tally)
    axes: dict[str, Iterable[str]] = {
        "placement": PLACEMENTS,
        "worker": WORKERS,
        "spawner": SPAWNERS,
        "release": RELEASES,
        "caught": CAUGHT,
        "body": BODIES,
        "step": STEPS,
        "after": [word for word in AFTER if word],
    }
    for axis, words in axes.items():
        assert not {f"{axis}: {word}" for word in words} - tally.words.keys()
    assert {tag.partition(" ")[2] for tag in tally.exempt} == all_tags()
    assert not [tag for tag in tally.exempt if not tally.shown[tag]], "an exemption from no hazard"


Rule = Callable[[Sequence[str]], Iterator[int]]
"""The lines, counted from 0, that a rule flags."""


def _never(lines: Sequence[str]) -> Iterator[int]:
    yield from ()


def _marked(*marks: str) -> Rule:
    """Flags whatever can be flagged."""
    return lambda lines: (at for at, line in enumerate(lines) if line.rstrip().endswith(marks))


def _bare_statements(lines: Sequence[str]) -> Iterator[int]:
    """The usual lint: a statement that is nothing but the call."""
    for at, line in enumerate(lines):
        if line.endswith("# spawn\n") and line.lstrip().startswith("asyncio.create_task("):
            yield at


def _no_cancel_anywhere(lines: Sequence[str]) -> Iterator[int]:
    """An attribute in a module without the word."""
    if "cancel(" not in "".join(lines):
        yield from (at for at, line in enumerate(lines) if re.search(r"self\._task = .*# spawn", line))


def _no_raise_next(lines: Sequence[str]) -> Iterator[int]:
    """A handler of cancellation whose own lines do not say ``raise``."""
    for at, line in enumerate(lines):
        if re.search(r"except\b.*(CancelledError|BaseException|:  #)", line) and line.endswith(("handler\n", "stop\n")):
            depth = len(line) - len(line.lstrip())
            body = []
            for later in lines[at + 1 :]:
                if later.strip() and len(later) - len(later.lstrip()) <= depth:
                    break
                body.append(later)
            if "raise" not in "".join(body):
                yield at


def _with_rule(code: str, rule: Rule) -> Check:
    """The real rules, but for one."""

    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        found = [finding for finding in rules(tree, lines, name, options) if finding.code != code]
        return found + [Finding(code, Span(at + 1, 0, at + 1, 1), "wrong") for at in rule(lines)]

    return check


@pytest.mark.parametrize(
    ("code", "rule", "false", "missed"),
    [
        pytest.param("TLC001", _never, False, True, id="TLC001 never"),
        pytest.param("TLC002", _never, False, True, id="TLC002 never"),
        pytest.param("TLC003", _never, False, True, id="TLC003 never"),
        pytest.param("TLC001", _marked("# spawn"), True, False, id="TLC001 always"),
        pytest.param("TLC002", _marked("# spawn"), True, False, id="TLC002 always"),
        pytest.param("TLC003", _marked("# handler", "# stop"), True, False, id="TLC003 always"),
        pytest.param("TLC001", _bare_statements, False, True, id="TLC001 by the look of the line"),
        pytest.param("TLC002", _no_cancel_anywhere, True, True, id="TLC002 by a word"),
        pytest.param("TLC003", _no_raise_next, True, True, id="TLC003 by a word"),
    ],
)
def test_a_wrong_rule_is_caught(code: str, rule: Rule, false: bool, missed: bool) -> None:
    problems = [problem for program in PLAIN for problem in judge(program, _with_rule(code, rule))]
    assert any("false alarm" in problem for problem in problems) is false
    assert any("missed alarm" in problem for problem in problems) is missed
    keys = {"TLC003": {"handler", "stop"}}.get(code, {code})
    assert {problem.partition(":")[0] for problem in problems} <= keys


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_finding_at_the_wrong_place_is_caught(code: str) -> None:
    problems = judge(Program(), _with_rule(code, lambda lines: iter([0])))
    assert any("where it cannot be" in problem for problem in problems)
    mark = next(mark for mark, codes in PLACES.items() if code not in codes)
    program = Program(handler=Handler("inside"), release="cancel and wait, swallowing")
    problems = judge(program, _with_rule(code, _marked(f"# {mark}")))
    assert any("where it cannot be" in problem for problem in problems)


def test_an_exempt_program_must_be_silent() -> None:
    problems = judge(Program("unknown callee"), _with_rule("TLC001", _marked("# spawn")))
    assert problems == ["TLC001: flagged, though exempt: handed to an unknown callee"]


HEAD = "import asyncio\n\n\nclass Owner:\n    def __init__(self, source):\n        self.source = source\n\n"


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        pytest.param(
            "    async def start(self):\n        asyncio.create_task(asyncio.sleep(3600))\n",
            {"TLC001"},
            id="no timer holds a task",
        ),
        pytest.param(
            "    async def start(self):\n        self.task = asyncio.create_task(asyncio.sleep(3600))\n",
            {"TLC002"},
            id="an attribute does, and nobody releases it",
        ),
        pytest.param(
            "    async def start(self):\n        self.event = asyncio.Event()\n"
            "        asyncio.create_task(self.event.wait())\n",
            {"TLC002"},
            id="who waits for what is held is held",
        ),
        pytest.param(
            "    async def start(self):\n        task = asyncio.create_task(self.source.serve())\n"
            "        await self.source.read()\n        await task\n",
            {"TLC001"},
            id="an error loses it",
        ),
        pytest.param("    async def start(self):\n        await self.source.read()\n", set(), id="nothing"),
        pytest.param(
            "    async def start(self):\n        try:\n            await self.source.read()\n"
            "            await self.source.read()\n        except asyncio.CancelledError:\n            pass\n",
            {"handler"},
            id="a cancellation is lost",
        ),
        pytest.param(
            "    async def start(self):\n        pass\n\n    async def stop(self):\n        try:\n"
            "            await self.source.read()\n        except asyncio.CancelledError:\n            pass\n",
            {"stop"},
            id="the cancellation of a call is lost",
        ),
    ],
)
def test_the_schedules_show_what_happens(body: str, seen: set[str]) -> None:
    assert set(observe(HEAD + body, "Owner")) == seen


def test_a_program_that_cannot_run_is_no_evidence() -> None:
    with pytest.raises(NameError):
        observe(HEAD + "    async def start(self):\n        nothing_there()\n", "Owner")
