"""What ends an audit before it begins."""

from __future__ import annotations


class AuditError(Exception):
    """What was asked for cannot be given, or what was given cannot be used; its text is one line that says why."""
