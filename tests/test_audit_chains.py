"""The chain of calls that reaches the end of a task from outside: one small project each."""

from __future__ import annotations

from pathlib import Path

import pytest
from audited import audited, chain, only, sites, steps

from flake8_task_lifecycle.audit.report import Owner, OwnerKind, Verdict

POLLER = '''
import asyncio


class Poller:
    def __init__(self):
        self._task = asyncio.create_task(self._run())

    async def stop(self):
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self):
        """Poll."""
        while True:
            try:
                await asyncio.to_thread(print)
            except Exception:
                print("failed")
'''

LIFESPAN = """
from poller import Poller


async def lifespan(app):
    poller = Poller()
    yield
    await poller.stop()
"""


def reached(tmp_path: Path, caller: str, **others: str) -> list[str]:
    """The chain of the poller's task in a project with one module more, or several."""
    files = {"poller.py": POLLER, "caller.py": caller} | {f"{name}.py": text for name, text in others.items()}
    (site,) = (one for one in sites(tmp_path, files) if one.file == "poller.py")
    assert site.verdict is Verdict.SAFE
    return chain(site)


PLACES = {
    "a finally": (
        """
        import asyncio
        from poller import Poller

        async def main():
            poller = Poller()
            try:
                await asyncio.sleep(1)
            finally:
                await poller.stop()

        asyncio.run(main())
        """,
        ["caller.py:9 Poller.stop is called in the finally of main", "caller.py:11 main is run by asyncio.run"],
    ),
    "an exit method, and who enters it": (
        """
        from poller import Poller

        class Client:
            def __init__(self):
                self._poller = Poller()

            async def __aenter__(self):
                return self

            async def __aexit__(self, *exc):
                await self._poller.stop()

        async def work():
            async with Client() as client:
                print(client)
        """,
        [
            "caller.py:11 Poller.stop is called by Client.__aexit__, which async with calls",
            "caller.py:14 Client.__aexit__ is entered with async with in work",
        ],
    ),
    "a signal handler": (
        """
        import asyncio
        import signal
        from poller import Poller

        async def main():
            poller = Poller()
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(poller.stop()))
        """,
        ["caller.py:8 Poller.stop is set as a signal handler in main"],
    ),
    "a named signal handler": (
        """
        import signal
        from poller import Poller

        poller = Poller()

        def on_term(*_):
            poller.stop().send(None)

        signal.signal(signal.SIGTERM, on_term)
        """,
        [
            "caller.py:7 Poller.stop is called by on_term",
            "caller.py:9 on_term is set as a signal handler",
        ],
    ),
    "atexit": (
        """
        import atexit
        from poller import Poller

        def setup():
            poller = Poller()
            atexit.register(poller.stop)
        """,
        ["caller.py:6 Poller.stop is registered with atexit in setup"],
    ),
    "a fixture": (
        """
        import pytest
        from poller import Poller

        @pytest.fixture
        async def poller():
            made = Poller()
            yield made
            await made.stop()
        """,
        ["caller.py:8 Poller.stop is called by poller, a fixture"],
    ),
    "a context manager, and who enters it": (
        """
        import asyncio
        from contextlib import asynccontextmanager
        from poller import Poller

        @asynccontextmanager
        async def polling():
            poller = Poller()
            try:
                yield
                await poller.stop()
            finally:
                print("polled")

        async def main():
            async with polling():
                await asyncio.sleep(1)

        asyncio.run(main())
        """,
        [
            "caller.py:10 Poller.stop is called by polling, a context manager",
            "caller.py:15 polling is called by main",
            "caller.py:18 main is run by asyncio.run",
        ],
    ),
    "a finalizer of a fixture": (
        """
        import pytest
        from poller import Poller

        @pytest.fixture
        def poller(request):
            made = Poller()
            request.addfinalizer(made.stop)
            return made
        """,
        ["caller.py:7 Poller.stop is given to request.addfinalizer in poller, a fixture"],
    ),
    "an exit stack": (
        """
        from contextlib import AsyncExitStack, asynccontextmanager
        from poller import Poller

        @asynccontextmanager
        async def lifespan(app):
            async with AsyncExitStack() as stack:
                poller = Poller()
                stack.push_async_callback(poller.stop)
                yield
        """,
        ["caller.py:8 Poller.stop is given to stack.push_async_callback in lifespan, a lifespan"],
    ),
    "a shutdown hook": (
        """
        from starlette.applications import Starlette
        from poller import Poller

        poller = Poller()
        app = Starlette(on_shutdown=[poller.stop])
        """,
        ["caller.py:5 Poller.stop is given to Starlette as on_shutdown"],
    ),
    "a list of hooks": (
        """
        from poller import Poller

        def setup(app):
            poller = Poller()
            app.on_cleanup.append(poller.stop)
        """,
        ["caller.py:5 Poller.stop is put into app.on_cleanup in setup"],
    ),
    "an event of the framework": (
        """
        from somewhere import app
        from poller import Poller

        poller = Poller()

        @app.on_event("shutdown")
        async def close():
            await poller.stop()
        """,
        ["caller.py:8 Poller.stop is called by close, which @on_event registers"],
    ),
    "two hops": (
        """
        from poller import Poller

        class Service:
            def __init__(self):
                self.poller = Poller()

            async def close(self):
                await self._close()

            async def _close(self):
                await self.poller.stop()

        async def lifespan(app):
            service = Service()
            yield
            await service.close()
        """,
        [
            "caller.py:11 Poller.stop is called by Service._close",
            "caller.py:8 Service._close is called by Service.close",
            "caller.py:16 Service.close is called by lifespan, a lifespan",
        ],
    ),
    "the better end wins over the nearer line": (
        """
        from poller import Poller
        from somewhere import app

        poller = Poller()

        @app.get("/stop")
        async def stop():
            await poller.stop()

        async def lifespan(app):
            yield
            await poller.stop()
        """,
        ["caller.py:12 Poller.stop is called by lifespan, a lifespan"],
    ),
    "a circle": (
        """
        from poller import Poller

        poller = Poller()

        async def one():
            await poller.stop()
            await two()

        async def two():
            await one()
        """,
        ["caller.py:6 Poller.stop is called by one", "caller.py:10 one is called by two"],
    ),
    "nobody": ("from poller import Poller\n\npoller = Poller()\n", []),
}


