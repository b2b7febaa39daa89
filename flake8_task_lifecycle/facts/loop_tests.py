"""What the test of a loop says of its end: it goes on for good, or stops by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from astroid import nodes

from flake8_task_lifecycle.facts.values import LITERAL
from flake8_task_lifecycle.flow import constant_truth, walk
from flake8_task_lifecycle.model import Answer, Known
from flake8_task_lifecycle.names import dotted, last_word

if TYPE_CHECKING:
    from flake8_task_lifecycle.facts import Facts

ENDS = re.compile(
    r"(?:^|_)(?:stop|stopped|stopping|clos|shut|quit|exit|terminat|finish|cancel|done|kill|abort|dispos|eof|end$|ended)"
)
"""The words of a flag that ends something."""

_GOES_ON = re.compile(r"(?:^|_)(?:run|running|alive|active|open|opened|connected|started|enabled|loop|going|live|keep)")
_OPEN = re.compile(r"(?:open|clos)", re.IGNORECASE)
_EQUALS, _DIFFERS = frozenset({"==", "is"}), frozenset({"!=", "is not"})
_READS = re.compile(r"(?:get|read|readline|readuntil|recv|receive)(?:_|\Z)")


def goes_on(facts: Facts, test: nodes.NodeNG, wanted: bool) -> Answer:
    """Whether a ``while`` test is a constant or a flag that says *go on*: nothing that the loop itself counts down."""
    constant = constant_truth(test)
    if constant is not None:
        return Answer(Known.YES if constant is wanted else Known.NO)
    if isinstance(test, nodes.UnaryOp) and test.op == "not":
        return goes_on(facts, test.operand, not wanted)
    if isinstance(test, nodes.Name | nodes.Attribute) and _counts(test.statement(), dotted(test)):
        return Answer(Known.NO, "it counts")
    if wanted and _reads_from(test):
        return Answer(Known.YES)
    if isinstance(test, nodes.Await):
        return goes_on(facts, test.value, wanted)
    if isinstance(test, nodes.BoolOp):
        asked = [one for one in test.values if not _is_presence_of_another(one, test)] or test.values
        answers = [goes_on(facts, operand, wanted) for operand in asked]
        return next((answer for answer in answers if not answer.is_yes), answers[0])
    if isinstance(test, nodes.Call) and not test.args and isinstance(test.func, nodes.Attribute):
        return _asked(test.func, wanted)
    if isinstance(test, nodes.Attribute):
        answer = _flag(test.attrname, wanted)
        if answer.known is not Known.UNKNOWN or not wanted:
            return answer
        values = facts.evaluator.of(test)
        return Answer(Known.YES) if values == {LITERAL} and _is_boolean(facts, test) else answer
    if isinstance(test, nodes.Name):
        return _flag(test.name, wanted)
    if isinstance(test, nodes.Compare) and len(test.ops) == 1 and test.ops[0][0] in _EQUALS | _DIFFERS:
        return _compared(facts, test, wanted)
    return Answer(Known.NO)


def _asked(method: nodes.Attribute, wanted: bool) -> Answer:
    """``self._closed.is_set()``, ``self.is_running()``: what a method without arguments says."""
    if method.attrname not in {"is_set", "get"}:
        return _flag(method.attrname, wanted)
    word = last_word(method.expr)
    if not wanted and word:
        return Answer(Known.NO if _GOES_ON.search(word) and not ENDS.search(word) else Known.YES)
    return _flag(word, wanted)


def _compared(facts: Facts, test: nodes.Compare, wanted: bool) -> Answer:
    """``self._closed.is_set() is False`` and ``self.state != State.CLOSED``."""
    operator, right = test.ops[0]
    wanted = wanted is (operator in _EQUALS)
    if isinstance(right, nodes.Const) and isinstance(right.value, bool):
        return goes_on(facts, test.left, wanted is right.value)
    if _is_state(test):
        said = _flag(_state_word(right), wanted)
        if said.is_yes and not _sets(test.statement(), dotted(test.left)):
            return said
    return Answer(Known.NO)


def _is_state(test: nodes.Compare) -> bool:
    """Whether a test asks for a state of the object, or of a connection that it has: ``self._ws.state != CLOSED``."""
    if not isinstance(test.left, nodes.Attribute):
        return False
    owner = dotted(test.left.expr)
    return owner == "self" or (owner.startswith("self.") and _OPEN.match(_state_word(test.ops[0][1])) is not None)


def _is_presence_of_another(operand: nodes.NodeNG, test: nodes.BoolOp) -> bool:
    """``self._ws`` in ``self._ws and not self._ws.closed``: it says nothing that the other does not ask."""
    place = dotted(_there(operand))
    return bool(place) and any(
        isinstance(node, nodes.Attribute) and dotted(node.expr) == place
        for other in test.values
        if other is not operand
        for node in walk([other])
    )


def _there(test: nodes.NodeNG) -> nodes.NodeNG:
    """What a test finds to be there: ``ws`` in ``ws is not None``; any other test as it stands."""
    match test:
        case nodes.Compare(left=left, ops=[("is not", nodes.Const(value=None))]):
            return left
    return test


def _state_word(state: nodes.NodeNG) -> str:
    """``CLOSED`` of ``State.CLOSED`` and of ``"CLOSED"``, what a state is compared with."""
    return str(state.value) if isinstance(state, nodes.Const) else last_word(state)


def _reads_from(test: nodes.NodeNG) -> bool:
    """``while self._ws: await self._ws.recv()``: it waits for more from what its test finds to be there."""
    test = _there(test)
    source, body = dotted(test), list(walk(test.statement().body)) if dotted(test) else []
    return any(_is_read_of(node, source) for node in body) and not _sets(test.statement(), source)


def _sets(loop: nodes.NodeNG, place: str) -> bool:
    """Whether a loop itself gives what its test asks for another value."""
    return any(
        isinstance(node, nodes.AssignName | nodes.AssignAttr) and dotted(node) == place for node in walk(loop.body)
    )


def _counts(loop: nodes.NodeNG, place: str) -> bool:
    """``while keep_trying: ... keep_trying -= 1``: the loop itself counts what its test asks for."""
    return any(
        isinstance(node, nodes.AugAssign) and node.op in {"-=", "+="} and dotted(node.target) == place
        for node in walk(loop.body)
    )


def _is_read_of(node: nodes.NodeNG, source: str) -> bool:
    if not isinstance(node, nodes.Await) or not isinstance(node.value, nodes.Call):
        return False
    function = node.value.func
    return (
        isinstance(function, nodes.Attribute)
        and _READS.match(function.attrname) is not None
        and dotted(function.expr) == source
    )


def _is_boolean(facts: Facts, attribute: nodes.Attribute) -> bool:
    owner = facts.evaluator.classes.of_self(attribute.expr)
    stores = facts.evaluator.classes.stores(owner, attribute.attrname) if owner is not None else []
    values = [getattr(store.parent, "value", None) for store in stores]
    return bool(values) and all(isinstance(value, nodes.Const) and isinstance(value.value, bool) for value in values)


def _flag(word: str, wanted: bool) -> Answer:
    word = re.sub(r"([a-z])([A-Z])", r"\1_\2", word).lower()
    says_on, ends = _GOES_ON.search(word), ENDS.search(word)
    if ends and not wanted:
        return Answer(Known.YES)
    if says_on and not ends and wanted:
        return Answer(Known.YES)
    return Answer(Known.NO if says_on or ends else Known.UNKNOWN, "a flag of unknown meaning")
