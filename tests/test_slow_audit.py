"""The forms of the audit before foreign readers: two of SARIF, a real browser, and an installed wheel."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import audit_samples
import chromium
import pytest
from audit_large import large
from chromium import Browser

from flake8_task_lifecycle.audit.report import Report
from flake8_task_lifecycle.audit.writers import html, sarif
from flake8_task_lifecycle.rules import pages

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
REPORTS = {
    "empty": audit_samples.empty(),
    "small": audit_samples.small().report,
    "large": large().report,
    "hostile": audit_samples.hostile(),
}
NAMED = pytest.mark.parametrize("name", REPORTS)


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a program says; it must succeed."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, encoding="utf-8", check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# SARIF


@NAMED
def test_sarif_tools_reads_every_finding(name: str, tmp_path: Path) -> None:
    report, log, table = REPORTS[name], tmp_path / "log.sarif", tmp_path / "findings.csv"
    log.write_text(sarif.write(report), encoding="utf-8")
    run(sys.executable, "-m", "sarif", "csv", "--output", table, log)
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    levels = {"high": "error", "medium": "warning", "low": "note"}
    assert sorted((row["Severity"], row["Code"], row["Line"]) for row in rows) == sorted(
        (levels[problem.severity], problem.code, str(problem.line)) for problem in report.problems
    )
    assert {row["Tool"] for row in rows} <= {"flake8-task-lifecycle"}


def test_sarif_tools_makes_a_code_climate_report(tmp_path: Path) -> None:
    log, quality = tmp_path / "log.sarif", tmp_path / "quality.json"
    log.write_text(sarif.write(REPORTS["small"]), encoding="utf-8")
    run(sys.executable, "-m", "sarif", "codeclimate", "--output", quality, log)
    found = json.loads(quality.read_text(encoding="utf-8"))
    assert sorted(one["location"]["lines"]["begin"] for one in found) == [11, 14, 14, 20, 21]


Validate = Callable[[str], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def validate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """Gives level and rule of all that Microsoft's validator has to say of a log, by GitHub's rules too."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: it brings @microsoft/sarif-multitool")
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("sarif-multitool")
    scope = folder / "node_modules" / "@microsoft"
    if not list(scope.glob("sarif-multitool-*/Sarif.Multitool*")):
        run(npm, "install", "--no-fund", "--no-audit", "--prefix", folder, "@microsoft/sarif-multitool@^5.7.0")
    # Its own launcher goes through a shell, which takes the semicolons of the options for its own.
    program = next(
        path
        for path in scope.glob("sarif-multitool-*/Sarif.Multitool*")
        if path.suffix in {"", ".exe"} or path.name == "Sarif.Multitool"
    )
    program.chmod(0o755)

    def validated(text: str) -> list[tuple[str, str]]:
        work = tmp_path_factory.mktemp("sarif")
        (work / "log.sarif").write_text(text, encoding="utf-8")
        options = (
            "--rule-kind",
            "Sarif;Ghas",
            "--level",
            "Error;Warning;Note",
            "--kind",
            "Fail",
            "--log",
            "ForceOverwrite",
        )
        subprocess.run(
            [str(program), "validate", "log.sarif", "--output", "said.sarif", *options],
            cwd=work, capture_output=True, check=False, timeout=300,
        )  # fmt: skip
        (said,) = json.loads((work / "said.sarif").read_text(encoding="utf-8-sig"))["runs"]
        failed = [note for one in said["invocations"] for note in one.get("toolExecutionNotifications", [])]
        assert failed == []
        return [(one.get("level", "warning"), one["ruleId"]) for one in said["results"]]

    return validated


# What it says and we leave as it is: texts come as texts, as GitHub wants them (2002); the log knows nothing of the
# repository (2003), and holds no source (2010, 2011); it cannot fetch the schema without a network (2006).
LEFT = {("note", rule) for rule in ("SARIF2002", "SARIF2003", "SARIF2006", "SARIF2010", "SARIF2011")}
UNPUBLISHED = {("note", "SARIF2012"), ("warning", "SARIF2005")}  # no address to give yet


@NAMED
def test_the_validator_finds_no_fault(name: str, validate: Validate) -> None:
    assert set(validate(sarif.write(REPORTS[name]))) <= LEFT | UNPUBLISHED


