"""What needs minutes: every rule over the whole standard library."""

from __future__ import annotations

import corpus
import pytest


@pytest.mark.slow
def test_the_standard_library_raises_and_prints_nothing() -> None:
    report = corpus.check([corpus.standard_library()], seconds=60)
    assert report.files > 500
    assert report.findings
    assert not report.problems, report.summary()
