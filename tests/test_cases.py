"""Every heading of every Markdown file under ``cases/`` is a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from casebook import CASES, Case, CasebookError, problems, read


def _parameters() -> list[object]:
    parameters: list[object] = []
    for path in sorted(CASES.rglob("*.md")):
        try:
            parameters += [pytest.param(case, id=case.id) for case in read(path)]
        except CasebookError as error:
            parameters.append(pytest.param(error, id=f"{path.relative_to(CASES).as_posix()}: unreadable"))
    return parameters


@pytest.mark.parametrize("case", _parameters())
def test_case(case: Case | CasebookError, tmp_path: Path) -> None:
    if isinstance(case, CasebookError):
        pytest.fail(str(case), pytrace=False)
    found = problems(case, tmp_path)
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_there_are_cases() -> None:
    assert len(_parameters()) > 1
