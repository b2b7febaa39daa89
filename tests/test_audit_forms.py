"""The forms of a report that people and services read: Markdown and workflow commands, also with hostile names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import audit_samples
import pytest
from audit_large import large
from audit_samples import HOSTILE, problem
from markdown_it import MarkdownIt
from markdown_it.token import Token

from flake8_task_lifecycle.audit.report import Report
from flake8_task_lifecycle.audit.writers import github, html, markdown, sarif, text
from flake8_task_lifecycle.audit.writers.inert import visible

SMALL = audit_samples.small().report
REPORTS = {
    "empty": audit_samples.empty(),
    "small": SMALL,
    "large": large().report,
    "hostile": audit_samples.hostile(),
}
UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")

Writer = Callable[[Report], str]
WRITERS = pytest.mark.parametrize(
    "write", [markdown.write, github.write, sarif.write, html.write], ids=["markdown", "github", "sarif", "html"]
)
NAMED = pytest.mark.parametrize("name", REPORTS)


@WRITERS
@NAMED
def test_no_character_hides_or_acts(write: Writer, name: str) -> None:
    text = write(REPORTS[name])
    assert UNSEEN.findall(text) == []
    assert text.encode("utf-8").decode("utf-8") == text


@WRITERS
@NAMED
def test_a_report_is_written_alike_each_time(write: Writer, name: str) -> None:
    assert write(REPORTS[name]) == write(replace(REPORTS[name]))


@pytest.mark.parametrize("write", [text.write, markdown.write, html.write], ids=["text", "markdown", "html"])
def test_each_form_says_where_no_second_start_is_guarded(write: Writer) -> None:
    unguarded = sum(site.guard is None for site in SMALL.sites)
    assert 0 < unguarded < len(SMALL.sites)
    assert write(SMALL).count("no guard is known") == unguarded


@pytest.mark.parametrize("text", HOSTILE)
def test_visible_text_is_one_line_and_says_what_was_there(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert visible(shown) == shown
    assert shown == text or "\\" in shown


def test_visible_text_spells_as_python_does() -> None:
    assert visible("a\x1b[0m\n\t\u202e\U000e0001é漢") == "a\\x1b[0m\\n\\t\\u202e\\U000e0001é漢"


# Markdown


def parsed(text: str) -> list[Token]:
    """The tokens of a Markdown text as GitHub reads it, links made by themselves included."""
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return reader.parse(text)


def inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from token.children or ()


def headings(tokens: list[Token], tag: str) -> list[str]:
    found = [
        tokens[place + 1] for place, token in enumerate(tokens) if token.type == "heading_open" and token.tag == tag
    ]
    return ["".join(child.content for child in token.children or ()) for token in found]


@NAMED
def test_markdown_keeps_its_structure(name: str) -> None:
    report = REPORTS[name]
    tokens = parsed(markdown.write(report))
    titles = headings(tokens, "h2")
    assert headings(tokens, "h1") == ["Audit of asyncio tasks"]
    assert titles[:3] == ["Totals", "Compliance", "Task sites"]
    assert set(titles[3:]) <= {
        "Findings apart from the sites",
        "Recommendations",
        "Suppressed findings",
        "Stale entries of the baseline",
        "Files not read",
        "Files not judged whole",
        "Warnings",
    }
    sections = headings(tokens, "h3")
    assert len(sections) == len(report.sites)
    assert [title.partition(". ")[0] for title in sections] == [str(number + 1) for number in range(len(sections))]
    rows = [token for token in tokens if token.type == "tr_open"]
    assert len(rows) == 7 + (len(report.sites) + 1 if report.sites else 0)


@NAMED
def test_markdown_has_no_markup_from_outside(name: str) -> None:
    tokens = parsed(markdown.write(REPORTS[name]))
    ours = {"heading_open", "paragraph_open", "bullet_list_open", "ordered_list_open", "list_item_open", "inline"}
    tables = {"table_open", "thead_open", "tbody_open", "tr_open", "th_open", "td_open"}
    opening = {token.type for token in tokens if token.nesting >= 0}
    assert opening <= ours | tables
    assert {token.type for token in inline(tokens)} <= {"text", "code_inline", "strong_open", "strong_close"}


@NAMED
def test_markdown_text_holds_nothing_that_becomes_a_link_by_itself(name: str) -> None:
    texts = [token.content for token in inline(parsed(markdown.write(REPORTS[name]))) if token.type == "text"]
    assert [
        text for text in texts if re.search(r"://|www\.|@|javascript:", text) and "javascript:alert(1)" not in text
    ] == []


@pytest.mark.parametrize("bad", HOSTILE)
def test_markdown_gives_hostile_text_back(bad: str) -> None:
    (token,) = inline(parsed(markdown.code(bad)))
    assert (token.type, token.content) == ("code_inline", visible(bad))
    shown = "".join(token.content for token in inline(parsed(markdown.prose(bad))))
    plain = visible(bad).strip()
    assert re.sub(r"[`\s]+", " ", shown).strip() == re.sub(r"[`\s]+", " ", plain).strip()


@pytest.mark.parametrize(
    "text", ["1. one", "12) two", "- three", "+ four", "# five", "> six", "===", "---", "    seven"]
)
def test_markdown_sentences_open_no_block(text: str) -> None:
    kinds = [token.type for token in parsed(f"- {markdown.prose(text)}") if token.nesting > 0]
    assert kinds == ["bullet_list_open", "list_item_open", "paragraph_open"]


def test_markdown_sentences_show_names_as_code() -> None:
    said = "It is 'self._task' (Poller._run), _x; a_b: stop() ends *it* in my_file.py:3."
    assert (
        markdown.prose(said)
        == "It is '`self._task`' (`Poller._run`), `_x`; `a_b`: stop() ends \\*it\\* in `my_file.py:3`."
    )


def test_markdown_says_everything_of_a_site() -> None:
    text = markdown.write(SMALL)
    section = text.partition("### 5. ")[2].partition("\n## ")[0]
    labels = ["FILE", "LINE", "TASK PURPOSE", "OWNER", "LIFETIME", "SHUTDOWN BEHAVIOR", "RISK", "DETAILS", "ACTION"]
    assert [label for label in [*labels, "REASONING"] if f"\n- {label}:" not in section] == []
    for said in (
        "- FILE: `updater/scheduler.py`",
        "- LINE: 14, column 22",
        "- TASK PURPOSE: Looks for updates every hour.",
        "attribute `AutoupdateScheduler._task`, held by `updater.scheduler:scheduler`",
        "as long as the application",
        "cancel, `updater/scheduler.py:19`: `self._task.cancel()`",
        "caller, `updater/main.py:14`: `await scheduler.stop()` (called in the finally of lifespan)",
        "second start: guard, `updater/scheduler.py:12`",
        "(lets CancelledError pass)",
        "1. `AutoupdateScheduler._task` holds the task.",
        "TLC007 hidden by the baseline (suppressed: baseline)",
    ):
        assert said in section, said


def test_markdown_says_everything_of_the_project() -> None:
    text = markdown.write(SMALL)
    for said in (
        "Project: `/srv/updater`",
        "flake8-task-lifecycle 0.1.0",
        "`tlc-spawners`: `jobs.spawn`",
        "not set: `ignore`",
        "| task sites | 5 | 4 in production code, 1 in tests |",
        "| findings | 2 | 3 more are suppressed |",
        "**Every task has an owner**: broken by 2 findings, 1 suppressed",
        "`updater/scheduler.py:14` TLC007 silent-task-death (suppressed: baseline)",
        "**The lifecycle of every task is explicit**: not known, 1 site unresolved, TLC103 not in force",
        "1. Keep the tasks of `Relay.publish` in a TaskGroup.",
        "`updater/main.py:14` TLC004 hidden by a comment (suppressed: noqa)",
        "`updater/broken.py`: line 3: '(' was never closed",
        "`updater/deep.py`: TLC101 was lost: RecursionError",
        "`TLC002 updater/old.py Poller.start self._task`",
        "- select names 'TLC55', which is no code",
    ):
        assert said in text, said


def test_a_bar_in_a_name_ends_no_cell_whatever_stands_before_it() -> None:
    """Readers differ on an escaped bar after a backslash: none is to be there at all."""
    site = replace(SMALL.sites[0], file="a\\\\|b.py", coroutine="c|d\\|e")
    (row,) = re.findall(r"^\| 1 \|.*", markdown.write(replace(SMALL, sites=(site,))), re.MULTILINE)
    assert row.count("|") == 6


def test_markdown_names_findings_apart_from_the_sites() -> None:
    apart = problem("TLC003", "updater/main.py", 3, 5, "a handler of its own")
    report = replace(SMALL, problems=(*SMALL.problems, apart))
    assert "apart from the sites" not in markdown.write(SMALL)
    section = markdown.write(report).partition("## Findings apart from the sites\n\n")[2].partition("\n\n")[0]
    assert section == "- `updater/main.py:3` TLC003 a handler of its own"


def test_markdown_of_many_findings_stays_readable() -> None:
    text = markdown.write(REPORTS["large"])
    compliance = text.partition("## Compliance")[2].partition("## Task sites")[0]
    assert len(re.findall(r"^  - and \d\d more$", compliance, re.MULTILINE)) == 3
    assert compliance.count("\n  - ") == 3 * 21


# Workflow commands

COMMAND = re.compile(r"::(?P<name>error|warning|notice) (?P<properties>(?:[a-z]+=[^,:]*,?)+)::(?P<message>.*)")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands of a text as the runner takes them apart."""
    found = []
    for line in text.split("\n")[:-1]:
        match = COMMAND.fullmatch(line)
        assert match, line
        given = dict(part.split("=", 1) for part in match["properties"].split(","))
        found.append((match["name"], {key: decoded(value) for key, value in given.items()}, decoded(match["message"])))
    return found


