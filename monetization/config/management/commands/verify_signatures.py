from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from quotes.services.verifying import verify_signatures


class Command(BaseCommand):
    """Check every signed document, its terms and its evidence; exit 1 if a byte was changed."""

    help = "Check signed documents and the chain of evidence; name every changed byte."

    requires_system_checks = []  # a broken page must not hide a forged signature

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="one tenant; all, if not given")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"there is no tenant {options['tenant']!r}")
        wrong = 0
        for tenant in tenants:
            with tenant_context(tenant.id, actor="verify_signatures"):
                count, found = verify_signatures()
            verdict = f"{len(found)} DIFFER" if found else "all as signed"
            self.stdout.write(f"{tenant.slug}: {count:,} compared, {verdict}")
            for sentence in found:
                self.stdout.write(f"  {sentence}")
            wrong += len(found)
        if wrong:
            raise CommandError(f"{wrong} differences: something signed was changed afterwards")
