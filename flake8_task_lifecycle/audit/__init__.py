"""The audit: every task site of a project with the evidence for its verdict, and one writer for each form.

``audit(paths) -> Report`` is the call; what it raises is an ``AuditError``. Importing this loads neither flake8 nor
astroid: asking for ``audit`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flake8_task_lifecycle.audit.errors import AuditError
from flake8_task_lifecycle.audit.report import Report

if TYPE_CHECKING:
    from flake8_task_lifecycle.audit.run import audit

__all__ = ["AuditError", "Report", "audit"]


def __getattr__(name: str) -> object:
    if name == "audit":
        from flake8_task_lifecycle.audit.run import audit

        return audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
