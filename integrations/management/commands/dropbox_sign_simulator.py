"""Serve the simulated Dropbox Sign (``docs/integrations.md``)."""

import json
import threading
import time
from argparse import ArgumentParser
from typing import Any

import urllib3
from django.conf import settings
from django.core.management.base import BaseCommand

from integrations.dropbox_sign.mapping import REPLY
from integrations.dropbox_sign.simulator import Simulator, serve

FILE_SECONDS = 2.0
TRIES, WAIT = 6, 5.0  # Dropbox Sign itself tries for longer


class Command(BaseCommand):
    help = "Serve a Dropbox Sign on this machine; its requests are kept in VAR_DIR/simulators."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8061)

    def handle(self, *args: Any, **options: Any) -> None:
        simulator = Simulator(settings.VAR_DIR / "simulators", self._deliver)
        simulator.desk.file_takes = FILE_SECONDS
        server = serve(simulator, options["port"])
        self.stdout.write(f"Simulated Dropbox Sign is at http://127.0.0.1:{server.server_port}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
            simulator.close()

    def _deliver(self, url: str, event: dict[str, Any]) -> None:
        threading.Thread(target=_post, args=(url, event), daemon=True).start()


def _post(url: str, event: dict[str, Any]) -> None:
    """Call until it is answered with the right words."""
    for _ in range(TRIES):
        try:
            answer = urllib3.request(
                "POST", url, fields={"json": json.dumps(event)}, timeout=10, retries=False
            )
            if answer.status == 200 and answer.data.decode() == REPLY:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(WAIT)
