"""Bodies of any size, senders of any speed, a database without room: the door stays open for
everybody else, in little memory, and is open again when the trouble is over."""

import gzip
import json
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.faults.machine import Machine, machine
from tests.faults.test_ingest_killed import event

pytestmark = pytest.mark.slow

MB = 1024 * 1024
PATH = "/api/v1/usage-events"


@pytest.fixture(scope="module")
def whole() -> Iterator[Machine]:
    with machine() as made:
        made.start_web(DATABASE_POOL_SIZE="4")
        yield made


def memory(whole: Machine) -> list[int]:
    """Return the resident megabytes of each web process, largest last."""
    found = psutil.Process(whole.running["web"].pid).children(recursive=True)
    return sorted(process.memory_info().rss // MB for process in found)


def is_served(whole: Machine, within: float, name: str) -> None:
    began = time.monotonic()
    status, answer, _ = whole.post(whole.companies[1], [event(1, name)])
    assert (status, time.monotonic() - began < within) == (200, True), answer


def raw(whole: Machine, head: str, body: bytes = b"") -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", whole.port), timeout=30)
    key = whole.companies[0]["key"]
    wire.sendall(
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\n{head}\r\n\r\n".encode()
        + body
    )
    return wire


def status_of(wire: socket.socket) -> int:
    """Return the status of the answer; 0 if the connection ended without one."""
    with wire, suppress(OSError):
        first = wire.recv(1000)
        return int(first.split()[1]) if first else 0
    return 0


def chunks(piece: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def send_chunked(whole: Machine, piece: bytes, count: int, head: str = "") -> int:
    wire = raw(whole, f"Transfer-Encoding: chunked{head}")
    with suppress(OSError):  # refused before all was sent
        for chunk in chunks(piece, count):
            wire.sendall(chunk)
    return status_of(wire)


class TestBodies:
    """All of one class, because what they leave in memory adds up."""

    def test_take_little_memory_whatever_comes(self, whole: Machine) -> None:
        company = whole.companies[0]
        whole.post(company, [event(n, "warm") for n in range(5000)])
        whole.post(company, [event(n, "warm") for n in range(5000)])
        before = memory(whole)

        large = [{**event(n, "large"), "data": {"text": "\U0001f600" * 60}} for n in range(5000)]
        assert whole.post(company, large)[0] == 200
        status, answer, _ = whole.call(company, "POST", PATH, b"[" + b" " * (100 * MB) + b"]")
        assert (status, answer["code"]) == (413, "body_too_large")
        bomb = gzip.compress(b" " * (1000 * MB), 9)
        status, *_ = whole.call(company, "POST", PATH, bomb, headers={"Content-Encoding": "gzip"})
        assert status == 413
        assert send_chunked(whole, b" " * MB, 100) in (413, 0)
        assert whole.call(company, "POST", PATH, b"[" + b"0," * 4_000_000 + b"0]")[0] == 413
        assert whole.call(company, "POST", PATH, b"[" * 5_000_000)[0] == 400

        grown = [now - then for now, then in zip(memory(whole), before, strict=True)]
        assert max(grown) < 50, (before, grown)
        is_served(whole, 10, "after-bodies")

    @pytest.mark.parametrize(
        "garbage", [b"zz\r\nwhat\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"5\r\n[]"]
    )
    def test_chunked_garbage_is_refused(self, whole: Machine, garbage: bytes) -> None:
        wire = raw(whole, "Transfer-Encoding: chunked", garbage)
        wire.shutdown(socket.SHUT_WR)

        assert status_of(wire) in (400, 408, 422, 0)  # 422: what came is an empty batch
        is_served(whole, 10, "after-garbage")

    def test_chunked_events_are_taken(self, whole: Machine) -> None:
        body = json.dumps([event(1, "chunked")]).encode()

        assert send_chunked(whole, body, 1) == 200

    def test_a_body_shorter_than_it_claims_stores_nothing(self, whole: Machine) -> None:
        body = json.dumps([event(2, "short")]).encode()
        wire = raw(whole, f"Content-Length: {len(body) + 10}", body)
        wire.shutdown(socket.SHUT_WR)

        assert status_of(wire) in (400, 408, 0)
        answer = whole.post(whole.companies[0], [event(2, "short")])[1]
        assert answer["counts"] == {"created": 1}

    def test_slow_senders_do_not_keep_the_others_out(self, whole: Machine) -> None:
        with ExitStack() as stack:
            for _ in range(200):
                wire = raw(whole, "Content-Length: 1000", b"[")
                stack.callback(wire.close)
            for _ in range(5):
                is_served(whole, 10, "beside-slow")
                time.sleep(0.5)
            wire.settimeout(60)
            assert status_of(wire) == 408


class TestDatabase:
    def refused_until(
        self, whole: Machine, name: str, is_over: Callable[[], None], *, within: float
    ) -> None:
        """Post while there is trouble; it must be refused in time, and taken afterwards."""
        company = whole.companies[0]
        batch = [event(n, name) for n in range(300)]
        began = time.monotonic()
        status, answer, headers = whole.post(company, batch)
        took = time.monotonic() - began
        is_over()
        assert (status, answer["code"]) == (503, "unavailable"), answer
        assert int(headers["retry-after"]) > 0
        assert took < within
        deadline = time.monotonic() + 30
        while True:
            status, answer, _ = whole.post(company, batch)
            if status == 200 or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert (status, answer["counts"]) == (200, {"created": 300}), "part of it was stored"

    def test_a_long_lock_is_not_waited_for(self, whole: Machine) -> None:
        with whole.superuser() as connection:
            connection.autocommit = False
            connection.execute("LOCK TABLE metering_usagekey IN ACCESS EXCLUSIVE MODE")
            self.refused_until(whole, "lock", connection.rollback, within=20)

    def test_without_free_connections_who_sends_waits_outside(self, whole: Machine) -> None:
        whole.kill("web")
        with ExitStack() as stack:
            whole.start_web(DATABASE_WAIT="2")
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(
                        psycopg.connect(whole.environment["DATABASE_URL"], autocommit=True)
                    )
            with whole.superuser() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'throughline'"
                )
                with suppress(psycopg.OperationalError):
                    while True:
                        stack.enter_context(
                            psycopg.connect(whole.environment["DATABASE_URL"], autocommit=True)
                        )
            self.refused_until(whole, "full", stack.close, within=20)

    def test_a_full_disk_stores_no_part_of_a_batch(self, whole: Machine, tmp_path: Path) -> None:
        place = whole.var / "small"
        place.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "tmpfs", str(place)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("needs the right to mount")
        try:
            with whole.superuser() as connection:
                data = (whole.var / "postgres").stat()
                os.chown(place, data.st_uid, data.st_gid)
                place.chmod(0o700)
                connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
                connection.execute("ALTER TABLE metering_usageevent_2026q1 SET TABLESPACE small")
                ballast = place / "ballast"
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while file.write(b"0" * 4096) == 4096:
                        pass
                self.refused_until(whole, "disk", ballast.unlink, within=20)
                connection.execute(
                    "ALTER TABLE metering_usageevent_2026q1 SET TABLESPACE pg_default"
                )
                connection.execute("DROP TABLESPACE small")
        finally:
            subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_flood_of_one_company_leaves_room_for_the_other(whole: Machine) -> None:
    stop = threading.Event()
    told: Counter[int] = Counter()

    def flood(number: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            body = [event(n, f"flood-{number}-{turn}-") for n in range(500)]
            status, _, headers = whole.post(whole.companies[0], body)
            told[status] += 1
            if status == 429:
                assert int(headers["retry-after"]) > 0

    def quiet(count: int, name: str) -> list[float]:
        found = []
        for turn in range(count):
            began = time.monotonic()
            status, _, _ = whole.post(whole.companies[1], [event(turn, name)])
            assert status == 200
            found.append(time.monotonic() - began)
            time.sleep(0.05)
        return sorted(found)

    quiet(20, "before")
    floods = [threading.Thread(target=flood, args=(number,)) for number in range(12)]
    for thread in floods:
        thread.start()
    try:
        beside = quiet(60, "beside")
    finally:
        stop.set()
        for thread in floods:
            thread.join()

    assert set(told) <= {200, 429}
    assert told[429] > 0
    assert beside[int(len(beside) * 0.95)] < 3.0


def test_usage_comes_in_without_a_broker(whole: Machine) -> None:
    assert whole.environment["CELERY_BROKER_URL"] == "redis://127.0.0.1:1/0"  # nobody is there

    is_served(whole, 10, "no-broker")
    whole.verify()
