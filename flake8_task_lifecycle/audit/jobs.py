"""The files of an audit shared out among processes, or examined one after another in this one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from flake8_task_lifecycle.audit.config import Configuration, Settings, load
from flake8_task_lifecycle.audit.examined import Examiner, Outcome
from flake8_task_lifecycle.audit.files import File
from flake8_task_lifecycle.audit.report import Loss
from flake8_task_lifecycle.tree import collector_paused

Progress = Callable[[int, int], None]
"""Called with the number of files that are done, and of all; first with none done."""

# Neighbours share what is learnt of their project: so many at a time, and more of many files.
_CHUNK = 8
_CHUNKS_A_PROCESS = 16
_COLLECTED = 500_000  # objects, after a file

_examiner: Examiner | None = None


def outcomes(
    files: Sequence[File],
    settings: Settings,
    configuration: Configuration,
    root: Path,
    jobs: int,
    progress: Progress | None,
    *,
    tests: bool,
) -> list[Outcome]:
    """What became of each file, in the order of the files whatever the number of processes."""
    told = progress or _nothing
    size = max(_CHUNK, len(files) // (jobs * _CHUNKS_A_PROCESS))
    chunks = [files[start : start + size] for start in range(0, len(files), size)]
    if min(jobs, len(chunks)) > 1:
        return _shared_out(chunks, (settings, root, tests), min(jobs, len(chunks)), told)
    examiner = Examiner(configuration, root, tests=tests)
    told(0, len(files))
    done: list[Outcome] = []
    with collector_paused():
        for file in files:
            done.append(_examined(examiner, file))
            told(len(done), len(files))
    return done


def _examined(examiner: Examiner, file: File) -> Outcome:
    """What became of a file. Left to itself, the collector would walk over all that an audit keeps for every other."""
    outcome = examiner.examine(file)
    if gc.get_count()[0] > _COLLECTED:
        gc.collect()
    return outcome


def _nothing(_done: int, _all: int) -> None:
    return


def _shared_out(
    chunks: Sequence[Sequence[File]], wanted: tuple[Settings, Path, bool], jobs: int, told: Progress
) -> list[Outcome]:
    before = set(multiprocessing.active_children())
    total = sum(map(len, chunks))
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context(), _begin, wanted)
    try:
        waiting = [(chunk, executor.submit(_examine, chunk)) for chunk in chunks]
        told(0, total)
        done: list[Outcome] = []
        for chunk, future in waiting:
            done += _result(chunk, future)
            told(len(done), total)
    except BaseException:
        for worker in set(multiprocessing.active_children()) - before:
            worker.terminate()
        executor.shutdown(cancel_futures=True)
        raise
    executor.shutdown()
    return done


def _result(chunk: Sequence[File], future: Future[list[Outcome]]) -> list[Outcome]:
    try:
        return future.result()
    except BrokenProcessPool:
        why = "a process of the audit ended before its time; --jobs=1 shows where"
        return [Outcome(unreadable=(Loss(file.shown, why),)) for file in chunk]


def _begin(settings: Settings, root: Path, tests: bool) -> None:
    """Makes a process ready: the parent answers Ctrl-C, and it takes its children with it however it ends."""
    global _examiner  # noqa: PLW0603
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()
    _examiner = Examiner(load(settings), root, tests=tests)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _examine(chunk: Sequence[File]) -> list[Outcome]:
    assert _examiner is not None, "_begin makes it"
    return [_examined(_examiner, file) for file in chunk]
