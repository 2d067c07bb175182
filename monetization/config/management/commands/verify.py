import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monetization.config.verify import CHECKS, Outcome, TenantReport, verify_tenant
from monetization.config.verify.base import number
from monetization.tenancy.models import Tenant


class Command(BaseCommand):
    """Check every identity of the books on what is stored; exit 1 if one does not hold."""

    help = (
        "Check the books: every identity, per tenant, with its figures. docs/verify.md lists them."
    )

    requires_system_checks = []  # a broken page must not hide broken books

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="one tenant; all, if not given")
        parser.add_argument(
            "--check", action="append", default=[], metavar="ID", help="I01.2, or all of I01"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document")
        parser.add_argument("--list", action="store_true", help="the checks, and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            for check in sorted(CHECKS.values(), key=lambda check: check.id):
                self.stdout.write(f"{check.id:7} {check.name}")
            return
        reports = []
        for tenant in self._tenants(options["tenant"]):
            try:
                report = verify_tenant(tenant.id, tenant.slug, only=options["check"])
            except KeyError as unknown:
                raise CommandError(f"no check is called {unknown}; see --list") from None
            reports.append(report)
            if not options["json"]:
                self._print(report)
        if options["json"]:
            self.stdout.write(json.dumps(_document(reports), indent=2))
        self._end(reports, quiet=options["json"])

    def _tenants(self, slug: str | None) -> list[Tenant]:
        tenants = Tenant.objects.order_by("slug")
        if slug:
            tenants = tenants.filter(slug=slug)
        found = list(tenants)
        if slug and not found:
            raise CommandError(f"there is no tenant {slug!r}")
        return found

    def _print(self, report: TenantReport) -> None:
        self.stdout.write(f"{report.slug}")
        for outcome in report.outcomes:
            for line in _lines(outcome):
                self.stdout.write(line)
        self.stdout.flush()

    def _end(self, reports: list[TenantReport], *, quiet: bool) -> None:
        outcomes = [outcome for report in reports for outcome in report.outcomes]
        bad = [outcome for outcome in outcomes if not outcome.is_ok]
        seconds = sum(outcome.seconds for outcome in outcomes)
        said = f"{len(outcomes)} checks of {len(reports)} tenants in {seconds:.1f} s"
        if bad:
            names = ", ".join(sorted({outcome.check.id for outcome in bad}))
            raise CommandError(f"{said}: {len(bad)} DIFFER ({names})")
        if not quiet:
            self.stdout.write(f"{said}: all hold")


def _lines(outcome: Outcome) -> list[str]:
    found = outcome.found
    verdict = "OK" if outcome.is_ok else "DIFFERS"
    lines = [
        f"  {outcome.check.id:6} {verdict:7}  {outcome.check.name} ({found.compared:,} {found.of})"
    ]
    for figure in found.figures:
        left, right = number(figure.left, figure.unit), number(figure.right, figure.unit)
        lines.append(
            f"{'':17} {figure.unit:8} {found.sides[0]} {left}, {found.sides[1]} {right},"
            f" difference {number(figure.difference, figure.unit)}"
        )
    lines += [f"{'':17} {note}" for note in found.notes]
    lines += [f"{'':17} ! {sample}" for sample in found.samples]
    if found.differing > len(found.samples):
        lines.append(f"{'':17} ! and {found.differing - len(found.samples):,} more")
    return lines


def _document(reports: list[TenantReport]) -> dict[str, Any]:
    return {
        "ok": all(report.is_ok for report in reports),
        "tenants": [
            {
                "tenant": report.slug,
                "ok": report.is_ok,
                "checks": [_check_document(outcome) for outcome in report.outcomes],
            }
            for report in reports
        ],
    }


def _check_document(outcome: Outcome) -> dict[str, Any]:
    found = outcome.found
    return {
        "id": outcome.check.id,
        "name": outcome.check.name,
        "ok": outcome.is_ok,
        "compared": found.compared,
        "of": found.of,
        "differing": found.differing,
        "figures": [
            {
                "unit": figure.unit,
                "compared": figure.compared,
                found.sides[0]: str(figure.left),
                found.sides[1]: str(figure.right),
                "difference": str(figure.difference),
            }
            for figure in found.figures
        ],
        "differences": list(found.samples),
        "notes": list(found.notes),
        "seconds": round(outcome.seconds, 3),
    }
