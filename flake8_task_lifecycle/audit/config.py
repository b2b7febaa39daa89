"""flake8's configuration as flake8 reads it: options, excludes, and what noqa and per-file-ignores hide.

The only module of the audit that knows flake8. Of flake8's plugins only ours is loaded: neither the project's local
plugins nor those of others run.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import difflib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import flake8
from flake8 import utils
from flake8.exceptions import ExecutionError
from flake8.formatting.base import BaseFormatter
from flake8.main.options import register_default_options, stage1_arg_parser
from flake8.options.aggregator import aggregate_options
from flake8.options.config import load_config
from flake8.options.manager import OptionManager
from flake8.plugins import finder
from flake8.processor import FileProcessor
from flake8.style_guide import Decision, StyleGuideManager
from flake8.violation import Violation

from flake8_task_lifecycle.audit.errors import AuditError
from flake8_task_lifecycle.audit.files import shown
from flake8_task_lifecycle.options import ALL_CODES, Options

PACKAGE = "flake8-task-lifecycle"
LISTING_CODE = "TLC900"
NEAR = 0.6

_CONFIG_FILES = ("setup.cfg", "tox.ini", ".flake8")  # in flake8's order
_log = logging.getLogger("flake8.task_lifecycle")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says about flake8's options, in a shape that every process can be given.

    ``select`` and ``ignore`` replace those of the configuration, as on flake8's command line (None leaves them);
    ``exclude`` are patterns besides the configured ones; ``config`` is the one file to read; ``isolated`` reads none.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    config: str | None = None
    isolated: bool = False


class Text:
    """One file as flake8 reads it: its lines, and what its comments and the configuration hide in it."""

    def __init__(self, path: str, options: argparse.Namespace, guides: StyleGuideManager) -> None:
        """Read the file. Raises OSError when it cannot be read."""
        self._path = path
        self._processor = FileProcessor(path, options)
        self._guide = guides.style_guide_for(path)
        self._disable_noqa = options.disable_noqa
        self._is_ignored = self._processor.should_ignore_file()
        self.lines: list[str] = self._processor.lines
        # flake8 reads every token of a file to know which lines a comment belongs to.
        self._has_noqa = any("noqa" in line.lower() for line in self.lines)

    def hidden_by(self, code: str, line: int) -> str:
        """What hides a finding of a code in force at a line: ``per-file-ignores``, ``noqa``, or "" for nothing."""
        if self._guide.should_report_error(code) is not Decision.Selected:
            return "per-file-ignores"
        if self._is_ignored:
            return "noqa"
        if not self._has_noqa:
            return ""
        place = Violation(code, self._path, line, 1, "", self._processor.noqa_line_for(line))
        return "noqa" if place.is_inline_ignored(self._disable_noqa) else ""


class Configuration:
    """The configuration in force.

    ``options`` are those of the engine, ``in_force`` the codes whose findings are reported, ``warnings`` lines for
    the user, ``source`` the file that was read ("" for none).
    """

    def __init__(
        self, given: argparse.Namespace, options: Options, exclude: Sequence[str], source: str, warnings: Sequence[str]
    ) -> None:
        """Take what ``load`` found. Raises ExecutionError of flake8 for malformed per-file-ignores."""
        self._given = given
        self._guides = StyleGuideManager(given, BaseFormatter(given))
        self._exclude = (*given.exclude, *given.extend_exclude, *utils.normalize_paths([*exclude]))
        decide = self._guides.default_style_guide.should_report_error
        reported = (code for code in options.codes if code != LISTING_CODE)
        self.options = options
        self.in_force = frozenset(code for code in reported if decide(code) is Decision.Selected)
        self.source = source
        self.warnings = (*warnings, *self._emptiness())

    def _emptiness(self) -> Iterator[str]:
        if not self.in_force:
            yield "flake8's options select no code of this plugin, so no finding can be reported: --select=TLC does"

    def excludes(self, path: str) -> bool:
        """Whether a file or folder is left out."""
        return utils.matches_filename(path, self._exclude, '"%(path)s" has %(whether)sbeen excluded', _log)

    def wants(self, path: str) -> bool:
        """Whether a file found in a folder is looked at, by flake8's option ``filename``."""
        return utils.fnmatch(path, self._given.filename)

    def read(self, path: str) -> Text:
        """A file decoded as flake8 decodes it. Raises OSError when it cannot be read."""
        return Text(path, self._given, self._guides)

    def shown(self) -> dict[str, str]:
        """The options in force, as text, by the name that they have in flake8's configuration."""
        given = self._given
        return {
            "config": self.source,
            "codes": _listed(sorted(self.in_force)),
            "select": _listed(given.select),
            "extend-select": _listed(given.extend_select),
            "ignore": _listed(given.ignore),
            "extend-ignore": _listed(given.extend_ignore),
            "per-file-ignores": " ".join(given.per_file_ignores.split()),
            "exclude": _listed([_relative(pattern) for pattern in self._exclude]),
            "filename": _listed([_relative(pattern) for pattern in given.filename]),
            "disable-noqa": "yes" if given.disable_noqa else "no",
            "tlc-spawners": _listed(sorted(self.options.spawners)),
            "tlc-keeping-spawners": _listed(sorted(self.options.keeping_spawners)),
            "tlc-cancellers": _listed(sorted(self.options.cancellers)),
            "tlc-min-python": ".".join(map(str, self.options.min_python or ())),
        }


