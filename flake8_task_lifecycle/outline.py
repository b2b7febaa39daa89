"""What the text of a module shows without a tree: its imports, its definitions, what its functions return."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<home>\.*[\w.]*)[ \t]+import[ \t]*(?P<names>\([^)]*\)|[^\n#;]*)"
    r"|import[ \t]+(?P<modules>[^\n#;]*))",
    re.MULTILINE,
)
_DEFINITION = re.compile(r"^[ \t]*(async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)
_TOP_LEVEL = re.compile(r"^(?:async[ \t]+def|def|(class))[ \t]+(\w+)", re.MULTILINE)
_ABSTRACT = re.compile(r"abstractmethod\s+(?:async\s+)?def\s+(\w+)")
_LINE = r"[^\n]*(?:[(\[{,]\n[^\n]*){0,4}"  # a line, and those that an open bracket or a comma draws in
_RETURNED_CALL = re.compile(rf"\breturn\b({_LINE})")
_RETURNED_NAME = re.compile(r"\breturn[ \t]+(\w+)[ \t]*(?:#.*)?$", re.MULTILINE)
_FILLED = re.compile(
    rf"^[ \t]*(?:\w+[ \t]*=[ \t]*)*?(\w+)[ \t]*(?:(?::[^=\n]*)?=(?!=)|\+=|\[[^\n]*\][ \t]*=|\.\w+\()({_LINE})",
    re.MULTILINE,
)
_WALRUS = re.compile(r"(\w+)[ \t]*:=([^\n]*)")
_GROUP_WORDS = (
    "anyio",
    "trio",
    "nursery",
    "aiojobs",
    "quattro",
    "aiotools",
    "TaskGroup",
    "task_group",
    "contextvars",
    "ctx",
    "context.run",
)
_CALLED = re.compile(r"((?:[\w.]|\(\)\.)*?)(\w+)[ \t]*\(")
_OWN_RECEIVERS = frozenset({"", "self.", "cls.", "super()."})


class Outline:
    """The outline of one module's text, each part made when first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """The names that the module imports, as written: ``a.b``, or ``.a`` and ``.a.name`` for relative ones."""
        found: dict[str, None] = {}
        for match in _IMPORT.finditer(self._text):
            if match["modules"] is not None:
                found |= dict.fromkeys(part.split(" as ")[0].strip() for part in match["modules"].split(","))
                continue
            home = match["home"]
            found[home] = None
            for part in match["names"].strip("()").split(","):
                name = part.split("#")[0].split(" as ")[0].strip()
                if name.isidentifier():
                    found[f"{home}{'' if home.endswith('.') else '.'}{name}"] = None
        return tuple(found)

    @cached_property
    def imported_names(self) -> frozenset[str]:
        """The names that the module's imports bind, aliases included."""
        found = set()
        for match in _IMPORT.finditer(self._text):
            for part in (match["modules"] or match["names"] or "").strip("()").split(","):
                words = part.split("#")[0].split()
                if words:
                    found.add(words[-1].partition(".")[0] if len(words) == 1 else words[-1])
        return frozenset(found)

    @cached_property
    def hides_errors(self) -> bool:
        """Whether a context manager that says it has dealt with an exception may be defined here."""
        if "exit__" not in self._text or "return True" not in self._text:
            return False
        return any("return True" in body for name, body in self._definitions if name in {"__exit__", "__aexit__"})

    @cached_property
    def mentions_groups(self) -> bool:
        """Whether a word of a task group of another library, or of a context that runs callables, stands here."""
        return any(word in self._text for word in _GROUP_WORDS)

    @cached_property
    def top_level(self) -> dict[str, str]:
        """The functions and classes defined at module level: ``"class"`` or ``"function"`` by name."""
        return {match[2]: "class" if match[1] else "function" for match in _TOP_LEVEL.finditer(self._text)}

    @cached_property
    def coroutine_functions(self) -> frozenset[str]:
        """The names defined with ``async def`` anywhere in the module."""
        return frozenset(match[2] for match in _DEFINITION.finditer(self._text) if match[1])

    @cached_property
    def plain_functions(self) -> frozenset[str]:
        """The names defined with a plain ``def`` anywhere in the module."""
        return frozenset(match[2] for match in _DEFINITION.finditer(self._text) if not match[1])

    @cached_property
    def abstract(self) -> frozenset[str]:
        """The functions that are marked abstract."""
        return frozenset(_ABSTRACT.findall(self._text)) if "abstractmethod" in self._text else frozenset()

    @property
    def _definitions(self) -> Iterator[tuple[str, str]]:
        """The functions, each with the text up to the next definition."""
        starts = [(match.end(), match[2]) for match in _DEFINITION.finditer(self._text)]
        for (start, name), (end, _) in pairwise([*starts, (len(self._text), "")]):
            yield name, self._text[start:end]

    @cached_property
    def returned_calls(self) -> dict[str, frozenset[tuple[str, str]]]:
        """For every function, the calls whose value it may return, directly or through a local.

        Each is the text before the last word of what is called (``self.``, ``asyncio.``), and that word.
        """
        found: dict[str, frozenset[tuple[str, str]]] = {}
        for name, body in self._definitions:
            if "return" in body:
                words = _returned_words(body)
                if words:
                    found[name] = found.get(name, frozenset()) | words
        return found

    def returning(self, spawners: frozenset[str], wrappers: frozenset[str] = frozenset()) -> frozenset[str]:
        """The functions that may return what a call of a spawner gives, or of a wrapper, through each other too.

        A spawner counts on any receiver, a wrapper by itself, on the object or class itself, and on an imported name.
        """
        if not any(word in self._text for word in spawners | wrappers):
            return frozenset()
        receivers = _OWN_RECEIVERS | {f"{name}." for name in self.imported_names}
        found: set[str] = set()
        while True:
            inner = wrappers | found
            grown = {
                name
                for name, called in self.returned_calls.items()
                if any(word in spawners or (word in inner and before in receivers) for before, word in called)
            }
            if grown <= found:
                return frozenset(found)
            found |= grown


def _returned_words(body: str) -> frozenset[tuple[str, str]]:
    words = {call for match in _RETURNED_CALL.finditer(body) for call in _CALLED.findall(match[1])}
    names = set(_RETURNED_NAME.findall(body))
    if names:
        for pattern in (_FILLED, _WALRUS):
            for match in pattern.finditer(body):
                if match[1] in names:
                    words.update(_CALLED.findall(match[2]))
    return frozenset(words)
