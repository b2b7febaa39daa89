"""Evaluates expressions: bindings, attributes, calls, as far as the module shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from astroid import nodes

from flake8_task_lifecycle.facts import frameworks, library
from flake8_task_lifecycle.facts.annotations import annotated
from flake8_task_lifecycle.facts.classes import Classes
from flake8_task_lifecycle.facts.definitions import (
    annotation_of,
    is_abstract,
    is_classmethod,
    is_generator,
    is_plainly_decorated,
    is_property,
    is_static,
    positional,
    returns,
)
from flake8_task_lifecycle.facts.elsewhere import Elsewhere
from flake8_task_lifecycle.facts.values import (
    LITERAL,
    NONE,
    UNKNOWN,
    UNKNOWN_ONLY,
    Definition,
    External,
    Instance,
    Ordered,
    Other,
    Partial,
    Value,
    Values,
    each,
)
from flake8_task_lifecycle.names import Names, canonical, enclosing_class
from flake8_task_lifecycle.project import absolute
from flake8_task_lifecycle.tree import Tree

_MAX_DEPTH = 24
_TYPING = {External("typing.Generic"), External("typing.Protocol")}

_LITERALS: dict[type[nodes.NodeNG], str] = {
    nodes.List: "builtins.list",
    nodes.ListComp: "builtins.list",
    nodes.Set: "builtins.set",
    nodes.SetComp: "builtins.set",
    nodes.Dict: "builtins.dict",
    nodes.DictComp: "builtins.dict",
    nodes.Tuple: "builtins.tuple",
    nodes.GeneratorExp: "builtins.generator",
    nodes.JoinedStr: "builtins.str",
}


class Evaluator:
    """Evaluates the expressions of one module, each at most once."""

    def __init__(self, tree: Tree, names: Names, package: str, elsewhere: Elsewhere) -> None:
        self.elsewhere = elsewhere
        self._tree = tree
        self._names = names
        self._package = package
        self._known: dict[nodes.NodeNG, Values] = {}
        self._declarations: dict[nodes.NodeNG, Values] = {}
        self._pending: set[object] = set()
        self._cuts = 0
        self.classes = Classes(tree, names, self._bases)

    def of(self, expression: nodes.NodeNG) -> Values:
        """What the expression can be; holds UNKNOWN wherever part of that is not known."""
        known = self._known.get(expression)
        if known is not None:
            return known
        if expression in self._pending or len(self._pending) > _MAX_DEPTH:
            self._cuts += 1
            return UNKNOWN_ONLY
        cuts = self._cuts
        self._pending.add(expression)
        try:
            values = Ordered(tuple(self._evaluate(expression))) or UNKNOWN_ONLY
        finally:
            self._pending.discard(expression)
        if cuts == self._cuts or not self._pending:
            self._known[expression] = values
        return values

    def _evaluate(self, expression: nodes.NodeNG) -> Iterable[Value]:
        match expression:
            case nodes.Name():
                return self.named(expression, expression.name)
            case nodes.Attribute():
                return each(self.of(expression.expr), lambda base: self.member(base, expression.attrname))
            case nodes.Call():
                return each(self.of(expression.func), lambda function: self._result(function, expression))
            case nodes.NamedExpr():
                return self.of(expression.value)
            case nodes.Await():
                return (UNKNOWN if _is_promise(value) else value for value in self.of(expression.value))
            case nodes.IfExp():
                return each((expression.body, expression.orelse), self.of)
            case nodes.BoolOp():
                return each(expression.values, self.of)
            case nodes.Const():
                return (NONE if expression.value is None else LITERAL,)
            case nodes.Lambda():
                return (Definition(expression),)
        literal = _LITERALS.get(type(expression))
        return (Instance(External(literal), exact=True),) if literal else UNKNOWN_ONLY

    def named(self, node: nodes.NodeNG, name: str) -> Iterable[Value]:
        """What a name read at a node can be."""
        binding = self._names.binding(node, name)
        if binding is None:
            found = self._star_exported(name)
            if found:
                return found
            stars = self._star_imports()
            if stars and name in library.ASYNCIO_STAR and set(stars) == {"asyncio"}:
                return (External(f"asyncio.{name}"),)
            if stars and set(stars) != {"asyncio"}:
                return UNKNOWN_ONLY
            return (External(f"builtins.{name}"),)
        return each(binding.nodes, lambda bound: self._bound(bound, name))

    def _star_imports(self) -> list[str]:
        return [
            statement.modname
            for statement in self._tree.module.body
            if isinstance(statement, nodes.ImportFrom) and statement.names[0][0] == "*"
        ]

    def _bound(self, node: nodes.NodeNG, name: str) -> Iterable[Value]:
        match node:
            case nodes.FunctionDef() | nodes.ClassDef():
                return (Definition(node),)
            case nodes.Import():
                for module, alias in node.names:
                    if alias == name:
                        return (External(canonical(module)),)
                return (External(name),)
            case nodes.ImportFrom():
                return self._imported(node, name)
            case nodes.AssignName():
                return self._assigned(node)
            case nodes.DelName():
                return ()
        return UNKNOWN_ONLY

    def _imported(self, statement: nodes.ImportFrom, name: str) -> Iterable[Value]:
        home = absolute("." * (statement.level or 0) + statement.modname, self._package)
        if home is None:
            return UNKNOWN_ONLY
        for real, alias in statement.names:
            if (alias or real) == name:
                return self._home(f"{home}.{real}")
        return UNKNOWN_ONLY

    def _home(self, name: str) -> Values:
        """What a qualified name stands for, followed to where the project defines it."""
        found = self.elsewhere.values(name)
        return frozenset({External(canonical(name))}) if found is None else found

    def exported(self, path: list[str]) -> Values:
        """What a dotted name inside this module stands for: a module-level name, then its attributes."""
        module = self._tree.module
        bound = [node for node in module.locals.get(path[0], ()) if node.lineno is not None]
        values: Values = Ordered(tuple(each(bound, lambda node: self._bound(node, path[0]))))
        if not bound:
            values = self._star_exported(path[0])
        for attribute in path[1:]:
            values = Ordered([found for base in values for found in self.member(base, attribute)])
        return values

    def _star_exported(self, name: str) -> Values:
        for statement in self._tree.module.body:
            if isinstance(statement, nodes.ImportFrom) and statement.names[0][0] == "*" and not name.startswith("_"):
                home = absolute("." * (statement.level or 0) + statement.modname, self._package)
                found = self.elsewhere.values(f"{home}.{name}") if home is not None else None
                if found is not None:
                    return found
        return frozenset()

    def _assigned(self, target: nodes.NodeNG) -> Iterable[Value]:
        parent = target.parent
        match parent:
            case nodes.Assign():
                return self.of(parent.value)
            case nodes.NamedExpr():
                return self.of(parent.value)
            case nodes.AnnAssign():
                declared = self._declared(parent.annotation)
                if UNKNOWN not in declared or parent.value is None:
                    return declared
                return self.of(parent.value)
            case nodes.AugAssign():
                return ()
            case nodes.Arguments():
                return self._parameter(parent, target)
            case nodes.With():
                for context, variable in parent.items:
                    if variable is target:
                        return self.of(context)
            case nodes.Tuple() | nodes.List():
                return self._unpacked(parent, target)
        return UNKNOWN_ONLY

    def _unpacked(self, targets: nodes.Tuple | nodes.List, target: nodes.NodeNG) -> Iterable[Value]:
        statement = targets.parent
        if isinstance(statement, nodes.Assign) and isinstance(statement.value, nodes.Tuple | nodes.List):
            values = statement.value.elts
            if len(values) == len(targets.elts) and not any(
                isinstance(element, nodes.Starred) for element in [*values, *targets.elts]
            ):
                return self.of(values[targets.elts.index(target)])
        return UNKNOWN_ONLY

    def _parameter(self, arguments: nodes.Arguments, target: nodes.AssignName) -> Iterable[Value]:
        function = arguments.parent
        owner = enclosing_class(function) if isinstance(function, nodes.FunctionDef) else None
        first = positional(function)[:1]
        if owner is not None and target in first and not is_static(function):
            return (Definition(owner),) if is_classmethod(function) else (Instance(Definition(owner)),)
        annotation = annotation_of(arguments, target)
        return UNKNOWN_ONLY if annotation is None else self._declared(annotation)

    def _declared(self, annotation: nodes.NodeNG) -> Values:
        """What an annotation promises; unknown where it names itself in quotes."""
        key = (annotation, "declared")
        known = self._declarations.get(annotation)
        if known is not None:
            return known
        if key in self._pending:
            self._cuts += 1
            return UNKNOWN_ONLY
        cuts = self._cuts
        self._pending.add(key)
        try:
            declared = Ordered(tuple(annotated(self, annotation)))
        finally:
            self._pending.discard(key)
        if cuts == self._cuts or not self._pending:
            self._declarations[annotation] = declared
        return declared

    def member(self, base: Value, attribute: str) -> Iterable[Value]:
        """What ``base.attribute`` can be."""
        match base:
            case External(name):
                return self._home(canonical(f"{name}.{attribute}"))
            case Definition(node) if isinstance(node, nodes.ClassDef):
                return self._class_member(node, attribute, exact=True)
            case Instance(External(name) as owner, exact):
                found = self.elsewhere.member(owner, attribute, exact=exact)
                return (External(canonical(f"{name}.{attribute}")),) if found is None else found
            case Instance(Definition(node), exact) if isinstance(node, nodes.ClassDef):
                return self._class_member(node, attribute, exact)
            case Other.NONE:
                return ()
        return UNKNOWN_ONLY

    def _class_member(self, owner: nodes.ClassDef, attribute: str, exact: bool) -> Iterable[Value]:
        key = (owner, attribute, exact)
        if key in self._pending:
            self._cuts += 1
            return UNKNOWN_ONLY
        self._pending.add(key)
        try:
            found: list[Value] = []
            for home in self.classes.hierarchy(owner):
                found += self.own_member(home, attribute)
                if found:
                    break
            if not exact:
                overrides = [
                    value for child in self.classes.subclasses(owner) for value in self.own_member(child, attribute)
                ]
                if overrides:
                    found = [value for value in found if not _is_abstract(value)] + overrides
                elif found and all(map(_is_abstract, found)):
                    found = [*(self.elsewhere.implementations(owner, attribute) or found)]
            return found or list(self._inherited_from_outside(owner, attribute)) or UNKNOWN_ONLY
        finally:
            self._pending.discard(key)

    def _inherited_from_outside(self, owner: nodes.ClassDef, attribute: str) -> Iterable[Value]:
        for home in self.classes.hierarchy(owner):
            for value in self.bases(home):
                if isinstance(value, External):
                    yield from self.member(Instance(value), attribute)

    def own_member(self, owner: nodes.ClassDef, attribute: str) -> list[Value]:
        """What the class itself says of an attribute: its body and what its methods store on ``self``."""
        values: list[Value] = []
        for node in owner.locals.get(attribute, ()):
            if isinstance(node, nodes.FunctionDef) and is_property(node):
                values += self.returned(node)
            elif isinstance(node, nodes.NodeNG) and node.lineno is not None:
                values += self._bound(node, attribute)
        stores = self.classes.stores(owner, attribute)
        for store in stores:
            values += self._assigned(store)
        if UNKNOWN in values and any(map(self._is_promised, [*stores, *owner.locals.get(attribute, ())])):
            return [value for value in values if value != UNKNOWN]
        return values

    def _is_promised(self, store: nodes.NodeNG) -> bool:
        """Whether the annotation at a store says what the place holds, whatever else is put there."""
        statement = store.parent
        return isinstance(statement, nodes.AnnAssign) and UNKNOWN not in self._declared(statement.annotation)

    def bases(self, owner: nodes.ClassDef) -> Iterator[Value]:
        """What the bases of a class can be; ``Base[int]`` is ``Base``, and ``Generic[T]`` says nothing."""
        for base in owner.bases:
            plain = base.value if isinstance(base, nodes.Subscript) else base
            yield from (value for value in self.of(plain) if plain is base or value not in _TYPING)

    def _bases(self, owner: nodes.ClassDef) -> list[nodes.ClassDef]:
        return [
            value.node
            for value in self.bases(owner)
            if isinstance(value, Definition) and isinstance(value.node, nodes.ClassDef)
        ]

    def _result(self, function: Value, call: nodes.Call) -> Iterable[Value]:
        match function:
            case External("functools.partial" | "functools.partialmethod") if call.args:
                return (Partial(value, call) for value in self.of(call.args[0]))
            case External("typing.cast") if len(call.args) == 2:
                return annotated(self, call.args[0])
            case External("builtins.getattr") if len(call.args) in {2, 3}:
                return self._looked_up(*call.args)
            case External("builtins.super"):
                return self._super(call)
            case External(name):
                found = self.elsewhere.result(name)
                return self._external_result(name) if found is None else found
            case Definition(node) if isinstance(node, nodes.ClassDef):
                return (Instance(function, exact=True),)
            case Definition(node) if isinstance(node, nodes.FunctionDef):
                return self.returned(node)
            case Definition(node):
                return self.of(node.body)
            case Partial(inner):
                return self._result(inner, call)
        return UNKNOWN_ONLY

    def _looked_up(
        self, owner: nodes.NodeNG, name: nodes.NodeNG, default: nodes.NodeNG | None = None
    ) -> Iterable[Value]:
        """What ``getattr(owner, "name", default)`` gives."""
        if not isinstance(name, nodes.Const) or not isinstance(name.value, str):
            return UNKNOWN_ONLY
        found = each(self.of(owner), lambda base: self.member(base, name.value))
        return (*found, *(self.of(default) if default is not None else ()))

    @staticmethod
    def _external_result(name: str) -> Iterable[Value]:
        if name in library.RETURNS:
            return (Instance(External(library.RETURNS[name])),)
        if frameworks.given(name):
            return (Instance(External(frameworks.given(name))),)
        last = name.rpartition(".")[2]
        if name.endswith(".get_loop"):
            return (Instance(External(library.LOOP)),)
        if last[:1].isupper() or (f"builtins.{last}" == name and name in library.CONTAINER_CLASSES):
            return (Instance(External(name), exact=True),)
        if name in {"collections.deque", "collections.defaultdict"}:
            return (Instance(External(name), exact=True),)
        return UNKNOWN_ONLY

    def _super(self, call: nodes.Call) -> Iterable[Value]:
        function: nodes.NodeNG | None = call
        while function is not None and enclosing_class(function) is None:
            function = function.parent
        owner = enclosing_class(function) if function is not None else None
        if owner is None:
            return UNKNOWN_ONLY
        return [Instance(value, exact=True) for value in self.bases(owner) if isinstance(value, External | Definition)]

    def returned(self, function: nodes.FunctionDef) -> Iterable[Value]:
        """What a function's return annotation promises, else what its ``return`` statements give."""
        if function.returns is not None:
            promised = frozenset(annotated(self, function.returns))
            if UNKNOWN not in promised:
                return promised
        key = ("returned", function)
        if key in self._pending:
            self._cuts += 1
            return UNKNOWN_ONLY
        if is_generator(function) or not is_plainly_decorated(function):
            return UNKNOWN_ONLY
        self._pending.add(key)
        try:
            return [value for one in returns(function) if one.value is not None for value in self.of(one.value)]
        finally:
            self._pending.discard(key)


def _is_abstract(value: Value) -> bool:
    return isinstance(value, Definition) and isinstance(value.node, nodes.FunctionDef) and is_abstract(value.node)


def _is_promise(value: Value) -> bool:
    """Whether a value is known only as what can be awaited: what it brings is not said."""
    return (
        isinstance(value, Instance)
        and isinstance(value.of, External)
        and value.of.name in library.AWAITABLE_ANNOTATIONS
    )
