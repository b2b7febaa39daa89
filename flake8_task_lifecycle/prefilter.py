"""Whether a file is worth a tree: by its words, and by those of the modules it imports, before astroid is loaded."""

from __future__ import annotations

from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.source import may_concern, may_drop


def concerns(text: str, name: str, options: Options) -> bool:
    """Whether a file can hold anything that a rule would report.

    A file without a word that spawns or cancels is looked at only when it has an ``async``, and then for calls of
    functions that, by the text of the modules they are imported from, return a task they spawned, or make a coroutine
    where nothing takes it.
    """
    if may_concern(text, options):
        return True
    if "async" not in text:
        return False
    from flake8_task_lifecycle.outline import Outline
    from flake8_task_lifecycle.project import project_of

    project = project_of(name)
    if "TLC012" in options.codes and may_drop(
        text, lambda: project.only_coroutine_words(Outline(text)) if project else frozenset()
    ):
        return True
    if project is None:
        return False
    return any(f"{word}(" in text for word in project.wrapper_words(Outline(text)))
