"""Who holds a task, how long it lives, what ends it, and what is said when that is not known: a small project each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from audited import chain, only, sites, steps

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.audit.inquiry import Inquiry
from flake8_task_lifecycle.audit.report import Lifetime, Owner, OwnerKind, Verdict
from flake8_task_lifecycle.audit.sites import sites_of
from flake8_task_lifecycle.model import Finding
from flake8_task_lifecycle.options import DEFAULT_CODES, Options
from flake8_task_lifecycle.rules import tlc007_silent_task_death


def test_a_scoped_task_is_its_scopes(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def work():
        \"\"\"Does the work (quickly, i.e. at once) and :meth:`ends`. Then nothing.\"\"\"
        await asyncio.sleep(1)

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
    """
    site = only(tmp_path, {"main.py": text})
    assert (site.verdict, site.lifetime, site.owner) == (
        Verdict.SCOPED,
        Lifetime.SCOPE,
        Owner(OwnerKind.SCOPE, "group"),
    )
    assert steps(site) == [("scope", "main.py", 8)]
    assert site.purpose == "Does the work (quickly, i.e. at once) and ends"
    assert (site.unknown, site.action) == ((), "none")


def test_an_owner_that_is_not_known_is_unresolved(tmp_path: Path) -> None:
    text = """
    import asyncio
    from elsewhere import keep

    async def work():
        while True:
            await asyncio.sleep(1)

    async def main():
        keep(asyncio.create_task(work()))
    """
    site = only(tmp_path, {"main.py": text})
    assert (site.verdict, site.owner, site.risk) == (Verdict.UNRESOLVED, Owner(OwnerKind.UNKNOWN), "none")
    assert site.unknown[0] == "owner: handed to keep, which is not resolved"
    assert site.action == "Look at what stayed unknown: owner: handed to keep, which is not resolved."


