"""The table of frameworks: each row has a case that goes red without it, and a source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import casebook
import pytest

from flake8_task_lifecycle.facts import frameworks
from flake8_task_lifecycle.facts.frameworks import TABLE, Row

FOLDER = casebook.CASES / "frameworks"


@pytest.fixture
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Row]:
    """The table without one row."""
    row: Row = request.param
    monkeypatch.setattr(frameworks, "TABLE", tuple(one for one in TABLE if one is not row))
    frameworks.names.cache_clear()
    frameworks.last_words.cache_clear()
    yield row
    monkeypatch.undo()
    frameworks.names.cache_clear()
    frameworks.last_words.cache_clear()


def case_of(row: Row) -> casebook.Case:
    """The case that a row names."""
    chapter, _, heading = row.case.partition(": ")
    [case] = [one for one in casebook.read(FOLDER / chapter) if one.heading == heading]
    return case


def test_every_row_is_told_once() -> None:
    told = [(row.does, row.name) for row in TABLE]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_has_its_case_and_its_source(row: Row) -> None:
    assert row.source.startswith("https://")
    text = "".join(block.text for block in case_of(row).modules)
    assert row.name.rpartition(".")[2] in text


@pytest.mark.parametrize("without", TABLE, ids=lambda row: row.name, indirect=True)
def test_every_row_changes_a_verdict(without: Row, tmp_path: Path) -> None:
    assert casebook.problems(case_of(without), tmp_path)
