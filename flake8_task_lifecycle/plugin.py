"""The only module that knows flake8: its options, the opt-in codes, and findings as flake8's tuples.

Importing it loads nothing else of this package: that happens in ``Plugin.run``, for a file whose text may concern us.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from flake8.exceptions import ExecutionError

from flake8_task_lifecycle import __version__

if TYPE_CHECKING:
    import argparse
    import ast

    from flake8.options.manager import OptionManager

    from flake8_task_lifecycle.options import Options

FAMILY = "TLC"
TRIGGERS = (
    "async",
    "create_task",
    "ensure_future",
    "run_coroutine_threadsafe",
    "create_background_task",
    "start_soon",
    "open_nursery",
    "aiojobs",
)
"""A text without any of these words, or of those that the user's options name, concerns nobody."""


def opted_in(options: argparse.Namespace) -> frozenset[str]:
    """Opt-in codes that flake8's options turn on.

    A code is on when a prefix longer than ``TLC`` matches it in ``select`` or ``extend-select`` or, where there is no
    ``select``, in ``enable-extensions``. flake8's own decision would not do: its default ignores, the usual way to
    keep a code off, vanish as soon as the user sets ``ignore`` and lose against ``select = TLC``.
    """
    chosen = options.extended_default_select if options.select is None else options.select
    prefixes = tuple(prefix for prefix in (*chosen, *(options.extend_select or ())) if len(prefix) > len(FAMILY))
    from flake8_task_lifecycle.options import OPT_IN_CODES

    return frozenset(code for code in OPT_IN_CODES if code.startswith(prefixes))


class Plugin:
    """The checker behind the entry point ``TLC``: one instance a file."""

    name = "flake8-task-lifecycle"
    version = __version__
    _given: ClassVar[argparse.Namespace | None] = None
    _options: ClassVar[Options | None] = None

    def __init__(self, tree: ast.Module, lines: Sequence[str], filename: str) -> None:
        """Take what flake8 knows of a file: its tree, its text, and the name it is displayed under."""
        self.tree = tree
        self.lines = lines
        self.filename = filename

    @staticmethod
    def add_options(manager: OptionManager) -> None:
        """Declare our options to flake8."""
        manager.add_option(
            "--tlc-spawners",
            metavar="names",
            default="",
            parse_from_config=True,
            comma_separated_list=True,
            help="Functions that return a task they spawned, as package.module.function or *.method: "
            "a dropped call of one is a dangling task.",
        )
        manager.add_option(
            "--tlc-keeping-spawners",
            metavar="names",
            default="",
            parse_from_config=True,
            comma_separated_list=True,
            help="Functions that spawn a task and keep it themselves: their callers may drop what they return.",
        )
        manager.add_option(
            "--tlc-cancellers",
            metavar="names",
            default="",
            parse_from_config=True,
            comma_separated_list=True,
            help="Functions that release the tasks they are given, as package.module.function or *.method: "
            "they cancel them or see them to their end.",
        )
        manager.add_option(
            "--tlc-min-python",
            metavar="version",
            default="",
            parse_from_config=True,
            help="The lowest Python version that the code must run on, such as 3.9, where requires-python of the "
            "nearest pyproject.toml does not say it.",
        )

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        """Keep what the user asked for on the class, where every instance and every forked worker finds it.

        Raises ExecutionError, which flake8 prints in one line, for a malformed option.
        """
        cls._given, cls._options = options, None
        if options.tlc_spawners or options.tlc_keeping_spawners or options.tlc_cancellers or options.tlc_min_python:
            cls.asked_for()

    @classmethod
    def asked_for(cls) -> Options:
        """What the user asked for, checked when a run first needs it; what flake8 was not asked for is left out.

        Raises ExecutionError for a malformed option.
        """
        if cls._options is None:
            from flake8_task_lifecycle import source

            source.new_run()
            cls._options = _checked(cls._given)
        return cls._options

    def run(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        """Findings of the file as (line, column, "CODE message", type)."""
        text = "".join(self.lines)
        if self._is_idle(text):
            return
        from flake8_task_lifecycle import prefilter

        options = self.asked_for()
        codes = prefilter.codes_for(self.tree, text, self.filename, options)
        if not codes:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _load_engine()
            from flake8_task_lifecycle import engine

            findings = engine.check(self.tree, self.lines, self.filename, replace(options, codes=codes))
        for finding in findings:
            yield finding.span.line, finding.span.column, f"{finding.code} {finding.message}", type(self)

    @classmethod
    def _is_idle(cls, text: str) -> bool:
        if any(word in text for word in TRIGGERS):
            return False
        named = cls._options.spawners | cls._options.keeping_spawners if cls._options is not None else ()
        return not any(name.rpartition(".")[2] in text for name in named)


@cache
def _load_engine() -> None:
    """Loads astroid and the engine for good: the garbage collector goes through them neither now nor at the end.

    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        import flake8_task_lifecycle.engine  # noqa: F401
    finally:
        if was_collecting:
            gc.enable()
    gc.freeze()


def _checked(given: argparse.Namespace | None) -> Options:
    from flake8_task_lifecycle.options import DEFAULT_CODES, OptionError, Options, parse_names, parse_version

    if given is None:
        return Options()
    try:
        return Options(
            codes=DEFAULT_CODES | opted_in(given),
            spawners=parse_names("tlc-spawners", given.tlc_spawners),
            keeping_spawners=parse_names("tlc-keeping-spawners", given.tlc_keeping_spawners),
            cancellers=parse_names("tlc-cancellers", given.tlc_cancellers),
            min_python=parse_version("tlc-min-python", given.tlc_min_python),
        )
    except OptionError as error:
        raise ExecutionError(str(error)) from None


class OptIn:
    """What stands behind the entry point of an opt-in code: it reports nothing.

    ``enable-extensions = TLC900`` makes flake8 load it and put its name among the codes selected by default, where
    ``opted_in`` finds it.
    """

    name = Plugin.name
    version = __version__
    off_by_default = True

    def __init__(self, tree: ast.Module) -> None:
        """Take the tree, as flake8 asks of a checker of files."""

    def run(self) -> Iterator[tuple[int, int, str, type[OptIn]]]:
        """No findings: ``Plugin`` reports them."""
        return iter(())
