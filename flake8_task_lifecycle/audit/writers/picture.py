"""The picture of an audit: modules, the owners in them, and the owners' tasks, laid out for a page of a given width.

Few sites are drawn as rows: the owner, its tasks by name, and what ends each. Hundreds are drawn as marks, those of one
owner side by side, in a box a module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from flake8_task_lifecycle.audit.report import OwnerKind, Site, Verdict
from flake8_task_lifecycle.audit.writers import words
from flake8_task_lifecycle.audit.writers.inert import visible

MOST_ROWS = 40
"""With more sites than this, tasks are marks without names."""

GAP = 16.0
PADDING = 14.0
HEADER = 34.0
ROW = 38.0
PILL, OWNER = 26.0, 34.0
PITCH = 20.0
_LETTER = 6.7  # the width of a letter at the size of labels, generously
_NARROWEST_MARKS, _NARROWEST_ROWS = 234.0, 504.0
_ENDS_FROM = 500.0  # a box at least this wide has room for what ends a task
_SHOWN_STEPS = ("cancel", "await", "close", "scope")


@dataclass(frozen=True, slots=True)
class Label:
    """A text at its baseline; ``full`` is what was cut, and shown on demand."""

    x: float
    y: float
    text: str
    full: str


@dataclass(frozen=True, slots=True)
class Task:
    """A site in the picture: its number in the report, the centre of its mark, and in a row its name and its end."""

    number: int
    verdict: Verdict
    x: float
    y: float
    title: str
    width: float = 0.0
    name: Label | None = None
    end: Label | None = None
    line: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """An owner and its tasks: an outline around their marks, or beside them a frame with its label."""

    title: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    tasks: tuple[Task, ...]
    label: Label | None = None
    note: Label | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A module."""

    name: Label
    count: Label
    x: float
    y: float
    width: float
    height: float
    groups: tuple[Group, ...] = field(default=())
    at_risk: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything at its place."""

    name: str
    width: float
    height: float
    dense: bool
    boxes: tuple[Box, ...]


def draw(sites: Sequence[Site], width: float, name: str, most_rows: int = MOST_ROWS) -> Picture:
    """The picture of some sites, in as many columns of boxes as the width has room for."""
    numbered = sorted(enumerate(sites, 1), key=lambda one: (one[1].file, one[0]))
    modules = [(file, list(group)) for file, group in groupby(numbered, key=lambda one: one[1].file)]
    dense = len(sites) > most_rows
    columns = _columns(len(modules), width, dense=dense, few=len(sites) <= most_rows // 4)
    box_width = (width - GAP * (columns - 1)) / columns
    heights = [0.0] * columns
    boxes = []
    for file, members in modules:
        box = _box(file, members, box_width, dense=dense)
        column = heights.index(min(heights))
        boxes.append(_moved(box, column * (box_width + GAP), heights[column]))
        heights[column] += box.height + GAP
    return Picture(name, width, max(max(heights) - GAP, 0.0), dense, tuple(boxes))


def _columns(modules: int, width: float, *, dense: bool, few: bool) -> int:
    narrowest = _NARROWEST_MARKS if dense else _NARROWEST_ROWS
    fitting = 1 if few and not dense else int((width + GAP) // (narrowest + GAP))
    return max(1, min(fitting, modules))


def _box(file: str, members: list[tuple[int, Site]], width: float, *, dense: bool) -> Box:
    owners: dict[tuple[OwnerKind, str, str], list[tuple[int, Site]]] = {}
    for number, site in members:
        owners.setdefault((site.owner.kind, site.owner.name, site.owner.instance), []).append((number, site))
    groups, height = (_marks if dense else _rows)(list(owners.values()), width)
    count = str(len(members))
    room = width - 2 * PADDING - _LETTER * (len(count) + 2)
    return Box(
        name=_label(PADDING, 22, file, room, keep_end=True),
        count=Label(width - PADDING, 22, count, words.number(len(members), "task site")),
        x=0,
        y=0,
        width=width,
        height=HEADER + height + PADDING - 4,
        groups=groups,
        at_risk=any(site.verdict is Verdict.AT_RISK for _, site in members),
    )


def _rows(owners: list[list[tuple[int, Site]]], width: float) -> tuple[tuple[Group, ...], float]:
    """A row a task; the owner stands beside the first of its rows."""
    inner = width - 2 * PADDING
    has_ends = width >= _ENDS_FROM
    owner_width = inner * (0.27 if has_ends else 0.36)
    task_x = PADDING + owner_width + (36 if has_ends else 24)
    task_width = inner * (0.34 if has_ends else 0.64) - (10 if has_ends else 24)
    end_x = task_x + task_width + 26
    groups, y = [], HEADER
    for members in owners:
        middle = y + ROW * len(members) / 2
        tasks = []
        for place, (number, site) in enumerate(members):
            at = y + ROW * (place + 0.5)
            start, bend = PADDING + owner_width, (task_x - PADDING - owner_width) / 2
            room = task_width - 34
            tasks.append(
                Task(
                    number,
                    site.verdict,
                    task_x + 13,
                    at,
                    describe(site),
                    task_width,
                    _label(task_x + 26, at + 4, _name(site), room, keep_end=bool(site.coroutine)),
                    _label(end_x, at + 4, _end(site), width - PADDING - end_x) if has_ends else None,
                    f"M{start:g} {middle:g}C{start + bend:g} {middle:g} {task_x - bend:g} {at:g} {task_x:g} {at:g}",
                )
            )
        site = members[0][1]
        name = site.owner.name or words.owner_kind(site.owner)
        note = site.owner.instance or (words.owner_kind(site.owner) if site.owner.name else "")
        label = _label(
            PADDING + 10, middle + (-2 if note else 4), name, owner_width - 20, keep_end=bool(site.owner.name)
        )
        below = _label(PADDING + 10, middle + 12, note, owner_width - 20, keep_end=True) if note else None
        height = OWNER if note else PILL
        kind = site.owner.kind.value
        groups.append(
            Group(_owner(site), kind, PADDING, middle - height / 2, owner_width, height, tuple(tasks), label, below)
        )
        y += ROW * len(members)
    return tuple(groups), y - HEADER


def _marks(owners: list[list[tuple[int, Site]]], width: float) -> tuple[tuple[Group, ...], float]:
    """Marks side by side, wrapped as words are; those of one owner stay together."""
    inner = width - 2 * PADDING
    in_a_row = max(int(inner // PITCH), 1)
    groups = []
    x, y, tallest = 0.0, 0.0, 0.0
    for members in owners:
        across = min(len(members), in_a_row)
        group_width, group_height = across * PITCH, -(-len(members) // in_a_row) * PITCH
        if x and x + group_width > inner:
            x, y, tallest = 0.0, y + tallest + 4, 0.0
        left, top = PADDING + x, HEADER + y
        tasks = tuple(
            Task(
                number,
                site.verdict,
                left + (place % in_a_row + 0.5) * PITCH,
                top + (place // in_a_row + 0.5) * PITCH,
                describe(site),
            )
            for place, (number, site) in enumerate(members)
        )
        owner = members[0][1]
        title, kind, named = _owner(owner), owner.owner.kind.value, bool(owner.owner.name)
        groups.append(Group(title, kind, left, top, group_width, group_height, tasks, named=named))
        x += group_width + 4
        tallest = max(tallest, group_height)
    return tuple(groups), y + tallest


def describe(site: Site) -> str:
    """A site in one line, for the pointer and for screen readers."""
    codes = f" ({', '.join(site.codes)})" if site.codes else ""
    return f"{_name(site)}, {words.VERDICTS[site.verdict]}{codes}; {_owner(site)}; {site.file}:{site.line}"


def _name(site: Site) -> str:
    return site.coroutine or site.expression


def _owner(site: Site) -> str:
    kind = words.owner_kind(site.owner)
    return f"owner: {kind} {site.owner.name}" if site.owner.name else f"owner: {kind}"


def _end(site: Site) -> str:
    """What ends a task, in the fewest words: the steps, and the place that they are reached from."""
    steps = list(dict.fromkeys(proof.what for proof in site.shutdown if proof.what in _SHOWN_STEPS))
    if not steps:
        return {Verdict.AT_RISK: "nothing ends it", Verdict.UNRESOLVED: "unknown"}.get(site.verdict, "")
    callers = [proof for proof in site.shutdown if proof.what == "caller"]
    reached = f" ← {callers[-1].file.rpartition('/')[2]}:{callers[-1].line}" if callers else ""
    return " + ".join(steps) + reached


def _label(x: float, y: float, text: str, room: float, *, keep_end: bool = False) -> Label:
    full = visible(text)
    most = max(int(room // _LETTER), 3)
    if len(full) <= most:
        return Label(x, y, full, full)
    return Label(x, y, f"…{full[1 - most :]}" if keep_end else f"{full[: most - 1]}…", full)


def _moved(box: Box, x: float, y: float) -> Box:
    return replace(box, x=x, y=y)
