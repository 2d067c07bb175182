"""Starting, stopping and being killed on a machine that has nothing."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monetization.embedded import (
    assets,
    bootstrap,
    broker,
    commands,
    demo,
    freshness,
    testing,
)
from monetization.embedded.processes import Processes
from monetization.embedded.supervisor import Supervisor

ROOT = Path(__file__).parents[3]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.end_all(seconds=2)


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class TestProcesses:
    def test_stopping_leaves_none(self, processes: Processes, tmp_path: Path) -> None:
        started = processes.start("one", SLEEP, cwd=tmp_path, environment={})

        processes.end_all(seconds=5)

        assert started.poll() is not None

    def test_one_that_does_not_listen_is_killed(self, processes: Processes, tmp_path: Path) -> None:
        deaf = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            " print('deaf', flush=True); time.sleep(60)"
        )
        started = processes.start(
            "deaf", [sys.executable, "-c", deaf], cwd=tmp_path, environment={}
        )
        assert eventually(lambda: "deaf" in processes.log_of("deaf").read_text())

        processes.end_all(seconds=0.3)

        assert started.poll() == -signal.SIGKILL

    @pytest.mark.skipif(sys.platform != "linux", reason="Linux tells children of a parent's death")
    def test_children_end_when_we_are_killed(self, tmp_path: Path) -> None:
        pid = _child_of_a_killed_parent(tmp_path, survives=False)

        assert eventually(lambda: not is_running(pid))

    def test_what_a_killed_run_left_is_ended_by_the_next(self, tmp_path: Path) -> None:
        pid = _child_of_a_killed_parent(tmp_path, survives=True)
        assert is_running(pid)

        ended = Processes(tmp_path).end_leftovers()

        assert ended == 1
        assert not is_running(pid)

    def test_a_number_used_again_by_another_process_is_left_alone(self, tmp_path: Path) -> None:
        processes = Processes(tmp_path)
        (tmp_path / "run" / "processes.json").write_text(f'[[{os.getpid()}, "1.00"]]')

        assert processes.end_leftovers() == 0


def _child_of_a_killed_parent(var: Path, *, survives: bool) -> int:
    script = f"""
import os, sys, time
from pathlib import Path
from monetization.embedded import processes
if {survives}:
    processes._LIBC = None
started = processes.Processes(Path({str(var)!r})).start(
    "child", {SLEEP!r}, cwd=Path({str(var)!r}), environment={{}})
