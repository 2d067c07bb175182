"""Start child processes that cannot outlive us, and end those of a run that was killed."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

_LONG_LOG = 5_000_000  # bytes; then it is put aside at the next start
_PR_SET_PDEATHSIG = 1
_LIBC: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


class Processes:
    """Every process we started, by name, each in a group of its own; the list is kept on disk.

    Ctrl-C reaches us alone, and we end them in order. Where we are killed without a chance to
    do so, Linux tells them; elsewhere the next start does, by the list.
    """

    def __init__(self, var: Path) -> None:
        self._list = var / "run" / "processes.json"
        self._list.parent.mkdir(parents=True, exist_ok=True)
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._ends_last: set[str] = set()
        self._logs = var / "log"
        self._logs.mkdir(parents=True, exist_ok=True)

    def end_leftovers(self) -> int:
        """End what an earlier run of this folder left behind; return how many processes."""
        try:
            known = json.loads(self._list.read_text())
        except (OSError, ValueError):
            return 0
        ours = [pid for pid, born in known if _birth(pid) == born]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in ours:
                signal_group(pid, number)
            _wait_until(lambda: not any(map(_is_alive, ours)), seconds=8)
        self._list.unlink(missing_ok=True)
        return len(ours)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        ends_last: bool = False,
    ) -> "subprocess.Popen[bytes]":
        """Start a process; what it says goes to ``log/<name>.log``.

        :param ends_last: others lean on it while they end.
        """
        parent = os.getpid()
        self._keep_short(name)
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with(parent) if _LIBC is not None else None,
            )
        self._started[name] = process
        if ends_last:
            self._ends_last.add(name)
        self._remember()
        return process

    def _keep_short(self, name: str) -> None:
        log = self.log_of(name)
        if log.exists() and log.stat().st_size > _LONG_LOG:
            log.replace(log.with_suffix(".log.1"))

    def ended(self) -> dict[str, int]:
        """Return what has ended since we last asked, with its exit code."""
        codes = {name: process.poll() for name, process in self._started.items()}
        over = {name: code for name, code in codes.items() if code is not None}
        for name in over:
            del self._started[name]
        return over

    def pid_of(self, name: str) -> int | None:
        """Return the process of a name, which is also its group."""
        process = self._started.get(name)
        return process.pid if process else None

    def log_of(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def end_all(self, *, seconds: float = 10) -> None:
        """Ask every process to end and wait for it; kill those that do not."""
        first = [p for name, p in self._started.items() if name not in self._ends_last]
        last = [p for name, p in self._started.items() if name in self._ends_last]
        for wave in (first, last):
            for process in wave:
                signal_group(process.pid, signal.SIGTERM)
            _wait_until(partial(_are_over, wave), seconds=seconds)
            for process in wave:
                signal_group(process.pid, signal.SIGKILL)  # and children it may have left
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(2)
        self._started.clear()
        self._remember()

    def _remember(self) -> None:
        alive = [p.pid for p in self._started.values() if p.poll() is None]
        self._list.write_text(json.dumps([(pid, _birth(pid)) for pid in alive]))


def _are_over(processes: Sequence["subprocess.Popen[bytes]"]) -> bool:
    return all(process.poll() is not None for process in processes)


def _end_with(parent: int) -> Callable[[], None]:
    """Return what makes a child end when its parent is killed. Runs between fork and exec."""

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed just now
            os._exit(1)

    return ask


def _birth(pid: int) -> str:
    """Return when a process was started, so that a number used again is another process."""
    try:
        import psutil

        return f"{psutil.Process(pid).create_time():.2f}"
    except Exception:  # gone, not ours to see, or no psutil: then it is left alone
        return ""


def _is_alive(pid: int) -> bool:
    try:
        import psutil

        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except Exception:
        return False


def _wait_until(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
