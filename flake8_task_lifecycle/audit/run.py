"""The audit as a call: from paths to a report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from flake8_task_lifecycle import __version__
from flake8_task_lifecycle.audit import baseline as baselines
from flake8_task_lifecycle.audit import compliance
from flake8_task_lifecycle.audit.baseline import Entry
from flake8_task_lifecycle.audit.config import Configuration, Settings, check_codes, load
from flake8_task_lifecycle.audit.errors import AuditError
from flake8_task_lifecycle.audit.examined import Outcome
from flake8_task_lifecycle.audit.files import File, find, shown
from flake8_task_lifecycle.audit.jobs import Progress, outcomes
from flake8_task_lifecycle.audit.report import Loss, Problem, Report, Site


def audit(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str] = ".",
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    scope: Sequence[str] = (),
    exclude: Sequence[str] = (),
    tests: bool = True,
    jobs: int = 1,
    baseline: str | os.PathLike[str] | None = None,
    update_baseline: bool = False,
    config: str | os.PathLike[str] | None = None,
    isolated: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Every task site in the Python files at and below the paths, with the findings of the rules.

    flake8's own configuration for the current directory says what is excluded, selected and ignored, and what the
    names of the project mean; ``noqa`` and ``per-file-ignores`` count as they do there. What they or the baseline hide
    is in the report, with ``Problem.suppressed`` set. Paths in the report are relative to the current directory. The
    code that is audited is read and never run, and neither are the plugins that the configuration names.

    ``select`` and ``ignore`` replace those of the configuration, as on flake8's command line: codes or prefixes of
    codes, of which one longer than ``TLC`` turns opt-in codes on. ``scope`` are globs relative to the current
    directory, of which a file must match one. ``exclude`` are patterns besides those of the configuration, in its form.
    ``tests`` false leaves test code out. ``jobs`` is the number of processes, 0 for as many as there are processors;
    the report does not depend on it. ``baseline`` is the file of the findings that are known; ``update_baseline``
    writes it anew. ``config`` is the one configuration file to read; ``isolated`` reads none. ``progress`` is called
    in this process as files are done.

    Raises AuditError, whose text is one line, when an option, the configuration or the baseline is malformed, when the
    baseline is missing, or when a scope matches no file. What cannot be read or judged raises nothing: it stands in
    ``Report.unreadable`` and ``Report.lost``.
    """
    if update_baseline and baseline is None:
        raise AuditError("there is no baseline to update: give its file")
    if jobs < 0:
        raise AuditError(f"{jobs} is no number of processes")
    settings = Settings(
        check_codes("select", _several(select) if select is not None else None),
        check_codes("ignore", _several(ignore) if ignore is not None else None),
        _several(exclude),
        os.fspath(config) if config is not None else None,
        isolated,
    )
    configuration = load(settings)
    scope = tuple(map(shown, _several(scope)))
    root = Path.cwd()
    given = [os.fspath(path) for path in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)] or ["."]
    files, unlisted = find(given, configuration, scope, root)
    if scope and not files:
        raise AuditError(f"no file lies in the scope {', '.join(scope)}")
    files = [file for file in files if tests or not file.is_test]
    base = _Baseline(Path(baseline), update=update_baseline) if baseline is not None else None
    done = outcomes(files, settings, configuration, root, jobs or os.cpu_count() or 1, progress, tests=tests)
    said = {"paths": ", ".join(map(shown, given)), "scope": ", ".join(scope), "tests": "yes" if tests else "no"}
    report = replace(
        _report(done, unlisted),
        version=__version__,
        root=shown(str(root)),
        files=len(files),
        options=said | configuration.shown(),
        warnings=configuration.warnings,
    )
    if base is not None:
        report = base.applied(report, _Searched(files, report, configuration, root))
    return _concluded(report, configuration)


def _several(values: Sequence[str]) -> tuple[str, ...]:
    """The values, also where one alone was given."""
    return (values,) if isinstance(values, str) else tuple(values)


class _Baseline:
    """A baseline file: read before the work begins, and applied after it."""

    def __init__(self, path: Path, *, update: bool) -> None:
        self._path = path
        self._update = update
        self._known = baselines.Known() if update and not path.exists() else baselines.read(path)

    def applied(self, report: Report, searched: _Searched) -> Report:
        known = self._known
        if self._update:
            known = baselines.updated(known, report.problems, searched)
            baselines.write(self._path, known)
        marked, stale = baselines.apply(known, report.problems, searched)
        now = {_place(problem): problem for problem in marked}
        sites = [
            replace(site, related=tuple(now.get(_place(problem), problem) for problem in site.related))
            for site in report.sites
        ]
        options = report.options | {"baseline": shown(str(self._path))}
        return replace(report, problems=tuple(marked), sites=tuple(sites), stale=tuple(stale), options=options)


class _Searched:
    """Whether a run would have found what an entry of the baseline stands for."""

    def __init__(self, files: Sequence[File], report: Report, configuration: Configuration, root: Path) -> None:
        lost = {loss.file for loss in (*report.unreadable, *report.lost)}
        self._files = {file.shown for file in files} - lost
        self._codes = configuration.in_force
        self._root = root

    def __call__(self, entry: Entry) -> bool:
        """True for a code in force in a file that was examined whole, or that is there no more."""
        if entry.code not in self._codes:
            return False
        return entry.path in self._files or not os.path.lexists(self._root / entry.path)


def _place(problem: Problem) -> tuple[str, str, int, int, str]:
    return problem.code, problem.file, problem.line, problem.column, problem.message


def _report(done: Sequence[Outcome], unlisted: Sequence[Loss]) -> Report:
    return Report(
        version="",
        root="",
        sites=tuple(sorted((site for one in done for site in one.sites), key=_site_order)),
        problems=tuple(sorted((problem for one in done for problem in one.problems), key=_problem_order)),
        unreadable=tuple(sorted([*unlisted, *(loss for one in done for loss in one.unreadable)], key=_loss_order)),
        lost=tuple(sorted((loss for one in done for loss in one.lost), key=_loss_order)),
    )


def _site_order(site: Site) -> tuple[str, int, int, str]:
    return site.file, site.line, site.column, site.expression


def _problem_order(problem: Problem) -> tuple[str, int, int, str, str]:
    return problem.file, problem.line, problem.column, problem.code, problem.message


def _loss_order(loss: Loss) -> tuple[str, str]:
    return loss.file, loss.why


def _concluded(report: Report, configuration: Configuration) -> Report:
    """The report with what its sites and findings add up to."""
    is_whole = not (report.unreadable or report.lost)
    in_force = configuration.in_force
    return replace(
        report,
        totals=compliance.totals(report.sites),
        compliance=compliance.promises(report.sites, report.problems, in_force, complete=is_whole),
        recommendations=compliance.recommendations(report.sites, report.problems, report.stale, in_force),
    )
