"""A slow body waits outside; what is worked on at once is counted; a cut body is never seen."""

import io
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monetization.config import seats
from monetization.config.seats import HELD, IN_MEMORY, Seats


class Wire:
    """A body that comes in pieces of some size, each when it is let through."""

    def __init__(self, body: bytes, piece: int, let_through: threading.Event | None = None) -> None:
        self._body, self._piece, self._let_through = io.BytesIO(body), piece, let_through
        self.taken = 0

    def read(self, size: int) -> bytes:
        if self._let_through:
            assert self._let_through.wait(10)
        piece = self._body.read(min(size, self._piece))
        self.taken += len(piece)
        return piece


def read_all(source: Any) -> bytes:
    return b"".join(iter(lambda: source.read(10_000), b""))


def call(
    application: Callable[..., Any], wire: Any, length: int | None, *, seats: int = 1
) -> tuple[str, Any]:
    answered: list[str] = []
    environ = {"wsgi.input": wire}
    if length is None:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        environ["CONTENT_LENGTH"] = str(length)
    body = Seats(application, seats)(environ, lambda status, _: answered.append(status))
    return "".join(answered), body


def echo(environ: dict[str, Any], _: Any) -> list[bytes]:
    return [read_all(environ["wsgi.input"])]


@given(st.binary(max_size=300), st.integers(1, 70), st.booleans())
def test_what_was_sent_is_what_is_read(body: bytes, piece: int, chunked: bool) -> None:
    assert call(echo, Wire(body, piece), None if chunked else len(body))[1] == [body]


@pytest.mark.parametrize("size", [IN_MEMORY, IN_MEMORY + 1, HELD, HELD + 1])
@pytest.mark.parametrize("chunked", [False, True])
def test_at_every_bound(size: int, chunked: bool) -> None:
    body = bytes(size - 1) + b"!"  # one byte more than is held is enough to be refused

    assert call(echo, Wire(body, 50_000), None if chunked else size)[1] == [body]


def test_of_a_chunked_body_without_end_enough_is_held_to_refuse_it() -> None:
    endless = Wire(bytes(2 * HELD), 50_000)

    read = call(echo, endless, None)[1][0]

    assert HELD < len(read) == endless.taken < HELD + 100_000


def test_what_is_too_long_is_not_read_before_it_is_asked_for() -> None:
    wire = Wire(b"x", 1)

    call(lambda *_: [], wire, HELD + 1)

    assert wire.taken == 0


@pytest.mark.parametrize("length", [5, IN_MEMORY + 5])
def test_a_body_cut_short_is_not_seen(length: int) -> None:
    status, body = call(lambda *_: pytest.fail("was called"), Wire(bytes(length - 1), 9999), length)

    assert (status, json.loads(body[0])["code"]) == ("400 Body cut short", "body_cut_short")


def test_a_connection_that_breaks_is_a_body_cut_short() -> None:
    class Broken:
        def read(self, _: int) -> bytes:
            raise OSError

    assert call(lambda *_: pytest.fail("was called"), Broken(), None)[0] == "400 Body cut short"


@pytest.mark.parametrize("length", [1000, None])
def test_a_body_that_trickles_is_ended(monkeypatch: pytest.MonkeyPatch, length: int | None) -> None:
    monkeypatch.setattr(seats, "PATIENCE", -2000.0)  # less than ten megabytes are given
    monkeypatch.setattr(seats, "LOOKS", 0.01)
    ours, theirs = socket.socketpair()
    ours.settimeout(10)  # rather than hang when it is not ended
    answered: list[str] = []
    environ: dict[str, Any] = {"wsgi.input": ours.makefile("rb"), "gunicorn.socket": ours}
    environ |= {"CONTENT_LENGTH": "1000"} if length else {"HTTP_TRANSFER_ENCODING": "chunked"}
    with ours, theirs:
        theirs.send(b"[")

        Seats(lambda *_: pytest.fail("was called"), 1)(
            environ, lambda status, _: answered.append(status)
        )

    assert answered == ["408 Body too slow"]


def test_slow_bodies_take_no_seat_and_seats_are_counted() -> None:
    let_through, at_work, most = threading.Event(), [], []
    lock, hold = threading.Lock(), threading.Event()

    def work(environ: dict[str, Any], _: Any) -> list[bytes]:
        with lock:
            at_work.append(1)
            most.append(len(at_work))
        if environ["PATH_INFO"] == "/slow":
            hold.wait(0.05)
        with lock:
            at_work.pop()
        return [environ["PATH_INFO"].encode()]

    door = Seats(work, 2)

    def send(path: str, let: threading.Event | None) -> Any:
        environ = {"wsgi.input": Wire(b"12345", 2, let), "CONTENT_LENGTH": "5", "PATH_INFO": path}
        return door(environ, lambda *_: None)

    slow = [threading.Thread(target=send, args=("/slow", let_through)) for _ in range(9)]
    for thread in slow:
        thread.start()

    assert send("/quick", None) == [b"/quick"]  # nine wait for their bodies, two seats are free
    let_through.set()
    for thread in slow:
        thread.join(10)
    assert max(most) == 2
