"""Writes the pages of the rules, in ``docs/rules``, anew: ``make docs`` runs it."""

from pathlib import Path

from flake8_task_lifecycle.rules import pages

FOLDER = Path(__file__).parent / "rules"


def main() -> None:
    """Replace what is there: a page whose rule is gone goes too."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.md"):
        path.unlink()
    for name, text in pages.files():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
