"""Serve the simulated Stripe account (``docs/integrations.md``)."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from integrations.stripe.simulator import Simulator, serve


class Command(BaseCommand):
    help = "Serve a Stripe account on this machine; it is kept in VAR_DIR/simulators."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8062)

    def handle(self, *args: Any, **options: Any) -> None:
        simulator = Simulator(settings.VAR_DIR / "simulators")
        server = serve(simulator, options["port"])
        self.stdout.write(f"Simulated Stripe is at http://127.0.0.1:{server.server_port}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            server.server_close()
            simulator.close()
