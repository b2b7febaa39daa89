"""Programs made of the grammar's words: their source text, and the exemptions that the contract grants them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from parts import AFTER, BODIES, CAUGHT, PLACEMENTS, RELEASES, SPAWNERS, STEPS, WORKERS, Release, Tags

NO_HANDLER = "none"
SITES = (NO_HANDLER, "inside", "around", "api")
AT_THE_END = "the end of an entry coroutine (TLC102)"
WRAPPERS_OWN = "a keeping wrapper's own collection"
REQUEST_ENDS_THE_LOOP = "a request ends the loop, not what follows it"
GATHERS_THE_UNRESOLVED = "gathers what does not resolve"
RAISES_A_GROUP = "except* raises a group (TLC104)"
RAISING_IN_A_STAR = ("raise", "raise in finally", "asks")


@dataclass(frozen=True, slots=True)
class Handler:
    """An ``except`` clause: where it stands, what its ``try`` waits for, what it catches and does."""

    site: str = NO_HANDLER
    step: str = "read"
    caught: str = "CancelledError"
    body: str = "go on"
    after: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A module with a class that spawns, and everything the class needs; the fields name words of the grammar."""

    placement: str = "attribute"
    spawner: str = "create_task"
    worker: str = "forever"
    release: str = "nothing"
    handler: Handler = Handler()

    @property
    def words(self) -> tuple[str, ...]:
        """What this program was made of, as ``axis: word``."""
        found = [f"placement: {self.placement}", f"worker: {self.worker}", f"release: {self.release}"]
        if not PLACEMENTS[self.placement].plain:
            found.append(f"spawner: {self.spawner}")
        if self.handler.site != NO_HANDLER:
            one = self.handler
            found += [f"site: {one.site}", f"step: {one.step}", f"caught: {one.caught}", f"body: {one.body}"]
            found += [f"after: {one.after}"] * bool(one.after)
        return tuple(found)

    @property
    def root(self) -> str:
        """The class that the outer world makes an instance of."""
        return RELEASES[self.release].root

    @property
    def unsheltered(self) -> Program:
        """The program with a worker that waits for what nobody holds; itself, if it has one."""
        return replace(self, worker="forever") if WORKERS[self.worker].sheltered else self

    @property
    def text(self) -> str:
        """The source; the lines that a finding may stand on end in ``# spawn``, ``# handler`` or ``# stop``."""
        placement, worker, release = PLACEMENTS[self.placement], WORKERS[self.worker], RELEASES[self.release]
        slots = {"task": placement.task, "each": placement.each}
        spawn = SPAWNERS[self.spawner].text.format(coroutine=worker.coroutine)
        start = _marked(placement.start.format(spawn="{spawn}", coroutine="{coroutine}"), "spawn")
        start = start.format(spawn=spawn, coroutine=worker.coroutine)
        init = ["self.source = source", "self.count = 0", worker.init, release.init, placement.init.format()]
        start_lines = [start, release.after.format(**slots)]
        if "return" in start:
            start_lines.reverse()
        methods = [
            _block("def __init__(self, source):", init),
            _block("async def start(self):", start_lines),
            self._worker(),
            release.methods.format(**slots),
            self._api(),
        ]
        owner = f"class Owner({'Base' if release.base else ''}):".replace("()", "")
        classes = [release.base, f"{owner}\n{_indented(_joined(methods, 1))}\n", release.tail]
        preludes = list(dict.fromkeys(self._preludes()))
        imports = [text for text in preludes if text.startswith(("import", "from"))]
        others = [text for text in preludes if text not in imports]
        return _joined(["import asyncio\n" + "".join(sorted(imports, reverse=True)), *others, *classes], 2)

    def _preludes(self) -> Iterator[str]:
        yield PLACEMENTS[self.placement].prelude
        yield RELEASES[self.release].prelude
        yield SPAWNERS[self.spawner].prelude
        if self.handler.site != NO_HANDLER:
            yield CAUGHT[self.handler.caught].prelude
            yield BODIES[self.handler.body].prelude

    def _worker(self) -> str:
        worker = WORKERS[self.worker]
        step = self._tried(STEPS[self.handler.step]) if self.handler.site == "inside" else STEPS["read"]
        text = _filled(worker.methods, step)
        if self.handler.site == "around":
            head, colon, body = text.rpartition("(self):\n")
            text = head + colon + _indented(self._tried(textwrap.dedent(body)))
        return text

    def _api(self) -> str:
        if self.handler.site != "api":
            return ""
        return _block("async def fetch(self):", [self._tried(STEPS[self.handler.step]), "return self.count"])

    def _tried(self, trial: str) -> str:
        """The statements in a ``try`` with the program's handler."""
        handler, caught, body = self.handler, CAUGHT[self.handler.caught], BODIES[self.handler.body]
        name = " as error" if body.named else ""
        word = f"except{caught.text}" if caught.text.startswith("*") else f"except {caught.text}{name}".rstrip()
        if caught.text.startswith("*"):
            word += name
        rest = STEPS["read"] if handler.step == "plain" else ""
        lines = [body.before, _block("try:", [trial]), caught.earlier.rstrip()]
        lines += [_block(f"{word}:  # handler", [body.text]), rest, body.after, AFTER[handler.after]]
        return "\n".join(line for line in lines if line)

    @property
    def tags(self) -> Tags:
        """The exemptions of the contract, by ``TLC001``, ``TLC002``, ``handler`` and ``stop``."""
        placement, release = PLACEMENTS[self.placement], RELEASES[self.release]
        tags = {**self._worker_tags(), **release.tags, **placement.tags}
        if self.placement == "gather dropped" and self.worker == "unresolved":
            tags["TLC001"] = GATHERS_THE_UNRESOLVED
        if SPAWNERS[self.spawner].keeps and not placement.plain and not (placement.task or placement.each):
            tags["TLC002"] = WRAPPERS_OWN
        if self.handler.site != NO_HANDLER:
            body = BODIES[self.handler.body]
            tags.update(body.tags)
            if self.handler.caught == "star" and self.handler.body in RAISING_IN_A_STAR:
                tags["handler"] = RAISES_A_GROUP
            if release.excused and self.handler.site == "around" and self.handler.after == "endless wait":
                tags["TLC002"] = REQUEST_ENDS_THE_LOOP
            if self._is_at_the_end():
                tags.setdefault("handler", AT_THE_END)
        return tags

    def _worker_tags(self) -> Tags:
        """The exemptions of what does not loop for ever, unless the owner forgets it when it stops."""
        worker, handler = WORKERS[self.worker], self.handler
        if RELEASES[self.release].sibling and worker.methods:
            return {}
        if handler.site in ("inside", "around") and handler.body == "never leaves":
            return {}  # by the letter the loop of the handler makes it long-lived
        return worker.tags

    def _is_at_the_end(self) -> bool:
        """Whether the handler ends a task's own coroutine, or lets it end."""
        worker, handler = WORKERS[self.worker], self.handler
        if handler.site not in ("inside", "around") or worker.awaited:
            return False
        if BODIES[handler.body].leaves:
            return True
        return not (handler.site == "inside" and worker.loops) and handler.after != "endless wait"


