"""The hooks of pre-commit, installed and run by pre-commit itself. It needs git and the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from audit_runs import DROPPED, SOUND

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
PACKAGED = ["pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml", "flake8_task_lifecycle"]
CONFIG = """\
repos:
- repo: {repository}
  rev: {revision}
  hooks:
  - id: flake8-task-lifecycle
  - id: task-lifecycle-audit
"""


def git(repository: Path, *arguments: str) -> str:
    """What a git command says; it must succeed."""
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def committed(repository: Path) -> str:
    """Makes a repository of a folder, with one commit of all that is in it, and gives that."""
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "all of it")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a faulty and a sound file, which names the hooks of this one as it stands."""
    ours, project = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("project")
    for name in PACKAGED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, ours / name)
    config = CONFIG.format(repository=ours, revision=committed(ours))
    (project / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
    (project / "faulty.py").write_text(DROPPED, encoding="utf-8")
    (project / "sound.py").write_text(SOUND, encoding="utf-8")
    committed(project)
    return project


def hook(project: Path, *arguments: str) -> tuple[int, str]:
    """The exit status of a hook, and what pre-commit says of it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PRE_COMMIT_HOME"] = str(project.with_name("hooks"))
    command = [sys.executable, "-m", "pre_commit", "run", "--color=never", *arguments]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def test_the_hook_of_flake8_reports_the_faulty_file_and_passes_the_sound_one(project: Path) -> None:
    status, said = hook(project, "flake8-task-lifecycle", "--all-files")
    assert status == 1, said
    found = [line for line in said.splitlines() if ".py:" in line and "TLC" in line]
    assert [line.partition(" task of ")[0] for line in found] == ["faulty.py:9:5: TLC001"]
    assert hook(project, "flake8-task-lifecycle", "--files", "sound.py")[0] == 0


def test_the_hook_of_the_audit_looks_at_the_whole_project(project: Path) -> None:
    status, said = hook(project, "task-lifecycle-audit", "--files", "sound.py")
    assert status == 1, said
    assert "TLC001 high  faulty.py:9:5" in said
