"""Workers at one job: the process that measures, and others beside it, as the broker has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from uuid import UUID

from django.db import connections

from monetization.jobs.tasks import work

Call = tuple[UUID, UUID, int]  # tenant, job, token
_helpers: list[Connection] = []


@contextmanager
def crew(workers: int) -> Iterator[None]:
    """Keep so many workers for what is measured within, this process among them."""
    context = get_context("fork")  # they work on the same database, whatever it was set to
    connections.close_all()  # two processes never share a connection
    started = []
    for _ in range(workers - 1):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        started.append((ours, process))
    try:
        _helpers[:] = [ours for ours, _ in started]
        for ours in _helpers:
            ours.recv()  # it is up
        yield
    finally:
        _helpers.clear()
        for ours, process in started:
            ours.send(None)
            process.join()
            ours.close()


def work_together(call: Call, lanes: int) -> None:
    """Do a claimed job as workers do: batch by batch, each at a lane of its own."""
    helpers = _helpers[: lanes - 1]
    for helper in helpers:
        helper.send(call)
    work(*call)
    for helper in helpers:
        helper.recv()


def _serve(theirs: Connection) -> None:
    connections["default"].ensure_connection()
    theirs.send(None)
    while (call := theirs.recv()) is not None:
        work(*call)
        theirs.send(None)
    connections.close_all()
