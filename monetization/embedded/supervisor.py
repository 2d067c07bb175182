"""Keep the demo's processes running, and leave none behind."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from monetization.embedded.bootstrap import say

MAX_PAUSE = 30.0


class Supervisor:
    """Start processes in groups of their own; restart what dies, ever more slowly."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self._root = root
        self._environment = {**environment, "MONETIZATION_NO_BOOTSTRAP": "1"}
        self._commands: dict[str, list[str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._pause: dict[str, float] = {}

    def start(self, commands: dict[str, list[str]]) -> None:
        self._commands = commands
        for name in commands:
            self._launch(name)

    def _launch(self, name: str) -> None:
        self._running[name] = subprocess.Popen(
            self._commands[name],
            cwd=self._root,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches us, and we stop them in order
        )

    def watch(self) -> None:
        """Restart what dies until interrupted; then stop everything."""
        try:
            while True:
                time.sleep(0.5)
                for name, process in list(self._running.items()):
                    if process.poll() is not None:
                        self._restart(name, process.returncode)
        finally:
            self.stop()

    def _restart(self, name: str, code: int) -> None:
        pause = self._pause.get(name, 0.5)
        self._pause[name] = min(pause * 2, MAX_PAUSE)
        say(f"{name} ended with {code}; starting it again")
        _signal_group(self._running[name], signal.SIGKILL)  # children it may have left
        time.sleep(pause)
        self._launch(name)

    def stop(self) -> None:
        for process in self._running.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + 8
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
