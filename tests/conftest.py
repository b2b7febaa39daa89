"""What holds for every test."""

from __future__ import annotations

import pytest

from flake8_task_lifecycle import engine


@pytest.fixture(autouse=True)
def no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of ours fails the test, where a user would only lose our findings."""
    monkeypatch.setattr(engine, "GUARD", False)
