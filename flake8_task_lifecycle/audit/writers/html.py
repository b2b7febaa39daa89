"""The report as one page that needs nothing else: no network, no other file, and no script for what matters most.

Importing this without jinja2 raises MissingExtra.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from flake8_task_lifecycle.audit.report import Holds, Lifetime, Problem, Report, Site, Verdict
from flake8_task_lifecycle.audit.writers import MissingExtra, picture, words
from flake8_task_lifecycle.audit.writers.excerpt import Excerpt, Sources
from flake8_task_lifecycle.audit.writers.inert import visible
from flake8_task_lifecycle.rules import RULES, pages

try:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup, escape
except ImportError as error:
    raise MissingExtra("html", "jinja2") from error

WIDE, NARROW = 1160.0, 344.0
_TEMPLATES = resources.files(__package__) / "templates"
_QUOTED = re.compile(r"`([^`]+)`")
_RANKS = {verdict: rank for rank, verdict in enumerate(words.VERDICTS)}


@dataclass(frozen=True, slots=True)
class Row:
    """A site as the page shows it: its number in the report's order, and the source around it."""

    number: int
    site: Site
    rank: int
    excerpts: Sequence[Excerpt]


def write(report: Report) -> str:
    """The page. The sources are read from below the report's root; a file that is not there has no excerpt."""
    style, script = _asset("style.css"), _asset("script.js")
    sources = Sources(report.root)
    numbered = list(enumerate(report.sites, 1))
    at_sites = {problem: number for number, site in numbered for problem in site.related}
    counted = words.counted(report)
    rows = [Row(number, site, _RANKS[site.verdict], sources.excerpts(site)) for number, site in numbered]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            project=_project(report.root),
            rows=sorted(rows, key=lambda row: row.rank),
            counts={verdict: sum(site.verdict is verdict for site in report.sites) for verdict in words.VERDICTS},
            codes=sorted({code for site in report.sites for code in site.codes}),
            pictures=[
                picture.draw(report.sites, WIDE, "wide"),
                picture.draw(report.sites, NARROW, "narrow"),
            ],
            counted=counted,
            elsewhere=[problem for problem in counted if problem not in at_sites],
            hidden=words.hidden(report),
            site_of=at_sites.get,
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"prose": _prose, "path": _path, "fixed": _fixed}
    environment.globals |= _names()
    return environment


def _shown(value: object) -> object:
    """What an expression of a template puts out: text with nothing hidden in it."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value)


def _prose(text: str) -> str:
    """A sentence, with what stands between backticks as code."""
    pieces = _QUOTED.split(visible(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


def _path(file: str, line: int | None = None) -> str:
    """A path that shows its last part, and the line with it."""
    folder, slash, name = visible(file).rpartition("/")
    place = "" if line is None else Markup('<span class="line">:{}</span>').format(line)
    return Markup('<span class="folder">{}{}</span><span class="file">{}{}</span>').format(folder, slash, name, place)


def _names() -> dict[str, Any]:
    return {
        "words": words,
        "Verdict": Verdict,
        "Holds": Holds,
        "Lifetime": Lifetime,
        "address_of": {rule.code: pages.address(rule) for rule in RULES}.get,
        "summary_of": {rule.code: pages.summary(rule) for rule in RULES}.get,
        "where": _where,
    }


def _where(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}"


def _fixed(value: float) -> str:
    """A coordinate with no more digits than it needs."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _project(root: str) -> str:
    return visible(root.replace("\\", "/").rstrip("/").rpartition("/")[2]) or visible(root) or "."


def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
