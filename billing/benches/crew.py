"""Workers at one job: the process that measures, and others beside it, as the broker has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from uuid import UUID

import django
from django.db import connections

Call = tuple[UUID, UUID, int]  # tenant, job, token
_helpers: list[Connection] = []


@contextmanager
def crew(workers: int) -> Iterator[None]:
    """Keep so many workers for what is measured within, this process among them."""
    context = get_context("spawn")
    started = []
    for _ in range(workers - 1):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        started.append((ours, process))
    try:
        _helpers[:] = [ours for ours, _ in started]
        for ours in _helpers:
            ours.recv()  # it is up
        yield
    finally:
        _helpers.clear()
        for ours, process in started:
            ours.close()
            process.join()


def work_together(call: Call) -> None:
    """Do a claimed job as workers do: batch by batch, each at a lane of its own."""
    for helper in _helpers:
        helper.send(call)
    _work(call)
    for helper in _helpers:
        helper.recv()


def _work(call: Call) -> None:
    from monetization.jobs.tasks import work

    work(*call)


def _serve(theirs: Connection) -> None:
    django.setup()
    connections["default"].ensure_connection()
    theirs.send(None)
    try:
        while True:
            _work(theirs.recv())
            theirs.send(None)
    except EOFError:
        connections.close_all()
