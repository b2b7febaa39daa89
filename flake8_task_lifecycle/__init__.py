"""flake8-task-lifecycle: who owns an asyncio task, and what ends it.

The rooms, from the ground up; a room knows only those before it:

model, options   plain data: spans, findings, task sites; what the user asked for, checked once
source           text and names of a file, and the text prefilter
names, tree      qualified names of expressions; the one door to astroid
project, outline first-party modules, and what their text shows without a tree
prefilter        whether a file is worth a tree at all
flow, facts      paths through a function; spawns, owners, releases: the nouns
rules            one file a code: a few questions to the facts and a message
engine           source to facts to rules to sorted findings
plugin           the only room that knows flake8
audit            every task site with the evidence for its verdict, in six forms
__main__         the command task-lifecycle: the audit, and what the codes mean, in the terminal
"""

__version__ = "0.1.0"
