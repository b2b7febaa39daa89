"""What the audit says of a report: the text and JSON forms, the promises, and the recommendations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import audit_samples
import jsonschema
import pytest
from audit_large import large
from audit_runs import Project

from flake8_task_lifecycle.audit import Report, compliance
from flake8_task_lifecycle.audit.compliance import BREAKS, PROMISES
from flake8_task_lifecycle.audit.report import Holds, Promise
from flake8_task_lifecycle.audit.writers import json_form, text
from flake8_task_lifecycle.options import ALL_CODES, DEFAULT_CODES

ROOT = Path(__file__).parent.parent
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "audit.schema.json").read_text(encoding="utf-8"))
ANSI = re.compile(r"\x1b\[[\d;]*m")


# Text


def test_without_rich_the_text_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    report = audit_samples.small().report
    assert text.write(report, colour=True) == text.write(report)


@pytest.mark.parametrize("width", [1, 60, 100, 200])
@pytest.mark.parametrize("name", ["small", "hostile", "empty"])
def test_with_and_without_colours_the_content_is_the_same(name: str, width: int) -> None:
    sample = getattr(audit_samples, name)()
    report = sample if isinstance(sample, Report) else sample.report
    plain, drawn = text.write(report, width=width), text.write(report, width=width, colour=True)
    assert "\x1b[" in drawn
    assert "\x1b" not in plain
    assert re.sub(r"\s", "", re.sub(r"[─-╿]", "", ANSI.sub("", drawn))) == re.sub(r"\s", "", plain)


@pytest.mark.parametrize("label", ["FILE", "LINE", "TASK PURPOSE", "OWNER", "LIFETIME", "SHUTDOWN BEHAVIOR", "RISK"])
def test_the_text_says_everything_of_every_site(label: str) -> None:
    written = text.write(audit_samples.small().report)
    assert len(re.findall(rf"^  {label}  ", written, re.MULTILINE)) == 5
    assert len(re.findall(r"^  (?:DETAILS/ACTION|REASONING)  ", written, re.MULTILINE)) == 10


@pytest.mark.parametrize("colour", [False, True])
def test_hostile_names_do_not_act_on_a_terminal(*, colour: bool) -> None:
    written = ANSI.sub("", text.write(audit_samples.hostile(), colour=colour))
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", written) == []
    assert "\\x1b[31mred" in written


# JSON and its schema


@pytest.mark.parametrize(
    "report",
    [audit_samples.empty(), audit_samples.small().report, audit_samples.hostile(), large(60, 12).report],
    ids=["empty", "small", "hostile", "large"],
)
def test_json_is_what_its_schema_says(report: Report) -> None:
    written = json_form.write(report)
    assert written.isascii()
    content = json.loads(written)
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert content["schema"] == SCHEMA["properties"]["schema"]["const"] == 1
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_knows_every_key_and_requires_it() -> None:
    content = json.loads(json_form.write(audit_samples.small().report))
    assert content.keys() == SCHEMA["properties"].keys() == set(SCHEMA["required"])
    (site, *_) = (one for one in content["sites"] if one["findings"])
    finding = next(one for one in content["findings"] if one["evidence"])
    for name, value in {
        "site": site,
        "finding": finding,
        "proof": finding["evidence"][0],
        "promise": content["compliance"][0],
        "loss": content["lost"][0],
    }.items():
        described = SCHEMA["$defs"][name]
        assert value.keys() == described["properties"].keys() == set(described["required"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], 2),
        (["sites", 0, "verdict"], "fine"),
        (["sites", 0, "line"], 0),
        (["sites", 0, "owner"], "nobody"),
        (["findings", 0, "suppressed"], "by hand"),
        (["compliance", 0, "holds"], True),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: list[str | int], value: object) -> None:
    content = json.loads(json_form.write(audit_samples.small().report))
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)


def test_a_real_report_is_what_the_schema_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    ran = Project(ROOT, capsys).json("docs/examples", "--select=TLC,TLC1")
    jsonschema.validate(ran.report, SCHEMA, jsonschema.Draft202012Validator)
    issue = "file line column spawner coroutine purpose owner lifetime shutdown guard cancellation exceptions verdict"
    for site in ran.report["sites"]:
        assert {*issue.split(), "codes", "action", "reasoning", "unknown"} <= site.keys()
    assert sum(ran.report["summary"][one] for one in ("safe", "scoped", "at_risk", "unresolved")) == len(
        ran.report["sites"]
    )


# The promises


def test_every_code_breaks_a_promise_and_every_promise_can_be_broken() -> None:
    assert BREAKS.keys() == ALL_CODES - {"TLC900"}
    assert len(PROMISES) == 8
    assert {name for code in DEFAULT_CODES for name in BREAKS[code]} == PROMISES.keys()
    assert compliance.recommendations([], [], [], DEFAULT_CODES) == ()


@pytest.mark.parametrize("code", sorted(BREAKS))
def test_a_finding_breaks_its_promises_and_is_recommended_against(code: str) -> None:
    found = [audit_samples.problem(code, "a.py", line, 1, "m", subject="task") for line in (1, 2)]
    promised = compliance.promises([], found, DEFAULT_CODES, complete=True)
    assert {one.name for one in promised if one.holds is Holds.NO} == set(BREAKS[code])
    assert {one.holds for one in promised if one.name not in BREAKS[code]} == {Holds.YES}
    (advice,) = compliance.recommendations([], found, [], DEFAULT_CODES)
    assert advice.startswith("2 ")
    assert f"({code} " in advice
    assert advice.endswith(" See task in a.py:1, task in a.py:2.")


@pytest.mark.parametrize(
    ("suppressed", "holds"), [("baseline", "no"), ("noqa", "unknown"), ("per-file-ignores", "unknown")]
)
def test_what_is_hidden_keeps_a_promise_from_holding(suppressed: str, holds: str) -> None:
    found = [audit_samples.problem("TLC008", "a.py", 1, 1, "m", suppressed=suppressed)]
    leak = next(one for one in compliance.promises([], found, DEFAULT_CODES, complete=True) if one.broken_by)
    assert (leak.name, leak.holds.value) == ("no-leak", holds)


def test_what_is_unresolved_keeps_promises_open() -> None:
    sites = audit_samples.small().report.sites
    promised = compliance.promises(sites, [], DEFAULT_CODES, complete=True)
    assert {one.holds for one in promised} == {Holds.UNKNOWN}
    assert {one.name: one.unresolved for one in promised} == {
        **dict.fromkeys(PROMISES, 1),
        **dict.fromkeys(("exception-control", "no-zombie", "no-silent-failure"), 2),
    }
    resolved = [site for site in sites if site.verdict.value not in {"unresolved", "at-risk"}]
    assert {one.holds for one in compliance.promises(resolved, [], DEFAULT_CODES, complete=True)} == {Holds.YES}
    assert {one.holds for one in compliance.promises(resolved, [], DEFAULT_CODES, complete=False)} == {Holds.UNKNOWN}
    without: tuple[Promise, ...] = compliance.promises(resolved, [], DEFAULT_CODES - {"TLC008"}, complete=True)
    assert {one.name: one.unchecked for one in without if one.holds is Holds.UNKNOWN} == {"no-leak": ("TLC008",)}