@pytest.mark.parametrize(("caller", "steps"), PLACES.values(), ids=PLACES)
def test_the_chain_tells_what_kind_of_place_each_step_is(caller: str, steps: list[str], tmp_path: Path) -> None:
    assert reached(tmp_path, caller) == steps


def test_a_chain_that_ends_nowhere_says_so(tmp_path: Path) -> None:
    caller = "from poller import Poller\n\npoller = Poller()\n\n\nasync def end():\n    await poller.stop()\n"
    (site,) = (one for one in sites(tmp_path, {"poller.py": POLLER, "caller.py": caller}))
    assert chain(site) == ["caller.py:7 Poller.stop is called by end"]
    assert site.unknown == ("callers: who calls end is not seen in the project",)


def test_a_receiver_that_does_not_resolve_is_named_and_not_taken(tmp_path: Path) -> None:
    caller = "async def end(poller):\n    await poller.stop()\n"
    site = only(tmp_path, {"poller.py": POLLER, "caller.py": caller})
    assert chain(site) == []
    unseen = "callers: who calls Poller.stop is not seen in the project"
    doubt = "'await poller.stop()' (caller.py:2) may call Poller.stop, but its receiver is not resolved"
    assert site.unknown == (f"{unseen}; {doubt}",)


def test_a_bounded_chain(tmp_path: Path) -> None:
    hops = "\n".join(f"async def f{number}():\n    await f{number - 1}()\n" for number in range(1, 30))
    caller = f"from poller import Poller\n\npoller = Poller()\n\nasync def f0():\n    await poller.stop()\n\n{hops}"
    assert len(reached(tmp_path, caller)) == 8


