"""The findings as SARIF 2.1.0, for code scanning and for the viewers of editors.

Sites without a finding stay out: they are no results. What is written stays within GitHub's limits; what they cut off
is said in a notification of the tool.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from urllib.parse import quote

from flake8_task_lifecycle.audit.report import Loss, Problem, Proof, Report
from flake8_task_lifecycle.audit.writers.inert import visible
from flake8_task_lifecycle.audit.writers.sarif_shapes import (
    ArtifactLocation,
    Driver,
    Invocation,
    Level,
    Location,
    Log,
    Notification,
    PhysicalLocation,
    Region,
    Result,
    Rule,
    Run,
    Suppression,
    Text,
)
from flake8_task_lifecycle.rules import RULES, pages
from flake8_task_lifecycle.rules import Rule as Ours

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "taskLifecycle/v1"
BASE = "SRCROOT"
MOST_RESULTS = 25_000  # GitHub refuses a run with more
MOST_RELATED = 100  # and shows no more places of one result

_LEVELS: dict[str, Level] = {"high": "error", "medium": "warning", "low": "note"}
_SEVERITIES = {"high": "error", "medium": "warning", "low": "recommendation"}  # in GitHub's words
_PLACES = {rule.code: place for place, rule in enumerate(RULES)}
_SEMANTIC = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_SAFE_IN_PATH = "/!$&'()*+,;=@"  # with letters, digits and -._~; a colon could be taken for a scheme


def write(report: Report) -> str:
    """The log of one run, as JSON in ASCII."""
    log: Log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report)]}
    return json.dumps(log, indent=2) + "\n"


def fingerprints(problems: tuple[Problem, ...]) -> list[str]:
    """One fingerprint a finding, in order: code, path, qualified name and subject, and which one of equals it is.

    An edit that moves a finding to another line does not change it.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for problem in problems:
        key = (problem.code, problem.file, problem.qualname, problem.subject)
        seen[key] += 1
        text = "\0".join((*key, str(seen[key])))
        found.append(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    return found


def _run(report: Report) -> Run:
    results = [
        _result(problem, mark) for problem, mark in zip(report.problems, fingerprints(report.problems), strict=True)
    ]
    return {
        "tool": {"driver": _driver(report)},
        "invocations": [_invocation(report)],
        "originalUriBaseIds": {BASE: _base(report.root)},
        "columnKind": "unicodeCodePoints",
        "results": _kept(results),
    }


def _kept(results: list[Result]) -> list[Result]:
    """At most as many results as GitHub takes, those that count and weigh most, in their order."""
    if len(results) <= MOST_RESULTS:
        return results
    weight: list[Level] = ["error", "warning", "note"]
    worst = sorted(
        range(len(results)), key=lambda at: (bool(results[at]["suppressions"]), weight.index(results[at]["level"]))
    )
    return [results[at] for at in sorted(worst[:MOST_RESULTS])]


def _driver(report: Report) -> Driver:
    driver: Driver = {
        "name": "flake8-task-lifecycle",
        "fullName": f"flake8-task-lifecycle {visible(report.version)}",
        "version": visible(report.version),
        "rules": [_rule(rule) for rule in RULES],
    }
    if _SEMANTIC.fullmatch(report.version):
        driver["semanticVersion"] = report.version
    if pages.SITE:
        driver["informationUri"] = pages.SITE
    return driver


def _rule(rule: Ours) -> Rule:
    described = pages.page(rule)
    lead, _, _ = described.partition("\n## Why it is bad")
    full = " ".join(lead.partition("## What it does\n")[2].split()) or pages.summary(rule)
    told: Rule = {
        "id": rule.code,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": pages.summary(rule) or rule.name},
        "fullDescription": {"text": full or rule.name},
        "help": {"text": described, "markdown": described},
        "defaultConfiguration": {"enabled": rule.on_by_default, "level": _LEVELS[rule.severity]},
        "properties": {"tags": ["asyncio", "tasks", "reliability"], "problem.severity": _SEVERITIES[rule.severity]},
    }
    if address := pages.address(rule):
        told["helpUri"] = address
    return told


def _invocation(report: Report) -> Invocation:
    notes = [_notification("error", "not read: ", loss) for loss in report.unreadable]
    notes += [_notification("error", "not judged whole: ", loss) for loss in report.lost]
    notes += [
        {"level": "warning", "message": _text(f"An entry of the baseline matches no finding any more: {entry}.")}
        for entry in report.stale
    ]
    if (count := len(report.problems)) > MOST_RESULTS:
        cut = f"{count} findings are more than GitHub takes; the first {MOST_RESULTS} by weight are here."
        notes.append({"level": "warning", "message": {"text": cut}})
    return {
        "executionSuccessful": not report.unreadable and not report.lost,
        "toolExecutionNotifications": notes,
        "toolConfigurationNotifications": [{"level": "warning", "message": _text(said)} for said in report.warnings],
    }


def _notification(level: Level, lead: str, loss: Loss) -> Notification:
    return {
        "level": level,
        "message": _text(f"{lead}{loss.why}"),
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(loss.file)}}],
    }


