"""Text of unknown origin made harmless: names, paths and lines of source may hold anything."""

from __future__ import annotations

import re
import unicodedata

# Control and format characters (escapes of a terminal, line ends, marks that turn the direction of writing), lone
# surrogates, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SPELT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN = re.compile(r"[ -~]*")


def visible(text: str) -> str:
    r"""The text on one line, with every character that does not show itself spelt as Python would: ``\x1b``, ``\n``."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_SPELT.get(one) or _spelt(one) for one in text)


def _spelt(one: str) -> str:
    if unicodedata.category(one) not in _INVISIBLE:
        return one
    number = ord(one)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