def test_a_class_that_is_not_known_is_unresolved(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def work():
        while True:
            await asyncio.sleep(1)

    async def start(thing):
        thing.task = asyncio.create_task(work())
    """
    site = only(tmp_path, {"main.py": text})
    assert (site.verdict, site.owner) == (Verdict.UNRESOLVED, Owner(OwnerKind.ATTRIBUTE, "thing.task"))
    assert site.unknown[0] == "owner: the class of 'thing.task' is not resolved"


def test_a_purpose_that_is_not_known_says_why(tmp_path: Path) -> None:
    text = "import asyncio\n\n\nasync def main(job):\n    task = asyncio.create_task(job())\n    await task\n"
    site = only(tmp_path, {"main.py": text})
    assert (site.coroutine, site.purpose) == ("job", "unknown")
    assert site.unknown == ("purpose: 'job' is not resolved", "cancellation: what runs is not resolved")
    assert (site.verdict, site.lifetime) == (Verdict.SAFE, Lifetime.FUNCTION)


def test_a_purpose_of_another_module(tmp_path: Path) -> None:
    files = {
        "jobs.py": 'async def sweep():\n    """Sweep\n    the floor. Well.\n    """\n',
        "main.py": """
        import asyncio
        from jobs import sweep

        async def main():
            await asyncio.create_task(sweep())
        """,
    }
    site = only(tmp_path, files)
    assert (site.coroutine, site.purpose, site.owner.kind) == ("sweep", "Sweep the floor", OwnerKind.AWAITED)


def test_a_keeping_wrapper_of_another_module_is_the_owner(tmp_path: Path) -> None:
    files = {
        "background.py": """
        import asyncio

        _tasks = set()

        def spawn(coroutine):
            task = asyncio.create_task(coroutine)
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
            return task

        async def drain():
            await asyncio.gather(*_tasks, return_exceptions=True)
        """,
        "main.py": """
        from background import drain, spawn

        async def work():
            print("done")

        async def lifespan(app):
            spawn(work())
            try:
                yield
            finally:
                await drain()
        """,
    }
    inner, outer = sites(tmp_path, files)
    assert (inner.file, outer.file) == ("background.py", "main.py")
    for site in (inner, outer):
        assert (site.owner, site.verdict) == (Owner(OwnerKind.COLLECTION, "_tasks"), Verdict.SAFE)
        assert ("await", "background.py", 12) in steps(site)
        assert chain(site) == ["main.py:11 drain is called in the finally of lifespan, a lifespan"]
    assert (outer.coroutine, outer.lifetime) == ("work", Lifetime.ONE_SHOT)


def test_a_keeping_wrapper_of_a_keeping_wrapper(tmp_path: Path) -> None:
    text = """
    import asyncio

    class Application:
        def __init__(self):
            self._tasks = set()

        def create_task(self, coroutine):
            return self._create_task(coroutine)

        def _create_task(self, coroutine):
            task = asyncio.create_task(coroutine)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return task

        def update(self):
            self.create_task(asyncio.sleep(1))

        async def stop(self):
            await asyncio.gather(*self._tasks)
    """
    found = sites(tmp_path, {"application.py": text})
    assert [site.owner for site in found] == [Owner(OwnerKind.COLLECTION, "Application._tasks")] * 3
    assert [site.verdict for site in found] == [Verdict.SAFE] * 3


def test_a_task_that_is_returned_is_the_callers(tmp_path: Path) -> None:
    files = {
        "wrapper.py": "import asyncio\n\n\ndef spawn(coroutine):\n    return asyncio.create_task(coroutine)\n",
        "main.py": """
        from wrapper import spawn

        async def main():
            await spawn(work())
            task = spawn(work())
            await task

        async def work():
            print("done")
        """,
    }
    outer, inner = sites(tmp_path, files)
    assert (outer.owner, outer.verdict) == (Owner(OwnerKind.LOCAL, "task"), Verdict.SAFE)
    at_once, _, _ = sites(tmp_path, files, Options(codes=DEFAULT_CODES | {"TLC900"}))
    assert (at_once.owner, at_once.verdict) == (Owner(OwnerKind.AWAITED), Verdict.SAFE)
    assert (inner.owner, inner.verdict) == (Owner(OwnerKind.CALLER, "spawn"), Verdict.SAFE)
    (alone,) = sites(tmp_path / "other", {"wrapper.py": files["wrapper.py"]})
    assert (alone.verdict, alone.unknown[0]) == (
        Verdict.UNRESOLVED,
        "release: no call of 'spawn' is seen in the project",
    )


def test_a_loop_is_asked_to_end_by_a_flag(tmp_path: Path) -> None:
    text = """
    import asyncio

    class Poller:
        def __init__(self):
            self._stopping = asyncio.Event()
            self._task = asyncio.create_task(self._run())

        def stop(self):
            self._stopping.set()

        async def _run(self):
            while not self._stopping.is_set():
                await asyncio.sleep(1)
    """
    site = only(tmp_path, {"poller.py": text})
    assert (site.verdict, steps(site)) == (Verdict.SAFE, [("close", "poller.py", 9)])


def test_a_handler_of_a_coroutine_in_another_module_concerns_the_site(tmp_path: Path) -> None:
    files = {
        "jobs.py": """
        import asyncio

        async def sweep():
            while True:
                try:
                    await asyncio.sleep(1)
                except BaseException:
                    print("no")
        """,
        "main.py": """
        import asyncio
        from jobs import sweep

        class Sweeper:
            def __init__(self):
                self.task = asyncio.create_task(sweep())

            async def stop(self):
                self.task.cancel()
                await asyncio.wait([self.task])
        """,
    }
    site = only(tmp_path, files)
    assert (site.verdict, site.codes, site.cancellation) == (Verdict.AT_RISK, ("TLC003",), "swallowed")
    assert [(one.what, one.file, one.line) for one in site.handlers] == [("swallows", "jobs.py", 7)]
    assert [(one.file, one.line) for one in site.related] == [("jobs.py", 7)]


def test_the_outcome_is_observed_by_a_callback_of_another_module(tmp_path: Path) -> None:
    files = {
        "log.py": "def log(task):\n    if task.exception():\n        print(task)\n",
        "main.py": """
        import asyncio
        from log import log

        class Sweeper:
            def __init__(self):
                self.task = asyncio.create_task(self._run())
                self.task.add_done_callback(log)

            async def stop(self):
                self.task.cancel()

            async def _run(self):
                while True:
                    await asyncio.to_thread(print)
        """,
    }
    site = only(tmp_path, files, Options(codes=frozenset({"TLC007"})))
    assert (site.exceptions, [(one.file, one.line, one.text) for one in site.observers]) == (
        "observed",
        [("log.py", 2, "if task.exception():")],
    )


def test_a_race_in_which_the_losers_are_cancelled(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def first(*mirrors):
        requests = [asyncio.ensure_future(mirror()) for mirror in mirrors]
        done, pending = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        for request in pending:
            request.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return await done.pop()
    """
    site = only(tmp_path, {"race.py": text})
    assert steps(site) == [("await", "race.py", 5), ("cancel", "race.py", 7), ("await", "race.py", 8)]
    assert (site.verdict, site.lifetime) == (Verdict.SAFE, Lifetime.FUNCTION)


def test_a_race_whose_losers_end_in_a_handler(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def first(*mirrors):
        requests = [asyncio.ensure_future(mirror()) for mirror in mirrors]
        done, pending = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        for request in pending:
            request.cancel()
            try:
                await asyncio.wait_for(request, 1)
            except asyncio.CancelledError:
                pass
    """
    site = only(tmp_path, {"race.py": text})
    assert steps(site)[1:] == [("cancel", "race.py", 7), ("await", "race.py", 9), ("suppress", "race.py", 10)]


def test_a_task_in_two_places_is_ended_through_either(tmp_path: Path) -> None:
    text = """
    import asyncio

    _all = set()

    class Poller:
        def start(self):
            self.task = task = asyncio.create_task(asyncio.sleep(1))
            _all.add(task)
            task.add_done_callback(_all.discard)

        def stop(self):
            self.task.cancel()

    async def drain():
        await asyncio.gather(*_all)
    """
    site = only(tmp_path, {"poller.py": text})
    assert site.owner == Owner(OwnerKind.ATTRIBUTE, "Poller.task")
    assert [(what, where) for what, _, where in steps(site)] == [("clear", 9), ("cancel", 12), ("await", 15)]


def test_an_owner_that_is_not_known_is_unresolved_though_the_task_ends_itself(tmp_path: Path) -> None:
    text = """
    import asyncio
    from elsewhere import keep

    async def main():
        keep(asyncio.create_task(asyncio.sleep(1)))
    """
    site = only(tmp_path, {"main.py": text})
    assert (site.verdict, site.lifetime) == (Verdict.UNRESOLVED, Lifetime.ONE_SHOT)


def test_handlers_of_what_the_coroutine_awaits_are_on_its_way(tmp_path: Path) -> None:
    files = {
        "jobs.py": """
        import asyncio

        async def sweep():
            try:
                await asyncio.sleep(1)
            except (OSError, asyncio.CancelledError):
                raise
        """,
        "main.py": """
        import asyncio
        from jobs import sweep

        async def run():
            await sweep()

        async def main():
            await asyncio.create_task(run())
        """,
    }
    site = only(tmp_path, files)
    assert site.cancellation == "passes"
    assert [(one.what, one.file, one.line, one.note) for one in site.handlers] == [
        ("passes", "jobs.py", 6, "'except (OSError, asyncio.CancelledError)' raises it again")
    ]


def test_a_future_of_another_thread_whose_result_is_waited_for(tmp_path: Path) -> None:
    text = """
    import asyncio

    def ask(loop, question):
        future = asyncio.run_coroutine_threadsafe(question(), loop)
        return future.result(10)
    """
    site = only(tmp_path, {"thread.py": text})
    assert (site.verdict, steps(site)) == (Verdict.SAFE, [("await", "thread.py", 5)])


def test_an_expression_of_several_lines_is_one_line(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def main():
        é = 1; await asyncio.gather(asyncio.create_task(
            asyncio.sleep(  # for a while
                1,
            ),
            name="é",
        ))
    """
    site = only(tmp_path, {"main.py": text})
    assert site.expression == 'asyncio.create_task(asyncio.sleep(1), name="é")'
    assert (site.line, site.column, site.end_line, site.end_column) == (4, 33, 9, 6)


def test_a_file_that_is_not_on_disk_is_examined_alone() -> None:
    text = dedent(POLLER)
    examination = engine.examine(ast.parse(text), text.splitlines(keepends=True), "nowhere.py", Options())
    (site,) = sites_of(examination, "nowhere.py", Inquiry(Options()))
    assert (site.verdict, site.owner) == (Verdict.SAFE, Owner(OwnerKind.ATTRIBUTE, "Poller._task"))
    assert steps(site) == [("cancel", "nowhere.py", 8), ("await", "nowhere.py", 9)]
    assert [one.partition(":")[0] for one in site.unknown] == ["callers"]


POLLER = """\
import asyncio

class Poller:
    def __init__(self):
        self._task = asyncio.create_task(asyncio.sleep(1))

    async def stop(self):
        self._task.cancel()
        await asyncio.wait([self._task])
"""


def test_a_site_that_cannot_be_looked_into_is_unresolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError("no account today")

    monkeypatch.setattr(engine, "GUARD", True)
    monkeypatch.setattr("flake8_task_lifecycle.audit.sites.account_of", fail)
    site = only(tmp_path, {"poller.py": POLLER})
    assert (site.verdict, site.line, site.codes) == (Verdict.UNRESOLVED, 5, ())
    assert site.unknown == ("the site could not be looked into: LookupError",)


def test_a_lost_rule_is_told_and_the_others_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Iterator[Finding]:
        raise LookupError("no\nrule today")

    text = "import asyncio\n\n\nasync def main(work):\n    asyncio.create_task(work())\n"
    lines, tree = text.splitlines(keepends=True), ast.parse(text)
    monkeypatch.setattr(tlc007_silent_task_death, "check", fail)
    with pytest.raises(LookupError):
        engine.examine(tree, lines, "main.py", Options())
    monkeypatch.setattr(engine, "GUARD", True)
    examination = engine.examine(tree, lines, "main.py", Options())
    assert examination.lost == (("TLC007", "LookupError: no rule today"),)
    assert [finding.code for finding in examination.findings] == ["TLC001"]
    assert list(examination.findings) == engine.check(tree, lines, "main.py", Options())


def test_a_file_of_which_no_tree_can_be_built_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(engine, "GUARD", True)
    monkeypatch.setattr(engine, "facts_of", fail)
    examination = engine.examine(ast.parse(""), [], "deep.py", Options())
    assert examination == engine.Examination(None, (), (("", "RecursionError"),))
    assert sites_of(examination, "deep.py", Inquiry(Options())) == []