def test_a_test_is_no_reason_when_the_program_has_one(tmp_path: Path) -> None:
    test = "from poller import Poller\n\nasync def test_it():\n    await Poller().stop()\n"
    files = {"poller.py": POLLER, "test_a.py": test}
    site = only(tmp_path, files)
    assert chain(site) == ["test_a.py:4 Poller.stop is called by test_it, a test"]
    assert site.unknown == ("callers: only tests are seen to call Poller.stop",)
    site = only(tmp_path, files | {"main.py": LIFESPAN})
    assert chain(site) == ["main.py:7 Poller.stop is called by lifespan, a lifespan"]
    assert site.unknown == ()


def test_the_end_of_the_program_goes_before_one_that_a_test_makes_up(tmp_path: Path) -> None:
    program = """
    import asyncio
    from poller import Poller

    async def main():
        await Poller().stop()

    asyncio.run(main())
    """
    files = {"poller.py": POLLER, "main.py": program, "tests/test_a.py": LIFESPAN}
    (site,) = (one for one in sites(tmp_path, files) if one.file == "poller.py")
    assert chain(site) == ["main.py:5 Poller.stop is called by main", "main.py:7 main is run by asyncio.run"]


def test_a_call_through_the_base_class_that_promises_the_method(tmp_path: Path) -> None:
    files = {
        "base.py": """
        import abc

        class Service(abc.ABC):
            @abc.abstractmethod
            async def stop(self): ...
        """,
        "poller.py": POLLER.replace("class Poller:", "from base import Service\n\n\nclass Poller(Service):"),
        "main.py": """
        from base import Service

        class Application:
            service: Service

            async def __aexit__(self, *exc):
                await self.service.stop()
        """,
    }
    site = only(tmp_path, files)
    assert chain(site) == ["main.py:7 Poller.stop is called by Application.__aexit__, which async with calls"]


def test_a_base_class_of_another_module_releases_and_is_called_through_its_subclass(tmp_path: Path) -> None:
    files = {
        "base.py": """
        class Service:
            _task = None

            async def stop(self):
                self._task.cancel()
                await self._task
        """,
        "poller.py": """
        import asyncio
        from base import Service

        class Poller(Service):
            async def __aenter__(self):
                self._task = asyncio.create_task(self._run())

            async def _run(self):
                while True:
                    await asyncio.sleep(1)
        """,
        "main.py": """
        from poller import Poller

        poller = Poller()

        async def lifespan(app):
            async with poller:
                yield
            await poller.stop()
        """,
    }
    site = only(tmp_path, files)
    assert site.owner == Owner(OwnerKind.ATTRIBUTE, "Poller._task", "main:poller")
    assert steps(site) == [("cancel", "base.py", 5), ("await", "base.py", 6)]
    assert chain(site) == ["main.py:8 Service.stop is called by lifespan, a lifespan"]
    assert any("there is no second start: __aenter__ runs once" in one.lower() for one in site.reasoning)


def test_files_without_the_wanted_names_are_not_parsed(tmp_path: Path) -> None:
    noise = {f"noise{number}.py": f"def stop{number}():\n    return {number}\n" for number in range(20)}
    _, inquiry = audited(tmp_path, {"poller.py": POLLER, "caller.py": LIFESPAN} | noise)
    assert {path.name for path in inquiry.callers.parsed} == {"poller.py", "caller.py"}


def test_two_modules_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = "from poller import Poller\n\n{0} = Poller()\n\nasync def lifespan(app):\n    yield\n    await {0}.stop()\n"
    files = {"poller.py": POLLER, "src/caller.py": text.format("inner"), "caller.py": text.format("outer")}
    found, inquiry = audited(tmp_path, files)
    assert chain(found[0]) == ["caller.py:7 Poller.stop is called by lifespan, a lifespan"]
    kept = inquiry.callers.instances(str(tmp_path / "poller.py"), "poller.Poller")
    assert [(one.name, Path(one.path).parent.name) for one in kept] == [
        ("caller:outer", tmp_path.name),
        ("caller:inner", "src"),
    ]
