"""Reports for the tests of the writers: empty, small with every field in use, large, and full of hostile names."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from flake8_task_lifecycle.audit.report import (
    Holds,
    Lifetime,
    Loss,
    Owner,
    OwnerKind,
    Problem,
    Promise,
    Proof,
    Report,
    Site,
    Totals,
    Verdict,
)
from flake8_task_lifecycle.rules import RULES

ROOT = "/srv/updater"
RULE = {rule.code: rule for rule in RULES}
PROMISES = (
    ("no-uncontrolled-tasks", "No uncontrolled background tasks"),
    ("owned", "Every task has an owner"),
    ("explicit-lifecycle", "The lifecycle of every task is explicit"),
    ("guaranteed-shutdown", "Shutdown is guaranteed"),
    ("exception-control", "Exceptions are under control"),
    ("no-leak", "No task leaks"),
    ("no-zombie", "No task outlives its owner"),
    ("no-silent-failure", "No task fails in silence"),
)

HOSTILE = (
    "<script>alert(1)</script>",
    "](javascript:alert(1))",
    "[link](javascript:alert(1))",
    "![image](https://evil.example/x.png)",
    "https://evil.example/ www.evil.example me@evil.example @octocat",
    "a|b",
    "`code` ``` ~~~",
    "*bold* _thin_ ~~gone~~ # - + > 1. =",
    "\x1b[31mred\x1b[0m\x07\x9b31m",
    "line\nend\r\nmore\u2028still\x85on",
    "%0a%0D%25::error::injected",
    "::error file=a,line=1::injected",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "\udcff\ud800 lone",
    "</style></svg></title><img src=x onerror=alert(1)>",
    "\"onmouseover=alert(1) x='",
    "{{ 7*7 }} {% raw %}",
    "$x$ &lt; &#60; \\",
    "--> <!-- ]]> <![CDATA[",
    "    indented\ttabbed",
)


class Sample(NamedTuple):
    """A report and the text of the files that it speaks of."""

    report: Report
    sources: dict[str, str]

    def on_disk(self, folder: Path) -> Report:
        """The report with its root in a folder, into which the files are written."""
        for name, text in self.sources.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return replace(self.report, root=str(folder))


def totals_of(sites: tuple[Site, ...]) -> Totals:
    """The totals of some sites."""
    count = Counter(site.verdict for site in sites)
    tests = sum(site.is_test for site in sites)
    return Totals(
        sites=len(sites),
        production=len(sites) - tests,
        tests=tests,
        safe=count[Verdict.SAFE],
        scoped=count[Verdict.SCOPED],
        at_risk=count[Verdict.AT_RISK],
        unresolved=count[Verdict.UNRESOLVED],
    )


def problem(code: str, file: str, line: int, column: int, message: str, **more: object) -> Problem:
    """A finding of a rule, one name wide unless ``more`` says otherwise."""
    given = {"end_line": line, "end_column": column + 12, "name": RULE[code].name, "severity": RULE[code].severity}
    place = {"file": file, "line": line, "column": column}
    return Problem(code=code, message=message, **(place | given | more))  # type: ignore[arg-type]


def empty() -> Report:
    """A report on a project without a task."""
    return Report(
        version="0.1.0",
        root=ROOT,
        files=3,
        compliance=tuple(Promise(name, title, Holds.YES) for name, title in PROMISES),
    )


SCHEDULER = """\
    import asyncio
    from contextlib import suppress

    from updater.catalogue import catalogue, logger


    class AutoupdateScheduler:
        def __init__(self) -> None:
            self._task: asyncio.Task[None] | None = None

        def start(self) -> None:
            if self._task is not None:
                return
            self._task = asyncio.create_task(self._loop(), name="autoupdate")

        async def stop(self) -> None:
            if self._task is None:
                return
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

        async def _loop(self) -> None:
            \"\"\"Looks for updates every hour. Logs what goes wrong.\"\"\"
            while True:
                try:
                    await catalogue.update()
                except Exception:
                    logger.exception("the update failed")
                await asyncio.sleep(3600)


    scheduler = AutoupdateScheduler()
