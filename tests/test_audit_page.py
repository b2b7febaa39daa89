"""The page: what it holds, what it lets in, its excerpts of source and its picture."""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import audit_samples
import pytest
from audit_large import large
from audit_samples import HOSTILE, Sample

from flake8_task_lifecycle.audit.report import Proof, Report, Verdict
from flake8_task_lifecycle.audit.writers import MissingExtra, html, picture
from flake8_task_lifecycle.audit.writers.excerpt import LONGEST_LINE, MOST_LINES, Excerpt, Sources
from flake8_task_lifecycle.audit.writers.inert import visible
from flake8_task_lifecycle.rules import pages

SMALL = audit_samples.small()
REPORTS = {
    "empty": audit_samples.empty(),
    "small": SMALL.report,
    "large": large().report,
    "hostile": audit_samples.hostile(),
}
NAMED = pytest.mark.parametrize("name", REPORTS)
VOID = {"meta", "input", "link"}


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and the text inside each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self._parts: dict[str, list[list[str]]] = {}
        self.feed(text)
        self.close()
        assert self._open == []
        self.texts = {tag: ["".join(parts) for parts in found] for tag, found in self._parts.items()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)
            self._parts.setdefault(tag, []).append([])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self._parts[tag][-1].append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        """The attributes of every element of a name."""
        return [attributes for tag, attributes in self.elements if tag == name]


PAGES = {name: Page(html.write(report)) for name, report in REPORTS.items()}


@NAMED
def test_the_page_needs_nothing_from_outside(name: str) -> None:
    page = PAGES[name]
    for _, attributes in page.elements:
        assert attributes.keys().isdisjoint({"src", "srcset", "style", "background", "action", "data"})
        assert not any(key.startswith("on") for key in attributes)
        assert re.fullmatch(r"#(s\d+|sites)", attributes.get("href", "#sites"))
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"link", "img", "iframe", "object", "embed", "base", "image", "use", "foreignobject"})
    style, script = page.texts["style"], page.texts["script"]
    assert (len(style), len(script)) == (1, 1)
    assert not re.search(r"url\(|@import|https?:", style[0])
    assert not re.search(r"https?:|fetch|XMLHttp|innerHTML|eval|import\(", script[0])


@NAMED
def test_the_policy_lets_in_the_one_style_and_the_one_script(name: str) -> None:
    page = PAGES[name]
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest(page.texts['style'][0])}'",
        "script-src": f"'sha256-{digest(page.texts['script'][0])}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    first = [tag for tag, _ in page.elements]
    assert first.index("meta") < first.index("style")


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@NAMED
def test_every_id_is_there_once_and_every_link_leads_somewhere(name: str) -> None:
    page = PAGES[name]
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert [one for one, count in ids.items() if count > 1] == []
    assert {one["href"] for one in page.all("a")} <= {f"#{one}" for one in ids}
    used = [one for _, given in page.elements for one in given.get("aria-labelledby", "").split()]
    assert set(used) <= set(ids)


@NAMED
def test_every_site_has_its_row_and_its_mark_in_both_pictures(name: str) -> None:
    report, page = REPORTS[name], PAGES[name]
    rows = [one for one in page.all("tbody") if "site" in one["class"]]
    assert len(rows) == len(report.sites)
    for row in rows:
        site = report.sites[int(row["id"][1:]) - 1]
        assert (row["data-verdict"], row["data-part"]) == (
            site.verdict.value,
            "tests" if site.is_test else "production",
        )
        assert row["data-codes"].split() == list(site.codes)
    ranks = [int(row["data-rank"]) for row in rows]
    assert ranks == sorted(ranks), "the worst come first"
    marks = Counter(one["data-site"] for one in page.all("a") if one.get("class") == "task")
    assert marks == {row["id"]: 2 for row in rows}


def test_hostile_text_stays_text() -> None:
    page, text = PAGES["hostile"], html.write(REPORTS["hostile"])
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in PAGES["small"].elements}
    for bad in HOSTILE:
        assert any(visible(bad).strip() in shown for shown in page.texts["code"]), bad
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text, "a template in a name is not run"
    assert page.texts["title"][0] == "Task audit of script>"


