"""What holds for every test."""

from __future__ import annotations

import pytest

from flake8_task_lifecycle import engine

SAID = pytest.StashKey[list[str]]()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> list[str]:
    """Lines put in here are printed when the tests are over."""
    return request.config.stash.setdefault(SAID, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what the tests had to say."""
    for line in config.stash.get(SAID, []):
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of ours fails the test, where a user would only lose our findings."""
    monkeypatch.setattr(engine, "GUARD", False)