"""
MAIN = """\
    from contextlib import asynccontextmanager

    from fastapi import FastAPI

    from updater.scheduler import scheduler


    @asynccontextmanager
    async def lifespan(app: FastAPI):
        scheduler.start()
        try:
            yield
        finally:
            await scheduler.stop()
"""
RELAY = """\
    import asyncio


    class Relay:
        def __init__(self, bus, journal):
            self._bus = bus
            self._journal = journal

        async def publish(self, update):
            for url in self._bus.subscribers:
                asyncio.create_task(self._deliver(url, update))  # é
            async with asyncio.TaskGroup() as group:
                group.create_task(self._journal.append(update))

        async def follow(self):
            register(asyncio.ensure_future(self._bus.listen()))

        async def _deliver(self, url, update):
            try:
                await self._bus.send(url, update)
            except BaseException:
                pass
"""
TEST = """\
    import asyncio

    from updater.scheduler import scheduler


    async def test_it_stops():
        waiter = asyncio.create_task(scheduler.settled())
        await asyncio.wait_for(waiter, 1)
"""
SMALL_SOURCES = {
    "updater/scheduler.py": textwrap.dedent(SCHEDULER),
    "updater/main.py": textwrap.dedent(MAIN),
    "updater/relay bus.py": textwrap.dedent(RELAY),
    "tests/test_scheduler.py": textwrap.dedent(TEST),
}


def place(file: str, needle: str) -> tuple[int, int, str]:
    """The line and column of the first needle in a file of the small project, and the text of that line."""
    for line, text in enumerate(SMALL_SOURCES[file].split("\n"), 1):
        if needle in text:
            return line, text.index(needle) + 1, text.strip()
    raise AssertionError(needle)


def proof(what: str, file: str, needle: str, note: str = "") -> Proof:
    """The proof that a needle in a file of the small project is."""
    line, _, text = place(file, needle)
    return Proof(what, file, line, note, text)


def site(file: str, expression: str, **more: object) -> Site:
    """A site of the small project, resolved and safe unless ``more`` says otherwise."""
    line, column, _ = place(file, expression)
    given: dict[str, object] = {
        "spawner": expression.partition("(")[0],
        "module": file.removesuffix(".py").replace("/", "."),
        "end_line": line,
        "end_column": column + len(expression),
        "lifetime": Lifetime.ONE_SHOT,
        "lifetime_evidence": (),
        "shutdown": (),
        "guard": None,
        "cancellation": "passes",
        "handlers": (),
        "exceptions": "observed",
        "observers": (),
        "verdict": Verdict.SAFE,
        "risk": "none",
        "codes": (),
        "action": "None: leave it as it is.",
        "reasoning": (),
        "unknown": (),
    }
    return Site(file=file, line=line, column=column, expression=expression, **(given | more))  # type: ignore[arg-type]


def small() -> Sample:
    """Five sites and every field of the report in use."""
    source, relay, test = "updater/scheduler.py", "updater/relay bus.py", "tests/test_scheduler.py"
    line, column, text = place(relay, "asyncio.create_task(self._deliver")
    dropped = problem(
        "TLC001",
        relay,
        line,
        column,
        "task of 'Relay._deliver' is held by nobody but the event loop, weakly: store it, await it, or use a TaskGroup",
        subject="Relay._deliver",
        qualname="Relay.publish",
        evidence=(Proof("spawn", relay, line, "spawned here", text),),
    )
    swallowed = problem(
        "TLC003",
        relay,
        place(relay, "except BaseException")[0],
        9,
        "'except BaseException' in Relay._deliver swallows cancellation: re-raise asyncio.CancelledError",
        subject="except BaseException",
        qualname="Relay._deliver",
        evidence=(proof("await", relay, "await self._bus.send", "cancellation arrives here"),),
    )
    hidden = (
        problem("TLC004", "updater/main.py", 14, 15, "hidden by a comment", suppressed="noqa"),
        problem("TLC108", source, 20, 14, "hidden by the configuration", suppressed="per-file-ignores"),
        problem("TLC007", source, 14, 22, "hidden by the baseline", suppressed="baseline", subject="self._task"),
    )
    first = site(
        source,
        'asyncio.create_task(self._loop(), name="autoupdate")',
        coroutine="AutoupdateScheduler._loop",
        purpose="Looks for updates every hour.",
        qualname="AutoupdateScheduler.start",
        owner=Owner(OwnerKind.ATTRIBUTE, "AutoupdateScheduler._task", "updater.scheduler:scheduler"),
        lifetime=Lifetime.APPLICATION,
        lifetime_evidence=(
            proof("loop", source, "while True", "loops without end"),
            proof("instance", source, "scheduler = Auto", "held by the module"),
        ),
        shutdown=(
            proof("cancel", source, "self._task.cancel()"),
            proof("await", source, "await self._task"),
            proof("suppress", source, "with suppress("),
            proof("clear", source, "self._task = None"),
            proof("caller", "updater/main.py", "await scheduler.stop()", "called in the finally of lifespan"),
            proof("caller", "updater/main.py", "async def lifespan", "a lifespan"),
        ),
        guard=proof("guard", source, "if self._task is not None"),
        handlers=(proof("passes", source, "except Exception", "lets CancelledError pass"),),
        exceptions="handled",
        observers=(proof("handler", source, "except Exception", "logs and goes on"),),
        reasoning=(
            "`AutoupdateScheduler._task` holds the task.",
            "Line 19 cancels it, and line 21 waits for it under `suppress`.",
            "The `finally` of `lifespan` calls `scheduler.stop()`.",
        ),
        related=(hidden[2],),
    )
    second = site(
        relay,
        "asyncio.create_task(self._deliver(url, update))",
        coroutine="Relay._deliver",
        purpose="Relay._deliver",
        qualname="Relay.publish",
        owner=Owner(OwnerKind.NOBODY),
        cancellation="swallowed",
        handlers=(proof("swallows", relay, "except BaseException", "takes the cancellation"),),
        exceptions="unobserved",
        verdict=Verdict.AT_RISK,
        risk="high",
        codes=("TLC001", "TLC003"),
        action="Store the task, await it, or use a TaskGroup.",
        reasoning=("Nothing refers to the task once the statement is over.", "The handler swallows cancellation."),
        related=(dropped, swallowed),
    )
    third = site(
        relay,
        "group.create_task(self._journal.append(update))",
        coroutine="",
        purpose="unknown",
        qualname="Relay.publish",
        owner=Owner(OwnerKind.SCOPE, "group"),
        lifetime=Lifetime.SCOPE,
        shutdown=(proof("scope", relay, "async with asyncio.TaskGroup()", "waits for its tasks"),),
        verdict=Verdict.SCOPED,
        reasoning=("The group waits for its tasks.",),
        unknown=("the coroutine: `self._journal` has no known class",),
    )
    fourth = site(
        relay,
        "asyncio.ensure_future(self._bus.listen())",
        coroutine="",
        purpose="unknown",
        qualname="Relay.follow",
        owner=Owner(OwnerKind.UNKNOWN),
        lifetime=Lifetime.UNKNOWN,
        cancellation="unknown",
        exceptions="unknown",
        verdict=Verdict.UNRESOLVED,
        action="Say what `register` does, in tlc-cancellers or by a type.",
        reasoning=("The task is handed to `register`, which is not of this project.",),
        unknown=("the owner: handed to `register`, defined outside the project", "the coroutine: no known class"),
    )
    fifth = site(
        test,
        "asyncio.create_task(scheduler.settled())",
        coroutine="AutoupdateScheduler.settled",
        purpose="AutoupdateScheduler.settled",
        qualname="test_it_stops",
        owner=Owner(OwnerKind.LOCAL, "waiter"),
        lifetime=Lifetime.FUNCTION,
        shutdown=(proof("await", test, "await asyncio.wait_for"),),
        reasoning=("The function waits for the task.",),
        is_test=True,
    )
    sites = (fifth, second, third, fourth, first)
    problems = (hidden[0], dropped, swallowed, hidden[2], hidden[1])
    kept = {Holds.NO: (dropped, swallowed, hidden[2])}
    states = (Holds.NO, Holds.NO, Holds.UNKNOWN, Holds.YES, Holds.YES, Holds.NO, Holds.UNKNOWN, Holds.YES)
    report = Report(
        version="0.1.0",
        root=ROOT,
        files=12,
        options={"tlc-spawners": "jobs.spawn", "exclude": ".git, .venv", "select": "TLC", "ignore": ""},
        totals=totals_of(sites),
        sites=sites,
        problems=problems,
        compliance=tuple(
            Promise(
                name,
                title,
                holds,
                broken_by=kept.get(holds, ()),
                unresolved=int(holds is Holds.UNKNOWN),
                unchecked=("TLC103",) if holds is Holds.UNKNOWN else (),
            )
            for (name, title), holds in zip(PROMISES, states, strict=True)
        ),
        recommendations=("Keep the tasks of `Relay.publish` in a TaskGroup.", "Re-raise CancelledError in `_deliver`."),
        unreadable=(Loss("updater/broken.py", "line 3: '(' was never closed"),),
        lost=(Loss("updater/deep.py", "TLC101 was lost: RecursionError"),),
        stale=("TLC002 updater/old.py Poller.start self._task",),
        warnings=("select names 'TLC55', which is no code",),
    )
    return Sample(report, SMALL_SOURCES)


def hostile() -> Report:
    """A report in which every text that comes from outside is hostile."""
    sites = tuple(_hostile_site(number, bad) for number, bad in enumerate(HOSTILE))
    problems = tuple(
        replace(found, suppressed=("", "noqa", "baseline")[number % 3])
        for number, one in enumerate(sites)
        for found in one.related
    )
    losses = tuple(Loss(bad, bad) for bad in HOSTILE)
    return Report(
        version="0.1.0",
        root="/srv/" + HOSTILE[0],
        files=len(HOSTILE),
        options={f"option {bad}": bad for bad in HOSTILE},
        totals=totals_of(sites),
        sites=sites,
        problems=problems,
        compliance=(Promise("owned", "Every task has an owner", Holds.NO, problems, 1),),
        recommendations=HOSTILE,
        unreadable=losses,
        lost=losses,
        stale=HOSTILE,
        warnings=HOSTILE,
    )


def _hostile_site(number: int, bad: str) -> Site:
    proofs = (Proof("cancel", bad, 1, bad, bad),)
    found = problem("TLC001", bad, 1, 1, bad, subject=bad, qualname=bad, evidence=proofs)
    return Site(
        file=bad,
        line=number + 1,
        column=1,
        end_line=number + 1,
        end_column=9,
        spawner=bad,
        expression=bad,
        coroutine=bad,
        purpose=bad,
        qualname=bad,
        module=bad,
        owner=Owner(OwnerKind.ATTRIBUTE, bad, bad),
        lifetime=Lifetime.OWNER,
        lifetime_evidence=proofs,
        shutdown=proofs,
        guard=proofs[0],
        cancellation="swallowed",
        handlers=proofs,
        exceptions="unobserved",
        observers=proofs,
        verdict=list(Verdict)[number % 4],
        risk="high",
        codes=("TLC001",),
        action=bad,
        reasoning=(bad, bad),
        unknown=(bad,),
        related=(found,),
    )
