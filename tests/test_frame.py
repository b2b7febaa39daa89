"""What the files of the project say of one another."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import flake8_task_lifecycle
from flake8_task_lifecycle.options import ALL_CODES, DEFAULT_CODES, OPT_IN_CODES
from flake8_task_lifecycle.rules import RULES, pages

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "flake8_task_lifecycle"
CASES = ROOT / "tests" / "cases"
LONGEST_FILE = 500

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXPECTED = (ROOT / "docs" / "examples" / "EXPECTED").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """The part of a Markdown text under a heading of the second level."""
    match = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[1]


def codes_of_table(text: str) -> dict[str, str]:
    """Code to name, from the rows of a Markdown table."""
    return dict(re.findall(r"^\| \[?(TLC\d{3})(?:\]\(docs/rules/\1\.md\))? \| ([a-z-]+) \|", text, re.MULTILINE))


CONTRACT = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
CONTRACT_ON = codes_of_table(section(CONTRACT, "On by default"))
CONTRACT_OFF = codes_of_table(section(CONTRACT, "Off by default"))


def test_codes_are_those_of_the_contract() -> None:
    assert CONTRACT_ON.keys() == DEFAULT_CODES
    assert CONTRACT_OFF.keys() == OPT_IN_CODES
    assert not DEFAULT_CODES & OPT_IN_CODES


def test_rules_are_those_of_the_contract() -> None:
    assert [(rule.code, rule.name) for rule in RULES] == sorted((CONTRACT_ON | CONTRACT_OFF).items())
    assert {rule.code for rule in RULES if rule.on_by_default} == DEFAULT_CODES


def test_severities_are_those_of_the_contract() -> None:
    sentence = re.search(r"^Severity, for the audit and SARIF: (.*)\.", CONTRACT, re.MULTILINE)
    assert sentence
    given = {part.split()[0]: re.findall(r"\d{3}", part) for part in sentence[1].split(";")}
    severities = {f"TLC{number}": word for word, numbers in given.items() for number in numbers}
    assert "low all opt-in codes" in sentence[1]
    assert severities.keys() == DEFAULT_CODES
    assert {rule.code: rule.severity for rule in RULES} == severities | dict.fromkeys(OPT_IN_CODES, "low")


def test_every_code_has_its_rule_file() -> None:
    files = [path.stem for path in (PACKAGE / "rules").glob("tlc*.py")]
    assert sorted(stem[:6].upper() for stem in files) == sorted(ALL_CODES)
    assert {stem[:6].upper(): stem[7:].replace("_", "-") for stem in files} == CONTRACT_ON | CONTRACT_OFF


def test_every_code_has_its_page_and_it_is_fresh() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "rules").iterdir()}
    assert written.keys() == {"index.md", *(f"{code}.md" for code in ALL_CODES)}
    assert written == dict(pages.files()), "make docs writes them"


def test_every_code_has_its_cases() -> None:
    folders = {path.relative_to(CASES).parts[0] for path in CASES.rglob("*.md")}
    chapters = {match[0] for name in folders if (match := re.match(r"TLC\d{3}", name))}
    assert chapters == ALL_CODES - {"TLC900"}
    assert "facts" in folders, "where TLC900 is asked what the facts know"


def test_every_code_is_in_the_changelog() -> None:
    changelog = (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert set(re.findall(r"TLC\d{3}", changelog)) == ALL_CODES
    assert f"## {flake8_task_lifecycle.__version__} " in changelog


def test_readme_lists_the_codes_that_exist() -> None:
    table = section(README, "Codes")
    assert codes_of_table(table) == CONTRACT_ON | CONTRACT_OFF
    assert re.findall(r"^\| \[(TLC\d{3})\]\(docs/rules/\1\.md\) \|.* (on|opt-in) \|$", table, re.MULTILINE) == [
        (rule.code, "on" if rule.on_by_default else "opt-in") for rule in RULES
    ]


def test_entry_points_are_the_checker_and_a_marker_for_each_opt_in_code() -> None:
    points = PYPROJECT["project"]["entry-points"]["flake8.extension"]
    plugin = "flake8_task_lifecycle.plugin"
    assert points == {"TLC": f"{plugin}:Plugin"} | dict.fromkeys(OPT_IN_CODES, f"{plugin}:OptIn")
    installed = importlib.metadata.distribution("flake8-task-lifecycle").entry_points
    assert {point.name: point.value for point in installed if point.group == "flake8.extension"} == points


def test_version_has_one_source() -> None:
    assert importlib.metadata.version("flake8-task-lifecycle") == flake8_task_lifecycle.__version__
    assert PYPROJECT["project"]["dynamic"] == ["version"]


def test_two_runtime_dependencies_and_no_cap_on_flake8() -> None:
    assert PYPROJECT["project"]["dependencies"] == ["flake8>=7.0", "astroid>=4.0,<5"]


def test_readme_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = set(re.findall(r"\bmake ([a-z]+)", README))
    assert {"demo", "test", "check"} <= commands <= targets


def test_readme_options_exist() -> None:
    source = (PACKAGE / "plugin.py").read_text(encoding="utf-8")
    assert set(re.findall(r'"--(tlc-[a-z-]+)"', source)) == set(re.findall(r"\| `(tlc-[a-z-]+)` \|", README))


def test_examples_find_what_is_expected() -> None:
    command = [sys.executable, "-m", "flake8", "--select=TLC", "docs/examples"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.stdout.replace("\\", "/") == EXPECTED
    assert done.stderr == ""


def test_examples_come_in_pairs() -> None:
    folder = ROOT / "docs" / "examples"
    pairs: dict[str, set[str]] = {}
    for path in folder.glob("*.py"):
        subject, _, kind = path.stem.rpartition("_")
        pairs.setdefault(subject, set()).add(kind)
        assert (f"{path.name}:" in EXPECTED) == (kind == "faulty"), path.name
    assert pairs
    assert all(kinds == {"faulty", "sound"} for kinds in pairs.values()), pairs


def test_readme_shows_real_output() -> None:
    shown = re.search(r"^\$ flake8 --select=TLC docs/examples\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1] == EXPECTED
    excerpt = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert excerpt
    example = (ROOT / "docs" / "examples" / "dangling_faulty.py").read_text(encoding="utf-8")
    assert all(line.strip() in example for line in excerpt[1].splitlines())


def test_pre_commit_hooks_run_what_is_installed() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    programs = re.findall(r"^\s*entry: (\S+)", hooks, re.MULTILINE)
    assert programs
    scripts = {point.name for point in importlib.metadata.entry_points(group="console_scripts")}
    assert set(programs) <= scripts


def test_no_file_is_too_long() -> None:
    files = [path for folder in (PACKAGE, ROOT / "tests") for path in folder.rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in files}
    assert len(lengths) > 10
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}