def decoded(text: str) -> str:
    for spelt, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(spelt, meant)
    return text


def test_commands_stand_at_the_place_and_leave_out_what_is_suppressed() -> None:
    found = commands(github.write(SMALL))
    assert [(name, given.get("title")) for name, given, _ in found] == [
        ("error", "file not read"),
        ("error", "file not judged whole"),
        ("warning", "options of the audit"),
        ("error", "TLC001 dangling-task"),
        ("error", "TLC003 swallowed-cancellation"),
        ("error", "stale entry of the baseline"),
    ]
    _, given, message = found[3]
    assert list(given.items())[:3] == [("file", "updater/relay bus.py"), ("line", "11"), ("col", "13")]
    assert message == SMALL.problems[1].message
    assert github.write(audit_samples.empty()) == ""


def test_commands_have_the_level_of_the_severity_and_the_worst_come_first() -> None:
    found = [problem(code, "a.py", 1, 1, "said") for code in ("TLC101", "TLC004", "TLC001", "TLC900")]
    report = replace(audit_samples.empty(), problems=tuple(found))
    assert [(name, given["title"][:6]) for name, given, _ in commands(github.write(report))] == [
        ("error", "TLC001"),
        ("warning", "TLC004"),
        ("notice", "TLC101"),
        ("notice", "TLC900"),
    ]


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_names_stay_inside_their_command(bad: str) -> None:
    report = replace(audit_samples.empty(), problems=(problem("TLC001", bad, 1, 2, bad),))
    ((name, given, message),) = commands(github.write(report))
    assert (name, given["line"], given["col"], given["title"]) == ("error", "1", "2", "TLC001 dangling-task")
    assert message == visible(bad)
    kept = re.sub(r"[^\r\n]+", lambda match: visible(match[0]), bad)
    assert given["file"] == kept, "the path is the real one, line ends included, but for what cannot be shown"
