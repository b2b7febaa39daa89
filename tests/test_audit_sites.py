"""The rows of the audit: the audited application as it stands, and after one change at a time."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest
from audited import audited, chain, differences, sites, steps, write

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.audit.inquiry import Inquiry
from flake8_task_lifecycle.audit.report import Lifetime, Owner, OwnerKind, Site, Verdict
from flake8_task_lifecycle.audit.sites import sites_of
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import ALL_CODES, Options
from flake8_task_lifecycle.source import new_run

SCHEDULER, MAIN, TEST = "backend/app/scheduler.py", "backend/app/main.py", "backend/tests/test_scheduler.py"
APPLICATION = {
    "backend/app/__init__.py": "",
    SCHEDULER: '''
import asyncio
import logging
from contextlib import suppress

logger = logging.getLogger(__name__)


class AutoupdateScheduler:
    def __init__(self, interval: float = 3600.0) -> None:
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        """Look for updates now and then. The interval is in seconds."""
        while True:
            try:
                await self.update()
            except Exception:
                logger.exception("the update failed")
            await asyncio.sleep(self._interval)

    async def update(self) -> None:
        await asyncio.to_thread(print, "updating")


scheduler = AutoupdateScheduler()
''',
    MAIN: """
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.scheduler import scheduler


@asynccontextmanager
async def lifespan(app: FastAPI):
    scheduler.start()
    try:
        yield
    finally:
        await scheduler.stop()


app = FastAPI(lifespan=lifespan)
""",
    TEST: """
import asyncio


async def test_a_worker_gets_what_is_put():
    queue = asyncio.Queue()
    worker = asyncio.create_task(queue.get())
    await queue.put("left-pad")
    assert await asyncio.wait_for(worker, timeout=1) == "left-pad"
