"""What the text of a module shows without a tree: its imports, its definitions, what its functions return."""

from __future__ import annotations

import re
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
_RETURNED_CALL = re.compile(r"\breturn\b(.*\(.*)")
_RETURNED_NAME = re.compile(r"\breturn[ \t]+(\w+)[ \t]*(?:#.*)?$", re.MULTILINE)
_ASSIGNED_CALL = re.compile(r"^[ \t]*(?:\w+[ \t]*=[ \t]*)*(\w+)[ \t]*(?::[^=\n]*)?=(?!=)(.*\(.*)", re.MULTILINE)
_CALLED = re.compile(r"(\w+)[ \t]*\(")


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
    def top_level(self) -> dict[str, str]:
        """The functions and classes defined at module level: ``"class"`` or ``"function"`` by name."""
        return {match[2]: "class" if match[1] else "function" for match in _TOP_LEVEL.finditer(self._text)}

    @cached_property
    def coroutine_functions(self) -> frozenset[str]:
        """The names defined with ``async def`` anywhere in the module."""
        return frozenset(match[2] for match in _DEFINITION.finditer(self._text) if match[1])

    @cached_property
    def abstract(self) -> frozenset[str]:
        """The functions that are marked abstract."""
        return frozenset(_ABSTRACT.findall(self._text)) if "abstractmethod" in self._text else frozenset()

    @cached_property
    def returned_calls(self) -> dict[str, frozenset[str]]:
        """For every function, the last words of the calls whose value it may return, directly or through a local."""
        starts = [(match.end(), match[2]) for match in _DEFINITION.finditer(self._text)]
        found: dict[str, frozenset[str]] = {}
        for (start, name), (end, _) in pairwise([*starts, (len(self._text), "")]):
            body = self._text[start:end]
            if "return" in body:
                words = _returned_words(body)
                if words:
                    found[name] = found.get(name, frozenset()) | words
        return found

    def returning(self, words: frozenset[str]) -> frozenset[str]:
        """The functions that may return what a call of one of ``words`` gives, through each other too."""
        if not any(word in self._text for word in words):
            return frozenset()
        found: set[str] = set()
        while True:
            grown = {name for name, called in self.returned_calls.items() if not called.isdisjoint(words | found)}
            if grown <= found:
                return frozenset(found)
            found |= grown


def _returned_words(body: str) -> frozenset[str]:
    words = {word for match in _RETURNED_CALL.finditer(body) for word in _CALLED.findall(match[1])}
    names = set(_RETURNED_NAME.findall(body))
    if names:
        for match in _ASSIGNED_CALL.finditer(body):
            if match[1] in names:
                words.update(_CALLED.findall(match[2]))
    return frozenset(words)