def _marked(text: str, word: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{line}  # {word}" if "{" in line else line for line in lines)


def _block(head: str, lines: list[str]) -> str:
    return "\n".join([head, *(_indented(line) for line in lines if line)])


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")


def _joined(parts: list[str], blank: int) -> str:
    return ("\n" * (blank + 1)).join(part.rstrip("\n") for part in parts if part) + "\n"


def _filled(text: str, step: str) -> str:
    """A worker's methods with the step in its place, at its depth."""
    lines = []
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip())
        lines.append(textwrap.indent(step, " " * depth) if line.strip() == "{step}" else line)
    return "\n".join(lines)


def all_tags() -> set[str]:
    """Every exemption that a program can have."""
    tables = (PLACEMENTS, WORKERS, RELEASES, BODIES)
    found = {tag for table in tables for word in table.values() for tag in word.tags.values()}
    found |= {release.excused for release in RELEASES.values() if release.excused}
    return found | {AT_THE_END, WRAPPERS_OWN, REQUEST_ENDS_THE_LOOP, RAISES_A_GROUP, GATHERS_THE_UNRESOLVED}


def workers_of(program: Program) -> list[str]:
    """The workers that a program's placement may run, the endless ones more often.

    A queue of the owner's holds the task that waits for it: it is of use only where the owner holds the task anyway.
    """
    placement = PLACEMENTS[program.placement]
    found = [name for name in WORKERS if name != "sentinel" or placement.task or placement.each]
    return [*(name for name in found if WORKERS[name].endless), *found]


def spawners_of(program: Program) -> list[str]:
    """The spawners that fit a program's placement."""
    return ["create_task"] if PLACEMENTS[program.placement].plain else list(SPAWNERS)


