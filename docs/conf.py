"""How Sphinx builds the documentation."""

from flake8_task_lifecycle import __version__

project = "flake8-task-lifecycle"
author = copyright = "the flake8-task-lifecycle contributors"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"flake8-task-lifecycle {__version__}"