def load(settings: Settings) -> Configuration:
    """The configuration for the current directory, found and read as flake8 does.

    Raises AuditError when a file or an option in it is malformed, or when flake8 does not know this plugin.
    """
    try:
        return _load(settings)
    except configparser.Error as error:
        raise AuditError(_one_line(f"flake8's configuration cannot be read: {error}")) from None
    except (ExecutionError, ValueError, OSError) as error:
        raise AuditError(_one_line(f"flake8's configuration: {error}")) from None


def _load(settings: Settings) -> Configuration:
    parsed, folder = load_config(settings.config, [], isolated=settings.isolated)
    enabled = finder.parse_plugin_options(parsed, folder, enable_extensions=None, require_plugins="")
    wanted = finder.PluginOptions((), enabled.enable_extensions, frozenset())
    found = [one for one in finder.find_plugins(configparser.RawConfigParser(), wanted) if one.package == PACKAGE]
    plugins = finder.load_plugins(found, wanted)
    checkers = {loaded.entry_name: loaded.obj for loaded in plugins.checkers.tree}
    if "TLC" not in checkers:
        raise AuditError(f"flake8 does not know this plugin: install {PACKAGE} into the environment that runs it")
    manager = OptionManager(
        version=flake8.__version__, plugin_versions="", parents=[stage1_arg_parser()], formatter_names=[]
    )
    register_default_options(manager)
    manager.register_plugins(plugins)
    given = _aggregated(manager, parsed, folder, settings)
    checkers["TLC"].parse_options(given)
    source = _source(settings, folder)
    return Configuration(
        given, checkers["TLC"].asked_for(), settings.exclude, source, [*_misspelt(manager, parsed, source)]
    )


def _aggregated(
    manager: OptionManager, parsed: configparser.RawConfigParser, folder: str, settings: Settings
) -> argparse.Namespace:
    arguments = [
        f"--{name}={','.join(codes)}"
        for name, codes in (("select", settings.select), ("ignore", settings.ignore))
        if codes is not None
    ]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return aggregate_options(manager, parsed, folder, arguments)
    except SystemExit:
        last = said.getvalue().strip().rpartition("\n")[2]
        raise AuditError(_one_line(f"flake8's configuration: {last.removeprefix('flake8: error: ')}")) from None


def _source(settings: Settings, folder: str) -> str:
    """The file that was read, relative to the current directory where it lies in it; "" for none."""
    if settings.isolated:
        return ""
    if settings.config is not None:
        return shown(settings.config)
    for name in _CONFIG_FILES:
        parser = configparser.RawConfigParser()
        path = Path(folder, name)
        with contextlib.suppress(configparser.ParsingError, UnicodeDecodeError):
            parser.read(path, encoding="utf-8")
            if "flake8" in parser or "flake8:local-plugins" in parser:
                return _relative(str(path))
    return ""


def _misspelt(manager: OptionManager, parsed: configparser.RawConfigParser, source: str) -> Iterator[str]:
    known = sorted(name for name in manager.config_options_dict if name.startswith("tlc-"))
    for name in parsed.options("flake8") if parsed.has_section("flake8") else ():
        spelt = name.replace("_", "-")
        if spelt.startswith("tlc") and spelt not in known:
            near = difflib.get_close_matches(spelt, known, 1, NEAR)
            hint = f": did you mean {near[0]}?" if near else f": there are {', '.join(known)}"
            yield _one_line(f"{source}: there is no option {name!r}{hint}")


def _relative(path: str) -> str:
    """A path below the current directory relative to it, with forward slashes; any other text as it shows."""
    with contextlib.suppress(ValueError):
        if Path(path).is_absolute():
            return shown(str(Path(path).relative_to(Path.cwd())))
    return shown(path)


def _listed(values: Sequence[str] | None) -> str:
    return ", ".join(values or ())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def check_codes(option: str, codes: Sequence[str] | None) -> tuple[str, ...] | None:
    """Codes given to ``--select`` or ``--ignore``.

    Raises AuditError for one of ours that does not exist: it would silently select nothing.
    """
    for code in codes or ():
        if code.startswith("TLC") and not any(known.startswith(code) for known in ALL_CODES):
            raise AuditError(f"{option}: there is no code {code!r}: 'task-lifecycle rules' lists what there is")
    return None if codes is None else tuple(codes)
