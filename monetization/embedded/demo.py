"""``python3 manage.py demo``: everything on this machine, with a tenant to look at."""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from monetization.embedded import assets, freshness
from monetization.embedded.bootstrap import fail, only_one, say, working_dir
from monetization.embedded.broker import Broker
from monetization.embedded.processes import Processes
from monetization.embedded.supervisor import Supervisor
from monetization.embedded.web import web_command

# A power cut while a database is set up only begins it again: no commit waits for the disk, but
# for the mark after it, and that one writes all the others.
SETTING_UP = {"PGOPTIONS": "-c synchronous_commit=off"}
STATE = ("postgres", "redis", "broker", "simulators", "files", "demo-sign-ins", "demo-api-key")


def run(root: Path, arguments: list[str]) -> int:
    """Start services, migrate, load the demo tenant and serve until Ctrl-C."""
    options = _options(arguments)
    started = time.monotonic()
    var = data_folder(root)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        signal.signal(signal.SIGHUP, _interrupt)  # its terminal was closed
    with ExitStack() as stack, _interrupted_once():
        stack.enter_context(only_one(var / "demo.lock", "a demo"))
        processes = Processes(var)
        if processes.end_leftovers():
            say("ended what an earlier run had left behind")
        if options.reset:
            _reset(var)
        port = _port(options.port)
        environment = {**os.environ, **_settings(var, port)}
        environment |= _database(var, stack)
        stack.callback(processes.end_all)
        given = os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL", "")
        environment |= Broker(var, given, processes).environment
        assets.build(root, working_dir(root))
        sign_ins = _prepare(root, var, environment, load=not options.no_load)
        supervisor = Supervisor(root, environment, processes)
        supervisor.start(_commands(root, port, environment))
        _wait_for(port, supervisor)
        say(f"ready in {time.monotonic() - started:.1f} s; logs are in {var / 'log'}")
        print(f"\n  Throughline is at http://127.0.0.1:{port}\n\n{sign_ins}", flush=True)
        say("Ctrl-C stops it; the data stay")
        supervisor.watch()
    return 0


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """Take the first Ctrl-C as the wish to stop; a second one must not interrupt the stopping."""
    try:
        yield
    except KeyboardInterrupt:
        for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(again, signal.SIG_IGN)
        say("stopping")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py demo", description=__doc__)
    parser.add_argument("--reset", action="store_true", help="begin again with fresh data")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--no-load", action="store_true", help="do not load the demo tenant")
    return parser.parse_args(arguments)


def data_folder(root: Path) -> Path:
    """Return the folder of the demo's data, with the folders Django expects in it."""
    var = Path(os.environ.get("VAR_DIR") or working_dir(root) / "var").absolute()
    (var / "staticfiles").mkdir(parents=True, exist_ok=True)
    return var


def _reset(var: Path) -> None:
    if not os.environ.get("DATABASE_URL"):
        from monetization.embedded.postgres import stop_leftover

        stop_leftover(var)
    for name in STATE:
        place = var / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def _port(asked: int) -> int:
    port = _free_port(asked)
    if port != asked:
        say(f"port {asked} is taken; using {port}")
    return port


def _free_port(wanted: int) -> int:
    for port in range(wanted, min(wanted + 50, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    fail(f"no free port from {wanted} to {wanted + 49}; name one with --port")
    raise AssertionError  # fail() does not return


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def kept_secrets(var: Path) -> dict[str, str]:
    """Return the keys of this folder's data, made once and kept."""
    file = var / "secrets.json"
    if not file.exists():
        file.touch(mode=0o600)
        keys = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "SALT_KEY")}
        file.write_text(json.dumps(keys))
    found: dict[str, str] = json.loads(file.read_text())
    return found


def _settings(var: Path, port: int) -> dict[str, str]:
    return {
        **kept_secrets(var),
        "VAR_DIR": str(var),
        "DEBUG": "0",
        "MONETIZATION_DEMO": "1",
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "XERO_API_URL": os.environ.get("XERO_API_URL", f"http://127.0.0.1:{_free_port(port + 60)}"),
        "DROPBOX_SIGN_API_URL": os.environ.get(
            "DROPBOX_SIGN_API_URL", f"http://127.0.0.1:{_free_port(port + 120)}"
        ),
        "STRIPE_API_URL": os.environ.get(
            "STRIPE_API_URL", f"http://127.0.0.1:{_free_port(port + 180)}"
        ),
        "PYTHONUNBUFFERED": "1",
    }


