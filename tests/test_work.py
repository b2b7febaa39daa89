"""What a file costs, in counts and not in seconds: builds, parses, look-ups, files opened, modules loaded."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from astroid.rebuilder import TreeRebuilder
from flake8_runs import DANGLING, SPAWN, TLC, lines_of, plugin_run, run

from flake8_task_lifecycle import engine, source, tree
from flake8_task_lifecycle.facts import Facts, facts_of, repeats
from flake8_task_lifecycle.names import Names
from flake8_task_lifecycle.options import ALL_CODES, DEFAULT_CODES, OPT_IN_CODES, Options
from flake8_task_lifecycle.plugin import TRIGGERS
from flake8_task_lifecycle.rules import RULES

ONLY_TLC001 = Options(codes=frozenset({"TLC001"}))

IDLE = '''\
"""Nothing here runs concurrently."""
from dataclasses import dataclass


@dataclass
class Point:
    """A point."""

    x: int = 0

    def moved(self, by: int) -> "Point":
        return Point(self.x + by)
'''


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Work:
    """Counts of what was done: by astroid's builder, by look-ups of names, by the interpreter."""

    def __init__(self) -> None:
        self.builds: list[str] = []
        self.lookups = 0
        self.opened: Counter[str] = Counter()
        self.compiled = 0
        self.imported: list[str] = []
        self.listed: Counter[str] = Counter()

    def take(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event of the interpreter's audit."""
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            self.opened[os.fsdecode(arguments[0])] += 1
        elif event == "compile":
            self.compiled += 1
        elif event == "import":
            self.imported.append(str(arguments[0]))
        elif event in ("os.listdir", "os.scandir"):
            self.listed[str(arguments[0])] += 1


_listening: list[Work] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for work in _listening:
        work.take(event, arguments)


sys.addaudithook(_hook)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Count the work done inside."""
    work = Work()
    build, binding = TreeRebuilder.visit_module, Names.binding

    def counting_build(self: TreeRebuilder, node: ast.Module, *arguments: Any, **named: Any) -> Any:
        work.builds.append(str(arguments[0] if arguments else named.get("modname")))
        return build(self, node, *arguments, **named)

    def counting_binding(self: Names, *arguments: Any) -> Any:
        work.lookups += 1
        return binding(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(TreeRebuilder, "visit_module", counting_build)
        patched.setattr(Names, "binding", counting_binding)
        _listening.append(work)
        try:
            yield work
        finally:
            _listening.remove(work)


def work_of(monkeypatch: pytest.MonkeyPatch, text: str, name: str = "case.py", options: Options = ONLY_TLC001) -> Work:
    """The work of one check of a text, once everything that it needs is imported."""
    tree, lines = ast.parse(text), lines_of(text)
    engine.check(ast.parse(text), lines, name, options)
    with counted(monkeypatch) as work:
        engine.check(tree, lines, name, options)
    return work


def test_a_file_with_one_spawn_is_built_once_and_nothing_else_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_of(monkeypatch, DANGLING)
    assert len(work.builds) == 1
    assert work.compiled == 0
    assert not work.opened
    assert not work.listed
    assert work.imported == []
    assert 1 <= work.lookups <= 10


def test_every_code_together_builds_the_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(work_of(monkeypatch, DANGLING, options=Options(codes=ALL_CODES)).builds) == 1


def test_a_second_check_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (work_of(monkeypatch, DANGLING) for _ in range(2))
    assert (len(first.builds), first.lookups) == (len(second.builds), second.lookups)


@pytest.mark.parametrize("text", [IDLE, "", "A = 1\n", "import asyncio\n", '"""What asyncio is."""\n'])
def test_an_idle_file_is_not_built(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with counted(monkeypatch) as work:
        assert plugin_run(TLC, "case.py", lines_of(text), ast.parse(text)) == []
    assert work.builds == []
    assert work.lookups == 0


def loaded_by(*files: str) -> list[str]:
    """Which of our modules, and of astroid's, a fresh process has loaded after flake8 has run over the files."""
    script = (
        "import sys; from flake8.main.cli import main; main(sys.argv[1:]);"
        "print(*[name for name in sys.modules if name.split('.')[0] in ('astroid', 'flake8_task_lifecycle')])"
    )
    command = [sys.executable, "-c", script, *TLC, "-j1", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()[-1].split()


def test_idle_files_load_nothing_beyond_the_entry_module() -> None:
    Path("idle.py").write_text(IDLE)
    Path("empty.py").touch()
    assert loaded_by("idle.py", "empty.py") == ["flake8_task_lifecycle", "flake8_task_lifecycle.plugin"]


@pytest.mark.parametrize("word", [*source.SPAWN_WORDS, source.KEEPING_WORD, *source.SCOPED_WORDS, "async"])
def test_no_word_that_calls_for_a_rule_is_passed_over_as_idle(word: str) -> None:
    assert any(trigger in word for trigger in TRIGGERS)


def test_a_file_with_a_spawn_loads_both() -> None:
    Path("case.py").write_text(DANGLING)
    loaded = loaded_by("case.py")
    assert {"astroid", "flake8_task_lifecycle.engine"} <= set(loaded)


def test_a_file_with_a_spawn_loads_the_rules_that_run_and_no_others() -> None:
    Path("case.py").write_text(DANGLING)
    rules = {name.rpartition(".")[2].partition("_")[0].upper() for name in loaded_by("case.py") if ".rules." in name}
    assert rules == set(DEFAULT_CODES)


def test_what_is_loaded_is_frozen_and_little_of_it_is_made_of_data_classes() -> None:
    """A data class costs ten times what a tuple with names costs to make, and the collector goes through all of it."""
    Path("case.py").write_text(DANGLING)
    code = (
        "import dataclasses, gc, sys\n"
        "from flake8.main.cli import main\n"
        "made, make = [], dataclasses._process_class\n"
        "dataclasses._process_class = lambda cls, *more: [made.append(cls.__module__), make(cls, *more)][1]\n"
        "main(['--isolated', '--exit-zero', '-j1', 'case.py'])\n"
        "print(sum(name.startswith('flake8_task_lifecycle') for name in made), gc.get_freeze_count() > 10_000)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    made, is_frozen = ran.stdout.split("\n")[-2].split()
    assert int(made) <= 12
    assert is_frozen == "True"


def run_codes(monkeypatch: pytest.MonkeyPatch, options: Options) -> list[str]:
    """The codes whose rules a check calls."""
    called: list[str] = []

    def counting(code: str, check: Any) -> Any:
        def counted(facts: Any) -> Any:
            called.append(code)
            return check(facts)

        return counted

    with monkeypatch.context() as patched:
        for rule in RULES:
            patched.setattr(rule.module, "check", counting(rule.code, rule.module.check))
        engine.check(ast.parse(DANGLING), lines_of(DANGLING), "case.py", options)
    return called


def test_a_rule_that_is_off_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not OPT_IN_CODES & set(run_codes(monkeypatch, Options()))
    assert sorted(run_codes(monkeypatch, Options(codes=ALL_CODES))) == sorted(ALL_CODES)
    for code in ALL_CODES:
        assert run_codes(monkeypatch, Options(codes=frozenset({code}))) == [code]


def test_words_of_an_opt_in_code_alone_cost_nothing_while_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def start(nursery, work):\n    nursery.start_soon(work)\n"
    with counted(monkeypatch) as work:
        plugin_run(TLC, "case.py", lines_of(text), ast.parse(text))
    assert work.builds == []
    with counted(monkeypatch) as work:
        plugin_run([*TLC, "--extend-select=TLC900"], "case.py", lines_of(text), ast.parse(text))
    assert len(work.builds) == 1


SHAPES: dict[str, Callable[[int], str]] = {
    "spawns in one function": lambda count: "import asyncio\nasync def main():\n" + f"    {SPAWN}\n" * count,
    "kept tasks": lambda count: (
        "import asyncio\nclass A:\n"
        + f"    async def m(self):\n        self.t = {SPAWN}\n        await self.t\n" * count
    ),
    "functions": lambda count: "import asyncio\n" + f"async def f():\n    task = {SPAWN}\n    await task\n" * count,
    "locals": lambda count: (
        "import asyncio\nasync def main():\n"
        + "".join(f"    t{one} = {SPAWN}\n    await t{one}\n" for one in range(count))
    ),
    "calls of a wrapper": lambda count: (
        f"import asyncio\ndef go():\n    return {SPAWN}\nasync def main():\n" + "    go()\n" * count
    ),
    "calls of other things": lambda count: f"{DANGLING}def other(a):\n" + "    print(a.b(c=a[1]), x.y.z())\n" * count,
    "names": lambda count: f"{DANGLING}def other(a):\n" + "    a = b + c + a\n" * count,
    "classes": lambda count: f"{DANGLING}" + "".join(
        f"class C{one}:\n    def m(self):\n        self.a = self.n()\n" for one in range(count)
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_look_ups_grow_with_the_file_and_no_faster(monkeypatch: pytest.MonkeyPatch, shape: Any) -> None:
    few, many = (work_of(monkeypatch, shape(count)).lookups for count in (20, 80))
    assert many <= 4 * few + 20, (few, many)


def test_code_that_has_nothing_to_do_with_the_spawn_costs_no_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = work_of(monkeypatch, DANGLING).lookups
    assert work_of(monkeypatch, SHAPES["names"](200)).lookups == alone


def package(tmp_path: Path) -> Path:
    """A package of one module that imports five, each of which defines a wrapper; a sixth is imported by nobody."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for number in range(5):
        text = f"import asyncio\nfrom package import helper{(number + 1) % 5}\ndef go{number}():\n    return {SPAWN}\n"
        (folder / f"helper{number}.py").write_text(text)
    (folder / "stranger.py").write_text(f"import asyncio\ndef go9():\n    return {SPAWN}\n")
    imports = "".join(f"from package.helper{number} import go{number}\n" for number in range(5))
    calls = "".join(f"    await go{number}()\n    await go{number}()\n" for number in range(5))
    (folder / "case.py").write_text(f"{imports}{DANGLING}{calls}")
    return folder


def test_each_module_is_opened_at_most_once_and_only_if_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = package(tmp_path)
    path = folder / "case.py"
    text = path.read_text()
    tree = ast.parse(text)
    with counted(monkeypatch) as work:
        engine.check(tree, lines_of(text), str(path), ONLY_TLC001)
    ours = {Path(name).name: count for name, count in work.opened.items() if tmp_path in Path(name).parents}
    assert set(ours.values()) <= {1}
    assert "stranger.py" not in ours
    assert "case.py" not in ours
    assert len(work.builds) <= 6
    assert len(work.builds) == len(set(work.builds))


def test_nothing_outside_the_project_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").touch()
    path = package(tmp_path) / "case.py"
    text = (
        "import flake8, pytest, json\nfrom concurrent import futures\n"
        + path.read_text()
        + "    json.go(); pytest.go()\n"
    )
    options = Options(codes=ALL_CODES)
    engine.check(ast.parse(text), lines_of(text), str(path), options)
    path.write_text(text)
    with counted(monkeypatch) as work:
        engine.check(ast.parse(text), lines_of(text), str(path), options)
    assert [name for name in work.opened if tmp_path not in Path(name).parents] == []
    assert [name for name in work.listed if Path(name) != tmp_path and tmp_path not in Path(name).parents] == []
    assert work.imported == []


def test_the_file_itself_is_not_read_again_by_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("case.py").write_text(DANGLING)
    with counted(monkeypatch) as ours:
        run([*TLC, "case.py"])
    with counted(monkeypatch) as bare:
        run([*TLC, "case.py"], bare=True)
    assert sum(ours.opened[name] for name in ours.opened if name.endswith("case.py")) == 1
    assert ours.compiled == bare.compiled


LIBRARY = f"""\
import asyncio


def unrelated():
    return [print(one) for one in range(10)]


def go():
    return {SPAWN}


class Keeper:
    def other(self):
        self.count = 1
"""


def test_of_the_imported_modules_only_those_that_a_call_leads_to_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "setup.cfg").touch()
    for name in ("called", "named", "stranger"):
        (tmp_path / f"{name}.py").write_text(LIBRARY)
    path = tmp_path / "case.py"
    text = "from called import go\nfrom named import unrelated as other\nimport stranger\nasync def main():\n    go()\n"
    path.write_text(text)
    with counted(monkeypatch) as work:
        found = plugin_run(TLC, str(path), lines_of(text), ast.parse(text))
    assert [one.partition(" ")[0] for _, _, one, _ in found] == ["TLC001"]
    opened = {Path(name).name for name in work.opened if tmp_path in Path(name).parents}
    assert opened - {"setup.cfg"} == {"called.py"}


def test_of_another_module_only_the_functions_that_are_asked_for_are_built() -> None:
    module = tree.build(ast.parse(LIBRARY), "library", LIBRARY)
    go = next(one for one in module.functions if one.name == "go")
    assert {one.name for one in module.hidden} == {"unrelated", "go", "other"}
    assert [call.as_string() for call in module.calls.get("create_task")] == [SPAWN]
    assert {one.name for one in module.hidden} == {"unrelated", "other"}
    assert [one.as_string() for one in module.returns.get(go)] == [go.body[0].as_string()]
    assert [one.attrname for one in module.attribute_stores.get("count")] == ["count"]
    assert {one.name for one in module.hidden} == {"unrelated"}
    assert module.calls.get("nothing_here") == ()


def test_a_function_is_built_for_a_word_only_where_the_word_stands_as_asked() -> None:
    text = "def a():\n    run = 1\ndef b(x):\n    x.run.stop()\ndef c(x):\n    x.run = 1\ndef d(x):\n    make(run)\n"
    text += "def e():\n    run\\\n    ()\ndef f(x):\n    x[0]()\n"
    shown = {}
    for kind in ("calls", "arguments", "attribute_stores", "attribute_loads"):
        module = tree.build(ast.parse(text), "one", text)
        nodes = getattr(module, kind).get("run")
        shown[kind] = ({one.name for one in module.functions if one not in module.hidden}, len(nodes))
    assert shown == {
        "calls": ({"e"}, 1),
        "arguments": ({"a", "c", "d", "e"}, 1),
        "attribute_stores": ({"c"}, 1),
        "attribute_loads": ({"b", "c"}, 1),
    }
    assert [call.as_string() for call in module.calls.get("")] == ["x[0]()"]


def test_a_tree_with_hidden_bodies_is_the_same_once_all_is_asked_for() -> None:
    text = Path(engine.__file__).read_text(encoding="utf-8") + LIBRARY
    whole = tree.build(ast.parse(text), "one")
    assert not whole.hidden
    _assert_same_in_the_end(tree.build(ast.parse(text), "one", text), whole)
    _assert_same_in_the_end(tree.build_from_text("one", text), whole)


def _assert_same_in_the_end(hidden: tree.Tree, whole: tree.Tree) -> None:
    assert hidden.hidden
    for word, calls in whole.calls.items():
        assert [one.as_string() for one in hidden.calls.get(word)] == [one.as_string() for one in calls]
    assert hidden.module.as_string() == whole.module.as_string()
    assert not hidden.hidden
    assert sorted(hidden.aliases) == sorted(whole.aliases)
    assert {name: len(one.locals) for one in hidden.functions for name in [one.name]} == {
        name: len(one.locals) for one in whole.functions for name in [one.name]
    }


def test_a_body_that_is_parsed_again_stands_where_it_stood() -> None:
    text = "\n\nclass A:\n\t@staticmethod\n\tdef m(x):\n\t\tx.one()\n\n"
    text += "def f():\n    return two() \\\n\n\x0cdef g(): three()\n"
    again, whole = tree.build_from_text("one", text), tree.build(ast.parse(text), "one")
    for word in ("one", "two", "three"):
        (call,), (expected,) = again.calls.get(word), whole.calls.get(word)
        assert (call.lineno, call.col_offset, call.end_lineno, call.end_col_offset) == (
            expected.lineno,
            expected.col_offset,
            expected.end_lineno,
            expected.end_col_offset,
        )
    assert not again.hidden


def test_nothing_that_was_parsed_is_kept_of_another_module() -> None:
    gc.collect()
    before = sum(isinstance(one, ast.AST) for one in gc.get_objects())
    module = tree.build_from_text("library", LIBRARY * 50)
    _ = module.calls.get("create_task")
    gc.collect()
    assert module.hidden
    assert sum(isinstance(one, ast.AST) for one in gc.get_objects()) == before


def test_what_is_known_of_a_file_is_let_go_before_the_collector_is_on_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[weakref.ref[Facts]] = []
    alive: list[bool] = []

    def noted(*given: Any) -> Facts:
        facts = facts_of(*given)
        known.append(weakref.ref(facts))
        return facts

    def enable() -> None:
        gc.collect()
        alive.append(known[0]() is not None)

    monkeypatch.setattr(engine, "facts_of", noted)
    with monkeypatch.context() as patch:
        patch.setattr(gc, "enable", enable)
        engine.check(ast.parse(LIBRARY), lines_of(LIBRARY), "library.py", Options())
    gc.enable()
    assert alive == [False]


def test_a_body_that_cannot_be_built_stays_hidden() -> None:
    deep = f"def deep():\n    return {'-' * 3000}1\n"
    try:
        parsed = ast.parse(deep)
    except (RecursionError, MemoryError):
        pytest.skip("this Python does not parse it either")
    module = tree.build(parsed, "deep", deep)
    for _ in range(2):
        with pytest.raises(RecursionError):
            _ = module.functions[0].body
    assert module.hidden


def tangle(count: int) -> str:
    """Classes whose methods all call the methods of the others, on objects of unknown classes, and one that spawns."""
    others = "".join(
        f"class C{one}:\n    def m{one}(self, other):\n"
        + "".join(f"        other.m{two}(self)\n" for two in range(count))
        + "        other.begin()\n"
        for one in range(count)
    )
    return (
        "import asyncio\nclass A:\n    def begin(self):\n        self._task = asyncio.create_task(self._run())\n"
        "    async def _run(self):\n        while True:\n            await asyncio.sleep(1)\n"
        f"    async def stop(self):\n        self._task.cancel()\n        await asyncio.wait([self._task])\n{others}"
    )


def test_the_search_through_callers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    calls_of = repeats.calls_of

    def counting(facts: Any, function: Any) -> Any:
        asked.append(function.name)
        return calls_of(facts, function)

    monkeypatch.setattr(repeats, "calls_of", counting)
    text = tangle(30)
    found = engine.check(ast.parse(text), lines_of(text), "case.py", Options(codes=frozenset({"TLC005"})))
    assert found == []
    assert 1 < len(asked) <= 10
