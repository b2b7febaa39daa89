"""What becomes of a value: from the expression that makes or reads it, outwards to what takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache

from astroid import nodes
from astroid.const import Context

from flake8_task_lifecycle.facts import library
from flake8_task_lifecycle.facts.callbacks import Callbacks
from flake8_task_lifecycle.facts.definitions import is_record
from flake8_task_lifecycle.facts.evaluator import Evaluator
from flake8_task_lifecycle.facts.named import is_named
from flake8_task_lifecycle.facts.values import Definition, External, known_names
from flake8_task_lifecycle.names import Names, dotted, last_word


class Fate(Enum):
    """What takes a value, from nothing to something that holds it."""

    FORGOTTEN = "forgotten"
    BOUND = "bound"
    AWAITED = "awaited"
    RELEASED = "released"
    KEPT = "kept"
    CALLER = "caller"
    HANDED = "handed"

    @property
    def holds(self) -> bool:
        """Whether somebody has the value after this; a local name must be followed further to tell."""
        return self not in {Fate.FORGOTTEN, Fate.BOUND}


@dataclass(frozen=True, slots=True)
class Use:
    """One fate. ``holder`` names what takes the value; ``names`` are the locals that hold it from here on.

    ``target`` is the node that takes it: the store, the collection, the method that releases it. ``by_key``: the
    value is a key of the mapping that takes it.
    """

    fate: Fate
    holder: str = ""
    names: frozenset[str] = frozenset()
    target: nodes.NodeNG | None = field(default=None, compare=False)
    by_key: bool = field(default=False, compare=False)

    @property
    def by_canceller(self) -> bool:
        """Whether a function that the options call a canceller releases the value."""
        return self.fate is Fate.RELEASED and self.holder == _CANCELLER


FORGOTTEN = Use(Fate.FORGOTTEN)
_CANCELLER = "callee:canceller"
ParameterUse = Callable[[nodes.Call, nodes.NodeNG], Use | None]
_STRENGTH = [Fate.FORGOTTEN, Fate.BOUND, Fate.CALLER, Fate.HANDED, Fate.KEPT, Fate.RELEASED, Fate.AWAITED]


def strongest(uses: Sequence[Use]) -> Use:
    """The use that holds most, with the local names of all of them."""
    best = max(uses, key=lambda use: _STRENGTH.index(use.fate), default=FORGOTTEN)
    names = frozenset().union(*(use.names for use in uses)) if uses else frozenset()
    if names and not best.fate.holds:
        return Use(Fate.BOUND, names=names, by_key=best.by_key)
    return replace(best, names=names)


# What only looks at a value: a bare expression, an attribute set on it, a comparison, a test, its text.
_ONLY_LOOK = (
    *(nodes.Expr, nodes.AssignAttr, nodes.DelAttr, nodes.Compare, nodes.UnaryOp, nodes.FormattedValue),
    *(nodes.Assert, nodes.Match, nodes.Delete, nodes.If, nodes.While, nodes.IfExp, nodes.Comprehension),
)


class Uses:
    """The uses of values in one module.

    ``parameter_use`` tells what a project function does with an argument; ``cancellers`` are the names of functions
    that release the tasks they are given.
    """

    def __init__(
        self,
        names: Names,
        evaluator: Evaluator,
        callbacks: Callbacks,
        parameter_use: ParameterUse,
        cancellers: AbstractSet[str] = frozenset(),
    ) -> None:
        self._cancellers = cancellers
        self._names = names
        self._evaluator = evaluator
        self._callbacks = callbacks
        self._parameter_use = parameter_use
        self.of = cache(self._of)

    def _of(self, expression: nodes.NodeNG) -> Use:
        node, bound, by_key = expression, list[Use](), False
        while True:
            parent = node.parent
            by_key = by_key or _is_key(node, parent)
            match parent:
                case nodes.NamedExpr():
                    bound.append(self._stored(parent.target))
                case nodes.List() | nodes.Tuple() | nodes.Set() | nodes.Dict() | nodes.Starred() | nodes.Keyword():
                    if isinstance(parent, nodes.Tuple | nodes.List) and self._paired_target(parent, node) is not None:
                        return strongest([*bound, self._stored(self._paired_target(parent, node))])
                case nodes.BinOp() | nodes.BoolOp() | nodes.ListComp() | nodes.SetComp():
                    pass
                case nodes.GeneratorExp() | nodes.DictComp():
                    pass
                case nodes.IfExp() if node is not parent.test:
                    pass
                case nodes.Subscript() if node is parent.value:
                    pass
                case nodes.Comprehension() if node is parent.iter:
                    return strongest([*bound, self._iterated(parent)])
                case nodes.Call() if node is not parent.func and self._passes_through(parent, node):
                    pass
                case nodes.Attribute() if self._gives_back(parent):
                    parent = parent.parent
                case nodes.Attribute() if self._is_plain_read(parent):
                    pass
                case _:
                    taken = strongest([*bound, self._taken(node, parent)])
                    return replace(taken, by_key=True) if by_key else taken
            node = parent

    def _taken(self, node: nodes.NodeNG, parent: nodes.NodeNG) -> Use:
        match parent:
            case nodes.Await() | nodes.YieldFrom():
                return Use(Fate.AWAITED, "awaited", target=parent)
            case nodes.Return() | nodes.Yield():
                return Use(Fate.CALLER, "caller")
            case nodes.Lambda() if node is parent.body:
                return FORGOTTEN if self._callbacks.is_registered(parent) else Use(Fate.CALLER, "caller")
            case nodes.Assign() | nodes.AnnAssign() | nodes.AugAssign() | nodes.For():
                return self._assigned(parent)
            case nodes.Attribute():
                return self._method(parent)
            case nodes.Subscript():
                return self._as_key(parent)
            case nodes.Call() if node is parent.func:
                return Use(Fate.HANDED, "callee:call")
            case nodes.Call():
                return self._argument(parent, node)
        if isinstance(parent, _ONLY_LOOK):
            return FORGOTTEN
        return Use(Fate.HANDED, f"callee:{type(parent).__name__.lower()}")

    def _assigned(self, statement: nodes.NodeNG) -> Use:
        match statement:
            case nodes.Assign():
                return strongest([self._stored(target) for target in statement.targets])
            case nodes.AugAssign() if isinstance(statement.target, nodes.AssignName):
                return self._put_into(statement.target)
        return self._stored(statement.target)

    def _paired_target(self, display: nodes.NodeNG, element: nodes.NodeNG) -> nodes.NodeNG | None:
        """The target that takes this element in ``a, b = x, y``."""
        statement = display.parent
        if not isinstance(statement, nodes.Assign) or len(statement.targets) != 1:
            return None
        targets = statement.targets[0]
        if not isinstance(targets, nodes.Tuple | nodes.List) or len(targets.elts) != len(display.elts):
            return None
        if any(isinstance(one, nodes.Starred) for one in [*targets.elts, *display.elts]):
            return None
        return targets.elts[display.elts.index(element)]

    def _stored(self, target: nodes.NodeNG) -> Use:
        match target:
            case nodes.AssignName():
                return self._stored_name(target)
            case nodes.AssignAttr():
                return Use(Fate.KEPT, dotted(target) or f"callee:{target.attrname}", target=target)
            case nodes.Subscript() if is_field(target) and isinstance(target.value, nodes.Subscript | nodes.Call):
                return Use(Fate.KEPT, "collection", target=target.value)
            case nodes.Subscript():
                return self._put_into(target.value)
            case nodes.Tuple() | nodes.List():
                return strongest([self._stored(element) for element in target.elts])
            case nodes.Starred():
                return self._stored(target.value)
        return Use(Fate.HANDED, "unknown")

    def _stored_name(self, target: nodes.AssignName) -> Use:
        name = target.name
        if self._names.local_scope(target, name) is not None:
            return Use(Fate.BOUND, names=frozenset({name}))
        binding = self._names.binding(target, name)
        match binding.scope if binding is not None else None:
            case nodes.Module():
                return Use(Fate.KEPT, f"global:{name}", target=target)
            case nodes.ClassDef() as owner:
                return Use(Fate.KEPT, f"{owner.name}.{name}", target=target)
        return Use(Fate.KEPT, f"closure:{name}", target=target)

    def _as_key(self, item: nodes.Subscript) -> Use:
        """The value is the key of an item: what stores the item keeps the key, what reads it may only look it up."""
        if item.ctx is Context.Store:
            return replace(self._put_into(item.value, library.WEAK_KEYED), by_key=True)
        classes = known_names(self._evaluator.of(item.value), instance=True)
        if item.ctx is Context.Del or (classes is not None and classes <= library.LOOKED_UP):
            return FORGOTTEN
        return Use(Fate.HANDED, "callee:subscript")

    def _put_into(self, container: nodes.NodeNG, weak: AbstractSet[str] = library.WEAK_CONTAINERS) -> Use:
        """The value goes into a collection: one made in this function, one that lives on, or a weak one."""
        is_name = isinstance(container, nodes.Name | nodes.AssignName)
        values = self._evaluator.named(container, container.name) if is_name else self._evaluator.of(container)
        classes = known_names(frozenset(values), instance=True)
        if classes is not None and classes <= weak:
            return FORGOTTEN
        if is_name and self._is_made_here(container):
            return Use(Fate.BOUND, names=frozenset({container.name}))
        root = root_of(container)
        if not (isinstance(root, nodes.Name) and self._names.local_scope(root, root.name) is not None):
            container = root
        if isinstance(container, nodes.Name | nodes.AssignName):
            binding = self._names.binding(container, container.name)
            at_module = binding is not None and isinstance(binding.scope, nodes.Module)
            holder = f"global:{container.name}" if at_module else f"collection:{container.name}"
            return Use(Fate.KEPT, holder, target=container)
        return Use(Fate.KEPT, dotted(container) or "collection", target=container)

    def _is_made_here(self, container: nodes.Name | nodes.AssignName) -> bool:
        """Whether a local name is bound only to collections that this function makes."""
        if self._names.local_scope(container, container.name) is None:
            return False
        binding = self._names.binding(container, container.name)
        stores = [node for node in binding.nodes if not isinstance(node.parent, nodes.AugAssign)] if binding else []
        for store in stores:
            value = getattr(store.parent, "value", None)
            if value is None or isinstance(value, nodes.Name | nodes.Attribute | nodes.Subscript):
                return False
            classes = known_names(self._evaluator.of(value), instance=True)
            if classes is None or not classes <= library.CONTAINER_CLASSES:
                return False
        return bool(stores)

    def _iterated(self, generator: nodes.Comprehension) -> Use:
        targets = {node.name for node in generator.target.nodes_of_class(nodes.AssignName)}
        reads = [node for node in generator.parent.nodes_of_class(nodes.Name) if node.name in targets]
        return strongest([self.of(node) for node in reads])

    def _passes_through(self, call: nodes.Call, argument: nodes.NodeNG) -> bool:
        values = self._evaluator.of(call.func)
        names = known_names(values, instance=False)
        if is_named(self._evaluator, call.func, self._cancellers):
            return False
        if names is not None and names <= library.TRANSPARENT:
            return True
        if all(self._makes_record(value) for value in values):
            return True
        use = self._parameter_use(call, argument)
        return use is not None and use.fate is Fate.CALLER

    def _makes_record(self, function: object) -> bool:
        match function:
            case Definition(node):
                return is_record(node)
            case External(name):
                return bool(self._evaluator.elsewhere.ask(name, lambda _facts, node: is_record(node)))
        return False

    def _gives_back(self, attribute: nodes.Attribute) -> bool:
        """``tasks.copy()``, ``tasks.values()``: a method of a collection whose result holds what it holds."""
        call = attribute.parent
        return (
            isinstance(call, nodes.Call)
            and call.func is attribute
            and attribute.attrname
            in {"copy", "values", "items", "keys", "pop", "popleft", "popitem", "get", "union"}
            | {"difference", "intersection", "symmetric_difference", "__iter__", "__await__", "__aiter__"}
        )

    @staticmethod
    def _is_plain_read(attribute: nodes.Attribute) -> bool:
        """``job.task``: an attribute read off a value, and not one of the methods that are judged by their name."""
        call = attribute.parent
        is_called = isinstance(call, nodes.Call) and call.func is attribute
        return not is_called and attribute.attrname not in library.CONTAINER_FORGETTERS | {"cancel", "pop"}

    def _method(self, attribute: nodes.Attribute) -> Use:
        call = attribute.parent
        method = attribute.attrname
        if not (isinstance(call, nodes.Call) and call.func is attribute):
            return Use(Fate.RELEASED, "callee:cancel", target=attribute) if method == "cancel" else FORGOTTEN
        if method in library.WEAK_TASK_METHODS | library.CONTAINER_ADDERS | library.CONTAINER_FORGETTERS:
            return FORGOTTEN
        if method in {"cancel", "result", "exception"}:
            holder = f"local:{dotted(attribute.expr)}" if dotted(attribute.expr) else "released"
            return Use(Fate.RELEASED, holder, target=attribute)
        return Use(Fate.HANDED, f"callee:{method}")

    def _argument(self, call: nodes.Call, argument: nodes.NodeNG) -> Use:
        function = call.func
        if is_named(self._evaluator, function, self._cancellers):
            return Use(Fate.RELEASED, _CANCELLER, target=function)
        names = known_names(self._evaluator.of(function), instance=False)
        if names is not None and self._forgets(names, call, argument):
            return FORGOTTEN
        if isinstance(function, nodes.Attribute):
            if function.attrname in library.LOG_METHODS and self._is_logger(function.expr):
                return FORGOTTEN
            receiver = known_names(self._evaluator.of(function.expr), instance=True)
            if function.attrname in library.CONTAINER_FORGETTERS and not self._is_project_method(function):
                return FORGOTTEN
            if function.attrname in library.CONTAINER_ADDERS and not self._is_project_method(function):
                return self._put_into(function.expr)
            if receiver is not None and receiver <= library.WEAK_CONTAINERS:
                return FORGOTTEN
        use = self._parameter_use(call, argument)
        if use is not None:
            return use
        if _is_log_line(call, argument):
            return FORGOTTEN
        return Use(Fate.HANDED, f"callee:{dotted(function) or last_word(function) or 'call'}")

    @staticmethod
    def _forgets(names: AbstractSet[str], call: nodes.Call, argument: nodes.NodeNG) -> bool:
        if names <= {"builtins.setattr"}:
            return bool(call.args) and argument is call.args[0]
        return names <= library.FORGETFUL | library.WEAK_REFERENCES

    def _is_logger(self, receiver: nodes.NodeNG) -> bool:
        values = self._evaluator.of(receiver)
        classes = known_names(values, instance=True) or known_names(values, instance=False) or frozenset()
        if last_word(receiver) in library.LOGGER_NAMES:
            return True
        return bool(classes) and classes <= {"logging.Logger", "logging"}

    def _is_project_method(self, function: nodes.Attribute) -> bool:
        return any(
            isinstance(value, Definition)
            or (isinstance(value, External) and self._evaluator.elsewhere.defines(value.name))
            for value in self._evaluator.of(function)
        )


def is_field(item: nodes.Subscript) -> bool:
    """Whether an item goes by a literal name, like the field of a record: what stands beside it is something else."""
    return isinstance(item.slice, nodes.Const) and isinstance(item.slice.value, str)


def root_of(collection: nodes.NodeNG) -> nodes.NodeNG:
    """The collection that holds a collection: ``jobs`` of ``jobs[key]`` and ``jobs.setdefault(key, [])``."""
    while True:
        match collection:
            case nodes.Subscript() if not is_field(collection):
                collection = collection.value
            case nodes.Call(func=nodes.Attribute(attrname="setdefault" | "get")):
                collection = collection.func.expr
            case _:
                return collection


def _is_key(node: nodes.NodeNG, parent: nodes.NodeNG) -> bool:
    """Whether a value is the key of what a dictionary is made of."""
    match parent:
        case nodes.DictComp():
            return node is parent.key
        case nodes.Dict():
            return any(node is key for key, _ in parent.items)
    return False


def _is_log_line(call: nodes.Call, argument: nodes.NodeNG) -> bool:
    """``Service._debug("started %r", task)``: a method of a logger under another name writes a value into a text."""
    text = call.args[0] if call.args else None
    return (
        last_word(call.func).strip("_") in library.LOG_METHODS
        and argument is not text
        and isinstance(text, nodes.Const)
        and isinstance(text.value, str)
        and ("%" in text.value or "{" in text.value)
    )
