"""What the text of a module shows without a tree: its imports, its definitions, what its functions return."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

# Patterns that begin with a word are searched for fastest; what must stand before it on its line is looked at after.
_IMPORT = re.compile(r"import\b[ \t]*(\([^)]*\)|[^\n#;]*)")
_DEFINITION = re.compile(r"def[ \t]+(\w+)")
_CLASS = re.compile(r"class[ \t]+(\w+)(?:\[[^\n]*?\])?[ \t]*(?:\(([^)]*))?")
_ABSTRACT = re.compile(r"abstractmethod\s+(?:async\s+)?def\s+(\w+)")
_LINE = r"[^\n]*(?:[(\[{,]\n[^\n]*){0,4}"  # a line, and those that an open bracket or a comma draws in
_BASE = re.compile(r"(?<![\w.=\[])[\w.]+(?![\w.]*[ \t]*=)")
_STATEMENT = 300
_RECEIVER = re.compile(r"[ \t]+(?:[\w.]|\(\))*$")
_RECEIVER_BACKWARDS = re.compile(r"(?:[\w.]|\)\()*")
_OPENED = re.compile(r"[ \t]*\(")
_USED = re.compile(r"\s*(?:[(,)\]};#\n]|$|(?:if|else|or|and|for|in|as|is)\b|[=!]=)")
_PROMISE = re.compile(r"[^:]*?\)[ \t]*->[ \t]*[\"']?((?:\w+\.)*_*[A-Z]\w*)")
# A class after the colon of an annotation or the sign of an assignment, behind a name.
_CLASS_AFTER = re.compile(
    r"[ \t]*[:=][ \t]*(?:await[ \t]+)?[\"']?(?:(?:\w+\.)?Optional\[[\"']?)?"
    r"((?:[^\W\dA-Z]\w*\.|[A-Z]\w*\.)*_*[A-Z]\w*)"
)
_BEFORE_CLASS = (" ", ":", "=", "\t")
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
_SIGNATURE_END = re.compile(r"\)\s*(?:->[^:]*)?:[ \t]*(?:#[^\n]*)?(?:\n|(?=\S)|$)")
_NO_RETURN = re.compile(r"->[ \t]*[\"']?(?:\w+\.)?(?:NoReturn|Never)\b")
# The bracket that closes the parameters, with the annotation behind it where that is a single name.
_PARAMETERS_END = re.compile(r"\)\s*(?::|->(?:[ \t]*(\w+)[ \t]*:)?)")
_PLAIN = frozenset({"None", "bool", "bytes", "float", "int", "str"})
_NOT_GOING_ON = re.compile(r"raise|\bassert\b|exit\b|\babort\b|\bexec|\bquit\b|\bfail\b|\bskip\b")
_CONTINUATION = re.compile(r"[)\]}#]|(?:elif|else|except|finally)\b|$")
_CALLED = re.compile(r"((?:[\w.]|\(\)\.)*?)(\w+)[ \t]*\(")
_OWN_RECEIVERS = frozenset({"", "self.", "cls.", "super()."})


class Outline:
    """The outline of one module's text, each part made when first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._classes_of: dict[str, tuple[str, ...]] = {}

    @cached_property
    def _imports(self) -> list[tuple[str | None, str]]:
        """Every import: the module that ``from`` names, as written, None for a plain import, and what is imported."""
        found: list[tuple[str | None, str]] = []
        for match in _IMPORT.finditer(self._text):
            before = self._line_before(match.start()).strip()
            if not before:
                found.append((None, match[1]))
            elif before.startswith("from") and before[4:5] in " \t.":
                found.append((before[4:].strip(), match[1].strip("()")))
        return found

    @cached_property
    def bindings(self) -> dict[str, tuple[str, str]]:
        """What each imported name stands for: the module as written, and the name there; "" for the module itself."""
        found: dict[str, tuple[str, str]] = {}
        for home, names in self._imports:
            for part in names.split(","):
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
        return tuple(home for home, names in self._imports if home is not None and names.strip() == "*")

    @cached_property
    def _classes(self) -> list[tuple[str, str, str]]:
        """Every class: its indent, its name, and the text in its brackets."""
        found = [(self._line_before(match.start()), match) for match in _CLASS.finditer(self._text)]
        return [(indent, match[1], match[2] or "") for indent, match in found if not indent.strip()]

    @cached_property
    def bases(self) -> dict[str, tuple[str, ...]]:
        """The base classes of every class, as written."""
        return {name: tuple(_BASE.findall(bases)) for _, name, bases in self._classes}

    @cached_property
    def _functions(self) -> list[tuple[str, str, int, int]]:
        """Every function: what stands before it on its line, its name, and where its line starts and its name ends."""
        found = []
        for match in _DEFINITION.finditer(self._text):
            before = self._line_before(match.start())
            if before.strip() in {"", "async"}:
                found.append((before, match[1], match.start() - len(before), match.end()))
        return found

    @cached_property
    def _kinds(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for before, name, _, _ in self._functions:
            found[name] = found.get(name, frozenset()) | {"async" if before.strip() else "plain"}
        return found

    def kinds(self, name: str) -> frozenset[str]:
        """How functions of that name are defined here: ``"async"``, ``"plain"``, both, or not at all."""
        return self._kinds.get(name, frozenset()) if name in self._text else frozenset()

    def _line_before(self, at: int) -> str:
        return self._text[self._text.rfind("\n", 0, at) + 1 : at]

    def derives(self, name: str) -> bool:
        """Whether a class has a base of this last word, or one imported under another name for it."""
        words = {name, *(alias for alias, (_, original) in self.bindings.items() if original == name)}
        return any(base.rpartition(".")[2] in words for bases in self.bases.values() for base in bases)

    def leaves_result_open(self, name: str) -> bool:
        """Whether what a function of that name gives its caller is for subclasses to say: abstract, not ``-> None``."""
        return (
            name in self._kinds
            and name in self.abstract
            and not all(_gives(text) in _PLAIN for text in self._texts_of(name))
        )

    def calls_of(self, word: str) -> frozenset[str]:
        """The functions, as written, that calls of this last word name; what a call gives stands for what is called."""
        found = (
            self._written_before(at)
            for at, end in _places(self._text, word)
            if _OPENED.match(self._text, end) is not None and not self._text.endswith("def ", 0, at)
        )
        return frozenset(f"{before}{word}" for before in found if before[:1] != ".")

    def _written_before(self, at: int) -> str:
        """The names and dots that stand right before a place."""
        backwards = _RECEIVER_BACKWARDS.match(self._text[max(at - _STATEMENT, 0) : at][::-1])
        written = backwards[0][::-1] if backwards is not None else ""
        return written if written.startswith("super()") else written.replace("()", "")

    def classes_of(self, name: str) -> tuple[str, ...]:
        """The classes, as written, that a name or attribute is annotated with or made from."""
        if name not in self._classes_of:
            self._classes_of[name] = tuple(dict.fromkeys(self._classes_after(name)))
        return self._classes_of[name]

    def _classes_after(self, name: str) -> Iterator[str]:
        text = self._text
        at = text.find(name) if name else -1
        while at >= 0:
            end = at + len(name)
            if text[end : end + 1] in _BEFORE_CLASS and not _is_of_name(text[at - 1 : at]):
                match = _CLASS_AFTER.match(text, end)
                if match is not None:
                    yield match[1]
            at = text.find(name, end)

    def promised_by(self, function: str) -> tuple[str, ...]:
        """The classes, as written, that functions of that name are annotated to return."""
        found = (_PROMISE.match(self._text, begin) for begin, _ in self._bodies(function))
        return tuple(dict.fromkeys(match[1] for match in found if match is not None))

    def returned_by(self, function: str) -> frozenset[tuple[str, str]]:
        """The calls whose value functions of that name may return, directly or through a local.

        Each is the text before the last word of what is called (``self.``, ``asyncio.``), and that word.
        """
        if function not in self._positions:
            return frozenset()
        if function not in self._returned:
            bodies = self._texts_of(function)
            self._returned[function] = frozenset().union(
                *(_returned_words(body) for body in bodies if "return" in body and _gives(body) not in _PLAIN)
            )
        return self._returned[function]

    @cached_property
    def _returned(self) -> dict[str, frozenset[tuple[str, str]]]:
        return {}

    @cached_property
    def hides_errors(self) -> bool:
        """Whether a context manager that says it has dealt with an exception may be defined here."""
        if "exit__" not in self._text or "return True" not in self._text:
            return False
        exits = [*self._bodies("__exit__"), *self._bodies("__aexit__")]
        return any(self._text.find("return True", begin, end) >= 0 for begin, end in exits)

    @cached_property
    def mentions_groups(self) -> bool:
        """Whether a word of a task group of another library, or of a context that runs callables, stands here."""
        return any(word in self._text for word in _GROUP_WORDS)

    @cached_property
    def top_level(self) -> dict[str, str]:
        """The functions and classes defined at module level: ``"class"`` or ``"function"`` by name."""
        functions = {name: "function" for before, name, _, _ in self._functions if before[:1] not in {" ", "\t"}}
        return functions | {name: "class" for indent, name, _ in self._classes if not indent}

    @cached_property
    def abstract(self) -> frozenset[str]:
        """The functions that are marked abstract."""
        return frozenset(_ABSTRACT.findall(self._text)) if "abstractmethod" in self._text else frozenset()

    def _texts_of(self, function: str) -> list[str]:
        return [self._text[begin:end] for begin, end in self._bodies(function)]

    def holds(self, function: str, text: str) -> bool:
        """Whether a text stands in functions of that name."""
        return any(self._text.find(text, begin, end) >= 0 for begin, end in self._bodies(function))

    def may_not_return(self, function: str) -> bool:
        """Whether functions of that name may never return: what they end with raises, loops or calls one that may.

        The last line decides: it ends one of the branches, and all of them must never return.
        """
        waiting, seen = [function], {function}
        while waiting:
            for text in self._texts_of(waiting.pop()):
                signature, last = _signature_and_end(text)
                tail = _tail(last)
                if _NO_RETURN.search(signature) or "while" in last or _NOT_GOING_ON.search(tail):
                    return True
                here = {word for before, word in _CALLED.findall(tail) if before in _OWN_RECEIVERS} - seen
                seen |= here
                waiting += here
        return False

    @cached_property
    def _positions(self) -> dict[str, list[int]]:
        """Where the functions of each name stand among all functions."""
        found: dict[str, list[int]] = {}
        for place, (_, name, _, _) in enumerate(self._functions):
            found.setdefault(name, []).append(place)
        return found

    def _bodies(self, function: str) -> Iterator[tuple[int, int]]:
        """Where the functions of a name begin, after it, and end: where one starts that is not nested in them."""
        for place in self._positions.get(function, ()):
            before, _, _, begin = self._functions[place]
            others = islice(self._functions, place + 1, None)
            after = (start for inner, _, start, _ in others if _indent(inner) <= _indent(before))
            yield begin, next(after, len(self._text))

    def may_return(self, function: str, spawners: frozenset[str]) -> bool:
        """Whether functions of that name may return what a call of a spawner gives, through each other too.

        A spawner counts on any receiver, a function of the module by itself, on the object or class itself, and on an
        imported name.
        """
        waiting, seen = [function], {function}
        while waiting:
            called = self.returned_by(waiting.pop())
            if any(word in spawners for _, word in called):
                return True
            here = {word for before, word in called if before in _OWN_RECEIVERS or before[:-1] in self.bindings} - seen
            seen |= here
            waiting += here
        return False


def _indent(before: str) -> int:
    return len(before) - len(before.lstrip())


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


def _signature_and_end(text: str) -> tuple[str, str]:
    """The signature of a function and its last statement, from the text after its name."""
    signature = _SIGNATURE_END.search(text)
    lines = text[signature.end() :].rstrip().split("\n") if signature is not None else [text]
    indent = next((_indent(line) for line in lines if line.strip()), 0)
    for at in range(len(lines) - 1, 0, -1):
        line = lines[at]
        if _indent(line) == indent and _CONTINUATION.match(line.strip()) is None:
            return text[: signature.end()] if signature is not None else "", "\n".join(lines[at:])
    return text[: signature.end()] if signature is not None else text, "\n".join(lines)


def _tail(statement: str) -> str:
    """The last line of a statement, with those before it that its brackets draw in; all of it with a ``finally``."""
    lines = statement.split("\n")
    depth = 0
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at].strip()
        depth += sum(map(line.count, ")]}")) - sum(map(line.count, "([{"))
        if depth <= 0 and line and not line.startswith("#") and "finally" not in statement:
            return "\n".join(lines[at:])
    return statement


