"""A large report for the tests of the writers: hundreds of sites over many modules."""

from __future__ import annotations

from audit_samples import PROMISES, Sample, problem, totals_of

from flake8_task_lifecycle.audit.report import (
    Holds,
    Lifetime,
    Owner,
    OwnerKind,
    Promise,
    Proof,
    Report,
    Site,
    Verdict,
)

PACKAGES = ("api", "billing", "ingest", "mail", "orders", "sync")
NOUNS = ("Scheduler", "Poller", "Relay", "Consumer", "Watcher", "Pool", "Gateway", "Session", "Cache", "Reporter")
VERBS = ("run", "poll", "deliver", "consume", "watch", "drain", "refresh", "heartbeat", "expire", "flush")
VERDICTS = (*([Verdict.SAFE] * 5), Verdict.SCOPED, Verdict.UNRESOLVED, Verdict.SAFE, Verdict.AT_RISK, Verdict.SAFE)
CODES = ("TLC001", "TLC002", "TLC005", "TLC007", "TLC008")


def large(count: int = 500, modules: int = 60) -> Sample:
    """Some hundred sites spread over many modules, with the sources that they stand in."""
    sources: dict[str, str] = {}
    sites: list[Site] = []
    sizes = [1 + number * 7 % 11 * (1 + number % 3) for number in range(modules)]
    index = 0
    for number, size in enumerate(sizes):
        package, noun = PACKAGES[number % len(PACKAGES)], NOUNS[number * 7 % len(NOUNS)]
        is_test = number % 9 == 8
        file = f"{'tests' if is_test else 'shop'}/{package}/{'test_' if is_test else ''}{noun.lower()}_{number}.py"
        text = ["import asyncio", ""]
        last = count if number == modules - 1 else min(count, index + max(size * count // sum(sizes), 1))
        sites.extend(_site(file, text, noun, one, is_test=is_test) for one in range(index, last))
        sources[file] = "".join(f"{line}\n" for line in text)
        index = last
    ordered = tuple(sorted(sites, key=lambda one: (one.file, one.line, one.column)))
    problems = tuple(found for one in ordered for found in one.related)
    report = Report(
        version="0.1.0",
        root="/srv/shop",
        files=412,
        options={"select": "TLC"},
        totals=totals_of(ordered),
        sites=ordered,
        problems=problems,
        compliance=tuple(
            Promise(name, title, Holds.NO if number % 3 == 0 else Holds.YES, problems if number % 3 == 0 else ())
            for number, (name, title) in enumerate(PROMISES)
        ),
        recommendations=("Give the tasks that nobody owns an owner.",),
    )
    return Sample(report, sources)


def _site(file: str, text: list[str], noun: str, index: int, *, is_test: bool) -> Site:
    """The site of an index; its class is appended to the text of the file."""
    verb, verdict = VERBS[index * 3 % len(VERBS)], VERDICTS[index * index * 7 % 31 % len(VERDICTS)]
    code = CODES[index % len(CODES)]
    owner = f"{noun}{len(text) // 12 + 1}"
    first = len(text) + 1
    text += [
        f"class {owner}:",
        "    def start(self) -> None:",
        f"        self._{verb}_task = asyncio.create_task(self.{verb}())",
        "",
        "    async def stop(self) -> None:",
        f"        self._{verb}_task.cancel()",
        f"        await asyncio.wait([self._{verb}_task])",
        "",
        f"    async def {verb}(self) -> None:",
        "        while True:",
        "            await self.step()",
        "",
    ]
    line = first + 2
    at_risk, unknown = verdict is Verdict.AT_RISK, verdict is Verdict.UNRESOLVED
    found = (
        problem(
            code,
            file,
            line,
            first + 20,
            f"task 'self._{verb}_task' ({noun}.{verb}) is at risk: release it in the method that stops {noun}",
            subject=f"self._{verb}_task",
            qualname=f"{owner}.start",
            suppressed="baseline" if index % 3 == 0 else "",
            evidence=(Proof("spawn", file, line, "spawned here"),),
        ),
    )
    kind, held_by = OwnerKind.ATTRIBUTE, f"{owner}._{verb}_task"
    if unknown or (at_risk and code == "TLC001"):
        kind, held_by = OwnerKind.UNKNOWN if unknown else OwnerKind.NOBODY, ""
    elif index % 7 > 2:
        kind, held_by = OwnerKind.COLLECTION, f"{noun}Registry._tasks"
    return Site(
        file=file,
        line=line,
        column=29 + len(verb),
        end_line=line,
        end_column=57 + 2 * len(verb),
        spawner="asyncio.create_task",
        expression=f"asyncio.create_task(self.{verb}())",
        coroutine=f"{owner}.{verb}",
        purpose=f"{verb.title()}s what the {noun.lower()} has, until it is told to stop.",
        qualname=f"{owner}.start",
        module=file.removesuffix(".py").replace("/", "."),
        owner=Owner(kind, held_by),
        lifetime=Lifetime.UNKNOWN if unknown else Lifetime.OWNER,
        lifetime_evidence=(Proof("loop", file, line + 7, "loops without end"),),
        shutdown=() if at_risk or unknown else (Proof("cancel", file, line + 3), Proof("await", file, line + 4)),
        guard=None,
        cancellation="unknown" if unknown else "passes",
        handlers=(),
        exceptions="unknown" if unknown else "observed",
        observers=(),
        verdict=verdict,
        risk=found[0].severity if at_risk else "none",
        codes=(code,) if at_risk else (),
        action="Release the task in the method that stops its owner." if at_risk else "None: leave it as it is.",
        reasoning=(f"`{owner}._{verb}_task` holds the task.", f"Line {line + 3} cancels it."),
        unknown=("the owner: handed on to a caller outside the project",) if unknown else (),
        is_test=is_test,
        related=found if at_risk else (),
    )