def test_the_page_says_everything_of_the_project() -> None:
    text = re.sub(r"\s+", " ", "".join(PAGES["small"].texts["main"]))
    for said in (
        "5 task sites 4 production, 1 tests",
        "2 findings 3 more suppressed",
        "Not read: updater/broken.py line 3: '(' was never closed",
        "Not judged whole: updater/deep.py TLC101 was lost: RecursionError",
        "Warning: select names 'TLC55', which is no code",
        "Stale in the baseline: TLC002 updater/old.py Poller.start self._task",
        "Every task has an owner broken by 2 findings, 1 suppressed",
        "not known, 1 site unresolved, TLC103 not in force",
        "Keep the tasks of Relay.publish in a TaskGroup.",
        "suppressed by per-file-ignores",
        "jobs.spawn not set ignore",
    ):
        assert said in text, said


def test_the_page_says_everything_of_a_site() -> None:
    text = re.sub(r"\s+", " ", PAGES["small"].texts["tbody"][-1])
    for said in (
        "AutoupdateScheduler._loop",
        "Looks for updates every hour.",
        "attribute AutoupdateScheduler._task, held by updater.scheduler:scheduler",
        "as long as the application",
        "cancel self._task.cancel()",
        "caller await scheduler.stop() called in the finally of lifespan updater/main.py:14",
        "guard if self._task is not None:",
        "lets CancelledError pass",
        "handled by the coroutine itself",
        "The finally of lifespan calls scheduler.stop().",
    ):
        assert said in text, said


def test_codes_link_to_their_pages_once_these_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SITE", "https://docs.example/rules/")
    links = {one["href"] for one in Page(html.write(SMALL.report)).all("a")}
    assert {"https://docs.example/rules/TLC001", "https://docs.example/rules/TLC108"} <= links


def test_without_jinja2_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, html.__name__)
    with pytest.raises(MissingExtra, match=r"flake8-task-lifecycle\[audit\]") as raised:
        importlib.import_module(html.__name__)
    assert "\n" not in str(raised.value)


# Excerpts


def excerpts(report: Report, number: int) -> list[Excerpt]:
    """The excerpts of the site of a number, as the report counts them."""
    return Sources(report.root).excerpts(report.sites[number - 1])


def marks(excerpt: Excerpt) -> dict[int, str]:
    """What the lines of an excerpt are said to prove."""
    return {line.number: line.mark for stretch in excerpt.stretches for line in stretch if line.mark}


def test_excerpts_show_the_spawn_and_every_proof(tmp_path: Path) -> None:
    own, other = excerpts(SMALL.on_disk(tmp_path), 5)
    assert (own.file, other.file) == ("updater/scheduler.py", "updater/main.py")
    assert marks(own) == {
        12: "guard",
        14: "spawn",
        19: "cancel",
        20: "suppress",
        21: "await",
        22: "clear",
        26: "loop",
        29: "passes, handler",
        34: "instance",
    }
    assert marks(other) == {9: "caller", 14: "caller"}
    lines = SMALL.sources["updater/scheduler.py"].split("\n")
    for stretch in own.stretches:
        for line in stretch:
            assert "".join(text for _, text in line.pieces) == lines[line.number - 1]
        numbers = [line.number for line in stretch]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert [line.number for stretch in own.stretches for line in stretch if line.is_site] == [14]


def test_excerpts_tell_keywords_strings_and_comments_apart(tmp_path: Path) -> None:
    report = SMALL.on_disk(tmp_path)
    pieces = {
        piece
        for one in excerpts(report, 2) + excerpts(report, 5)
        for stretch in one.stretches
        for line in stretch
        for piece in line.pieces
    }
    assert {("keyword", "await"), ("comment", "# é"), ("string", '"autoupdate"'), ("keyword", "while")} <= pieces


def test_a_page_shows_the_excerpts(tmp_path: Path) -> None:
    page = Page(html.write(SMALL.on_disk(tmp_path)))
    assert len(page.texts["pre"]) == 6
    assert any("self._task.cancel()" in shown for shown in page.texts["pre"])
    assert "pre" not in PAGES["small"].texts, "the sources are not where the report says"