def _database(var: Path, stack: ExitStack) -> dict[str, str]:
    given = os.environ.get("DATABASE_URL")
    if given:
        return {
            "DATABASE_URL": given,
            "DATABASE_OWNER_URL": os.environ.get("DATABASE_OWNER_URL", given),
        }
    from monetization.embedded.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(var)
    stack.callback(server.stop)
    application, owner = server.urls()
    if freshness.marks(owner).get("demo") == "loading":
        say("the demo company was loaded by half; beginning again")
        server.drop()
        application, owner = server.urls()
    return {"DATABASE_URL": application, "DATABASE_OWNER_URL": owner}


def bring_up_to_date(root: Path, environment: dict[str, str]) -> dict[str, str]:
    """Migrate the database if the code has changed; return what is marked on it."""
    owner = environment["DATABASE_OWNER_URL"]
    schema, known = freshness.fingerprint(root), freshness.marks(owner)
    if known.get("schema") != schema:
        say("preparing the database")
        _manage(root, environment | {"DATABASE_URL": owner}, "migrate", "--verbosity", "0")
        freshness.mark(owner, schema=schema)
    return known


def _prepare(root: Path, var: Path, environment: dict[str, str], *, load: bool) -> str:
    """Bring the tables and the demo tenant up to date; return how to sign in.

    What was done is marked on the database, so that the next start need not ask Django.
    """
    owner = environment["DATABASE_OWNER_URL"]
    setting_up = {} if os.environ.get("DATABASE_URL") else SETTING_UP
    known = bring_up_to_date(root, environment | setting_up)
    if not load:
        return ""
    remembered = var / "demo-sign-ins"
    if known.get("demo") == "loaded" and remembered.exists():
        return remembered.read_text()
    say("loading the demo company; the first time this takes a minute or two")
    if known.get("demo") is None:
        freshness.mark(owner, demo="loading")
    sign_ins = _manage(root, environment | setting_up, "load_demo")
    remembered.touch(mode=0o600)
    remembered.write_text(sign_ins)
    freshness.mark(owner, demo="loaded")
    return sign_ins


def _manage(root: Path, environment: dict[str, str], *command: str) -> str:
    """Run a management command in a child; its standard output is what it has to tell."""
    child = subprocess.Popen(
        [sys.executable, str(root / "manage.py"), *command],
        env={"LOG_LEVEL": "ERROR", **environment, "MONETIZATION_NO_BOOTSTRAP": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = child.communicate()
    except BaseException:
        child.kill()
        child.wait()
        raise
    if child.returncode:
        fail(f"`manage.py {' '.join(command)}` failed; the lines above say why")
    return told


def _commands(root: Path, port: int, environment: dict[str, str]) -> dict[str, list[str]]:
    python = sys.executable
    celery = [python, "-W", "ignore", "-m", "celery", "-q", "-A", "monetization.config"]
    commands = {
        "web": web_command(port),
        "worker": [*celery, "worker", "-P", "threads", "-c", "4", "-l", "warning"],
        "scheduler": [
            *celery, "beat", "-l", "warning", "-s", f"{environment['VAR_DIR']}/celerybeat-schedule",
        ],
    }  # fmt: skip
    simulators = (
        ("xero", "XERO_API_URL"),
        ("dropbox_sign", "DROPBOX_SIGN_API_URL"),
        ("stripe", "STRIPE_API_URL"),
    )
    for name, variable in simulators:
        command = root / "integrations" / "management" / "commands" / f"{name}_simulator.py"
        if variable not in os.environ and command.exists():
            simulator_port = environment[variable].rpartition(":")[2]
            manage = [python, str(root / "manage.py"), f"{name}_simulator"]
            commands[name] = [*manage, "--port", simulator_port]
    return commands


def _wait_for(port: int, supervisor: Supervisor, seconds: int = 60) -> None:
    """Wait until the web server answers a request, whatever the answer is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.suppress(OSError, HTTPException):
            connection.request("GET", "/accounts/login/")
            connection.getresponse().read()
            return
        supervisor.look()
        time.sleep(0.1)
    fail(f"the web server did not answer on port {port} within {seconds} s; its log says why")
