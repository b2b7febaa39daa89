"""Paths through a function: a graph of its statements, built backwards from the ways out.

Every statement is one step; a compound statement's step is its header (the test, the iterable, the context
managers). A ``finally`` body is copied once for each way that leads through it (falling off the end, ``return``,
``break``, ``continue``, an exception), as CPython's own compiler does, so that no path appears that cannot run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from astroid import nodes

MAX_STEPS = 40_000


class FlowTooLarge(Exception):
    """The function has more steps than a graph may hold; its paths stay unknown."""


class Label(Enum):
    """Why a step follows another: plainly, by a test that held or failed, or by an exception."""

    NEXT = "next"
    TRUE = "true"
    FALSE = "false"
    RAISE = "raise"


@dataclass(slots=True, eq=False)
class Step:
    """One statement or header. ``parts`` are the nodes evaluated here, nested functions' bodies apart."""

    statement: nodes.NodeNG | None
    parts: tuple[nodes.NodeNG, ...]
    edges: list[tuple[int, Label]]
    names: tuple[tuple[nodes.Name, ...], frozenset[str]] | None = None
    nodes: tuple[nodes.NodeNG, ...] | None = None
    words: frozenset[str] | None = None


_Target = Callable[[], int]
Mark = Callable[[int], bool]
"""Whether something is so of a step."""


class _Exits(NamedTuple):
    """Where the ways out of the current block lead; a target is built when first asked for."""

    returned: _Target
    raised: _Target
    broken: _Target | None = None
    continued: _Target | None = None


