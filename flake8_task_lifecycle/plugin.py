"""The only module that knows flake8: its options, the opt-in codes, and findings as flake8's tuples.

Importing it loads neither the engine nor astroid: that happens in ``Plugin.run``, for a file whose text may concern us.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from flake8.exceptions import ExecutionError

from flake8_task_lifecycle import __version__, prefilter, source
from flake8_task_lifecycle.options import (
    DEFAULT_CODES,
    OPT_IN_CODES,
    OptionError,
    Options,
    parse_names,
    parse_version,
)

if TYPE_CHECKING:
    import argparse
    import ast

    from flake8.options.manager import OptionManager

FAMILY = "TLC"


def opted_in(options: argparse.Namespace) -> frozenset[str]:
    """Opt-in codes that flake8's options turn on.

    A code is on when a prefix longer than ``TLC`` matches it in ``select`` or ``extend-select`` or, where there is no
    ``select``, in ``enable-extensions``. flake8's own decision would not do: its default ignores, the usual way to
    keep a code off, vanish as soon as the user sets ``ignore`` and lose against ``select = TLC``.
    """
    chosen = options.extended_default_select if options.select is None else options.select
    prefixes = tuple(prefix for prefix in (*chosen, *(options.extend_select or ())) if len(prefix) > len(FAMILY))
    return frozenset(code for code in OPT_IN_CODES if code.startswith(prefixes))


class Plugin:
    """The checker behind the entry point ``TLC``: one instance a file."""

    name = "flake8-task-lifecycle"
    version = __version__
    options: ClassVar[Options] = Options()

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
        source.new_run()
        try:
            cls.options = Options(
                codes=DEFAULT_CODES | opted_in(options),
                spawners=parse_names("tlc-spawners", options.tlc_spawners),
                keeping_spawners=parse_names("tlc-keeping-spawners", options.tlc_keeping_spawners),
                cancellers=parse_names("tlc-cancellers", options.tlc_cancellers),
                min_python=parse_version("tlc-min-python", options.tlc_min_python),
            )
        except OptionError as error:
            raise ExecutionError(str(error)) from None

    def run(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        """Findings of the file as (line, column, "CODE message", type)."""
        codes = prefilter.codes_for(self.tree, "".join(self.lines), self.filename, self.options)
        if not codes:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from flake8_task_lifecycle import engine

            findings = engine.check(self.tree, self.lines, self.filename, replace(self.options, codes=codes))
        for finding in findings:
            yield finding.span.line, finding.span.column, f"{finding.code} {finding.message}", type(self)


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