def _result(problem: Problem, fingerprint: str) -> Result:
    result: Result = {
        "ruleId": problem.code,
        "level": _LEVELS.get(problem.severity, "warning"),
        "message": _text(problem.message),
        "locations": [_location(problem)],
        "partialFingerprints": {FINGERPRINT: fingerprint},
        "suppressions": list(_suppressions(problem)),
    }
    if problem.code in _PLACES:
        result["ruleIndex"] = _PLACES[problem.code]
    if problem.evidence:
        shown = problem.evidence[:MOST_RELATED]
        result["relatedLocations"] = [_related(proof, number) for number, proof in enumerate(shown, 1)]
    return result


def _suppressions(problem: Problem) -> Iterator[Suppression]:
    """At most one. GitHub shows such results all the same: whoever uploads them filters them out."""
    if problem.suppressed:
        yield {
            "kind": "inSource" if problem.suppressed == "noqa" else "external",
            "status": "accepted",
            "justification": visible(problem.suppressed),
        }


def _location(problem: Problem) -> Location:
    region: Region = {"startLine": max(problem.line, 1), "startColumn": max(problem.column, 1)}
    if (problem.end_line, problem.end_column) > (problem.line, problem.column):
        region |= {"endLine": problem.end_line, "endColumn": problem.end_column}
    location: Location = {"physicalLocation": _physical(problem.file, region)}
    if problem.qualname:
        location["logicalLocations"] = [{"fullyQualifiedName": visible(problem.qualname)}]
    return location


def _related(proof: Proof, number: int) -> Location:
    said = proof.note or proof.text or proof.what
    return {
        "id": number,
        "physicalLocation": _physical(proof.file, {"startLine": max(proof.line, 1)}),
        "message": _text(f"{proof.what}: {said}" if proof.what != said else said),
    }


def _physical(file: str, region: Region) -> PhysicalLocation:
    return {"artifactLocation": _artifact(file), "region": region}


def _text(text: str) -> Text:
    """A message of one line in which brackets make no link."""
    shown = visible(text)
    return {"text": re.sub(r"[\[\]\\]", r"\\\g<0>", shown) if "](" in shown else shown}


def _artifact(file: str) -> ArtifactLocation:
    absolute = _absolute(file)
    if absolute is None:
        return {"uri": _quoted(file), "uriBaseId": BASE}
    return {"uri": _file_uri(absolute)}


def _base(root: str) -> ArtifactLocation:
    absolute = _absolute(root)
    if absolute is None:
        return {"description": {"text": "The folder that the audit was run in."}}
    uri = _file_uri(absolute)
    return {"uri": uri if uri.endswith("/") else f"{uri}/"}


def _absolute(text: str) -> PurePath | None:
    """The path that a text names, of whichever system; None when it is relative."""
    return next((path for path in (PurePosixPath(text), PureWindowsPath(text)) if path.is_absolute()), None)


def _file_uri(path: PurePath) -> str:
    text = path.as_posix()
    if text.startswith("//"):
        return f"file:{_quoted(text)}"
    if isinstance(path, PureWindowsPath):
        return f"file:///{path.drive}{_quoted(text[len(path.drive) :])}"
    return f"file://{_quoted(text)}"


def _quoted(path: str) -> str:
    """A path percent-encoded as the bytes of its name; what no file can be called is encoded all the same."""
    try:
        name = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        name = path.encode("utf-8", "surrogatepass")
    return quote(name, safe=_SAFE_IN_PATH)
