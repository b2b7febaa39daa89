"""Which rules a file calls for: by its words, its statements, and the words of the modules that these lead to."""

from __future__ import annotations

import ast

from flake8_task_lifecycle.options import Options
from flake8_task_lifecycle.source import codes_by_words, given_to_callbacks

_NEVER_STARTED = "TLC012"


def codes_for(tree: ast.Module, text: str, name: str, options: Options) -> frozenset[str]:
    """The codes of the rules that can report something in a file; none where it is not worth a tree.

    Words that spawn call for every rule. So do, in any other file with an ``async``, statements with calls of functions
    that, by the text of the modules that the call leads to, return a task they spawned. Calls of functions that make a
    coroutine where nothing takes it call for the one rule about that, words that take a cancellation for those about
    handlers. ``tree`` is what ``ast.parse`` made of the text; it is only read.
    """
    codes = codes_by_words(text, options)
    if codes == options.codes or "async" not in text:
        return codes
    from flake8_task_lifecycle.leads import leads_of

    leads = leads_of(tree)
    given = given_to_callbacks(text)
    thrown_words = {mention.word for mention in leads.dropped} | {written.rpartition(".")[2] for written in given}
    if _NEVER_STARTED in options.codes and not leads.coroutine_functions.isdisjoint(thrown_words):
        codes |= {_NEVER_STARTED}
    from flake8_task_lifecycle.homes import Homes, call_names_of
    from flake8_task_lifecycle.outline import Outline
    from flake8_task_lifecycle.project import project_of

    project = project_of(name)
    if project is None:
        return codes
    outline = Outline(text)
    homes = Homes(project, project.module, outline)
    thrown = [*leads.dropped, *call_names_of(given, outline)]
    if any(map(homes.may_return_task, [*thrown, *leads.kept])):
        return options.codes
    if _NEVER_STARTED in options.codes - codes and any(map(homes.may_be_coroutine, thrown)):
        codes |= {_NEVER_STARTED}
    return codes
