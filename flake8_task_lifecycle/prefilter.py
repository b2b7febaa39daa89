"""Whether a file is worth a tree: by its words, its statements, and the words of the modules that these lead to."""

from __future__ import annotations

import ast

from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.source import given_to_callbacks, may_concern

_NEVER_STARTED = "TLC012"


def concerns(tree: ast.Module, text: str, name: str, options: Options) -> bool:
    """Whether a file can hold anything that a rule would report.

    A file without a word that spawns or cancels is looked at only when it has an ``async``, and then for calls of
    functions that make a coroutine where nothing takes it or, by the text of the modules that the call leads to,
    return a task they spawned. ``tree`` is what ``ast.parse`` made of the text; it is only read.
    """
    if may_concern(text, options):
        return True
    if "async" not in text:
        return False
    from flake8_task_lifecycle.leads import leads_of

    leads = leads_of(tree)
    given = given_to_callbacks(text)
    drops = _NEVER_STARTED in options.codes
    if drops and not leads.coroutine_functions.isdisjoint(
        {mention.word for mention in leads.dropped} | {written.rpartition(".")[2] for written in given}
    ):
        return True
    from flake8_task_lifecycle.homes import Homes, call_names_of
    from flake8_task_lifecycle.outline import Outline
    from flake8_task_lifecycle.project import project_of

    project = project_of(name)
    if project is None:
        return False
    outline = Outline(text)
    homes = Homes(project, project.module, outline)
    thrown = [*leads.dropped, *call_names_of(given, outline)]
    if drops and any(map(homes.may_be_coroutine, thrown)):
        return True
    return any(map(homes.may_return_task, [*thrown, *leads.kept]))
