"""The command ``task-lifecycle``: what it prints, what it refuses, and where it prints to."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest

import flake8_task_lifecycle
from flake8_task_lifecycle.__main__ import main
from flake8_task_lifecycle.rules import RULES, Rule, pages

COMMAND = [sys.executable, "-m", "flake8_task_lifecycle"]


@pytest.mark.parametrize("wanted", ["TLC001", "tlc001", "Tlc001", " TLC001 ", "dangling-task", "Dangling-Task"])
def test_explain_prints_the_page(wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", wanted]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    head = ["# TLC001 dangling-task", "", "The reference to a spawned task is lost.", ""]
    assert shown.out.splitlines()[:6] == [*head, "Severity: high. Default: on.", ""]
    assert "\n## References\n- <https://" in shown.out


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_is_explained_in_plain_letters(rule: Rule, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", rule.code]) == 0
    assert capsys.readouterr().out == pages.page(rule)
    assert pages.page(rule).isascii()


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("TLC01", "did you mean TLC001 or "),
        ("TLC013", "did you mean TLC001 or "),
        ("TLC9", "did you mean TLC009 or "),
        ("TLC999", "did you mean TLC009 or "),
        ("dangling", "did you mean TLC001?"),
        ("overwriten-task", "did you mean TLC005?"),
        ("E501", "'task-lifecycle rules' lists what there is"),
        ("", "'task-lifecycle rules' lists what there is"),
    ],
)
def test_unknown_code_is_one_line_on_stderr(wanted: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", wanted]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"task-lifecycle: there is no rule {wanted!r}: {hint}")
    assert shown.err.count("\n") == 1


def test_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["code", "name", "severity", "default"]
    assert [line.split() for line in lines] == [
        [rule.code, rule.name, rule.severity, "on" if rule.on_by_default else "off"] for rule in RULES
    ]
    assert len({line.index(rule.severity, 30) for line, rule in zip(lines, RULES, strict=True)}) == 1


def test_rules_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["schema"] == 1
    assert [rule["code"] for rule in listed["rules"]] == [rule.code for rule in RULES]
    assert listed["rules"][3] == {
        "code": "TLC004",
        "name": "cancel-without-await",
        "summary": pages.summary(RULES[3]),
        "severity": "medium",
        "default": "on",
    }
    assert pages.summary(RULES[3])[0].isupper()


@pytest.mark.parametrize("arguments", [[], ["explain"], ["rules", "--format", "xml"], ["rules", "TLC001"]])
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: task-lifecycle")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"task-lifecycle {flake8_task_lifecycle.__version__}\n"


def test_the_console_script_is_the_module() -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="task-lifecycle")
    assert script.load() is main
    done = subprocess.run([*COMMAND, "explain", "TLC002"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == pages.page(RULES[1])
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [["rules"], ["explain", "TLC001"]])
def test_a_reader_that_leaves_is_no_traceback(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_without_docstrings_it_says_so() -> None:
    command = [sys.executable, "-OO", *COMMAND[1:], "explain", "TLC001"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "task-lifecycle: the pages are made of docstrings, and python -OO leaves them out\n"


@pytest.mark.parametrize("columns", [1, 40, 60, 200])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_page_fits_its_terminal(
    columns: int, rule: Rule, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["explain", rule.code]) == 0
    shown = capsys.readouterr().out
    page = pages.page(rule)
    assert shown.split() == page.split()
    assert code_blocks(shown) == code_blocks(page)
    assert [line for line in shown.splitlines() if line.startswith("#")] == [
        line for line in page.splitlines() if line.startswith("#")
    ]
    in_code = {line for block in code_blocks(page) for line in block.splitlines()}
    for line in set(shown.splitlines()) - in_code:
        assert len(line) <= max(columns, 20) or line.startswith("#") or len(line.split()) <= 2, line


def code_blocks(page: str) -> list[str]:
    return page.split("```")[1::2]


def test_the_list_fits_a_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["TLC001 dangling-task", "  high, on"]
    assert len(lines) == 2 * len(RULES)
    assert max(map(len, lines)) <= 40
