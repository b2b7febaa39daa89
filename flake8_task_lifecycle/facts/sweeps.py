"""Modules that go over whatever tasks there are, by ``asyncio.all_tasks()``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts


def sweeps(facts: Facts) -> bool:
    """Whether a module cancels or awaits whatever tasks there are."""
    for call in facts.tree.calls.get("all_tasks", ()):
        use = facts.uses.of(call)
        uses = [use, *facts.owners.aliases(call, use)] if use.names else [use]
        if any(one.fate.holds for one in uses):
            return True
    return False