def _gives(function: str) -> str:
    """The plain name that a function is annotated to return, from the text after its name; else ""."""
    end = _PARAMETERS_END.search(function)
    return (end[1] or "") if end is not None else ""


def stands_in(text: str, words: str, *, used: bool = False, near: str = "", apart_from: str = "") -> bool:
    """Whether some words stand in a text by themselves.

    With ``used``: where what they name is called or handed on; it is not being defined, stored, annotated or indexed,
    and no member of it is meant. With ``near``: where that stands among the characters before, as many as a statement
    of some lines has. With ``apart_from``: where that word does not stand right before, or before the names that the
    words are a member of.
    """
    return any(
        (not near or text.find(near, max(at - _STATEMENT, 0), at) >= 0)
        and (not apart_from or not _RECEIVER.split(text[max(at - _STATEMENT, 0) : at])[0].endswith(apart_from))
        and (not used or (_USED.match(text, end) is not None and not text.endswith(("def ", "class "), 0, at)))
        for at, end in _places(text, words)
    )


def _returned_words(body: str) -> frozenset[tuple[str, str]]:
    words = {call for match in _RETURNED_CALL.finditer(body) for call in _CALLED.findall(match[1])}
    for name in set(_RETURNED_NAME.findall(body)):
        for at, _ in _places(body, name):
            filled = _FILLED.match(body, body.rfind("\n", 0, at) + 1) or _WALRUS.match(body, at)
            if filled is not None and filled[1] == name:
                words.update(_CALLED.findall(filled[2]))
    return frozenset(words)
