"""The subjects: the store without HTTP, and HTTP end to end against real web processes."""

import multiprocessing
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from metering.benches.limits import aborted_on_error
from metering.benches.workload import Batch
from metering.ingest.door import take_in
from monetization.embedded.web import web_command
from monetization.tenancy.context import tenant_context

STARTED_WITHIN = 60.0  # seconds


def _record(tenant_id: UUID, batches: Sequence[Batch], gate: Any) -> None:
    with tenant_context(tenant_id):
        pass  # connects
    gate.wait()
    with aborted_on_error(gate):
        for batch in batches:
            with tenant_context(tenant_id, actor="bench"):
                take_in(batch.body, ndjson=False, now=timezone.now())
    gate.wait()
    connections.close_all()


def store_rate(tenant_id: UUID, batches: Sequence[Batch], writers: int = 2) -> float:
    """Return events per second from bytes to committed, without HTTP."""
    connections.close_all()
    getattr(connections["default"], "close_pool", lambda: None)()
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(writers + 1)
    processes = [
        fork.Process(target=_record, args=(tenant_id, batches[number::writers], gate))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    gate.wait(60)
    began = time.perf_counter()
    gate.wait(600)
    took = time.perf_counter() - began
    for process in processes:
        process.join()
    return sum(batch.events for batch in batches) / took


@dataclass(frozen=True, slots=True)
class Server:
    """Web processes as they run in production, on a port of their own."""

    port: int
    pid: int

    def peak_mb(self) -> float:
        """Return the largest peak memory of a worker process so far."""
        return max(self.peaks().values())

    def peaks(self, line: str = "VmHWM") -> dict[int, float]:
        """Return the peak memory of every process, in MB."""
        found = {}
        for pid in _descendants(self.pid):
            with suppress(OSError):
                text = Path(f"/proc/{pid}/status").read_text()
                found[pid] = int(text.partition(f"{line}:")[2].split()[0]) / 1024
        return found

    def forget_peak(self) -> dict[int, float]:
        """Let the peaks begin again; return what every process has now, in MB."""
        for pid in _descendants(self.pid):
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")
        return self.peaks("VmRSS")


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


@contextmanager
def web_server(workers: int, **environment: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = web_command(port, workers)
    process = subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)
    try:
        _wait_for(port)
        yield Server(port, process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_for(port: int) -> None:
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as probe:
            probe.sendall(b"GET /api/v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if probe.recv(100).startswith(b"HTTP/1.1 404"):
                return
        time.sleep(0.1)
    raise TimeoutError(f"no web server within {STARTED_WITHIN:.0f} s")


@dataclass(frozen=True, slots=True)
class Answers:
    """``rate`` in events per second; ``seconds`` per request, sorted."""

    rate: float
    seconds: tuple[float, ...]
    refused: int

    def percentile_ms(self, percent: int) -> float:
        place = min(len(self.seconds) - 1, len(self.seconds) * percent // 100)
        return round(self.seconds[place] * 1000, 1)


def http_rate(port: int, key: str, batches: Sequence[Batch], connections_: int = 4) -> Answers:
    """Post every batch over so many connections; 100 is the share of a client here."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_client, args=(port, key, batches, connections_, theirs))
    process.start()
    took, seconds, refused = ours.recv()
    process.join()
    return Answers(sum(b.events for b in batches) / took, tuple(sorted(seconds)), refused)


def _client(port: int, key: str, batches: Sequence[Batch], threads: int, told: Any) -> None:
    seconds: list[float] = []
    refused: list[int] = []
    requests = [request_of(key, batch.body) for batch in batches]

    def post(part: list[bytes]) -> None:
        with socket.create_connection(("127.0.0.1", port)) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in part:
                began = time.perf_counter()
                wire.sendall(request)
                status = answered(wire)
                seconds.append(time.perf_counter() - began)
                if status != 200:
                    refused.append(status)

    workers = [Thread(target=post, args=(requests[n::threads],)) for n in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    told.send((time.perf_counter() - began, seconds, len(refused)))


def request_of(key: str, body: bytes) -> bytes:
    return (
        "POST /api/v1/usage-events HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def answered(wire: socket.socket) -> int:
    """Read one answer whole; return its status."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(wire)
    head, _, rest = got.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    missing = length - len(rest)
    while missing > 0:
        missing -= len(_more(wire))
    return int(lines[0].split()[1])


def _more(wire: socket.socket) -> bytes:
    got = wire.recv(1 << 18)
    if not got:
        raise ConnectionError("the server closed the connection")
    return got
