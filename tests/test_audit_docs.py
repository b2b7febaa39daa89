"""The page of the audit says what the command has, and its examples run."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_task_lifecycle.audit import cli
from flake8_task_lifecycle.audit.report import SCHEMA, Verdict
from flake8_task_lifecycle.audit.writers import words

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"


def rows(title: str) -> list[str]:
    """The first cells of the first table under a heading."""
    section = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, title
    return [row.strip(" `") for row in re.findall(r"^\| ([^|]+) \|", section[1], re.MULTILINE)][1:]


def test_every_option_is_on_the_page_and_no_other() -> None:
    actions = [action for action in cli._parser()._actions if not isinstance(action, argparse._HelpAction)]
    options = [action.option_strings[0] if action.option_strings else "PATH" for action in actions]
    said = [row.split()[0] for row in rows("Options")]
    assert sorted(said) == sorted(options)


def test_every_form_is_on_the_page() -> None:
    assert sorted(rows("Forms")) == sorted(cli.FORMS)


def test_every_exit_status_is_on_the_page() -> None:
    assert list(map(int, rows("Exit status"))) == [cli.CLEAN, cli.FOUND, cli.FAILED, cli.INTERRUPTED]


def test_the_verdicts_mean_what_the_reports_say() -> None:
    table = dict(re.findall(r"^\| (safe|scoped|at risk|unresolved) \| ([^|]+) \|$", PAGE, re.MULTILINE))
    assert sorted(table) == sorted(words.VERDICTS.values())
    for verdict in (Verdict.SAFE, Verdict.AT_RISK):
        assert table[words.VERDICTS[verdict]] == words.VERDICT_MEANINGS[verdict]


def test_the_schema_has_the_number_that_is_promised() -> None:
    assert f'`"schema": {SCHEMA}`' in PAGE


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_examples_in_python_run(block: str, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    name = "dangling_faulty.py"
    (tmp_path / "src" / name).write_bytes((EXAMPLES / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"src/{name} 33 at-risk" in done.stdout


def test_examples_of_the_command_run(tmp_path: Path) -> None:
    """Every line with the command, in consoles and in CI, taken as the shell takes it."""
    for folder in ("src", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "dangling.py").write_bytes((EXAMPLES / "dangling_sound.py").read_bytes())
    text = re.sub(r">\n\s+(task-lifecycle audit(?:\n\s+--.*)+)", lambda match: " ".join(match[1].split()), PAGE)
    lines = re.findall(r"(?:\$|run:|-) (task-lifecycle audit.*)$", text, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        given = shlex.split(line.partition(" || ")[0].replace("$GITHUB_STEP_SUMMARY", "summary.md"))[1:]
        command = [sys.executable, "-m", "flake8_task_lifecycle", *given]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=120)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    made = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert made == {"audit.html", "audit.sarif", "audit-baseline.json", "summary.md"}
