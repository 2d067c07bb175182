"""A whole installation of its own that may be killed: Postgres, web processes, folder."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from monetization.embedded.postgres import EmbeddedPostgres, _forget_the_dead
from monetization.embedded.web import web_command

ROOT = Path(__file__).parents[2]
PREPARE = """
import json, sys
from django.utils import timezone
from metering.services import create_meter
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key, make_tenant
from tests.factories_billing import make_customer
found = []
for number in range(2):
    tenant = make_tenant(f"Company {number}")
    with tenant_context(tenant.id, actor="test"):
        customers = [str(make_customer(f"c{n}").id) for n in range(5)]
        for kind in ("sum", "count", "max", "count_unique"):
            create_meter(key=kind, name=kind, event_type="api", aggregation=kind,
                         value_property="" if kind == "count" else "n", now=timezone.now())
    key = make_api_key(tenant, "usage:write", "usage:read")
    found.append({"id": str(tenant.id), "slug": tenant.slug, "key": key, "customers": customers})
print("\\n" + json.dumps(found))
"""
FOLD = """
import time
from metering.tasks import fold_usage
while True:
    try:
        fold_usage()
    except Exception as error:
        print(error)
    time.sleep(0.2)
"""


COURIER = """
import time
from django.utils import timezone
from monetization.events.models import EventDelivery
from monetization.events.services import deliver
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
while True:
    try:
        for tenant_id in list(Tenant.objects.values_list("id", flat=True)):
            with tenant_context(tenant_id):
                waiting = list(EventDelivery.objects.filter(delivered_at__isnull=True))
            for one in waiting:
                with tenant_context(tenant_id):
                    deliver(delivery_id=one.id, now=timezone.now())
    except Exception as error:
        print(error)
    time.sleep(0.2)
"""


@dataclass
class Machine:
    """Its parts can be killed and started again."""

    var: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    companies: list[dict[str, Any]] = field(default_factory=list)
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def set_up(self) -> None:
        self.postgres = EmbeddedPostgres(self.var)
        app, owner = self.postgres.urls()
        self.owner = owner
        self.environment = {
            **os.environ,
            "DATABASE_URL": app,
            "DATABASE_OWNER_URL": owner,
            "DEBUG": "0",
            "VAR_DIR": str(self.var),
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
            "DJANGO_SETTINGS_MODULE": "monetization.config.settings",
            "SECRET_KEY": "faults",
            "PYTHONWARNINGS": "ignore",
        }
        self.manage("migrate", "-v", "0", DATABASE_URL=owner)
        self.companies = json.loads(self.shell(PREPARE).splitlines()[-1])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def manage(self, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def shell(self, code: str) -> str:
        return self.manage("shell", "-v", "0", "-c", code)

    # --- parts that are killed ---------------------------------------------------------------

    def start_web(self, **environment: str) -> None:
        self._start("web", web_command(self.port), environment)
        until = time.monotonic() + 90
        while self.answer_of("/api/v1/nothing") is None:
            assert time.monotonic() < until, "the web processes did not start"
            time.sleep(0.1)

    def answer_of(self, path: str) -> int | None:
        with suppress(OSError, http.client.HTTPException):
            wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            wire.request("GET", path)
            return wire.getresponse().status
        return None

    def start_folder(self) -> None:
        self._start_code("folder", FOLD)

    def start_courier(self) -> None:
        """Start what delivers events of the stream to those who follow it."""
        self._start_code("courier", COURIER)

    def _start_code(self, name: str, code: str) -> None:
        self._start(name, [sys.executable, "manage.py", "shell", "-v", "0", "-c", code], {})

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.kill(name)  # one that still runs would outlive the test
        with (self.var / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def last_error(self, name: str) -> str:
        """Return the last traceback a part wrote into its log."""
        told = (self.var / f"{name}.log").read_text(errors="replace")
        return told[told.rfind("Traceback") :][:6000]

    def kill(self, name: str) -> None:
        """Kill a part and all its children, without a word."""
        process = self.running.pop(name, None)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)

    def kill_postgres(self) -> None:
        found = psutil.Process(self.postmaster())
        family = [found, *found.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=20)

    def postmaster(self) -> int:
        return int((self.var / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def start_postgres(self) -> None:
        _forget_the_dead(self.var / "postgres")
        until = time.monotonic() + 60
        while True:
            try:
                self.postgres._server.ensure_postgres_running()
                return
            except Exception:  # the memory of the killed one is freed a moment later
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def end(self) -> None:
        for name in list(self.running):
            self.kill(name)
        with suppress(Exception):
            self.postgres.stop()
        shutil.rmtree(self.var, ignore_errors=True)

    # --- what is asked ------------------------------------------------------------------------

    @property
    def admin(self) -> str:
        return str(self.postgres._server.get_uri())

    @contextmanager
    def superuser(self) -> Iterator["psycopg.Connection[Any]"]:
        with psycopg.connect(self.admin, dbname="monetization", autocommit=True) as connection:
            yield connection

    def verify(self) -> None:
        """Let the books check themselves."""
        self.manage("verify")

    def usage(self, company: dict[str, Any]) -> dict[str, int]:
        """Return every meter's quantity over all customers, by the API."""
        found: dict[str, int] = {}
        for customer in company["customers"]:
            status, answer, _ = self.call(
                company,
                "GET",
                f"/api/v1/usage?customer={customer}&from=2020-01-01T00:00:00Z"
                "&to=2030-01-01T00:00:00Z",
            )
            assert status == 200, answer
            for line in answer["results"]:
                found[line["meter"]] = found.get(line["meter"], 0) + int(line["quantity"])
        return found

    def call(
        self,
        company: dict[str, Any],
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float = 60,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Call the API; return status, answer and headers.

        :raises OSError: if the connection ended before the answer was whole.
        """
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = {"Authorization": f"Bearer {company['key']}", **(headers or {})}
            if body is not None:
                sent.setdefault("Content-Type", "application/json")
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
                wire.request(method, path, body, sent)
            answer = wire.getresponse()
            text = answer.read()
            told = {name.lower(): value for name, value in answer.getheaders()}
            is_json = "json" in told.get("content-type", "")
            return answer.status, json.loads(text) if is_json else text, told
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            wire.close()

    def post(self, company: dict[str, Any], events: Any, **more: Any) -> tuple[int, Any, Any]:
        return self.call(
            company, "POST", "/api/v1/usage-events", json.dumps(events).encode(), **more
        )


@contextmanager
def machine() -> Iterator[Machine]:
    made = Machine(Path(tempfile.mkdtemp(prefix="tl-faults-", dir="/tmp")))
    made.var.chmod(0o755)
    try:
        made.set_up()
        yield made
    finally:
        made.end()
