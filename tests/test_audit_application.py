"""The whole application of the cases, audited: a fault puts the site that it concerns at risk, a twin puts none."""

from __future__ import annotations

from pathlib import Path

import pytest
from audited import sites
from test_application import CASE, FAULTS, OPT_IN_FAULTS, TWINS, Change, changed, says

from flake8_task_lifecycle.audit.report import Verdict
from flake8_task_lifecycle.options import DEFAULT_CODES, Options

LOOP, INSTALLATION, RACE, WORKER = "self._task", "self._install", "requests", "worker"
# What a fault concerns, where that is not the loop of the scheduler alone; a timer's callback is no task at all.
CONCERNS = {
    "the installation is not kept": {INSTALLATION},
    "the worker of the test is not waited for": {WORKER},
    "the losers of the race are not waited for": {RACE},
    "no finally in the lifespan": {LOOP, INSTALLATION},
    "a set without a discard": {INSTALLATION},
    "the losers of the race are dropped": {RACE},
    "the lifespan does not await stop": {LOOP, INSTALLATION},
    "the console does not await stop": {LOOP, INSTALLATION},
    "a coroutine function as a timer's callback": set(),
    "stop forgets what is being installed": {INSTALLATION},
}


def at_risk(change: Change | None, directory: Path, opt_in: str = "") -> list[tuple[set[str], tuple[str, ...]]]:
    """What each site at risk runs, and its codes; every other one is safe."""
    modules = changed(change) if change is not None else CASE.modules
    options = Options(codes=DEFAULT_CODES | {opt_in} - {""})
    found = sites(directory, {block.name: block.text for block in modules}, options)
    assert {site.verdict for site in found} <= {Verdict.SAFE, Verdict.AT_RISK}
    names = {"_run": LOOP, "_install": INSTALLATION, "mirror": RACE, "get": WORKER}
    return [
        ({names[site.coroutine.rpartition(".")[2]]}, site.codes) for site in found if site.verdict is Verdict.AT_RISK
    ]


@pytest.mark.parametrize("fault", [*FAULTS, *OPT_IN_FAULTS], ids=says)
def test_a_fault_puts_the_sites_at_risk_that_it_concerns(fault: Change, tmp_path: Path) -> None:
    found = at_risk(fault, tmp_path, fault.code if fault in OPT_IN_FAULTS else "")
    assert set().union(*(what for what, _ in found)) == CONCERNS.get(fault.says, {LOOP})
    assert {codes for _, codes in found} <= {(fault.code,)}


@pytest.mark.parametrize("twin", [None, *TWINS], ids=lambda twin: says(twin) if twin else "as it stands")
def test_a_change_that_is_no_fault_leaves_every_site_safe(twin: Change | None, tmp_path: Path) -> None:
    assert at_risk(twin, tmp_path) == []
