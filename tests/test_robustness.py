"""Hostile and unusual input, through flake8's own main: silence or the right answer, and nobody else disturbed."""

from __future__ import annotations

import ast
import os
import threading
from pathlib import Path

import pytest
from flake8_runs import (
    DANGLING,
    FOUND,
    HEAD,
    SPAWN,
    TLC,
    Row,
    assert_undisturbed,
    at,
    check_file,
    in_function,
    lines_of,
    plugin_run,
    run,
    run_process,
)

from flake8_task_lifecycle import engine
from flake8_task_lifecycle.options import ALL_CODES, Options

EVERYTHING = Options(codes=ALL_CODES)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


LINE_BREAKS_FOR_STR_ONLY = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


ODD_TEXTS: dict[str, tuple[str, list[Row]]] = {
    "plain": (DANGLING, FOUND),
    "no newline at the end": (DANGLING.rstrip("\n"), FOUND),
    "blanks and a comment at the end": (DANGLING.rstrip("\n") + "  \t# a task", FOUND),
    "tabs": (f"{HEAD}\t{SPAWN}\n", at(2)),
    "form feed before a statement": (f"{HEAD}\f    {SPAWN}\n", at(6)),
    "form feed between functions": (f"import asyncio\n\f\n\nasync def main():\n    {SPAWN}\n", FOUND),
    "form feed in a line": (in_function(f"a = 1\f; {SPAWN}"), at(13)),
    "what only str.splitlines breaks at": (
        f'TEXT = """{LINE_BREAKS_FOR_STR_ONLY}"""  # {LINE_BREAKS_FOR_STR_ONLY}\n{DANGLING}',
        at(5, 6),
    ),
    "the same in the line itself": (in_function(f'a = "{LINE_BREAKS_FOR_STR_ONLY}"; {SPAWN}'), at(21)),
    "accents before the call": (in_function(f'a = "éàü"; {SPAWN}'), at(16)),
    "characters beyond the 16-bit plane": (in_function(f'a = "😀😀"; {SPAWN}'), at(15)),
    "combining characters": (in_function(f'a = "e\u0301\u0301"; {SPAWN}'), at(16)),
    "right-to-left text": (in_function(f'a = "שלום\u202e"; {SPAWN}'), at(18)),
    "a name in another script": (in_function(f"変数 = 1; {SPAWN}"), at(13)),
    "a coroutine in another script": (in_function("asyncio.create_task(работа())"), FOUND),
    "a task in another script": (in_function("задача = asyncio.create_task(work())"), at(14)),
    "a name that Python normalises": (in_function(f"ﬁle = 1; {SPAWN}"), at(14)),
    "a surrogate in a literal": (in_function('asyncio.create_task(work(), name="\\ud800")'), FOUND),
    "a surrogate named in a subscript": (
        in_function('{}["\\udcff"] = 1; asyncio.create_task(work()).set_name("\\ud800")'),
        at(23),
    ),
    "a null character escaped": (in_function(f'a = "\\0"; {SPAWN}'), at(15)),
    "a continued line": (in_function("asyncio.\\\n        create_task(\\\n    work())"), FOUND),
    "after a text of several lines": (in_function(f'a = """é\n\nüü"""; {SPAWN}'), at(8, 7)),
    "in a text of several lines": (in_function('f"""é\n{asyncio.create_task(work())}"""'), at(2, 6)),
    "12,000 characters before the call": (in_function(f"a = [{'1, ' * 4_000}]; {SPAWN}"), at(5 + 5 + 3 * 4_000 + 3)),
    "200,000 wide characters before the call": (in_function(f'a = "{"é" * 200_000}"; {SPAWN}'), at(200_013)),
    "200,000 characters in the call": (in_function(f'asyncio.create_task(work("{"é" * 200_000}"))'), FOUND),
    "a name of 100,000 characters": (in_function(f"{'a' * 100_000} = {SPAWN}"), at(100_008)),
    "ellipsis bodies and stubs": (f"def work() -> None: ...\nclass A: ...\n{DANGLING}", at(5, 7)),
    "a statement after a semicolon": (in_function(f"pass; {SPAWN};"), at(11)),
    "one line": (f"import asyncio\nasync def main(): {SPAWN}\n", at(19, 2)),
    "a script": (f"#!/usr/bin/env python3\n{DANGLING}", at(5, 6)),
    "invalid escapes": (in_function(f'a = "\\d\\ "; {SPAWN}'), at(17)),
    "comparison with a literal": (in_function(f"a is 1; {SPAWN}"), at(13)),
}