class _Run:
    """Steps that plainly follow one another, with the places at which each name or attribute is mentioned."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self._mentions: dict[str, list[int]] = {}
        self._unmarked: dict[Mark, dict[int, int]] = {}

    def add(self, index: int, step: Step) -> None:
        """Put a step at the end."""
        loads, stores = named_in(step)
        attributes = {node.attrname for node in nodes_in(step) if isinstance(node, nodes.Attribute)}
        for name in stores.union(attributes, (load.name for load in loads)):
            self._mentions.setdefault(name, []).append(len(self.steps))
        self.steps.append(index)

    def next_mention(self, place: int, names: frozenset[str]) -> int | None:
        """The first place from this one on at which one of the names is mentioned."""
        found = []
        for name in names:
            places = self._mentions.get(name, ())
            at = bisect_left(places, place)
            if at < len(places):
                found.append(places[at])
        return min(found, default=None)

    def next_marked(self, place: int, end: int, mark: Mark) -> int:
        """The first place from this one on whose step is marked, the end when none before it is.

        No step beyond that is asked about, and none twice.
        """
        unmarked = self._unmarked.setdefault(mark, {})
        passed = []
        while place < end and (place in unmarked or not mark(self.steps[place])):
            passed.append(place)
            place = unmarked.get(place, place + 1)
        unmarked.update(dict.fromkeys(passed, place))
        return min(place, end)


_TESTING = (nodes.If, nodes.While, nodes.For, nodes.Assert, nodes.MatchCase)


class Graph:
    """The steps of one function. ``exit`` is reached by return and by falling off the end, ``raised`` by an error."""

    def __init__(self, function: nodes.FunctionDef) -> None:
        self.function = function
        self.steps: list[Step] = []
        self._copies: dict[nodes.NodeNG, list[int]] = {}
        self._left: dict[int, int] = {}
        self.exit = self._add(None, (), [])
        self.raised = self._add(None, (), [])
        exits = _Exits(returned=lambda: self.exit, raised=lambda: self.raised)
        self.entry = self._block(function.body, self.exit, exits)
        self._runs: dict[int, tuple[_Run, int]] = {}

    @cached_property
    def has_loops(self) -> bool:
        """Whether a step can follow one that stands further down."""
        return any(isinstance(step.statement, nodes.For | nodes.While) for step in self.steps)

    @cached_property
    def before(self) -> dict[int, list[int]]:
        """For each step those that it can follow."""
        found: dict[int, list[int]] = {}
        for index, step in enumerate(self.steps):
            for target, _ in step.edges:
                found.setdefault(target, []).append(index)
        return found

    def onward(self, index: int, before: int, names: frozenset[str], marks: Sequence[Mark] = ()) -> tuple[int, int]:
        """The next step from ``index`` on that tests something, mentions one of the names, or has one of the marks.

        The one before it comes with it. What lies between are steps that plainly follow one another; they are not
        looked at one by one.
        """
        while (following := self._follower(index)) is not None:
            if index not in self._runs:
                self._note_run(index)
            run, place = self._runs[index]
            mentioned = run.next_mention(place, names)
            at = end = len(run.steps) if mentioned is None else mentioned
            for mark in marks:
                at = run.next_marked(place, at, mark)
            if at == place:
                break
            if at < end or mentioned is not None:
                return run.steps[at], run.steps[at - 1]
            before = run.steps[-1]
            following = self._follower(before)
            assert following is not None
            index = following
        return index, before

    def _follower(self, index: int) -> int | None:
        """The one step that plainly follows a step which tests nothing; None for other steps."""
        step = self.steps[index]
        if isinstance(step.statement, _TESTING):
            return None
        further = [target for target, label in step.edges if label is not Label.RAISE]
        return further[0] if len(further) == 1 else None

    def _note_run(self, index: int) -> None:
        run = _Run()
        current: int | None = index
        while current is not None and current not in self._runs:
            following = self._follower(current)
            if following is None:
                break
            self._runs[current] = run, len(run.steps)
            run.add(current, self.steps[current])
            current = following

    def at(self, statement: nodes.NodeNG) -> Sequence[int]:
        """The steps of a statement: one, or one for each copy of the ``finally`` it stands in; none if unreachable."""
        return self._copies.get(statement, ())

    def reached(
        self, start: int, *, is_end: Callable[[int], bool] | None = None, though_raised: bool = False
    ) -> set[int]:
        """The steps on the ways from a step, itself included, where nothing raises or, if so asked, whatever does.

        No way goes on past a step that ``is_end``, other than the first.
        """
        seen, waiting = {start}, [start]
        while waiting:
            index = waiting.pop()
            if is_end is not None and index != start and is_end(index):
                continue
            for target, label in self.steps[index].edges:
                if (label is not Label.RAISE or though_raised) and target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen

    def after(self, header: int) -> int:
        """Where a ``with`` statement goes on when a context manager swallows the exception of its body."""
        return self._left[header]

    def _add(
        self,
        statement: nodes.NodeNG | None,
        parts: tuple[nodes.NodeNG, ...],
        edges: list[tuple[int, Label]],
    ) -> int:
        if len(self.steps) >= MAX_STEPS:
            raise FlowTooLarge
        self.steps.append(Step(statement, parts, edges))
        index = len(self.steps) - 1
        if statement is not None:
            self._copies.setdefault(statement, []).append(index)
        return index

    def _block(self, statements: Sequence[nodes.NodeNG], after: int, exits: _Exits) -> int:
        for statement in reversed(statements):
            after = self._statement(statement, after, exits)
        return after

    def _statement(self, statement: nodes.NodeNG, after: int, exits: _Exits) -> int:
        match statement:
            case nodes.If():
                return self._if(statement, after, exits)
            case nodes.While():
                return self._while(statement, after, exits)
            case nodes.For():
                return self._for(statement, after, exits)
            case nodes.Try() | nodes.TryStar():
                return self._try(statement, after, exits)
            case nodes.With():
                return self._with(statement, after, exits)
            case nodes.Match():
                return self._match(statement, after, exits)
            case nodes.Return():
                edges = [(exits.returned(), Label.NEXT)]
                if statement.value is not None:
                    edges.append((exits.raised(), Label.RAISE))
                return self._add(statement, (statement,), edges)
            case nodes.Raise():
                return self._add(statement, (statement,), [(exits.raised(), Label.RAISE)])
            case nodes.Break() if exits.broken is not None:
                return self._add(statement, (), [(exits.broken(), Label.NEXT)])
            case nodes.Continue() if exits.continued is not None:
                return self._add(statement, (), [(exits.continued(), Label.NEXT)])
            case nodes.FunctionDef():
                return self._add(statement, tuple(evaluated_at_definition(statement)), [(after, Label.NEXT)])
            case nodes.ClassDef():
                return self._add(statement, tuple(statement.bases), [(after, Label.NEXT)])
            case nodes.Pass() | nodes.Global() | nodes.Nonlocal():
                return self._add(statement, (), [(after, Label.NEXT)])
            case _:
                return self._add(statement, (statement,), [(after, Label.NEXT), (exits.raised(), Label.RAISE)])

    def _if(self, statement: nodes.If, after: int, exits: _Exits) -> int:
        chain = [statement]
        while len(chain[-1].orelse) == 1 and isinstance(chain[-1].orelse[0], nodes.If):
            chain.append(chain[-1].orelse[0])
        otherwise = self._block(chain[-1].orelse, after, exits)
        for branch in reversed(chain):
            edges = [(exits.raised(), Label.RAISE)]
            if constant_truth(branch.test) is not False:
                edges.append((self._block(branch.body, after, exits), Label.TRUE))
            if constant_truth(branch.test) is not True:
                edges.append((otherwise, Label.FALSE))
            otherwise = self._add(branch, (branch.test,), edges)
        return otherwise

    def _while(self, statement: nodes.While, after: int, exits: _Exits) -> int:
        header = self._add(statement, (statement.test,), [(exits.raised(), Label.RAISE)])
        inside = exits._replace(broken=lambda: after, continued=lambda: header)
        edges = self.steps[header].edges
        if constant_truth(statement.test) is not False:
            edges.append((self._block(statement.body, header, inside), Label.TRUE))
        if constant_truth(statement.test) is not True:
            edges.append((self._block(statement.orelse, after, exits), Label.FALSE))
        return header

    def _for(self, statement: nodes.For, after: int, exits: _Exits) -> int:
        header = self._add(statement, (statement.iter, statement.target), [(exits.raised(), Label.RAISE)])
        inside = exits._replace(broken=lambda: after, continued=lambda: header)
        self.steps[header].edges += [
            (self._block(statement.body, header, inside), Label.TRUE),
            (self._block(statement.orelse, after, exits), Label.FALSE),
        ]
        return header

    def _with(self, statement: nodes.With, after: int, exits: _Exits) -> int:
        parts = tuple(part for item in statement.items for part in item if part is not None)
        body = self._block(statement.body, after, exits)
        header = self._add(statement, parts, [(body, Label.NEXT), (exits.raised(), Label.RAISE)])
        self._left[header] = after
        return header

    def _match(self, statement: nodes.Match, after: int, exits: _Exits) -> int:
        otherwise = after
        for case in reversed(statement.cases):
            edges = [(self._block(case.body, after, exits), Label.TRUE)]
            irrefutable = isinstance(case.pattern, nodes.MatchAs) and case.pattern.pattern is None
            if case.guard is not None or not irrefutable:
                edges.append((otherwise, Label.FALSE))
            parts = (case.pattern,) if case.guard is None else (case.pattern, case.guard)
            otherwise = self._add(case, parts, edges)
        return self._add(statement, (statement.subject,), [(otherwise, Label.NEXT), (exits.raised(), Label.RAISE)])

    def _try(self, statement: nodes.Try | nodes.TryStar, after: int, exits: _Exits) -> int:
        outer = exits
        if statement.finalbody:
            outer = self._through_finally(statement.finalbody, exits)
            after = self._block(statement.finalbody, after, exits)
        inside = outer
        if statement.handlers:
            dispatch = self._add(statement, (), [])
            for handler in statement.handlers:
                parts = tuple(part for part in (handler.type, handler.name) if part is not None)
                body = self._block(handler.body, after, outer)
                entry = self._add(handler, parts, [(body, Label.NEXT)])
                self.steps[dispatch].edges.append((entry, Label.RAISE))
            if all(handler.type is not None for handler in statement.handlers):
                self.steps[dispatch].edges.append((outer.raised(), Label.RAISE))
            inside = outer._replace(raised=lambda: dispatch)
        after_body = self._block(statement.orelse, after, outer) if statement.orelse else after
        return self._block(statement.body, after_body, inside)

    def _through_finally(self, final: Sequence[nodes.NodeNG], exits: _Exits) -> _Exits:
        copies: dict[int, int] = {}

        def through(target: _Target | None) -> _Target | None:
            if target is None:
                return None

            def entry() -> int:
                home = target()
                if home not in copies:
                    copies[home] = self._block(final, home, exits)
                return copies[home]

            return entry

        returned, raised = through(exits.returned), through(exits.raised)
        assert returned is not None and raised is not None
        return _Exits(returned, raised, through(exits.broken), through(exits.continued))


def constant_truth(test: nodes.NodeNG) -> bool | None:
    """True or False for a test that is a literal (``while True``, ``while 1``), else None."""
    return bool(test.value) if isinstance(test, nodes.Const) else None


def evaluated_at_definition(function: nodes.FunctionDef | nodes.Lambda) -> Iterator[nodes.NodeNG]:
    """The decorators and defaults of a function: what runs when the definition does."""
    decorators = getattr(function, "decorators", None)
    if decorators is not None:
        yield from decorators.nodes
    for default in [*(function.args.defaults or ()), *(function.args.kw_defaults or ())]:
        if default is not None:
            yield default


def leaves(body: Sequence[nodes.NodeNG], loop: nodes.NodeNG) -> bool:
    """Whether a block ends by leaving this loop."""
    last = body[-1]
    if isinstance(last, nodes.Return):
        return True
    parent = last.parent
    while parent is not None and not isinstance(parent, nodes.While | nodes.For):
        parent = parent.parent
    return isinstance(last, nodes.Break) and parent is loop


_INSIDE = "_nodes_inside"


def inside(block: nodes.NodeNG) -> tuple[nodes.NodeNG, ...]:
    """What ``walk`` gives of the body of a function or statement; walked once, and kept with the node itself."""
    found: tuple[nodes.NodeNG, ...] | None = block.__dict__.get(_INSIDE)
    if found is None:
        found = block.__dict__[_INSIDE] = tuple(walk(block.body))
    return found


def named_in(step: Step) -> tuple[tuple[nodes.Name, ...], frozenset[str]]:
    """The names that a step loads, and those that it binds anew."""
    if step.names is None:
        loads: list[nodes.Name] = []
        stores: set[str] = set()
        for node in nodes_in(step):
            if isinstance(node, nodes.Name):
                loads.append(node)
            elif isinstance(node, nodes.AssignName | nodes.DelName) and not isinstance(
                node.parent, nodes.Comprehension | nodes.AugAssign
            ):
                stores.add(node.name)
        step.names = tuple(loads), frozenset(stores)
    return step.names


def nodes_in(step: Step) -> tuple[nodes.NodeNG, ...]:
    """What ``walk`` gives of the parts of a step; walked once."""
    if step.nodes is None:
        step.nodes = tuple(walk(step.parts))
    return step.nodes


def words_in(step: Step) -> frozenset[str]:
    """The words of the names and attributes of a step."""
    if step.words is None:
        step.words = frozenset(word for node in nodes_in(step) if (word := _word(node)))
    return step.words


def _word(node: nodes.NodeNG) -> str:
    match node:
        case nodes.Name(name=word) | nodes.AssignName(name=word) | nodes.DelName(name=word):
            return str(word)
        case nodes.Attribute(attrname=word) | nodes.AssignAttr(attrname=word) | nodes.DelAttr(attrname=word):
            return str(word)
    return ""


def walk(parts: Iterable[nodes.NodeNG]) -> Iterator[nodes.NodeNG]:
    """The nodes evaluated with these parts, in no set order: nested functions give their defaults only."""
    stack = list(parts)
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, nodes.FunctionDef | nodes.Lambda):
            stack.extend(evaluated_at_definition(node))
        elif not isinstance(node, nodes.ClassDef):
            stack.extend(node.get_children())
