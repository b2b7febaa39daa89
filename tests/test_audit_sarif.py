"""The SARIF form: places, fingerprints, suppressions, rules and limits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes

import audit_samples
import pytest
from audit_samples import HOSTILE, problem

from flake8_task_lifecycle.audit.report import Problem, Proof, Report
from flake8_task_lifecycle.audit.writers import sarif
from flake8_task_lifecycle.audit.writers.inert import visible
from flake8_task_lifecycle.rules import RULES, pages

SMALL = audit_samples.small().report


def run_of(report: Report) -> Any:
    """The one run of the log of a report."""
    log = json.loads(sarif.write(report))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    return log["runs"][0]


def with_problems(*problems: Problem, **more: Any) -> Report:
    """A report of nothing but some findings."""
    return replace(audit_samples.empty(), problems=problems, **more)


def uri_of(file: str) -> Any:
    """How a file is named."""
    (result,) = run_of(with_problems(problem("TLC001", file, 1, 1, "said")))["results"]
    return result["locations"][0]["physicalLocation"]["artifactLocation"]


def test_a_result_says_where_and_what() -> None:
    result = run_of(SMALL)["results"][1]
    found = SMALL.problems[1]
    assert (result["ruleId"], result["level"], result["message"]) == ("TLC001", "error", {"text": found.message})
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "updater/relay%20bus.py", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 11, "startColumn": 13, "endLine": 11, "endColumn": 25},
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": "Relay.publish"}]
    (related,) = result["relatedLocations"]
    assert (related["id"], related["message"]["text"]) == (1, "spawn: spawned here")
    assert related["physicalLocation"]["region"] == {"startLine": 11}


def test_the_run_says_what_columns_and_paths_count_from() -> None:
    run = run_of(SMALL)
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"] == {"SRCROOT": {"uri": "file:///srv/updater/"}}


def test_an_end_that_is_not_behind_the_start_is_left_out() -> None:
    (result,) = run_of(with_problems(replace(problem("TLC001", "a.py", 5, 9, "said"), end_line=5, end_column=9)))[
        "results"
    ]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 5, "startColumn": 9}


@pytest.mark.parametrize(
    ("root", "uri"),
    [
        ("/", "file:///"),
        ("/srv/with blank/é", "file:///srv/with%20blank/%C3%A9/"),
        ("C:\\code\\app", "file:///C:/code/app/"),
        ("\\\\host\\share\\app", "file://host/share/app/"),
    ],
)
def test_the_root_is_a_folder_by_its_uri(root: str, uri: str) -> None:
    assert run_of(with_problems(root=root))["originalUriBaseIds"] == {"SRCROOT": {"uri": uri}}


def test_a_relative_root_is_not_made_up() -> None:
    assert "uri" not in run_of(with_problems(root="."))["originalUriBaseIds"]["SRCROOT"]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a b/é.py", {"uri": "a%20b/%C3%A9.py", "uriBaseId": "SRCROOT"}),
        ("100%/#1?.py", {"uri": "100%25/%231%3F.py", "uriBaseId": "SRCROOT"}),
        ("javascript:alert(1)", {"uri": "javascript%3Aalert(1)", "uriBaseId": "SRCROOT"}),
        ("bad\udcff.py", {"uri": "bad%FF.py", "uriBaseId": "SRCROOT"}),
        ("../other/a.py", {"uri": "../other/a.py", "uriBaseId": "SRCROOT"}),
        ("/opt/other/a b.py", {"uri": "file:///opt/other/a%20b.py"}),
        ("D:/other/a.py", {"uri": "file:///D:/other/a.py"}),
    ],
)
def test_paths_are_relative_and_percent_encoded(file: str, uri: dict[str, str]) -> None:
    assert uri_of(file) == uri


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_paths_come_back_from_their_uri(bad: str) -> None:
    found = uri_of(bad)
    assert found["uri"].isascii()
    assert found["uri"].isprintable()
    assert ":" not in found["uri"]
    back = unquote_to_bytes(found["uri"])
    assert back in {
        bad.encode("utf-8", "surrogatepass"),
        bad.encode("utf-8", "surrogateescape" if "\ud800" not in bad else "surrogatepass"),
    }


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_messages_make_no_link(bad: str) -> None:
    (result,) = run_of(with_problems(problem("TLC001", "a.py", 1, 1, bad)))["results"]
    text = result["message"]["text"]
    if "](" in bad:
        assert "\\](" in text
        assert text.replace("\\[", "[").replace("\\]", "]") == visible(bad)
    else:
        assert text == visible(bad)


def test_suppressed_findings_say_by_what() -> None:
    shown = [result["suppressions"] for result in run_of(SMALL)["results"]]
    assert [[(one["kind"], one["justification"]) for one in found] for found in shown] == [
        [("inSource", "noqa")],
        [],
        [],
        [("external", "baseline")],
        [("external", "per-file-ignores")],
    ]


def test_levels_are_those_of_the_severity() -> None:
    codes = ("TLC001", "TLC004", "TLC101")
    results = run_of(with_problems(*(problem(code, "a.py", 1, 1, "said") for code in codes)))["results"]
    assert [result["level"] for result in results] == ["error", "warning", "note"]


BASE = problem("TLC001", "a.py", 5, 3, "said", subject="self._task", qualname="A.start")


def test_a_fingerprint_survives_an_edit_above_it_and_another_wording() -> None:
    moved = replace(BASE, line=50, column=7, end_line=50, end_column=9, message="said in other words")
    assert sarif.fingerprints((BASE,)) == sarif.fingerprints((moved,))
    assert run_of(with_problems(BASE))["results"][0]["partialFingerprints"] == {
        "taskLifecycle/v1": sarif.fingerprints((moved,))[0]
    }


@pytest.mark.parametrize("change", [{"code": "TLC002"}, {"file": "b.py"}, {"qualname": "B.start"}, {"subject": "x"}])
def test_a_fingerprint_is_that_of_code_path_name_and_subject(change: dict[str, str]) -> None:
    assert sarif.fingerprints((BASE,)) != sarif.fingerprints((replace(BASE, **change),))  # type: ignore[arg-type]


def test_equal_findings_have_fingerprints_of_their_own_in_order() -> None:
    second = replace(BASE, line=9, end_line=9)
    both = sarif.fingerprints((BASE, second))
    assert len(set(both)) == 2
    assert both[:1] == sarif.fingerprints((BASE,))


def test_fields_of_a_fingerprint_do_not_run_together() -> None:
    one, other = replace(BASE, qualname="ab", subject="c"), replace(BASE, qualname="a", subject="bc")
    assert sarif.fingerprints((one,)) != sarif.fingerprints((other,))


def test_every_rule_is_described_by_its_page() -> None:
    rules = run_of(audit_samples.empty())["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in RULES]
    for said, rule in zip(rules, RULES, strict=True):
        assert said["shortDescription"]["text"] == pages.summary(rule)
        assert said["fullDescription"]["text"].endswith(".")
        assert said["help"]["markdown"] == pages.page(rule)
        assert said["defaultConfiguration"]["enabled"] == rule.on_by_default
        assert 0 < len(said["properties"]["tags"]) <= 10
        assert "helpUri" not in said
    assert rules[1]["name"] == "MissingCancel"


def test_rules_link_to_their_pages_once_these_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SITE", "https://docs.example/rules/")
    driver = run_of(audit_samples.empty())["tool"]["driver"]
    assert driver["informationUri"] == "https://docs.example/rules/"
    assert driver["rules"][0]["helpUri"] == "https://docs.example/rules/TLC001"


def test_every_result_names_its_rule_by_place_too() -> None:
    run = run_of(SMALL)
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [found.code for found in SMALL.problems]


def test_what_went_wrong_is_told() -> None:
    (invocation,) = run_of(SMALL)["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [(note["level"], note["message"]["text"]) for note in invocation["toolExecutionNotifications"]] == [
        ("error", "not read: line 3: '(' was never closed"),
        ("error", "not judged whole: TLC101 was lost: RecursionError"),
        (
            "warning",
            "An entry of the baseline matches no finding any more: TLC002 updater/old.py Poller.start self._task.",
        ),
    ]
    (said,) = invocation["toolConfigurationNotifications"]
    assert said["message"]["text"] == "select names 'TLC55', which is no code"
    assert run_of(audit_samples.empty())["invocations"][0]["executionSuccessful"] is True


def test_more_than_github_takes_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 3)
    found = [
        problem("TLC101", "a.py", 1, 1, "low"),
        problem("TLC001", "a.py", 2, 1, "high, hidden", suppressed="noqa"),
        problem("TLC004", "a.py", 3, 1, "medium"),
        problem("TLC001", "a.py", 4, 1, "high"),
    ]
    run = run_of(with_problems(*found))
    assert [result["message"]["text"] for result in run["results"]] == ["low", "medium", "high"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("4 findings are more than GitHub takes")
    assert run_of(with_problems(*found[:3]))["invocations"][0]["toolExecutionNotifications"] == []


def test_related_places_are_bounded() -> None:
    many = tuple(Proof("read", "a.py", line) for line in range(1, 300))
    (result,) = run_of(with_problems(replace(BASE, evidence=many)))["results"]
    assert len(result["relatedLocations"]) == sarif.MOST_RELATED
