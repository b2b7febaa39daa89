"""Runs one block of a case in this interpreter: ``run_block.py SCRIPT MARKDOWN``.

The script is padded so that its line numbers are those of the Markdown file. A block that awaits at top level
is run as one coroutine on a fresh event loop; any other block is run as a plain module.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from pathlib import Path


def main(script: str, markdown: str) -> None:
    """Executes the script; an exception ends the interpreter with its traceback."""
    text = Path(script).read_text(encoding="utf-8")
    code = compile(text, markdown, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    namespace = {"__name__": "__main__", "__builtins__": __builtins__}
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, namespace))
    else:
        exec(code, namespace)


if __name__ == "__main__":
    main(*sys.argv[1:])