""",
}


def line(file: str, text: str) -> int:
    """The line of a file that begins with a text; there is one."""
    lines = APPLICATION[file].lstrip("\n").splitlines()
    (found,) = (number for number, one in enumerate(lines, 1) if one.strip().startswith(text))
    return found


def of_application(directory: Path, files: dict[str, str] | None = None) -> list[Site]:
    return sites(directory, files or APPLICATION)


def first(directory: Path, files: dict[str, str] | None = None, options: Options | None = None) -> Site:
    return next(site for site in sites(directory, files or APPLICATION, options) if site.file == SCHEDULER)


def test_the_application_has_two_sites_and_both_are_safe(tmp_path: Path) -> None:
    found = of_application(tmp_path)
    assert [(site.file, site.is_test, site.verdict) for site in found] == [
        (SCHEDULER, False, Verdict.SAFE),
        (TEST, True, Verdict.SAFE),
    ]
    assert [(site.risk, site.codes, site.action, site.unknown) for site in found] == [("none", (), "none", ())] * 2


def test_the_first_site_is_told_whole(tmp_path: Path) -> None:
    site = first(tmp_path)
    spawn = line(SCHEDULER, "self._task = asyncio.create_task")
    assert (site.line, site.column, site.end_column) == (spawn, 22, 54)
    assert (site.spawner, site.expression) == ("asyncio.create_task", "asyncio.create_task(self._run())")
    assert site.coroutine == "AutoupdateScheduler._run"
    assert site.purpose == "Look for updates now and then"
    assert (site.module, site.qualname) == ("app.scheduler", "AutoupdateScheduler.start")
    assert site.owner == Owner(OwnerKind.ATTRIBUTE, "AutoupdateScheduler._task", "app.scheduler:scheduler")
    assert site.lifetime is Lifetime.APPLICATION
    assert [(proof.what, proof.line) for proof in site.lifetime_evidence] == [
        ("loop", line(SCHEDULER, "while True")),
        ("instance", line(SCHEDULER, "scheduler = ")),
    ]
    assert steps(site) == [
        ("cancel", SCHEDULER, line(SCHEDULER, "self._task.cancel()")),
        ("suppress", SCHEDULER, line(SCHEDULER, "with suppress")),
        ("await", SCHEDULER, line(SCHEDULER, "await self._task")),
        ("clear", SCHEDULER, line(SCHEDULER, "self._task = None")),
    ]
    assert [proof.text for proof in site.shutdown][:2] == [
        "self._task.cancel()",
        "with suppress(asyncio.CancelledError):",
    ]
    stopped = line(MAIN, "await scheduler.stop()")
    assert chain(site) == [
        f"{MAIN}:{stopped} AutoupdateScheduler.stop is called in the finally of lifespan, a lifespan",
        f"{MAIN}:{line(MAIN, 'app = FastAPI')} lifespan is given to FastAPI as its lifespan",
    ]
    assert site.guard is not None
    assert (site.guard.file, site.guard.line) == (SCHEDULER, line(SCHEDULER, "def start") + 1)
    assert site.guard.note == "tests 'self._task is not None' before the store"
    assert site.cancellation == "passes"
    handler = line(SCHEDULER, "except Exception")
    assert [(one.what, one.line, one.note) for one in site.handlers] == [
        ("passes", handler, "'except Exception' takes no cancellation")
    ]
    assert site.exceptions == "handled"
    assert [(one.what, one.file, one.line) for one in site.observers] == [("handled", SCHEDULER, handler)]


def test_the_reasoning_is_made_of_the_evidence(tmp_path: Path) -> None:
    site = first(tmp_path)
    cancel = line(SCHEDULER, "self._task.cancel()")
    assert site.reasoning[0] == (
        f"AutoupdateScheduler.start starts AutoupdateScheduler._run with asyncio.create_task ({SCHEDULER}:{site.line})."
    )
    assert site.reasoning[1] == "'AutoupdateScheduler._task' holds the task."
    assert (
        f"AutoupdateScheduler.stop cancels it ({SCHEDULER}:{cancel}), waits for it ({SCHEDULER}:{cancel + 2}), takes "
        f"the cancellation of that wait ({SCHEDULER}:{cancel + 1}) and clears the place ({SCHEDULER}:{cancel + 3})."
    ) in site.reasoning
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in site.reasoning)


def test_the_second_site_is_a_one_shot_that_its_test_awaits(tmp_path: Path) -> None:
    (site,) = (one for one in of_application(tmp_path) if one.is_test)
    awaited = line(TEST, "assert await")
    assert site.owner == Owner(OwnerKind.LOCAL, "worker")
    assert site.lifetime is Lifetime.ONE_SHOT
    assert (site.coroutine, site.purpose) == ("asyncio.Queue.get", "asyncio.Queue.get")
    assert steps(site) == [("await", TEST, awaited)]
    assert chain(site) == []
    assert (site.exceptions, [one.line for one in site.observers]) == ("observed", [awaited])
    assert (site.guard, site.cancellation) == (None, "passes")


@dataclass(frozen=True)
class Fault:
    """``old`` becomes ``new`` in one file: the code that this brings, and the fields that tell it."""

    says: str
    file: str
    old: str
    new: str
    code: str
    fields: frozenset[str]


JUDGED = {"verdict", "risk", "codes", "action", "related", "reasoning"}
FAULTS = [
    Fault("stop does not cancel", SCHEDULER, "self._task.cancel()", "pass", "TLC010", frozenset({"shutdown"})),
    Fault("stop does not wait", SCHEDULER, "await self._task\n", "pass\n", "TLC004", frozenset({"shutdown"})),
    Fault(
        "stop forgets the task",
        SCHEDULER,
        "self._task.cancel()\n            with suppress(asyncio.CancelledError):\n                await self._task",
        "pass\n            pass\n            pass",
        "TLC002",
        frozenset({"shutdown", "unknown"}),
    ),
    Fault(
        "a handler that takes all",
        SCHEDULER,
        "except Exception:",
        "except BaseException:",
        "TLC003",
        frozenset({"cancellation", "handlers", "observers"}),
    ),
    Fault(
        "a return in finally",
        SCHEDULER,
        '            except Exception:\n                logger.exception("the update failed")',
        "            finally:\n                return",
        "TLC011",
        frozenset({"cancellation", "handlers", "lifetime", "lifetime_evidence", "exceptions", "observers"}),
    ),
    Fault(
        "cancellation suppressed in the loop",
        SCHEDULER,
        "            await asyncio.sleep(self._interval)",
        "            with suppress(asyncio.CancelledError): await asyncio.sleep(self._interval)",
        "TLC010",
        frozenset({"cancellation", "handlers"}),
    ),
    Fault(
        "a handler that is too narrow",
        SCHEDULER,
        "except Exception:",
        "except OSError:",
        "TLC007",
        frozenset({"handlers", "exceptions", "observers"}),
    ),
    Fault(
        "the reference is dropped",
        SCHEDULER,
        "        self._task = asyncio.create_task",
        "        _ = None or asyncio.create_task",
        "TLC001",
        frozenset({"column", "end_column", "owner", "lifetime", "lifetime_evidence", "shutdown", "guard", "unknown"}),
    ),
    Fault(
        "no finally in the lifespan",
        MAIN,
        "    try:\n        yield\n    finally:\n",
        "    if app:\n        yield\n    if app:\n",
        "TLC006",
        frozenset({"shutdown"}),
    ),
    Fault(
        "the lifespan does not await stop",
        MAIN,
        "await scheduler.stop()",
        "scheduler.stop()",
        "TLC012",
        frozenset({"shutdown", "unknown"}),
    ),
]


def changed(fault: Fault) -> dict[str, str]:
    assert APPLICATION[fault.file].count(fault.old) == 1, fault.old
    text = APPLICATION[fault.file].replace(fault.old, fault.new)
    ast.parse(text)
    return APPLICATION | {fault.file: text}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.says)
def test_a_fault_turns_the_right_fields(fault: Fault, tmp_path: Path) -> None:
    sound, faulty = first(tmp_path), first(tmp_path, changed(fault))
    assert faulty.codes == (fault.code,)
    assert (faulty.verdict, {problem.code for problem in faulty.related}) == (Verdict.AT_RISK, {fault.code})
    assert differences(sound, faulty) == JUDGED | fault.fields


def test_a_start_that_the_lifespan_alone_calls_needs_no_guard(tmp_path: Path) -> None:
    unguarded = Fault(
        "", SCHEDULER, "if self._task is not None:\n            return", "pass\n        pass", "", frozenset()
    )
    sound, bare = first(tmp_path), first(tmp_path, changed(unguarded))
    assert differences(sound, bare) == {"guard", "reasoning"}
    assert (bare.guard, bare.verdict) == (None, Verdict.SAFE)
    console = {
        "backend/app/console.py": "from app.scheduler import scheduler\n\n\ndef resume():\n    scheduler.start()\n"
    }
    guarded = first(tmp_path, APPLICATION | console)
    assert guarded == sound
    exposed = first(tmp_path, changed(unguarded) | console)
    assert exposed.codes == ("TLC005",)
    assert differences(sound, exposed) == JUDGED | {"guard"}


HARMLESS = [
    Fault(
        "no docstring",
        SCHEDULER,
        '"""Look for updates now and then. The interval is in seconds."""',
        "...",
        "",
        frozenset({"purpose"}),
    ),
    Fault(
        "the place is not cleared",
        SCHEDULER,
        "            self._task = None\n\n",
        "            pass\n\n",
        "",
        frozenset({"shutdown"}),
    ),
]


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.says)
def test_a_change_that_is_no_fault_turns_no_more_than_its_field(change: Fault, tmp_path: Path) -> None:
    sound, other = first(tmp_path), first(tmp_path, changed(change))
    assert other.verdict is Verdict.SAFE
    assert differences(sound, other) - {"reasoning"} == change.fields


def made_in_the_lifespan() -> dict[str, str]:
    """The application without the module-level instance."""
    scheduler = APPLICATION[SCHEDULER].replace("scheduler = AutoupdateScheduler()\n", "")
    main = APPLICATION[MAIN].replace("import scheduler", "import AutoupdateScheduler")
    return APPLICATION | {
        SCHEDULER: scheduler,
        MAIN: main.replace("    scheduler.start()", "    scheduler = AutoupdateScheduler(); scheduler.start()"),
    }


def test_without_an_instance_the_lifespan_makes_it_last_as_long_as_the_application(tmp_path: Path) -> None:
    sound, site = first(tmp_path), first(tmp_path, made_in_the_lifespan())
    assert differences(sound, site) == {"owner", "lifetime_evidence", "reasoning"}
    assert (site.owner.instance, site.lifetime) == ("", Lifetime.APPLICATION)
    assert chain(site)[0].endswith("AutoupdateScheduler.stop is called in the finally of lifespan, a lifespan")


def test_the_action_is_the_mend_of_the_finding(tmp_path: Path) -> None:
    by_code = {fault.code: first(tmp_path, changed(fault)) for fault in FAULTS}
    assert by_code["TLC002"].action == "Release it in the method that stops AutoupdateScheduler."
    assert by_code["TLC003"].action == "Re-raise asyncio.CancelledError."
    assert by_code["TLC012"].action == "Await it, or spawn a task and keep it."
    assert by_code["TLC006"].action == "Put the yield in a try and the stop in its finally."
    assert {code: site.risk for code, site in by_code.items()} == {
        code: "medium" if code in {"TLC004", "TLC006"} else "high" for code in by_code
    }


def test_a_finding_of_another_file_is_related_with_its_place(tmp_path: Path) -> None:
    (fault,) = (one for one in FAULTS if one.code == "TLC006")
    (problem,) = first(tmp_path, changed(fault)).related
    assert (problem.file, problem.line, problem.qualname) == (MAIN, line(MAIN, "scheduler.start()"), "lifespan")
    (evidence,) = problem.evidence
    assert (evidence.file, evidence.text) == (MAIN, "await scheduler.stop()")


@pytest.mark.parametrize(("codes", "related"), [(None, ["TLC006"]), (frozenset({"TLC002"}), [])])
def test_a_file_that_is_not_audited_itself_is_examined_for_its_findings(
    codes: frozenset[str] | None, related: list[str], tmp_path: Path
) -> None:
    (fault,) = (one for one in FAULTS if one.code == "TLC006")
    write(tmp_path, changed(fault))
    new_run()
    path = tmp_path / SCHEDULER
    text = path.read_text(encoding="utf-8")
    examination = engine.examine(ast.parse(text), text.splitlines(keepends=True), str(path), Options())
    (site,) = sites_of(examination, SCHEDULER, Inquiry(Options(), codes=codes))
    assert [problem.code for problem in site.related] == related
    assert site.verdict is (Verdict.AT_RISK if related else Verdict.SAFE)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.says)
def test_what_is_suppressed_is_shown_and_does_not_count(fault: Fault, tmp_path: Path) -> None:
    def hidden(_path: str, finding: Finding) -> str:
        return "noqa" if finding.code == fault.code else ""

    found, _ = audited(tmp_path, changed(fault), hidden=hidden)
    (site,) = (one for one in found if one.file == SCHEDULER)
    assert [(problem.code, problem.suppressed) for problem in site.related] == [(fault.code, "noqa")]
    assert (site.codes, site.risk) == ((), "none")
    assert any(f"{fault.code} (" in sentence and "suppressed by noqa" in sentence for sentence in site.reasoning)
    assert site.verdict is (Verdict.UNRESOLVED if fault.code == "TLC002" else Verdict.SAFE)


def test_a_dangling_task_is_not_safe_because_its_code_is_not_in_force(tmp_path: Path) -> None:
    (fault,) = (one for one in FAULTS if one.code == "TLC001")
    site = first(tmp_path, changed(fault), Options(codes=frozenset({"TLC003"})))
    assert (site.verdict, site.owner.kind) == (Verdict.UNRESOLVED, OwnerKind.NOBODY)
    assert site.unknown[0] == "nobody holds it, and TLC001, which says so, is not in force"


def test_with_every_code_in_force_the_sound_application_stays_safe(tmp_path: Path) -> None:
    site = first(tmp_path, options=Options(codes=ALL_CODES - {"TLC106", "TLC108"}))
    assert (site.verdict, site.codes) == (Verdict.SAFE, ())


def test_an_opt_in_finding_of_its_release_concerns_a_site(tmp_path: Path) -> None:
    site = first(tmp_path, options=Options(codes=ALL_CODES))
    assert (site.codes, site.risk) == (("TLC108",), "low")


def test_rows_are_the_same_in_whatever_order_files_are_audited(tmp_path: Path) -> None:
    again = list(reversed(APPLICATION.items()))
    assert of_application(tmp_path) == of_application(tmp_path, dict(again))
