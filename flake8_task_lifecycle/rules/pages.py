"""The documentation of the rules, as Markdown: a page a code, and their index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from flake8_task_lifecycle.rules import RULES, Rule

SITE = ""
"""Where the pages are published, with a slash at its end; "" as long as they are nowhere."""

ON_OR_OFF: dict[bool, Literal["on", "off"]] = {True: "on", False: "off"}

_INDEX = """\
# Rules

Generated from the docstrings of the rules, as is every page here. `task-lifecycle explain CODE` prints the same page.
The [contract](../contract.md) says case by case what is flagged and what is not.

| code | name | severity | default |
|---|---|---|---|
"""


def docstring(rule: Rule) -> str:
    """What the module of a rule says of it; "" where Python was told to drop docstrings."""
    return rule.module.__doc__ or ""


def summary(rule: Rule) -> str:
    """What the rule flags, in one sentence."""
    first = docstring(rule).partition("\n")[0].removeprefix(f"{rule.name}: ")
    return first[:1].upper() + first[1:]


def address(rule: Rule) -> str:
    """Where the page of a rule is published; "" when it is nowhere."""
    return SITE and f"{SITE}{rule.code}"


def page(rule: Rule) -> str:
    """The page of a rule: its name, severity and default, then its docstring."""
    body = docstring(rule).partition("\n\n")[2].strip()
    facts = f"Severity: {rule.severity}. Default: {ON_OR_OFF[rule.on_by_default]}."
    return f"# {rule.code} {rule.name}\n\n{summary(rule)}\n\n{facts}\n\n{body}\n"


def index() -> str:
    """The page that lists the others."""
    rows = [
        f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity} | {ON_OR_OFF[rule.on_by_default]} |\n"
        for rule in RULES
    ]
    toctree = "".join(f"{rule.code}\n" for rule in RULES)
    return f"{_INDEX}{''.join(rows)}\n```{{toctree}}\n:hidden:\n\n{toctree}```\n"


def files() -> Iterator[tuple[str, str]]:
    """The name and text of every generated page."""
    yield "index.md", index()
    for rule in RULES:
        yield f"{rule.code}.md", page(rule)
