"""What one function reads, by name: in its own frame, and from the functions nested in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from astroid import nodes

from flake8_task_lifecycle.flow import inside, walk
from flake8_task_lifecycle.names import Names


@dataclass(slots=True, eq=False)
class Frame:
    """The loads of a function's names. ``captured``: loads in nested functions and lambdas, with the nested one."""

    loads: dict[str, list[nodes.Name]] = field(default_factory=lambda: defaultdict(list))
    captured: dict[str, list[tuple[nodes.Name, nodes.NodeNG]]] = field(default_factory=lambda: defaultdict(list))
    all_names_read: bool = False
    _read: set[nodes.Name] = field(default_factory=set)

    def note(self, load: nodes.Name) -> None:
        """Put down a load in the function's own frame."""
        self.loads[load.name].append(load)
        self._read.add(load)
        self.all_names_read = self.all_names_read or load.name == "locals"

    def reads(self, load: nodes.Name) -> bool:
        """Whether a load is in the function's own frame."""
        return load in self._read


def frame_of(function: nodes.FunctionDef, names: Names) -> Frame:
    """The loads in a function, one walk over it and what it nests. ``locals()`` reads every name."""
    frame = Frame()
    nested: list[nodes.NodeNG] = []
    for node in inside(function):
        match node:
            case nodes.Name() if not _of_comprehension(node):
                frame.note(node)
            case nodes.FunctionDef() | nodes.Lambda() | nodes.ClassDef():
                nested.append(node)
    while nested:
        inner = nested.pop()
        for node in inside(inner) if isinstance(inner.body, list) else walk([inner.body]):
            if isinstance(node, nodes.Name) and node.name in function.locals:
                binding = names.binding(node, node.name)
                if binding is not None and binding.scope is function:
                    frame.captured[node.name].append((node, inner))
            elif isinstance(node, nodes.FunctionDef | nodes.Lambda | nodes.ClassDef):
                nested.append(node)
    return frame


def _of_comprehension(name: nodes.Name) -> bool:
    """Whether a name is the variable of a comprehension around it."""
    parent = name.parent
    while parent is not None and not parent.is_statement:
        if isinstance(parent, nodes.ComprehensionScope) and name.name in parent.locals:
            return True
        parent = parent.parent
    return False
