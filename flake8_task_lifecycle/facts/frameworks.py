"""What is known of frameworks, in one table: only what changes a verdict, each row with its case and its source.

The names of asyncio and the standard library are in ``library``; what a project's own code shows is not told here.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import NamedTuple


class Does(Enum):
    """What a framework does with the name of a row.

    KEEPS: a function that spawns, holds the task, logs its error and ends it at shutdown. SCOPES: a method whose
    receiver waits for what it starts. GIVES: a call that makes an object of the class ``gives``. RUNS: runs a main,
    and cancels and awaits what is left. ENTERS: runs an entry coroutine, and ends nothing else. RESUMES: takes a
    generator and goes on with it after its ``yield``, whatever happened in between. ENTERS_CONTEXT: takes a generator
    and throws in at its ``yield`` what happened in between. LOOPS: a decorator that makes an object whose ``start()``
    spawns. ACCEPTS: a package whose event loop runs coroutine functions given as plain callbacks. RAISES: never
    returns.
    """

    KEEPS = "keeps"
    SCOPES = "scopes"
    GIVES = "gives"
    RUNS = "runs"
    ENTERS = "enters"
    RESUMES = "resumes"
    ENTERS_CONTEXT = "enters a context"
    LOOPS = "loops"
    ACCEPTS = "accepts"
    RAISES = "raises"


class Row(NamedTuple):
    """One thing that is known: a dotted name or ``*.name``, the heading of its case, and where it is documented."""

    does: Does
    name: str
    case: str
    source: str
    gives: str = ""


_HASS = "https://developers.home-assistant.io/docs/asyncio_working_with_async"
_HASS_ENTRY = "https://developers.home-assistant.io/blog/2024/03/13/deprecate_add_run_job"
_ANYIO = "https://anyio.readthedocs.io/en/stable/tasks.html"
_ANYIO_RUN = "https://anyio.readthedocs.io/en/stable/basics.html"
_TRIO = "https://trio.readthedocs.io/en/stable/reference-core.html"
_AIOJOBS = "https://aiojobs.readthedocs.io/en/stable/api.html"
_QUATTRO = "https://pypi.org/project/quattro/"
_TASKGROUP = "https://pypi.org/project/taskgroup/"
_AIOTOOLS = "https://aiotools.readthedocs.io/en/latest/aiotools.taskgroup.html"
_UVLOOP = "https://uvloop.readthedocs.io/user/index.html"
_PYTEST = "https://docs.pytest.org/en/stable/reference/reference.html"
_FIXTURES = "https://docs.pytest.org/en/stable/how-to/fixtures.html#teardown-cleanup-aka-fixture-finalization"
_PYTEST_ASYNCIO = "https://pytest-asyncio.readthedocs.io/en/stable/reference/decorators/index.html"

TABLE: tuple[Row, ...] = (
    Row(Does.KEEPS, "homeassistant.core.HomeAssistant.async_create_task", "keepers.md: hass.async_create_task", _HASS),
    Row(
        Does.KEEPS,
        "homeassistant.core.HomeAssistant.async_create_background_task",
        "keepers.md: hass.async_create_background_task",
        _HASS,
    ),
    Row(
        Does.KEEPS,
        "homeassistant.config_entries.ConfigEntry.async_create_task",
        "keepers.md: entry.async_create_task",
        _HASS_ENTRY,
    ),
    Row(
        Does.KEEPS,
        "homeassistant.config_entries.ConfigEntry.async_create_background_task",
        "keepers.md: entry.async_create_background_task",
        _HASS_ENTRY,
    ),
    Row(Does.SCOPES, "taskgroup.TaskGroup.create_task", "scopes.md: taskgroup.TaskGroup.create_task", _TASKGROUP),
    Row(Does.SCOPES, "quattro.TaskGroup.create_task", "scopes.md: quattro.TaskGroup.create_task", _QUATTRO),
    Row(
        Does.SCOPES,
        "quattro.TaskGroup.create_background_task",
        "scopes.md: quattro.TaskGroup.create_background_task",
        _QUATTRO,
    ),
    Row(Does.SCOPES, "aiotools.TaskGroup.create_task", "scopes.md: aiotools.TaskGroup.create_task", _AIOTOOLS),
    Row(
        Does.SCOPES,
        "aiotools.PersistentTaskGroup.create_task",
        "scopes.md: aiotools.PersistentTaskGroup.create_task",
        _AIOTOOLS,
    ),
    Row(Does.SCOPES, "*.start_soon", "scopes.md: start_soon of whatever receiver", _ANYIO),
    Row(Does.SCOPES, "anyio.abc.TaskGroup.start", "scopes.md: anyio.abc.TaskGroup.start", _ANYIO),
    Row(Does.SCOPES, "anyio.abc.TaskGroup.create_task", "scopes.md: anyio.abc.TaskGroup.create_task", _ANYIO),
    Row(Does.SCOPES, "trio.Nursery.start", "scopes.md: trio.Nursery.start", _TRIO),
    Row(Does.SCOPES, "aiojobs.Scheduler.spawn", "scopes.md: aiojobs.Scheduler.spawn", _AIOJOBS),
    Row(Does.GIVES, "anyio.create_task_group", "scopes.md: anyio.abc.TaskGroup.start", _ANYIO, "anyio.abc.TaskGroup"),
    Row(Does.GIVES, "trio.open_nursery", "scopes.md: trio.Nursery.start", _TRIO, "trio.Nursery"),
    Row(Does.GIVES, "aiojobs.create_scheduler", "scopes.md: aiojobs.create_scheduler", _AIOJOBS, "aiojobs.Scheduler"),
    Row(
        Does.GIVES,
        "aiojobs.aiohttp.get_scheduler_from_app",
        "scopes.md: get_scheduler_from_app",
        _AIOJOBS,
        "aiojobs.Scheduler",
    ),
    Row(
        Does.GIVES,
        "aiojobs.aiohttp.get_scheduler_from_request",
        "scopes.md: get_scheduler_from_request",
        _AIOJOBS,
        "aiojobs.Scheduler",
    ),
    Row(
        Does.GIVES,
        "uvloop.new_event_loop",
        "runners.md: uvloop.new_event_loop",
        _UVLOOP,
        "asyncio.AbstractEventLoop",
    ),
    Row(Does.RUNS, "uvloop.run", "runners.md: uvloop.run", _UVLOOP),
    Row(Does.RUNS, "anyio.run", "runners.md: anyio.run", _ANYIO_RUN),
    Row(Does.RUNS, "aiorun.run", "runners.md: aiorun.run", "https://pypi.org/project/aiorun/"),
    Row(Does.ENTERS, "trio.run", "runners.md: trio.run", _TRIO),
    Row(
        Does.ENTERS,
        "anyio.from_thread.run",
        "runners.md: anyio.from_thread.run",
        "https://anyio.readthedocs.io/en/stable/threads.html",
    ),
    Row(Does.RESUMES, "pytest.fixture", "lifespans.md: pytest.fixture", _FIXTURES),
    Row(Does.RESUMES, "pytest_asyncio.fixture", "lifespans.md: pytest_asyncio.fixture", _PYTEST_ASYNCIO),
    Row(
        Does.RESUMES,
        "*.while_serving",
        "lifespans.md: Quart's while_serving",
        "https://quart.palletsprojects.com/en/latest/how_to_guides/startup_shutdown.html",
    ),
    Row(
        Does.RESUMES,
        "*.cleanup_ctx",
        "lifespans.md: aiohttp's cleanup_ctx",
        "https://docs.aiohttp.org/en/stable/web_advanced.html#cleanup-context",
    ),
    Row(
        Does.ENTERS_CONTEXT,
        "lifespan",
        "lifespans.md: The lifespan of FastAPI and Starlette",
        "https://fastapi.tiangolo.com/advanced/events/",
    ),
    Row(
        Does.LOOPS,
        "discord.ext.tasks.loop",
        "lifespans.md: discord.py's tasks.loop",
        "https://discordpy.readthedocs.io/en/stable/ext/tasks/index.html",
    ),
    Row(
        Does.ACCEPTS,
        "tornado",
        "callbacks.md: Tornado's event loop",
        "https://www.tornadoweb.org/en/stable/ioloop.html#tornado.ioloop.IOLoop.add_callback",
    ),
    Row(Does.RAISES, "pytest.fail", "callbacks.md: pytest.fail", f"{_PYTEST}#pytest-fail"),
    Row(Does.RAISES, "pytest.skip", "callbacks.md: pytest.skip", f"{_PYTEST}#pytest-skip"),
    Row(Does.RAISES, "pytest.exit", "callbacks.md: pytest.exit", f"{_PYTEST}#pytest-exit"),
    Row(Does.RAISES, "pytest.xfail", "callbacks.md: pytest.xfail", f"{_PYTEST}#pytest-xfail"),
    Row(
        Does.RAISES,
        "grpc.aio.ServicerContext.abort",
        "callbacks.md: The abort of gRPC's context",
        "https://grpc.github.io/grpc/python/grpc_asyncio.html#grpc.aio.ServicerContext.abort",
    ),
)


@cache
def names(does: Does) -> frozenset[str]:
    """The names of the rows that do this."""
    return frozenset(row.name for row in TABLE if row.does is does)


@cache
def last_words(does: Does) -> frozenset[str]:
    """The last words of these names."""
    return frozenset(name.rpartition(".")[2] for name in names(does))


def given(name: str) -> str:
    """The class of what calling a function of a framework gives; "" when that is not known."""
    return next((row.gives for row in TABLE if row.does is Does.GIVES and row.name == name), "")
