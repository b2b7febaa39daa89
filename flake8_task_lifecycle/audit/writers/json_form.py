"""The JSON form: everything in the report, for programs. docs/audit.schema.json describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flake8_task_lifecycle.audit.report import Loss, Owner, Problem, Promise, Proof, Report, Site


def write(report: Report) -> str:
    """The report as a JSON object in ASCII, indented, with a line end after it."""
    return json.dumps(content(report), indent=2, ensure_ascii=True) + "\n"


def content(report: Report) -> Mapping[str, Any]:
    """The report as plain data, its keys in the order in which they are written."""
    return {
        "schema": report.schema,
        "version": report.version,
        "root": report.root,
        "files": report.files,
        "options": dict(report.options),
        "warnings": list(report.warnings),
        "summary": asdict(report.totals) | {"findings": _counted(report), "suppressed": _suppressed(report)},
        "compliance": [_promise(promise) for promise in report.compliance],
        "recommendations": list(report.recommendations),
        "sites": [_site(site) for site in report.sites],
        "findings": [_problem(problem) for problem in report.problems],
        "unreadable": [_loss(loss) for loss in report.unreadable],
        "lost": [_loss(loss) for loss in report.lost],
        "stale": list(report.stale),
    }


def _counted(report: Report) -> int:
    return sum(not problem.suppressed for problem in report.problems)


def _suppressed(report: Report) -> int:
    return len(report.problems) - _counted(report)


def _promise(promise: Promise) -> dict[str, Any]:
    return {
        "name": promise.name,
        "title": promise.title,
        "holds": promise.holds.value,
        "broken_by": [
            {
                "code": problem.code,
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "suppressed": problem.suppressed,
            }
            for problem in promise.broken_by
        ],
        "unresolved": promise.unresolved,
        "unchecked": list(promise.unchecked),
    }


def _site(site: Site) -> dict[str, Any]:
    return {
        "file": site.file,
        "line": site.line,
        "column": site.column,
        "end_line": site.end_line,
        "end_column": site.end_column,
        "module": site.module,
        "qualname": site.qualname,
        "is_test": site.is_test,
        "spawner": site.spawner,
        "expression": site.expression,
        "coroutine": site.coroutine,
        "purpose": site.purpose,
        "owner": _owner(site.owner),
        "lifetime": {"kind": site.lifetime.value, "evidence": _proofs(site.lifetime_evidence)},
        "shutdown": _proofs(site.shutdown),
        "guard": _proof(site.guard) if site.guard is not None else None,
        "cancellation": {"result": site.cancellation, "handlers": _proofs(site.handlers)},
        "exceptions": {"result": site.exceptions, "observers": _proofs(site.observers)},
        "verdict": site.verdict.value,
        "risk": site.risk,
        "codes": list(site.codes),
        "action": site.action,
        "reasoning": list(site.reasoning),
        "unknown": list(site.unknown),
        "findings": [_problem(problem) for problem in site.related],
    }


def _owner(owner: Owner) -> dict[str, Any]:
    return {"kind": owner.kind.value, "name": owner.name, "instance": owner.instance}


def _problem(problem: Problem) -> dict[str, Any]:
    return asdict(problem) | {"evidence": _proofs(problem.evidence)}


def _proofs(proofs: tuple[Proof, ...]) -> list[dict[str, Any]]:
    return [_proof(proof) for proof in proofs]


def _proof(proof: Proof) -> dict[str, Any]:
    return asdict(proof)


def _loss(loss: Loss) -> dict[str, Any]:
    return asdict(loss)
