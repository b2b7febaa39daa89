"""What a definition's own text says of it: its kind, its decorators, its parameters."""

from __future__ import annotations

from collections.abc import Iterator

from astroid import nodes

from flake8_task_lifecycle.flow import inside

_YIELDS = "_is_generator"


def positional(function: nodes.FunctionDef | nodes.Lambda) -> list[nodes.AssignName]:
    """The parameters that can be given by position, ``self`` included."""
    return [*(function.args.posonlyargs or ()), *(function.args.args or ())]


def returns(function: nodes.FunctionDef) -> list[nodes.Return]:
    """The function's own ``return`` statements."""
    return [node for node in inside(function) if isinstance(node, nodes.Return)]


def is_generator(function: nodes.FunctionDef) -> bool:
    """Whether calling the function gives a generator (https://docs.python.org/3/glossary.html#term-generator)."""
    known: bool | None = function.__dict__.get(_YIELDS)
    if known is None:
        known = any(isinstance(node, nodes.Yield | nodes.YieldFrom) for node in inside(function))
        function.__dict__[_YIELDS] = known
    return known


def annotation_of(arguments: nodes.Arguments, target: nodes.AssignName) -> nodes.NodeNG | None:
    """The annotation of one parameter; None when it has none."""
    for parameters, promised in (
        (arguments.posonlyargs, arguments.posonlyargs_annotations),
        (arguments.args, arguments.annotations),
        (arguments.kwonlyargs, arguments.kwonlyargs_annotations),
    ):
        if target in (parameters or ()):
            return promised[parameters.index(target)]
    return None


def decorator_names(function: nodes.NodeNG) -> Iterator[str]:
    """The last words of a function's decorators."""
    if isinstance(function, nodes.FunctionDef | nodes.ClassDef) and function.decorators is not None:
        for decorator in function.decorators.nodes:
            called = decorator.func if isinstance(decorator, nodes.Call) else decorator
            if isinstance(called, nodes.Attribute):
                yield called.attrname
            elif isinstance(called, nodes.Name):
                yield called.name


def is_static(function: nodes.NodeNG) -> bool:
    """Whether a method is decorated as a static method."""
    return "staticmethod" in decorator_names(function)


def is_classmethod(function: nodes.NodeNG) -> bool:
    """Whether a method is decorated as a class method."""
    return "classmethod" in decorator_names(function)


def is_property(function: nodes.NodeNG) -> bool:
    """Whether reading the method's name calls it."""
    return not {"property", "cached_property", "setter"}.isdisjoint(decorator_names(function))


PLAIN_DECORATORS = frozenset(
    {"staticmethod", "classmethod", "abstractmethod", "override", "final", "wraps", "property", "cached_property"}
    | {"deprecated", "no_type_check", "setter"}
)


def is_plainly_decorated(function: nodes.FunctionDef) -> bool:
    """Whether a call of the decorated function still gives what its body returns."""
    return PLAIN_DECORATORS.issuperset(decorator_names(function))


def is_record(definition: nodes.NodeNG) -> bool:
    """Whether making an object of a class does no more than put the arguments into it."""
    if not isinstance(definition, nodes.ClassDef):
        return False
    initializers = [node for node in definition.locals.get("__init__", ()) if isinstance(node, nodes.FunctionDef)]
    if not initializers:
        bases = {base.as_string().rpartition(".")[2] for base in definition.bases}
        return not {"dataclass", "define", "frozen", "s"}.isdisjoint(decorator_names(definition)) or bases == {
            "NamedTuple"
        }
    if "__post_init__" in definition.locals or definition.bases:
        return False
    return all(
        isinstance(statement, nodes.Assign | nodes.AnnAssign)
        and isinstance(getattr(statement, "target", None) or statement.targets[0], nodes.AssignAttr)
        and not isinstance(statement.value, nodes.Call)
        for statement in initializers[-1].body
    )


def is_abstract(function: nodes.FunctionDef) -> bool:
    """Whether a method is only a promise: marked abstract, or without anything but a docstring and a raise."""
    if "abstractmethod" in decorator_names(function):
        return True
    return all(
        isinstance(statement, nodes.Pass)
        or (isinstance(statement, nodes.Expr) and isinstance(statement.value, nodes.Const))
        or (isinstance(statement, nodes.Raise) and "NotImplemented" in statement.as_string())
        for statement in function.body
    )
