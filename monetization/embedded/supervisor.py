"""Keep the demo's processes running."""

import signal
import time
from pathlib import Path

from monetization.embedded.bootstrap import say
from monetization.embedded.processes import Processes, signal_group

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY = 60.0  # having run this long, a process starts again at once


class Supervisor:
    """Restart what dies, ever more slowly, one process not waiting for another."""

    def __init__(self, root: Path, environment: dict[str, str], processes: Processes) -> None:
        self._root = root
        self._environment = {**environment, "MONETIZATION_NO_BOOTSTRAP": "1"}
        self._processes = processes
        self._commands: dict[str, list[str]] = {}
        self._pids: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._due: dict[str, float] = {}

    def start(self, commands: dict[str, list[str]]) -> None:
        self._commands = commands
        for name in commands:
            self._launch(name)

    def _launch(self, name: str) -> None:
        process = self._processes.start(
            name, self._commands[name], cwd=self._root, environment=self._environment
        )
        self._since[name] = time.monotonic()
        self._pids[name] = process.pid

    def watch(self) -> None:
        """Restart what dies, until interrupted."""
        while True:
            time.sleep(0.5)
            self.look()

    def look(self) -> None:
        """Notice what ended; start again what is due."""
        for name, code in self._processes.ended().items():
            self._plan_restart(name, code)
        for name, due in list(self._due.items()):
            if time.monotonic() >= due:
                del self._due[name]
                self._launch(name)

    def _plan_restart(self, name: str, code: int) -> None:
        now = time.monotonic()
        steady = now - self._since[name] >= STEADY
        pause = FIRST_PAUSE if steady else self._pause.get(name, FIRST_PAUSE)
        self._pause[name] = min(pause * 2, LONGEST_PAUSE)
        self._due[name] = now + pause
        signal_group(self._pids[name], signal.SIGKILL)  # children it may have left
        say(f"{name} ended with {code}; starting it again (see {self._processes.log_of(name)})")