ODD_FILES = {
    "latin.py": "# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1"),
    "mixed.py": b"a = 1\r\nb = 2\rc = '''\x0c\xe2\x80\xa8'''\n",
    "broken.py": b"def (:\n    '''never closed\n",
    "bytes.py": b"a = 1\nb = '\xff\xfe'\n",
    "unknown.py": b"# coding: no-such-thing\na = 1\n",
    "empty.py": b"",
    "long.py": b"a = '" + b"x" * 5000 + b"'\n\tb = 1\n",
}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("latin.py", ["# -*- coding: latin-1 -*-", "name = 'é'"]),
        ("mixed.py", ["a = 1", "b = 2", "c = '''\x0c\u2028'''"]),
        ("broken.py", ["def (:", "    '''never closed"]),
        ("bytes.py", ["a = 1", "b = '\ufffd\ufffd'"]),
        ("unknown.py", []),
        ("empty.py", [""]),
        ("long.py", ["a = '" + "x" * (LONGEST_LINE - 5) + "…", "    b = 1"]),
        ("missing.py", []),
        ("folder", []),
        ("pipe", []),
        ("nul\0.py", []),
    ],
)
def test_odd_files_have_what_can_be_shown(tmp_path: Path, name: str, shown: list[str]) -> None:
    for file, data in ODD_FILES.items():
        (tmp_path / file).write_bytes(data)
    (tmp_path / "folder").mkdir()
    if name == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes in this system's folders")
        os.mkfifo(tmp_path / name)
    report = replace(
        SMALL.report,
        root=str(tmp_path),
        sites=(replace(SMALL.report.sites[1], file=name, line=2, end_line=2, handlers=()),),
    )
    assert [
        "".join(text for _, text in line.pieces)
        for one in excerpts(report, 1)
        for stretch in one.stretches
        for line in stretch
    ] == shown
    Page(html.write(report))


def test_excerpts_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n" * 5000, encoding="utf-8")
    many = tuple(Proof("read", "a.py", line) for line in range(1, 5000, 10))
    site = replace(SMALL.report.sites[0], file="a.py", line=3, end_line=4000, handlers=many)
    (excerpt,) = Sources(str(tmp_path)).excerpts(site)
    assert sum(map(len, excerpt.stretches)) <= 2 * MOST_LINES


# The picture


@pytest.fixture(scope="module", params=["one", "few", "rows", "hundreds", "thousands", "hostile"])
def sites(request: pytest.FixtureRequest) -> Any:
    samples: dict[str, Sample | Report] = {
        "few": SMALL,
        "rows": large(40, 12),
        "hundreds": large(),
        "thousands": large(3000, 200),
        "hostile": audit_samples.hostile(),
    }
    if request.param == "one":
        return SMALL.report.sites[:1]
    found = samples[request.param]
    return (found.report if isinstance(found, Sample) else found).sites


@pytest.mark.parametrize("width", [html.WIDE, html.NARROW])
def test_nothing_in_the_picture_overlaps_or_hangs_out(sites: Any, width: float) -> None:
    drawn = picture.draw(sites, width, "wide")
    boxes = drawn.boxes
    assert sorted(task.number for box in boxes for group in box.groups for task in group.tasks) == [
        number + 1 for number in range(len(sites))
    ]
    for place, box in enumerate(boxes):
        assert box.x >= 0
        assert box.x + box.width <= width + 0.01
        assert box.y + box.height <= drawn.height + 0.01
        for other in boxes[:place]:
            apart = box.x >= other.x + other.width + 1 or other.x >= box.x + box.width + 1
            assert apart or box.y >= other.y + other.height + 1 or other.y >= box.y + box.height + 1
        tasks = [task for group in box.groups for task in group.tasks]
        assert all(task.x >= 10 and task.x + 10 <= box.width and task.y + 10 <= box.height for task in tasks)
        assert len({(round(task.x), round(task.y)) for task in tasks}) == len(tasks)
        for task in tasks:
            for label in (task.name, task.end):
                assert label is None or label.x + 4.5 * len(label.text) <= box.width


def test_few_tasks_have_names_and_hundreds_are_marks() -> None:
    few, many = (
        picture.draw(SMALL.report.sites, html.WIDE, "wide"),
        picture.draw(large().report.sites, html.WIDE, "wide"),
    )
    assert (few.dense, many.dense) == (False, True)
    assert [box.name.text for box in few.boxes] == [
        "tests/test_scheduler.py",
        "updater/relay bus.py",
        "updater/scheduler.py",
    ]
    assert len(many.boxes) == 60
    (task,) = few.boxes[-1].groups[0].tasks
    assert (task.name and task.name.text, task.end and task.end.text) == (
        "AutoupdateScheduler._loop",
        "cancel + await ← main.py:9",
    )
    assert many.height < 2000, "hundreds are to be seen without much scrolling"


def test_the_picture_says_what_ends_no_task() -> None:
    drawn = picture.draw(SMALL.report.sites, html.WIDE, "wide")
    ends = {
        task.verdict: task.end and task.end.text for box in drawn.boxes for group in box.groups for task in group.tasks
    }
    assert ends[Verdict.AT_RISK] == "nothing ends it"
    assert ends[Verdict.UNRESOLVED] == "unknown"
