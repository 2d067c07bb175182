"""A request's body is there before the request takes one of the few seats where work is done.

A server gives each request a thread. Waiting for a slow sender costs nothing but that thread, of
which there can be hundreds; work takes the processor and a connection of the database, of which
there are few. With one number for both, as many slow senders keep everybody else out.
"""

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from rest_framework.exceptions import APIException

from metering.ingest.body import MAX_BODY, BodyNotThere
from monetization.interface.problems import CONTENT_TYPE, problem_body

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

PIECE = 64 * 1024
# What is more comes in a seat: the API refuses it unread, and a file comes from a person.
HELD = MAX_BODY
IN_MEMORY = 1024 * 1024  # the rest of a held body waits in a file
PATIENCE = 30.0  # seconds for any body,
SLOWEST = 10_000  # and one more for each so many bytes of it
LOOKS = 1.0  # seconds between


class _CutShortError(Exception):
    pass


class _TooSlow(APIException):
    status_code = 408
    default_code = "body_too_slow"
    default_detail = "The body did not come in time. Send the request again."


class Seats:
    """A WSGI application that calls another one, `count` requests at a time.

    A request waits until its body is whole, if it is at most 10 MB, and then for a seat. A
    body that ends before its length is answered with 400 and one that takes too long with 408;
    the application never sees them.
    """

    def __init__(self, application: Application, count: int) -> None:
        self._application = application
        self._seats = threading.BoundedSemaphore(count)
        self._clock = _Clock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as held:
            try:
                with self._clock.limit(environ.get("gunicorn.socket"), _patience(environ)) as over:
                    environ["wsgi.input"] = _read_into(held, environ)
                is_whole = True
            except (_CutShortError, OSError):
                is_whole = False
            if over():
                return _refused(start_response, _TooSlow())
            if not is_whole:
                return _refused(start_response, BodyNotThere())
            with self._seats:
                return self._application(environ, start_response)


class _Clock:
    """Ends the reading of whoever takes too long, looking around now and then."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[float, socket.socket]] = {}
        self._over: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, wire: socket.socket | None, seconds: float) -> Iterator[Callable[[], bool]]:
        """Let reads from `wire` end after `seconds`; yields what tells whether they did."""
        key, ended = id(wire), False
        if wire:
            with self._lock:
                self._watched[key] = (time.monotonic() + seconds, wire)
                if not self._thread:  # not before: a process that forks would leave it behind
                    self._thread = threading.Thread(target=self._look_around, daemon=True)
                    self._thread.start()
        try:
            yield lambda: ended
        finally:
            with self._lock:
                ended = key in self._over
                self._over.discard(key)
                self._watched.pop(key, None)

    def _look_around(self) -> None:
        while True:
            time.sleep(LOOKS)
            with self._lock:
                now = time.monotonic()
                for key, (until, wire) in list(self._watched.items()):
                    if until < now:
                        del self._watched[key]
                        self._over.add(key)
                        with suppress(OSError):  # it went away by itself
                            wire.shutdown(socket.SHUT_RD)


def _length(environ: Environ) -> int | None:
    length = environ.get("CONTENT_LENGTH") or ""
    return int(length) if length.isdigit() else None


def _patience(environ: Environ) -> float:
    length = _length(environ)
    return PATIENCE + min(HELD if length is None else length, HELD) / SLOWEST


def _read_into(held: Any, environ: Environ) -> Any:
    """Hold the body, of a chunked one that is too long as much as tells; return what to read."""
    source: BinaryIO = environ["wsgi.input"]
    length = _length(environ)
    if length is None:
        is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        most = HELD + 1 if is_chunked else 0
    else:
        most = length if length <= HELD else 0
    if not most:
        return source
    while (left := most - held.tell()) and (piece := source.read(min(left, PIECE))):
        held.write(piece)
    if left and length is not None:
        raise _CutShortError
    held.seek(0)
    return held


def _refused(start_response: StartResponse, error: APIException) -> Iterable[bytes]:
    problem = problem_body(error.status_code, error.default_code, str(error.detail))
    start_response(f"{error.status_code} {problem['title']}", [("Content-Type", CONTENT_TYPE)])
    return [json.dumps(problem).encode()]