print(started.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    return pid


class TestSupervisor:
    def test_starts_again_what_died_and_waits_longer_each_time(
        self, processes: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        supervisor = Supervisor(tmp_path, {}, processes)
        supervisor.start({"weak": [sys.executable, "-c", "raise SystemExit(3)"]})

        def restarts() -> int:
            supervisor.look()
            told.append(capsys.readouterr().err)
            return "".join(told).count("weak ended with 3; starting it again")

        told: list[str] = []
        assert eventually(lambda: restarts() == 2)
        assert supervisor._pause["weak"] == 2.0


class TestDemo:
    def test_a_second_demo_in_one_folder_is_refused_in_words(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with (
            bootstrap.only_one(tmp_path / "demo.lock", "a demo"),
            pytest.raises(SystemExit),
            bootstrap.only_one(tmp_path / "demo.lock", "a demo"),
        ):
            pass

        assert f"a demo is already running in {tmp_path}" in capsys.readouterr().err

    def test_a_taken_port_gives_way_to_the_next_with_a_sentence(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = other.getsockname()[1]

            port = demo._port(taken)

        assert port > taken
        assert f"port {taken} is taken; using {port}" in capsys.readouterr().err

    def test_the_folder_of_collected_files_exists(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))

        assert (demo.data_folder(ROOT) / "staticfiles").is_dir()

    def test_secrets_are_made_once_and_are_nobody_elses(self, tmp_path: Path) -> None:
        first, second = demo._settings(tmp_path, 8000), demo._settings(tmp_path, 8000)

        assert first["SECRET_KEY"] == second["SECRET_KEY"]
        assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0

    def test_without_a_simulator_the_rest_starts(self, tmp_path: Path) -> None:
        environment = {"VAR_DIR": str(tmp_path), "XERO_API_URL": "http://127.0.0.1:9"}

        assert set(demo._commands(tmp_path, 8000, environment)) == {"web", "worker", "scheduler"}


class TestMachinesThatLackSomething:
    def test_without_node_a_sentence_and_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(assets, "_node_folder", lambda: None)
        monkeypatch.delenv("STATIC_DIST", raising=False)

        assert assets.build(ROOT, tmp_path) is False
        assert "no Node.js for this platform" in capsys.readouterr().err

    def test_a_build_kept_elsewhere_is_taken_as_it_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(assets, "_node_folder", lambda: pytest.fail("nothing to build"))
        monkeypatch.setenv("STATIC_DIST", str(tmp_path / "dist"))

        assert assets.build(ROOT, tmp_path) is False
        (tmp_path / "dist" / ".vite").mkdir(parents=True)
        (tmp_path / "dist" / ".vite" / "manifest.json").write_text("{}")
        assert assets.build(ROOT, tmp_path) is True

    def test_a_package_that_npm_has_not_brought_yet_is_noticed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("STATIC_DIST", raising=False)
        (tmp_path / "package.json").write_text('{"devDependencies": {"one": "1.0", "two": "2.0"}}')
        manifest = tmp_path / "static_dist" / ".vite" / "manifest.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("{}")  # newer than what it was built from
        asked: list[str] = []
        monkeypatch.setattr(assets, "_node_folder", lambda: asked.append("npm"))
        for name, version, calls in (("", "", 0), ("one", "1.0", 1), ("two", "1.9", 2)):
            if name:
                (tmp_path / "node_modules" / name).mkdir(parents=True)
                note = tmp_path / "node_modules" / name / "package.json"
                note.write_text(f'{{"version": "{version}"}}')
            assets.build(tmp_path, tmp_path)
            assert len(asked) == calls  # a build without any packages is taken as it is
        note.write_text('{"version": "2.0"}')

        assert assets.build(tmp_path, tmp_path) is True
        assert len(asked) == 2

    def test_the_test_command_builds_the_pages_it_drives(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[str] = []
        monkeypatch.setattr(assets, "build", lambda root, home: done.append("front end"))
        monkeypatch.setattr(testing, "_pytest", lambda *arguments: len(done) - 1)
        monkeypatch.setenv("DATABASE_URL", "postgres://given")

        assert testing.run(ROOT, []) == 0
        assert done == ["front end"]

    def test_without_pango_a_sentence_and_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
        monkeypatch.setattr("shutil.which", lambda name: None)
        monkeypatch.setenv("THROUGHLINE_PANGO", "")

        bootstrap._find_pango(tmp_path)

        assert os.environ["THROUGHLINE_PANGO"] == "none"
        assert "PDFs are off" in capsys.readouterr().err

    def test_a_read_only_checkout_keeps_its_data_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.access", lambda path, mode: False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

        assert bootstrap.working_dir(ROOT).is_relative_to(tmp_path / "throughline")

    def test_assets_of_a_read_only_checkout_are_built_from_a_copy_again_and_again(
        self, tmp_path: Path
    ) -> None:
        root, home = tmp_path / "root", tmp_path / "home"
        (root / "frontend").mkdir(parents=True)
        (root / "frontend" / "main.js").write_text("one")
        (root / "frontend" / "main.js").chmod(0o444)

        assets._copy_sources(root, home)
        assets._copy_sources(root, home)

        copy = home / "frontend" / "main.js"
        assert copy.read_text() == "one"
        assert copy.stat().st_mode & 0o200

    def test_without_redis_messages_are_files(
        self, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(broker, "redis_server", lambda: None)

        made = broker.Broker(tmp_path, "", processes)

        assert made.environment["CELERY_BROKER_URL"] == "filesystem://"
        assert (tmp_path / "broker" / "queue").is_dir()


class TestFreshness:
    def test_a_new_migration_changes_the_fingerprint(self, tmp_path: Path) -> None:
        (tmp_path / "requirements.lock").write_text("a==1")
        folder = tmp_path / "billing" / "migrations"
        folder.mkdir(parents=True)
        (folder / "0001_initial.py").write_text("one")
        before = freshness.fingerprint(tmp_path)

        assert freshness.fingerprint(tmp_path) == before
        (folder / "0002_more.py").write_text("two")
        assert freshness.fingerprint(tmp_path) != before


class TestOtherCommands:
    """What is typed on a machine where nobody said how to run."""

    def _typed(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        # The interpreter is the environment's own already; only the settings are missing.
        code = (
            "import sys, pathlib; from monetization.embedded import commands;"
            " sys.argv = ['manage.py', *sys.argv[1:]]\n"
            "with commands.surroundings(pathlib.Path('.').resolve(), sys.argv[1]):\n"
            "    from django.core.management import execute_from_command_line as go\n"
            "    go(sys.argv)"
        )
        settings = {"DJANGO_SETTINGS_MODULE": "monetization.config.settings"}
        return subprocess.run(
            [sys.executable, "-c", code, *command],
            cwd=ROOT,
            env=bare | settings | environment,
            capture_output=True,
            text=True,
        )

    def test_cases_are_compared_without_settings_or_a_database(self, tmp_path: Path) -> None:
        cases = tmp_path / "cases.json"
        cases.write_text("[]")

        done = self._typed("conformance", str(cases))

        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "agree 0, differ 0, by design 0, of 0"

    def test_settings_that_are_given_are_used_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in commands.SETTINGS:
            monkeypatch.delenv(name, raising=False)
        assert not commands.has_settings()
        monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/books")
        assert commands.has_settings()
