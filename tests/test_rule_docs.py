"""A rule's docstring is its documentation: every heading is there, and every code block does what it says."""

import ast

import pytest
from markdown_it import MarkdownIt

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.rules import RULES, Rule

HEADINGS = [
    "What it does",
    "Why it is bad",
    "Example",
    "Use instead",
    "Known limits",
    "When to leave it off",
    "References",
]


def sections(rule: Rule) -> dict[str, list[str]]:
    """The code blocks of a rule's docstring by heading, in order."""
    documentation = rule.module.__doc__ or ""
    found: dict[str, list[str]] = {}
    tokens = MarkdownIt().parse(documentation)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            found[tokens[index + 1].content] = []
        elif token.type == "fence":
            assert token.info == "python"
            found[list(found)[-1]].append(token.content)
    return found


def codes_in(block: str, rule: Rule) -> set[str]:
    findings = engine.check(
        ast.parse(block), block.splitlines(keepends=True), "", Options(codes=frozenset({rule.code}), min_python=(3, 11))
    )
    return {finding.code for finding in findings}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_documentation(rule: Rule) -> None:
    found = sections(rule)
    assert list(found) == HEADINGS
    assert found["Example"]
    assert found["Use instead"]
    for block in found["Example"]:
        assert codes_in(block, rule) == {rule.code}, block
    for block in found["Use instead"]:
        assert codes_in(block, rule) == set(), block
    first_line = (rule.module.__doc__ or "").splitlines()[0]
    assert first_line.startswith(f"{rule.name}: ")
    assert first_line.endswith(".")