def test_the_validator_wants_no_more_once_the_pages_are_published(
    validate: Validate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SITE", "https://docs.example/rules/")
    assert set(validate(sarif.write(REPORTS["small"]))) <= LEFT


BREAKS: dict[str, tuple[Callable[[Any], object], str]] = {
    "an end before the start": (lambda run: physical_of(run)["region"].update(startLine=9, endLine=2), "SARIF1007"),
    "a base for an absolute path": (lambda run: artifact_of(run).update(uri="http://elsewhere/a.py"), "SARIF1004"),
    "no region": (lambda run: physical_of(run).pop("region"), "SARIF2017"),
    "no such rule": (lambda run: run["results"][0].update(ruleIndex=99), "SARIF1009"),
    "no place, for GitHub": (lambda run: run["results"][0].update(locations=[]), "GH1015"),
}


def physical_of(run: Any) -> Any:
    return run["results"][0]["locations"][0]["physicalLocation"]


def artifact_of(run: Any) -> Any:
    return physical_of(run)["artifactLocation"]


@pytest.mark.parametrize("fault", BREAKS)
def test_the_validator_would_find_a_fault(fault: str, validate: Validate) -> None:
    change, rule = BREAKS[fault]
    log = json.loads(sarif.write(REPORTS["small"]))
    change(log["runs"][0])
    assert rule in {found for _, found in validate(json.dumps(log))}


# The page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium.program() is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(chromium.NAMES)} is on the path")
    with chromium.browser(tmp_path_factory.mktemp("chromium")) as page:
        yield page


Opened = Callable[..., Browser]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Opened:
    """Opens the page of a report and sees that nothing was said, asked for or reported."""

    def opened(report: Report, fragment: str = "") -> Browser:
        path = tmp_path / "page.html"
        path.write_text(html.write(report), encoding="utf-8", newline="\n")
        browser.said.clear()
        browser.open(path, fragment)
        assert browser.said == []
        return browser

    return opened


SHOWN = "[...document.querySelectorAll('tbody.site')].filter(one => one.checkVisibility()).map(one => one.id)"
BRIGHT = "[...document.querySelectorAll('.map.wide a.task:not(.out)')].map(one => one.dataset.site)"
STATUS = "document.getElementById('shown').textContent"
SETTLED = "new Promise(done => setTimeout(done, 150))"


def choose(page: Browser, name: str, value: object) -> None:
    """Puts a value into a field of the filters, as a user would."""
    field = f"document.querySelector('#filters [name={name}]')"
    page.run(f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")
    page.run(SETTLED)


def reset(page: Browser) -> None:
    page.run("document.querySelector('#filters button[type=reset]').click()")
    page.run(SETTLED)


@NAMED
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_opens_without_a_word(name: str, dark: bool, opened: Opened, browser: Browser) -> None:
    browser.looks(dark=dark)
    page = opened(REPORTS[name])
    assert page.run("document.querySelectorAll('tbody.site').length") == len(REPORTS[name].sites)
    assert page.run("document.getElementById('theme').checkVisibility()") is True
    assert page.run("document.documentElement.scrollWidth <= innerWidth") is True
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 100) == dark


@NAMED
def test_the_page_fits_a_narrow_screen(name: str, opened: Opened, browser: Browser) -> None:
    browser.looks(dark=False, width=380, height=800)
    page = opened(REPORTS[name], "#s1")
    assert page.run("document.documentElement.scrollWidth") <= 380
    if REPORTS[name].sites:
        assert page.run("document.querySelector('.map.narrow').checkVisibility()") is True
        assert page.run("document.querySelector('.map.wide').checkVisibility()") is False


def test_filters_keep_what_fits_in_the_table_and_in_the_picture(opened: Opened, browser: Browser) -> None:
    browser.looks(dark=False)
    page, report = opened(REPORTS["large"]), REPORTS["large"]
    numbered = [(f"s{number}", site) for number, site in enumerate(report.sites, 1)]

    def expect(wanted: list[str]) -> None:
        assert 0 < len(wanted) < len(numbered)
        assert sorted(page.run(SHOWN)) == sorted(wanted)
        assert sorted(page.run(BRIGHT)) == sorted(wanted)
        assert page.run(STATUS) == f"{len(wanted)} of 500 sites"

    choose(page, "code", "TLC005")
    expect([one for one, site in numbered if "TLC005" in site.codes])
    choose(page, "part", "tests")
    expect([one for one, site in numbered if "TLC005" in site.codes and site.is_test])
    reset(page)
    choose(page, "part", "production")
    expect([one for one, site in numbered if not site.is_test])
    reset(page)
    choose(page, "text", "Heartbeats what the POLLER")
    expect([one for one, site in numbered if "heartbeats what the poller" in site.purpose.lower()])
    reset(page)
    for verdict in ("safe", "scoped"):
        page.run(f"document.querySelector('#filters [value={verdict}]').click()")
    page.run(SETTLED)
    expect([one for one, site in numbered if site.verdict.value in {"at-risk", "unresolved"}])
    choose(page, "text", "there is no such text")
    assert page.run(SHOWN) == []
    assert page.run("document.getElementById('none').checkVisibility()") is True
    reset(page)
    assert len(page.run(SHOWN)) == 500
    assert page.run(STATUS) == "500 sites"
    assert page.said == []


@pytest.mark.parametrize("key", ["rank", "task", "owner", "lifetime", "place", "codes"])
def test_columns_sort_both_ways(key: str, opened: Opened, browser: Browser) -> None:
    browser.looks(dark=False)
    page = opened(REPORTS["large"])
    head = f"document.querySelector('th[data-key={key}]')"
    shown = f"[...document.querySelectorAll('tbody.site')].map(one => one.dataset.{key})"

    page.run(f"document.querySelector('th[data-key={'task' if key == 'rank' else 'rank'}] button').click()")
    orders = []
    for way in ("ascending", "descending"):
        page.run(f"{head}.querySelector('button').click()")
        assert page.run(f"{head}.getAttribute('aria-sort')") == way
        assert page.run("document.querySelectorAll('th[aria-sort]').length") == 1
        orders.append(page.run(shown))
    assert sorted(orders[0]) == sorted(orders[1]) != []
    assert [value for value, _ in groupby(filter(None, orders[1]))] == [
        value for value, _ in groupby(filter(None, orders[0]))
    ][::-1]
    if key in {"rank", "place"}:
        assert list(map(int, orders[0])) == sorted(map(int, orders[0]))
    else:
        assert len(set(orders[0])) > 1
        assert [value for value, _ in groupby(orders[0])] == sorted(
            set(orders[0]), key=lambda value: (not value, natural(value))
        )


def natural(text: str) -> list[tuple[bool, int, str]]:
    """The order of a reader: numbers by their value, punctuation before digits, digits before letters."""
    parts = re.findall(r"\d+|[^\W\d_]+|[\W_]", text.lower())
    return [(part.isalpha(), int(part) if part.isdigit() else -1, part) for part in parts]


def test_a_task_of_the_picture_leads_to_its_row_even_when_it_is_filtered_out(opened: Opened, browser: Browser) -> None:
    browser.looks(dark=False)
    page = opened(audit_samples.small().report)
    pill = "document.querySelector('.map.wide a.task[data-site=s5] .pill')"
    click = f"{pill}.dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))"
    open_rows = (
        "[...document.querySelectorAll('.more')].filter(one => one.checkVisibility()).map(one => one.parentNode.id)"
    )
    assert page.run(open_rows) == []
    choose(page, "text", "settled")
    assert page.run(SHOWN) == ["s1"]
    page.run(click)
    page.run(SETTLED)
    assert page.run(open_rows) == ["s5"]
    assert page.run("document.activeElement.closest('tbody').id") == "s5"
    assert page.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert len(page.run(SHOWN)) == 5
    page.run("document.activeElement.click()")
    assert page.run(open_rows) == []
    page.run(click)
    assert page.run(open_rows) == ["s5"], "again, though the address does not change"
    assert page.said == []


def test_the_switch_turns_the_light_off_and_on(opened: Opened, browser: Browser) -> None:
    browser.looks(dark=False)
    page = opened(REPORTS["small"])
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    seen = []
    for _ in range(2):
        seen.append(page.run("document.getElementById('theme').textContent"))
        page.run("document.getElementById('theme').click()")
        seen.append(page.run(ground))
    assert seen[::2] == ["Dark", "Light"]
    assert (seen[1] != light, seen[3]) == (True, light)
    page.run("localStorage.clear()")
    assert page.said == []


def test_without_a_script_everything_is_there_to_read(opened: Opened, browser: Browser) -> None:
    browser.looks(dark=False)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page = opened(REPORTS["small"])
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert page.run("[...document.querySelectorAll('.more')].every(one => one.checkVisibility())") is True
    assert page.run("document.getElementById('filters').checkVisibility()") is False


def test_a_script_that_is_not_ours_is_refused(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    written = html.write(REPORTS["small"])
    path.write_text(written.replace("</main>", "<script>console.log('alive')</script></main>"), encoding="utf-8")
    browser.said.clear()
    browser.open(path)
    assert any("Content Security Policy" in said for said in browser.said)
    assert not any("alive" in said for said in browser.said)


# The package


def test_the_wheel_brings_the_templates(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "flake8_task_lifecycle").rglob("templates/*")}
    assert len(own) == 4
    assert own <= {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*")}
    imports = (
        "from flake8_task_lifecycle.audit.report import Report; from flake8_task_lifecycle.audit.writers import html"
    )
    script = f"{imports}; print(html.__file__, html.write(Report('1', '/')))"
    said = run(sys.executable, "-c", script, cwd=tmp_path / "site")
    assert said.startswith(str(tmp_path))
    assert "</html>" in said
