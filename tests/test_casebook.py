"""The casebook is judged too: whatever a Markdown file gets wrong has to fail."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest
from casebook import CasebookError, problems, read

from flake8_task_lifecycle.model import Finding, Span
from flake8_task_lifecycle.options import Options

SITE = "task site: spawner=asyncio.create_task coroutine=work owner=nobody released=no verdict=dangling"


def flagging(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
    """A stand-in for the engine: every call of ``create_task`` is a finding that tells its file and options."""
    message = f"task of {Path(name).name} is lost: keep it"
    findings = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and "create_task" in ast.unparse(call.func):
            assert call.end_lineno is not None and call.end_col_offset is not None
            span = Span(call.lineno, call.col_offset, call.end_lineno, call.end_col_offset)
            findings.append(Finding("TLC001", span, message))
            if "TLC900" in options.codes:
                findings.append(Finding("TLC900", span, SITE))
    return sorted(findings, key=lambda finding: (finding.span, finding.code))


def _file(tmp_path: Path, *parts: str) -> Path:
    path = tmp_path / "chapter.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _module(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


def _problems(tmp_path: Path, *parts: str) -> list[str]:
    directory = tmp_path / "modules"
    directory.mkdir()
    return [text for case in read(_file(tmp_path, *parts)) for text in problems(case, directory, flagging)]


SPAWN = "asyncio.create_task(work())"


@pytest.mark.parametrize(
    "lines",
    [
        ["x = 1"],
        [f'{SPAWN}  # error: 1 [TLC001] "is lost" "keep it"'],
        [f"{SPAWN}  # error: 1 [TLC001]"],
        ["# error: 1 [TLC001]", SPAWN],
        ["# error: 1 [TLC001]", "", "# an ordinary remark", SPAWN],
        ["# error: 1 [TLC001]", "# error: 30 [TLC001]", f"{SPAWN}; {SPAWN}"],
        ["# error: 30 [TLC001]", f"{SPAWN}; {SPAWN}  # error: 1 [TLC001]"],
        ["# error: 1 [TLC001]", f"{SPAWN}  # site: owner=nobody verdict=dangling"],
        ["text = '# error: 1 [TLC001]'"],
        ["x = []  # type: list[int]", "x = 1  # noqa: TLC001"],
        ['text = """', "# error: 1 [TLC001]", '"""', f"{SPAWN}  # error: 1 [TLC001]"],
    ],
)
def test_a_right_case_passes(tmp_path: Path, lines: list[str]) -> None:
    assert _problems(tmp_path, "# Title", "## Case", _module(*lines)) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([SPAWN], ["+ found"]),
        ([f"{SPAWN}  # error: 2 [TLC001]"], ["- expected", "+ found"]),
        ([f"{SPAWN}  # error: 1 [TLC900]"], ["- expected", "+ found"]),
        ([f'{SPAWN}  # error: 1 [TLC001] "is kept"'], ["- expected", "+ found"]),
        ([f'{SPAWN}  # error: 1 [TLC001] "is lost" "is kept"'], ["- expected", "+ found"]),
        (["x = 1  # error: 1 [TLC001]"], ["- expected"]),
        (["# error: 1 [TLC001]", "x = 1", SPAWN], ["- expected", "+ found"]),
        (["# error: 1 [TLC001]", "# error: 1 [TLC001]", SPAWN], ["- expected"]),
        (["# error: 1 [TLC001]", f"{SPAWN}; {SPAWN}"], ["+ found"]),
        (["# error: 1 [TLC001]", f"{SPAWN}  # site: owner=caller"], ["- expected", "+ found"]),
        (["# site: owner=nobody", SPAWN], ["+ found"]),
        (["# error: 1 [TLC001]", SPAWN, "# site: owner=nobody", "x = 1"], ["- expected", "+ found"]),
        (["# enable: TLC900", f"{SPAWN}  # error: 1 [TLC001]"], ["+ found"]),
    ],
)
def test_a_wrong_expectation_fails(tmp_path: Path, lines: list[str], expected: list[str]) -> None:
    found = _problems(tmp_path, "# Title", "## Case", _module(*lines))
    assert sorted(" ".join(text.splitlines()[1].split()[:2]) for text in found) == sorted(expected)


def test_a_site_assertion_wants_all_sites_of_its_block(tmp_path: Path) -> None:
    first = f"{SPAWN}  # site: owner=nobody"
    found = _problems(tmp_path, "## Case", _module("# error: 1 [TLC001]", first, "# error: 1 [TLC001]", SPAWN))
    assert len(found) == 1 and "[TLC900]" in found[0]


def test_a_failure_names_the_line_of_the_markdown_file(tmp_path: Path) -> None:
    (found,) = _problems(tmp_path, "# Title", "## Case", _module("x = 1", f"if x: {SPAWN}"))
    assert found.startswith(f"{tmp_path / 'chapter.md'}:7: if x: {SPAWN}\n")
    assert "error: 7 [TLC001] 'task of case.py is lost: keep it'" in found


@pytest.mark.parametrize(
    "comment",
    [
        "# eror: 9 [TLC001]",
        "# error: 9 TLC001",
        "# error 9 [TLC001]",
        "# errors: 9 [TLC001]",
        "# error: [TLC001]",
        "# error: 0 [TLC001]",
        "# error: 9 [TLC01]",
        "# error: 9 [TLC001] lost",
        "# error: 9 [TLC001] 'lost'",
        '# error: 9 [TLC001] "lost',
        "#error: 9 [TLC001]",
        "# Error: 9 [TLC001]",
        "# see TLC001",
        "# site owner=nobody",
        "# site: owner",
        "# site: held=nobody",
        "# sites: owner=nobody",
        "# a remark  # error: 9 [TLC001]",
        "# noqa: TLC001  # error: 9 [TLC001]",
        "# enable: TLC9",
        "# enable: TLC999",
        "# note: this could be a misspelt assertion",
    ],
)
def test_an_unparsable_assertion_fails(tmp_path: Path, comment: str) -> None:
    with pytest.raises(CasebookError, match=r"chapter\.md:6: "):
        read(_file(tmp_path, "# Title", "## Case", _module(f"x = 1  {comment}")))
    with pytest.raises(CasebookError, match=r"chapter\.md:6: "):
        read(_file(tmp_path, "# Title", "## Case", _module(comment, "x = 1")))


def test_an_assertion_without_code_after_it_fails(tmp_path: Path) -> None:
    with pytest.raises(CasebookError, match="no line of code follows"):
        read(_file(tmp_path, "## Case", _module("x = 1", "# error: 1 [TLC001]")))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["# Title", "## Case", _module("x = 1"), "## case", _module("y = 1")], "stands twice"),
        (["## Case", _module("x = 1"), "### Case", _module("y = 1")], "stands twice"),
        (["# Title", "Prose only"], "no code block|no cases"),
        (["Prose only"], "no cases"),
        (["## Case", "Prose only", "## Other", _module("x = 1")], "no code block"),
        ([_module("x = 1"), "## Case", _module("y = 1")], "without a heading"),
        (["## Case", _module("x = 1"), _module("y = 1")], r"a second case\.py"),
        (["## Case", "    x = 1", _module("y = 1")], "indented"),
        (["## Case", "> ```python\n> x = 1\n> ```", _module("y = 1")], "nested"),
        (["## Case", "```py\nx = 1\n```"], "not 'py'"),
        (["## Case", "```\nx = 1\n```"], "not ''"),
        (["## Case", "```python\nx = 1"], "not closed"),
        (["## Case", _module("x = (1")], "never closed"),
        (["## Case", "`../base.py`:", _module("x = 1")], "outside the case"),
        (["## Case", "```py run\nx = 1\n```"], "without an assert"),
        (["## Case", "`--tlc-spawner=jobs.spawn`", _module("x = 1")], "not an option line"),
        (["## Case", "`--tlc-spawners=jobs/spawn`", _module("x = 1")], "neither a dotted name"),
    ],
)
def test_a_malformed_file_fails(tmp_path: Path, parts: list[str], message: str) -> None:
    with pytest.raises(CasebookError, match=message):
        read(_file(tmp_path, *parts))


def test_a_heading_without_code_may_group_deeper_ones(tmp_path: Path) -> None:
    path = _file(tmp_path, "# Title", "## Group", "### First", _module("x = 1"), "### Second", _module("x = 2"))
    assert [case.heading for case in read(path)] == ["First", "Second"]


@pytest.mark.parametrize(
    "code",
    [
        "assert 1 == 2",
        "import missing_module\nassert missing_module",
        "import asyncio\nawait asyncio.sleep(0)\nassert asyncio.all_tasks() == set()",
        "assert True\nraise SystemExit(3)",
    ],
)
def test_a_bad_run_block_fails_with_its_line(tmp_path: Path, code: str) -> None:
    (found,) = _problems(tmp_path, "## Case", f"```py run\n{code}\n```")
    assert found.startswith(f"{tmp_path / 'chapter.md'}:4: the run block failed")


def test_the_traceback_of_a_run_block_points_into_the_markdown_file(tmp_path: Path) -> None:
    (found,) = _problems(tmp_path, "## Case", "```py run\nx = 1\nassert x == 2\n```")
    assert f'File "{tmp_path / "chapter.md"}", line 5' in found
    assert "assert x == 2" in found


def test_a_run_block_sees_its_modules_and_a_running_loop(tmp_path: Path) -> None:
    parts = ["`pkg/base.py`:", _module("x = 1"), "`case.py`:", _module("from pkg.base import x")]
    code = (
        "import asyncio",
        "import case",
        "assert case.x == 1",
        "assert asyncio.get_running_loop()",
        "await asyncio.sleep(0)",
    )
    run = "\n".join(["```py run", *code, "```"])
    assert _problems(tmp_path, "## Case", *parts, run) == []


def test_modules_are_checked_under_their_own_names(tmp_path: Path) -> None:
    first = _module(f'{SPAWN}  # error: 1 [TLC001] "task of base.py"')
    second = _module(f'{SPAWN}  # error: 1 [TLC001] "task of case.py"')
    assert _problems(tmp_path, "## Case", "The base, `base.py`:", first, "And the case:", second) == []


def test_options_reach_the_engine(tmp_path: Path) -> None:
    seen: list[Options] = []

    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        seen.append(options)
        return []

    lines = "`--tlc-spawners=jobs.spawn,*.launch`", "`--tlc-keeping-spawners=jobs.keep`"
    (case,) = read(_file(tmp_path, "## Case", *lines, _module("x = 1")))
    assert problems(case, tmp_path, check) == []
    assert seen[0].spawners == {"jobs.spawn", "*.launch"}
    assert seen[0].keeping_spawners == {"jobs.keep"}


def test_opt_in_codes_are_off_unless_a_block_asks(tmp_path: Path) -> None:
    seen: list[frozenset[str]] = []

    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        seen.append(options.codes)
        return []

    plain = "## Plain", _module("x = 1")
    asking = "## Asking", "`base.py`:", _module("# enable: TLC900", "x = 1"), "`case.py`:", _module("x = 1")
    for case in read(_file(tmp_path, *plain, *asking)):
        assert problems(case, tmp_path, check) == []
    assert ["TLC900" in codes for codes in seen] == [False, True, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"message": "task is lost."}, "a message is one line"),
        ({"message": "task\nis lost"}, "a message is one line"),
        ({"message": "TLC001 task is lost"}, "a message is one line"),
        ({"code": "TLC900"}, "a code that is not on"),
        ({"span": Span(1, 0, 1, 0)}, "a span outside the text"),
        ({"span": Span(1, 90, 1, 91)}, "a span outside the text"),
        ({"span": Span(0, 0, 1, 1)}, "a span outside the text"),
        ({"span": Span(1, 0, 9, 1)}, "a span outside the text"),
    ],
)
def test_a_finding_has_to_be_well_formed(tmp_path: Path, change: dict[str, object], message: str) -> None:
    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        fields: dict[str, object] = {"code": "TLC001", "span": Span(1, 0, 1, 27), "message": "task is lost"} | change
        return [Finding(**fields)]  # type: ignore[arg-type]

    (case,) = read(_file(tmp_path, "## Case", _module(f"{SPAWN}  # error: 1 [TLC001]")))
    assert any(message in text for text in problems(case, tmp_path, check))


def test_a_malformed_site_message_fails(tmp_path: Path) -> None:
    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        return [Finding("TLC900", Span(1, 0, 1, 27), "task site: owner=nobody verdict=dangling")]

    (case,) = read(_file(tmp_path, "## Case", _module(f"{SPAWN}  # site: owner=nobody")))
    assert any("not the form of a task site" in text for text in problems(case, tmp_path, check))


def test_an_engine_that_changes_the_tree_fails(tmp_path: Path) -> None:
    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        tree.body.pop()
        return []

    (case,) = read(_file(tmp_path, "## Case", _module("x = 1")))
    assert any("the tree was changed" in text for text in problems(case, tmp_path, check))


def test_unsorted_findings_fail(tmp_path: Path) -> None:
    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        return flagging(tree, lines, name, options)[::-1]

    expected = ["# error: 1 [TLC001]", "# error: 30 [TLC001]", f"{SPAWN}; {SPAWN}"]
    (case,) = read(_file(tmp_path, "## Case", _module(*expected)))
    assert any("not sorted" in text for text in problems(case, tmp_path, check))


def test_a_finding_that_the_prefilter_would_hide_fails(tmp_path: Path) -> None:
    def check(tree: ast.Module, lines: Sequence[str], name: str, options: Options) -> list[Finding]:
        return [Finding("TLC001", Span(1, 0, 1, 5), "task is lost")]

    (case,) = read(_file(tmp_path, "## Case", _module("x = 1  # error: 1 [TLC001]")))
    assert any("prefilter" in text for text in problems(case, tmp_path, check))


def test_the_real_engine_is_the_default(tmp_path: Path) -> None:
    code = ["import asyncio", "", "async def work(): ...", "", "def start():", f"    {SPAWN}"]
    (silent,) = read(_file(tmp_path, "## Case", _module(*code)))
    assert any("+ found" in text for text in problems(silent, tmp_path))
    (right,) = read(_file(tmp_path, "## Case", _module(*code[:-1], f"    {SPAWN}  # error: 5 [TLC001]")))
    assert problems(right, tmp_path) == []