def releases_of(program: Program) -> list[str]:
    """The releases that can reach what a program stored."""
    return [name for name, release in RELEASES.items() if _fits(program, name, release)]


def _fits(program: Program, name: str, release: Release) -> bool:
    placement = PLACEMENTS[program.placement]
    match release.needs:
        case "task":
            return bool(placement.task)
        case "each":
            return bool(placement.each)
        case "bag":
            return placement.each in ("self._tasks", "_tasks")
        case "self":
            return placement.task == "self._task"
        case "request":
            return WORKERS[program.worker].request == name
    return True


def sites_of(program: Program) -> list[str]:
    """Where a handler may stand in a program."""
    worker = WORKERS[program.worker]
    found = [NO_HANDLER]
    if worker.inside:
        found.append("inside")
    if worker.inside or worker.endless:
        found.append("around")
    if program.root != "Client":
        found.append("api")
    return found


def bodies_of(program: Program) -> list[str]:
    """The bodies that a program's handler may have."""
    in_loop = program.handler.site == "inside" and WORKERS[program.worker].loops
    star, bare = program.handler.caught == "star", program.handler.caught == "everything"
    return [
        name
        for name, body in BODIES.items()
        if (in_loop or not body.loop)
        and not (body.named and (star or bare))
        and not (star and (body.leaves or body.loop))
    ]


def afters_of(program: Program) -> list[str]:
    """What may follow a program's handler."""
    return list(AFTER) if program.handler.site in ("around", "api") or not WORKERS[program.worker].loops else [""]


def steps_of(program: Program) -> list[str]:
    """What a program's ``try`` may hold; a whole loop when the handler stands around it."""
    return ["read"] if program.handler.site == "around" else list(STEPS)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Any program of the grammar."""
    held = [name for name, placement in PLACEMENTS.items() if placement.task or placement.each]
    program = Program(draw(st.sampled_from([*held * 3, *PLACEMENTS])))
    program = replace(program, worker=draw(st.sampled_from(workers_of(program))))
    program = replace(program, spawner=draw(st.sampled_from(spawners_of(program))))
    program = replace(program, release=draw(st.sampled_from(releases_of(program))))
    site = draw(st.sampled_from(sites_of(program)))
    if site == NO_HANDLER:
        return program
    program = replace(program, handler=Handler(site, caught=draw(st.sampled_from(list(CAUGHT)))))
    program = _with(program, step=draw(st.sampled_from(steps_of(program))))
    program = _with(program, body=draw(st.sampled_from(bodies_of(program))))
    return _with(program, after=draw(st.sampled_from(afters_of(program))))


def _with(program: Program, **changes: str) -> Program:
    return replace(program, handler=replace(program.handler, **changes))


def each_word() -> Iterator[Program]:
    """For every word of the grammar a program that is otherwise as plain as can be."""
    plain = Program()
    for placement in PLACEMENTS:
        yield replace(plain, placement=placement)
    for worker in WORKERS:
        yield replace(plain, worker=worker)
    for spawner in SPAWNERS:
        yield from (replace(plain, spawner=spawner, placement=one) for one in ("attribute", "statement"))
    for release in RELEASES:
        holders = (
            replace(plain, placement=placement, worker=worker)
            for worker in WORKERS
            for placement in ("attribute", "list")
        )
        yield next(replace(one, release=release) for one in holders if release in releases_of(one))
    yield replace(plain, worker="once", release="sibling only")
    yield replace(plain, placement="gather dropped", worker="unresolved")
    yield replace(plain, placement="statement", worker="woken")
    late = Handler("around", body="marked and forgotten", after="endless wait")
    yield replace(plain, worker="flag", release="flag", handler=late)
    for site in SITES[1:]:
        yield replace(plain, handler=Handler(site))
    inside = replace(plain, handler=Handler("inside"))
    yield from (_with(inside, caught=caught) for caught in CAUGHT)
    yield from (_with(inside, body=body) for body in BODIES)
    yield from (_with(inside, step=step) for step in STEPS)
    yield _with(inside, caught="star", body="raise")
    once = replace(plain, worker="once", handler=Handler("around"))
    yield from (_with(once, after=after) for after in AFTER)
    yield from (_with(once, body=body) for body in bodies_of(once))
    awaited = replace(plain, worker="awaited loop", handler=Handler("around"))
    yield from (_with(awaited, body=body) for body in bodies_of(awaited))
