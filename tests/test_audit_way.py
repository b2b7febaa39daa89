"""What a task runs, what ends it, and who sees its error, where names and wrappers stand between: a site each."""

from __future__ import annotations

from pathlib import Path

import pytest
from audited import only, sites, steps

LOGGED = """
import asyncio


async def logged(work):
    try:
        await work
    except Exception:
        print("logged")


class Poller:
    def start(self):
        self._task = asyncio.create_task(logged(self._poll()))

    async def stop(self):
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _poll(self):
        await asyncio.to_thread(print)
"""


def test_the_coroutine_around_it_sees_its_error(tmp_path: Path) -> None:
    site = only(tmp_path, {"poller.py": LOGGED})
    assert (site.coroutine, site.exceptions, site.cancellation) == ("Poller._poll", "handled", "passes")
    assert [(one.line, one.note) for one in site.observers] == [(7, "'except Exception' in logged")]
    assert [one.line for one in site.handlers] == [7]


def test_the_coroutine_around_it_sees_some_errors(tmp_path: Path) -> None:
    site = only(tmp_path, {"poller.py": LOGGED.replace("except Exception", "except OSError")})
    assert (site.exceptions, site.observers) == ("unobserved", ())


def test_the_coroutine_around_it_swallows_a_cancellation(tmp_path: Path) -> None:
    text = LOGGED.replace("        await work\n", "        while True:\n            await work\n")
    site = only(tmp_path, {"poller.py": text.replace("except Exception", "except BaseException")})
    assert [(one.what, one.line) for one in site.handlers] == [("passes", 8)]


def test_the_coroutine_around_it_is_one_of_another_module(tmp_path: Path) -> None:
    wrapper, poller = LOGGED.split("class Poller")
    files = {"log.py": wrapper, "poller.py": f"import asyncio\nfrom log import logged\n\nclass Poller{poller}"}
    assert only(tmp_path, files).exceptions == "handled"


TWICE = """
import asyncio

async def first():
    await asyncio.sleep(1)

async def second():
    await asyncio.sleep(2)

def run(loop, late):
    if late:
        work = first()
        future = asyncio.run_coroutine_threadsafe(work, loop)
        return future.result()
    work = second()
    future = asyncio.run_coroutine_threadsafe(work, loop)
    while late is None:
        future.result(10)
"""


def test_two_tasks_that_one_name_holds_in_turn_are_told_apart(tmp_path: Path) -> None:
    one, other = sites(tmp_path, {"thread.py": TWICE})
    assert [(site.coroutine, steps(site)) for site in (one, other)] == [
        ("first", [("await", "thread.py", 13)]),
        ("second", [("await", "thread.py", 17)]),
    ]
    assert [[proof.line for proof in site.observers] for site in (one, other)] == [[13], [17]]


def test_two_tasks_of_which_a_name_may_hold_either(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def first():
        await asyncio.sleep(1)

    async def second():
        await asyncio.sleep(2)

    async def run(late):
        if late:
            work = first()
            task = asyncio.create_task(work)
        else:
            work = second()
            task = asyncio.create_task(work)
        await task
    """
    one, other = sites(tmp_path, {"either.py": text})
    assert [site.coroutine for site in (one, other)] == ["first", "second"]
    assert [steps(site) for site in (one, other)] == [[("await", "either.py", 16)]] * 2


def test_a_loop_over_a_collection_gives_the_task_again(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def run(orders):
        tasks = []
        for order in orders:
            task = asyncio.create_task(asyncio.sleep(order))
            tasks.append(task)
        for task in tasks:
            await task
    """
    site = only(tmp_path, {"orders.py": text})
    assert (steps(site), site.exceptions) == ([("await", "orders.py", 9)], "observed")


def test_what_runs_is_one_of_two_where_both_may_reach(tmp_path: Path) -> None:
    text = """
    import asyncio

    async def first():
        await asyncio.sleep(1)

    async def second():
        await asyncio.sleep(2)

    async def run(late):
        work = first()
        if late:
            work = second()
        await asyncio.create_task(work)
    """
    assert only(tmp_path, {"either.py": text}).coroutine == "first or second"


DYNAMIC = """
import asyncio

class Client:
    def start(self):
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())

    async def close(self):
        await self._closing

    def dispatch(self, event):
        return getattr(self, event)

    async def _close(self):
        await asyncio.to_thread(print)
"""


def test_a_wait_that_is_seen_outweighs_a_reader_that_may_be(tmp_path: Path) -> None:
    site = only(tmp_path, {"client.py": DYNAMIC})
    assert (site.exceptions, [one.line for one in site.observers]) == ("observed", [9])


def test_a_reader_that_may_be_is_not_denied(tmp_path: Path) -> None:
    site = only(tmp_path, {"client.py": DYNAMIC.replace("await self._closing", "self._closing.cancel()")})
    assert site.exceptions == "unknown"
    assert "exceptions: read by somebody who cannot be told" in site.unknown


LOOPS = {
    "without a test": ("while True", "loops without end"),
    "with a test": ("while not self.client.is_closed()", "loops while 'not self.client.is_closed()'"),
}


@pytest.mark.parametrize(("head", "note"), LOOPS.values(), ids=LOOPS)
def test_a_loop_says_what_it_waits_for(head: str, note: str, tmp_path: Path) -> None:
    text = f"""
    import asyncio

    class Shard:
        def __init__(self, client):
            self.client = client
            self._task = asyncio.create_task(self._work())

        async def close(self):
            self._task.cancel()
            await asyncio.wait([self._task])

        async def _work(self):
            {head}:
                await asyncio.sleep(1)
    """
    site = only(tmp_path, {"shard.py": text})
    assert [one.note for one in site.lifetime_evidence] == [note]
    assert any(f"it {note} (shard.py:13)" in one for one in site.reasoning)


def test_a_coroutine_that_may_be_overridden_says_so(tmp_path: Path) -> None:
    text = """
    import asyncio

    class View:
        def start(self):
            asyncio.create_task(self.on_timeout())

        async def on_timeout(self):
            pass
    """
    site = only(tmp_path, {"view.py": text})
    assert [one for one in site.unknown if one.startswith("lifetime")] == [
        "lifetime: 'View.on_timeout' is only a promise: what overrides it runs"
    ]


KEYED = """
import asyncio

class Rooms:
    def __init__(self):
        self._tasks = {}

    def open(self, room):
        if room in self._tasks:
            self._tasks[room].cancel()
        self._tasks[room] = asyncio.create_task(asyncio.sleep(1))
"""


def test_a_key_that_is_looked_up_guards_a_second_start(tmp_path: Path) -> None:
    site = only(tmp_path, {"rooms.py": KEYED})
    assert site.guard is not None
    assert (site.guard.line, site.guard.note) == (8, "tests 'room in self._tasks' before the store")


@pytest.mark.parametrize("head", ["if room:", "if len(self.rooms) > 1:"])
def test_a_key_that_is_not_looked_up_guards_nothing(head: str, tmp_path: Path) -> None:
    assert only(tmp_path, {"rooms.py": KEYED.replace("if room in self._tasks:", head)}).guard is None
