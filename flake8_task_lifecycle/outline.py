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
_BASES = re.compile(r"^[ \t]*class[ \t]+(\w+)(?:\[[^\n]*?\])?[ \t]*\(([^)]*)", re.MULTILINE)
_BASE = re.compile(r"(?<![\w.=\[])[\w.]+(?![\w.]*[ \t]*=)")
_USED = re.compile(r"\s*[(,)\]}]")
_CLASS_WORD = re.compile(r"class[ \t]+(\w+)")  # patterns that begin with a word are searched for fastest
_DEF_WORD = re.compile(r"def[ \t]+(\w+)")
_NEXT_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]", re.MULTILINE)
_PROMISE = re.compile(r"[^:]*?\)[ \t]*->[ \t]*[\"']?((?:\w+\.)*[A-Z]\w*)")
_CLASS_AT = re.compile(
    r"[ \t]*(?::[ \t]*[\"']?(?:(?:\w+\.)?Optional\[[\"']?)?|=[ \t]*(?:await[ \t]+)?)((?:\w+\.)*[A-Z]\w*)"
)
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
    def bindings(self) -> dict[str, tuple[str, str]]:
        """What each imported name stands for: the module as written, and the name there; "" for the module itself."""
        found: dict[str, tuple[str, str]] = {}
        for match in _IMPORT.finditer(self._text):
            home = match["home"]
            for part in (match["modules"] or match["names"] or "").strip("()").split(","):
                words = part.split("#")[0].split()
                if not words or not words[0].replace(".", "").isidentifier():
                    continue
                if home is not None:
                    found[words[-1]] = (home, words[0])
                elif len(words) == 1:
                    root = words[0].partition(".")[0]
                    found[root] = (root, "")
                else:
                    found[words[-1]] = (words[0], "")
        return found

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """The modules, as written, from which everything is imported."""
        return tuple(match["home"] for match in _IMPORT.finditer(self._text) if (match["names"] or "").strip() == "*")

    @cached_property
    def bases(self) -> dict[str, tuple[str, ...]]:
        """The base classes of every class, as written."""
        return {match[1]: tuple(_BASE.findall(match[2])) for match in _BASES.finditer(self._text)}

    @cached_property
    def classes(self) -> frozenset[str]:
        """The names of the classes that are defined here, at any depth."""
        return frozenset(_CLASS_WORD.findall(self._text))

    @cached_property
    def _kinds(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for match in _DEF_WORD.finditer(self._text):
            start = match.start()
            kind = "async" if self._text[max(start - 6, 0) : start].rstrip().endswith("async") else "plain"
            found[match[1]] = found.get(match[1], frozenset()) | {kind}
        return found

    def kinds(self, name: str) -> frozenset[str]:
        """How functions of that name are defined here: ``"async"``, ``"plain"``, both, or not at all."""
        return self._kinds.get(name, frozenset())

    def is_abstract(self, name: str) -> bool:
        """Whether a function of that name is marked abstract."""
        return name in self._kinds and name in self.abstract

    def classes_of(self, name: str) -> tuple[str, ...]:
        """The classes, as written, that a name or attribute is annotated with or made from."""
        found = (_CLASS_AT.match(self._text, end) for _, end in self._places(name))
        return tuple(dict.fromkeys(match[1] for match in found if match is not None))

    def promised_by(self, function: str) -> tuple[str, ...]:
        """The classes, as written, that functions of that name are annotated to return."""
        found = (_PROMISE.match(self._text, end) for _, end in self._places(f"def {function}"))
        return tuple(dict.fromkeys(match[1] for match in found if match is not None))

    def returned_by(self, function: str) -> frozenset[tuple[str, str]]:
        """The calls whose value functions of that name may return, as ``returned_calls`` gives them."""
        found: frozenset[tuple[str, str]] = frozenset()
        for _, start in self._places(f"def {function}"):
            after = _NEXT_DEFINITION.search(self._text, start)
            body = self._text[start : after.start() if after is not None else len(self._text)]
            found |= _returned_words(body)
        return found

    def _places(self, words: str) -> Iterator[tuple[int, int]]:
        """Where some words stand by themselves, as start and end."""
        return _places(self._text, words)

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
        receivers = _OWN_RECEIVERS | {f"{name}." for name in self.bindings}
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


def _places(text: str, words: str) -> Iterator[tuple[int, int]]:
    """Where some words stand in a text, as start and end, and are no part of a longer name."""
    open_start, open_end = _is_of_name(words[:1]), _is_of_name(words[-1:])
    at = text.find(words)
    while at >= 0:
        end = at + len(words)
        if not (open_end and _is_of_name(text[end : end + 1])) and not (open_start and _is_of_name(text[at - 1 : at])):
            yield at, end
        at = text.find(words, end)


def _is_of_name(character: str) -> bool:
    return character.isalnum() or character == "_"


def stands_in(text: str, words: str, *, used: bool = False) -> bool:
    """Whether some words stand in a text by themselves.

    With ``used``: where the name that they end in is called, or ends an argument, and is not being defined.
    """
    return any(
        not used or (_USED.match(text, end) is not None and not text.endswith(("def ", "class "), 0, at))
        for at, end in _places(text, words)
    )


def _returned_words(body: str) -> frozenset[tuple[str, str]]:
    words = {call for match in _RETURNED_CALL.finditer(body) for call in _CALLED.findall(match[1])}
    names = set(_RETURNED_NAME.findall(body))
    if names:
        for pattern in (_FILLED, _WALRUS):
            for match in pattern.finditer(body):
                if match[1] in names:
                    words.update(_CALLED.findall(match[2]))
    return frozenset(words)
