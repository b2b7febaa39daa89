"""The forms of a report, one module each: ``write(report)`` gives its text."""

from __future__ import annotations

from flake8_task_lifecycle.audit.errors import AuditError


class MissingExtra(AuditError):
    """A form needs a package that is not installed; its text is one line that names the extra to install."""

    def __init__(self, form: str, package: str) -> None:
        super().__init__(f"the form {form!r} needs {package}: pip install 'flake8-task-lifecycle[audit]'")
        self.form = form
        self.package = package
