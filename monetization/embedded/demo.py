"""``python3 manage.py demo``: everything on this machine, with a tenant to look at."""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from monetization.embedded import assets
from monetization.embedded.bootstrap import fail, say, working_dir
from monetization.embedded.broker import Broker
from monetization.embedded.supervisor import Supervisor


def run(root: Path, arguments: list[str]) -> int:
    """Start services, migrate, load the demo tenant and serve until Ctrl-C."""
    options = _options(arguments)
    var = Path(os.environ.get("VAR_DIR") or working_dir(root) / "var")
    lock = _only_one(var)
    if options.reset:
        for name in ("postgres", "redis", "broker", "simulators", "files"):
            shutil.rmtree(var / name, ignore_errors=True)
    started = time.monotonic()
    environment = {**os.environ, **_settings(var, options.port)}
    signal.signal(signal.SIGTERM, _interrupt)
    stops: list[Any] = [lock.close]
    try:
        environment |= _database(var, stops)
        broker = Broker(var, os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL", ""))
        stops.append(broker.stop)
        environment |= broker.environment
        dist = Path(os.environ.get("STATIC_DIST") or working_dir(root) / "static_dist")
        assets.build(root, dist)
        _manage(root, environment | {"DATABASE_URL": environment["DATABASE_OWNER_URL"]}, "migrate")
        sign_ins = "" if options.no_load else _manage(root, environment, "load_demo")
        say(f"ready in {time.monotonic() - started:.1f} s")
        supervisor = Supervisor(root, environment)
        supervisor.start(_processes(options.port, environment))
        _wait_for(options.port)
        print(f"\n  Throughline is at http://127.0.0.1:{options.port}\n\n{sign_ins}", flush=True)
        supervisor.watch()
    except KeyboardInterrupt:
        say("stopping")
    finally:
        for stop in reversed(stops):
            stop()
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py demo", description=__doc__)
    parser.add_argument("--reset", action="store_true", help="begin again with fresh data")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--no-load", action="store_true", help="do not load the demo tenant")
    options = parser.parse_args(arguments)
    asked = options.port
    options.port = _free_port(asked)
    if options.port != asked:
        say(f"port {asked} is taken; using {options.port}")
    return options


def _free_port(wanted: int) -> int:
    for port in range(wanted, wanted + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    fail(f"no free port from {wanted} to {wanted + 49}; name one with --port")
    raise AssertionError  # fail() does not return


def _only_one(var: Path) -> Any:
    import fcntl

    var.mkdir(parents=True, exist_ok=True)
    handle = (var / "demo.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        fail("a demo is already running in this folder; stop it first, or use its address")
    return handle


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _settings(var: Path, port: int) -> dict[str, str]:
    """Return the demo's settings; its secrets are made once and kept."""
    file = var / "secrets.json"
    if not file.exists():
        file.touch(mode=0o600)
        keys = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "SALT_KEY")}
        file.write_text(json.dumps(keys))
    return {
        **json.loads(file.read_text()),
        "VAR_DIR": str(var),
        "DEBUG": "0",
        "MONETIZATION_DEMO": "1",
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "XERO_API_URL": os.environ.get("XERO_API_URL", f"http://127.0.0.1:{_free_port(port + 60)}"),
        "PYTHONUNBUFFERED": "1",
    }


def _database(var: Path, stops: list[Any]) -> dict[str, str]:
    given = os.environ.get("DATABASE_URL")
    if given:
        return {
            "DATABASE_URL": given,
            "DATABASE_OWNER_URL": os.environ.get("DATABASE_OWNER_URL", given),
        }
    from monetization.embedded.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(var)
    stops.append(server.stop)
    application, owner = server.urls()
    return {"DATABASE_URL": application, "DATABASE_OWNER_URL": owner}


def _manage(root: Path, environment: dict[str, str], *command: str) -> str:
    """Run a management command in a child; its standard output is what it has to tell."""
    done = subprocess.run(
        [sys.executable, str(root / "manage.py"), *command],
        env={**environment, "MONETIZATION_NO_BOOTSTRAP": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        fail(f"`manage.py {' '.join(command)}` failed; the lines above say why")
    return done.stdout


def _processes(port: int, environment: dict[str, str]) -> dict[str, list[str]]:
    python, celery = sys.executable, [sys.executable, "-m", "celery", "-A", "monetization.config"]
    var = environment["VAR_DIR"]
    processes = {
        "web": [
            python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
            "--port", str(port), "--workers", "2", "--blocking-threads", "4",
            "--no-ws", "--log-level", "warning", "monetization.config.wsgi:application",
        ],
        "worker": [*celery, "worker", "-P", "threads", "-c", "4", "-l", "warning"],
        "scheduler": [*celery, "beat", "-l", "warning", "-s", f"{var}/celerybeat-schedule"],
    }  # fmt: skip
    if "XERO_API_URL" not in os.environ:
        xero_port = environment["XERO_API_URL"].rpartition(":")[2]
        processes["xero"] = [python, "manage.py", "xero_simulator", "--port", xero_port]
    return processes


def _wait_for(port: int, seconds: int = 60) -> None:
    for _ in range(seconds * 10):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    fail(f"the web server did not answer on port {port} within {seconds} s")