@pytest.mark.parametrize(("text", "expected"), ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
def test_an_odd_text_gets_the_right_answer(text: str, expected: list[Row]) -> None:
    assert check_file(text) == expected


ODD_BYTES: dict[str, tuple[bytes, list[Row]]] = {
    "byte order mark": (b"\xef\xbb\xbf" + DANGLING.encode(), FOUND),
    "byte order mark on the line itself": (
        b"\xef\xbb\xbfimport asyncio; loop = asyncio.get_event_loop(); loop.create_task(work())\n",
        at(50, 1),
    ),
    "carriage return and line feed": (DANGLING.replace("\n", "\r\n").encode(), FOUND),
    "carriage returns only": (DANGLING.replace("\n", "\r").encode(), FOUND),
    "line ends mixed": (DANGLING.replace("asyncio\n\n\n", "asyncio\r\n\r\n").encode(), at(5, 4)),
    "a text of several lines with carriage returns": (in_function(f'a = """é\r\n\r"""; {SPAWN}').encode(), at(6, 7)),
    "Latin-1": (b"# -*- coding: latin-1 -*-\n" + in_function(f'a = "éé"; {SPAWN}').encode("latin-1"), at(15, 6)),
    "Latin-1 on the second line": (
        b"#!/usr/bin/python\n# vim: set fileencoding=iso-8859-15 :\n"
        + in_function(f'é = "€"; {SPAWN}').encode("iso-8859-15"),
        at(14, 7),
    ),
    "two bytes a character": (
        b"# coding: shift_jis\n" + in_function(f'a = "日本"; {SPAWN}').encode("shift_jis"),
        at(15, 6),
    ),
    "an encoding that does not exist": (b"# coding: klingon\n" + DANGLING.encode(), at(5, 6)),
    "bytes that are not UTF-8": (in_function(f'a = "é"; {SPAWN}').encode("latin-1"), at(14)),
}


@pytest.mark.parametrize(("content", "expected"), ODD_BYTES.values(), ids=ODD_BYTES.keys())
def test_an_odd_encoding_gets_the_right_answer(content: bytes, expected: list[Row]) -> None:
    assert check_file(content) == expected


@pytest.mark.parametrize(
    "content", ["", "\n", "\n\n\n", " ", "\t", "\f", "# create_task", '"""create_task"""', "\ufeff", "\ufeff\n"]
)
def test_a_file_without_code_is_silent(content: str) -> None:
    assert check_file(content) == []


QUIET = '''\
"""Never call asyncio.create_task(work()) without keeping the task; see asyncio.ensure_future(work())."""
# asyncio.create_task(work())
import asyncio


async def main():
    """asyncio.create_task(work())

    >>> asyncio.create_task(work())
    """
    # task = asyncio.create_task(work())
    print("asyncio.create_task(work())", 'loop.create_task', b"asyncio.Task(work())")
    print(f"{1}asyncio.ensure_future(work())")
    "asyncio.create_task(work())"
    await asyncio.sleep(0)  # asyncio.create_task(work())
'''


def test_trigger_words_in_texts_and_comments_are_silent() -> None:
    assert check_file(QUIET) == []
    assert check_file(QUIET + f"    {SPAWN}\n") == at(5, 16)


SYNTAX_ERRORS = {
    "unfinished": f"{DANGLING}    asyncio.create_task(\n",
    "unfinished text": f'{DANGLING}    """create_task\n',
    "no body": "import asyncio\nasync def main():\n",
    "bad indentation": f"{DANGLING}  asyncio.create_task(work())\n",
    "tabs and blanks mixed": f"{HEAD}\tasyncio.create_task(work())\n        asyncio.create_task(work())\n",
    "Python 2": f'{DANGLING}    print "create_task"\n',
    "statement as an expression": f"{DANGLING}    x = import create_task\n",
    "stray bracket": f"{DANGLING}    )\n",
    "stray character": f"{DANGLING}    ¿create_task?\n",
    "stray continuation": f"{DANGLING}    \\ create_task\n",
    "null character": f"{DANGLING}    a = '\0'\n",
    "null character first": "\0" + DANGLING,
    "nothing but null characters": "\0" * 1000,
    "conflict markers": f"{DANGLING}<<<<<<< create_task\n",
    "brackets beyond the parser's limit": f"{DANGLING}    a = {'(' * 300}{')' * 300}\n",
    "functions beyond the parser's limit": DANGLING + "".join(" " * depth + "def f():\n" for depth in range(120)),
    "control characters": f"{DANGLING}    \x01\x02\x7f\n",
}


@pytest.mark.parametrize("text", SYNTAX_ERRORS.values(), ids=SYNTAX_ERRORS.keys())
def test_a_syntax_error_is_left_to_flake8(text: str) -> None:
    Path("case.py").write_bytes(text.encode())
    try:
        bare = run(["--isolated", "--select=TLC,E9", "case.py"], bare=True)
    except SystemError:
        pytest.skip("the tokenizers of Python 3.12 and 3.13 fail on it, and flake8 with them")
    ours = run(["--isolated", "--select=TLC,E9", "case.py"])
    assert_undisturbed(ours, bare)
    assert [code for _, _, code in ours.rows()] in (["E999"], ["E902"])


def test_a_syntax_error_does_not_hide_the_next_file() -> None:
    Path("a.py").write_text("import asyncio\nasyncio.create_task(\n")
    Path("b.py").write_text(DANGLING)
    found = run(["--isolated", "--select=TLC,E9", "-j1", "a.py", "b.py"]).rows()
    assert [(row, code) for row, _, code in found] == [(2, "E999"), (5, "TLC001")]


def test_30000_lines_with_a_spawn_in_every_tenth() -> None:
    method = (
        f"    async def m(self):\n        {SPAWN}\n        self.task = {SPAWN}\n        a = 1\n"
        + "        a += 1\n" * 6
    )
    text = "import asyncio\n\n\nclass A:\n" + method * 3000
    lines = lines_of(text)
    assert len(lines) == 30_004
    tree = ast.parse(text)
    found = [(line, column, message[:6]) for line, column, message, _ in plugin_run(TLC, "case.py", lines, tree)]
    assert found == [(6 + 10 * number, 8, "TLC001") for number in range(3000)]


def test_30000_lines_with_one_spawn_at_the_end() -> None:
    text = "import asyncio\n" + "a = 1\n" * 29_997 + f"async def main():\n    {SPAWN}\n"
    assert check_file(text) == at(5, 30_000)


# fmt: off
DISPLAY_NAMES = [
    "no/such/file.py", "/no/such/file.py", "../outside.py", "case", "case.txt", "cells.ipynb",
    "no/such/cells.ipynb", "名前.py", "a|b.py", "~/case.py", "C:\\case.py", "taken.py",
    "taken.py/case.py", "taken.py/__init__.py", "-.py", ".py", "..", "%s.py", "{}.py",
]
# fmt: on
DISPLAY_NAMES += ["a b.py", "a\tb.py", "a" * 300 + ".py", "a/" * 3000 + "case.py"]


@pytest.mark.parametrize("name", DISPLAY_NAMES)
def test_standard_input_under_any_display_name(name: str) -> None:
    Path("taken.py").mkdir()
    argv = [*TLC, "--format=%(row)d:%(col)d:%(code)s", "--exclude=", f"--stdin-display-name={name}", "-"]
    ours = run(argv, DANGLING.encode())
    assert (ours.out, ours.err, ours.code) == ("5:5:TLC001\n", "", 1)


def test_the_text_is_what_flake8_hands_over_and_never_the_disk() -> None:
    Path("case.py").write_text("A = 1\n")
    assert run([*TLC, "--stdin-display-name", "case.py", "-"], DANGLING.encode()).rows() == FOUND
    Path("case.py").write_text(DANGLING)
    assert run([*TLC, "--stdin-display-name", "case.py", "-"], b"A = 1\n").out == ""


def test_a_folder_named_like_a_module() -> None:
    Path("case.py").mkdir()
    Path("case.py/inner.py").write_text(DANGLING)
    assert run([*TLC, "case.py"]).rows() == FOUND
    assert run([*TLC, "."]).rows() == FOUND


def test_notebook_cells_joined() -> None:
    cells = ["import asyncio\n\n\nasync def work():\n    pass\n", f"{SPAWN}\n", f"task = {SPAWN}\nawait task\n"]
    ours = run([*TLC, "--stdin-display-name", "cells.ipynb", "-"], "\n\n".join(cells).encode())
    assert (ours.rows(), ours.err) == (at(1, 8), "")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-",
        "stdin",
        "\0.py",
        "a\0b/c.py",
        "x" * 5000,
        "\udcff.py",
        "\ud800/\udcff.py",
        ".",
        "/",
        "//",
        "\n.py",
        "<unknown>",
    ],
)
def test_the_engine_takes_any_name(name: str) -> None:
    [finding] = engine.check(ast.parse(DANGLING), lines_of(DANGLING), name, Options())
    assert (finding.code, finding.span.line, finding.span.column) == ("TLC001", 5, 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_the_file_of_the_display_name_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "case.py"
    os.mkfifo(pipe)
    found: list[object] = []
    thread = threading.Thread(
        target=lambda: found.extend(engine.check(ast.parse(DANGLING), lines_of(DANGLING), str(pipe), EVERYTHING)),
        daemon=True,
    )
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "blocked on the pipe"
    assert found


@pytest.mark.parametrize("lines", [[], ["\n"], DANGLING.splitlines(), lines_of(DANGLING)[:3]])
def test_lines_that_do_not_belong_to_the_tree(lines: list[str]) -> None:
    found = engine.check(ast.parse(DANGLING), lines, "case.py", Options())
    assert {(one.span.line, one.span.column) for one in found} <= {(5, 4)}


def test_messages_can_be_printed_anywhere() -> None:
    statements = [
        'self.d["\\ud800"] = asyncio.create_task(work("\\udcff"), name="\\ud800")',
        'setattr(self, "\\ud800", asyncio.create_task(work()))',
        'asyncio.create_task(getattr(self, "\\ud800")())',
        'asyncio.create_task(self.d["\\ud800\\n\\r\\x1b[31m"]())',
        "asyncio.create_task(work(\n        1,\n    ))",
        "x = asyncio.create_task(\n        work)",
        "loop.call_soon(lambda: asyncio.create_task(work('\\ud800\\n')))",
    ]
    for statement in statements:
        text = in_function(statement)
        found = engine.check(ast.parse(text), lines_of(text), "case.py", EVERYTHING)
        assert found, statement
        for finding in found:
            for written in (finding.message, finding.subject, finding.qualname):
                assert written.isprintable(), written
                written.encode()
            assert not finding.message.endswith(".")
            assert len(finding.message) < 300


def a_package_of_wrecks(folder: Path) -> None:
    """A package whose other modules cannot be read: each in another way."""
    folder.mkdir()
    (folder / "__init__.py").write_text("from .broken import *\n")
    (folder / "broken.py").write_text("def create(:\n")
    (folder / "binary.py").write_bytes(bytes(range(256)))
    (folder / "empty.py").write_bytes(b"")
    (folder / "nulls.py").write_bytes(b"\0" * 100)
    (folder / "folder.py").mkdir()
    (folder / "turn.py").symlink_to("turn.py")
    (folder / "gone.py").symlink_to("no-such-file.py")
    (folder / "circular.py").write_text("from .case import main\nfrom . import case\n")
    (folder / "deep.py").write_text("x = a" + ".b()" * 3000 + "\n")


def test_a_package_whose_other_modules_cannot_be_read() -> None:
    a_package_of_wrecks(Path("package"))
    names = ["broken", "binary", "empty", "nulls", "folder", "turn", "gone", "circular", "deep", "absent"]
    imports = "".join(f"from .{name} import *\nfrom package.{name} import go_{name}\n" for name in names)
    calls = "".join(f"    go_{name}()\n" for name in names)
    text = f"{imports}{DANGLING}{calls}"
    Path("package/case.py").write_text(text)
    ours = run([*TLC, "package/case.py"])
    assert_undisturbed(ours, run([*TLC, "package/case.py"], bare=True))
    assert ours.rows() == at(5, text.splitlines().index(f"    {SPAWN}") + 1)


def test_fresh_processes_write_nothing_but_findings(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(DANGLING)
    (tmp_path / "b.py").write_text("import asyncio\nasyncio.create_task(\n")
    (tmp_path / "c.py").write_bytes(b"\xef\xbb\xbf" + in_function(f'a = "é"; {SPAWN}').replace("\n", "\r\n").encode())
    done = run_process(["--isolated", "--select=TLC,E9", "-j2", "a.py", "b.py", "c.py"], tmp_path)
    assert (done.err, done.code) == ("", 1)
    assert [(row, code) for row, _, code in done.rows()] == [(5, "TLC001"), (2, "E999"), (5, "TLC001")]


@pytest.mark.parametrize(
    "python",
    [["-X", "dev"], ["-W", "error"], ["-I"], ["-O"], ["-OO"], ["-b"], ["-X", "warn_default_encoding"]],
    ids=" ".join,
)
def test_python_run_strictly_writes_nothing_but_findings(tmp_path: Path, python: list[str]) -> None:
    (tmp_path / "a.py").write_text(DANGLING)
    done = run_process([*TLC, "a.py"], tmp_path, python=python)
    assert (done.err, done.rows()) == ("", FOUND)


def test_standard_input_in_a_fresh_process(tmp_path: Path) -> None:
    done = run_process([*TLC, "--stdin-display-name", "no/such/name.py", "-"], tmp_path, DANGLING.encode())
    assert done.out.startswith("no/such/name.py:5:5: TLC001 ")
    assert done.err == ""
