import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from integrations.dropbox_sign import connecting
from integrations.services import connect_xero
from metering.services import fold_usage
from monetization.config.demo import (
    company,
    contracts,
    customers,
    history,
    pipeline,
    prepaid,
    usage,
    watching,
)
from monetization.customers.models import Customer
from monetization.kernel.period import add_months
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from monetization.users.models import ApiKey
from quotes.services.renewals import plan_renewals, send_notices

CUSTOMERS = 200
PROSPECTS = 9
SEED = 20_260_101
T = TypeVar("T")
_Deal = tuple[Customer, customers.Company, contracts.Deal]


class Command(BaseCommand):
    """Load the demo tenant once; say how to sign in every time."""

    help = "A software company with 200 customers and 13 months of books, always the same."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=date.fromisoformat, default=None, help="today, if not")
        parser.add_argument("--customers", type=int, default=CUSTOMERS)

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=company.SLUG).first()
        if tenant is None:
            today = options["as_of"] or timezone.now().date()
            current_app.conf.task_always_eager = True  # what follows a fact follows at once
            tenant = company.create_company()
            try:
                Loader(tenant, today, options["customers"], self._progress).load()
            except BaseException:
                self.stderr.write("the demo data are incomplete; begin again with --reset")
                raise
        elif not _is_complete(tenant):
            raise CommandError("the demo data are incomplete; begin again with `demo --reset`")
        self.stdout.write(_sign_ins())

    def _progress(self, text: str) -> None:
        self.stderr.write(f"  demo: {text}")
        self.stderr.flush()


def _key_file() -> Path:
    return settings.VAR_DIR / "demo-api-key"


def _is_complete(tenant: Tenant) -> bool:
    return ApiKey.objects.filter(tenant=tenant).exists()  # made last


def _sign_ins() -> str:
    lines = [f"  Sign in with the password {company.PASSWORD} as"]
    lines += [f"    {email:28} {role.label}" for email, _, role in company.PEOPLE]
    if _key_file().exists():
        lines.append(f"  API key (Authorization: Bearer …): {_key_file().read_text().strip()}")
    return "\n".join(lines) + "\n"


class Loader:
    """Makes the company's books, step by step, each step a transaction of its own."""

    def __init__(
        self, tenant: Tenant, today: date, count: int, progress: Callable[[str], None]
    ) -> None:
        self._tenant, self._today, self._count, self._say = tenant, today, count, progress
        self._random = Random(SEED)  # noqa: S311 - the same every time is the point
        self._this_month = today.replace(day=1)
        self._first = add_months(self._this_month, -13, anchor_day=1)
        self._now = datetime.combine(today, clock(8), tzinfo=UTC)
        self._payers: dict[UUID, str] = {}
        self._prepaid = prepaid.Prepaid(self._this_month, today)
        self._started = time.monotonic()

    def load(self) -> None:
        with tenant_context(self._tenant.id, actor="Maya Lindqvist"):
            entities = company.create_entities()
            prices = company.create_catalog(history.noon(self._first - timedelta(days=40)))
            company.create_views()
        everyone = customers.companies(self._count + PROSPECTS, self._random)
        self._sign(everyone[: self._count], entities, prices)
        self._bill()
        if connecting.uses_simulator():
            with tenant_context(self._tenant.id, actor="Emre Aydin"):
                connecting.connect(now=self._now, is_test=True)
        with tenant_context(self._tenant.id, actor="Ruben Castellanos"):
            problem = pipeline.open_quotes(
                everyone[self._count :], entities, prices, self._now, self._random
            )
            plan_renewals(today=self._today)
            send_notices(today=self._today, now=self._now)
        if problem:
            self._say(problem)
        with tenant_context(self._tenant.id, actor="Farah Okonkwo"):
            watching.create_rules(self._now)
            watching.bill_ahead(self._now)
        with tenant_context(self._tenant.id, actor="API key billing-core"):
            watching.hold_usage(self._now)
        self._connect()
        self._step("books ready")

    def _sign(self, companies: list[customers.Company], entities: Any, prices: Any) -> None:
        with tenant_context(self._tenant.id, actor="Ruben Castellanos"):
            rows = []
            for index, one in enumerate(companies):
                deal = contracts.deal_for(index, one, prices, self._first, self._random)
                deal = prepaid.with_credits(index, deal)
                created = history.noon(deal.signed_on - timedelta(days=9))
                customer = history.add_customer(one, index, entities, created)
                rows.append((customer, one, deal))
                self._prepaid.know(index, customer, deal)
            self._payers = {customer.id: one.pays for customer, one, _ in rows}
        self._step(f"{len(rows)} customers")
        with tenant_context(self._tenant.id, actor="API key billing-core"):
            count = 0
            for _, one, deal in rows:
                events = usage.events_of(one, deal, self._today, self._random)
                count += usage.record(events, self._now)
            count += usage.record(usage.unmatched_events(self._today), self._now)
            fold_usage()
        self._step(f"{count:,} usage events")
        self._make_contracts(rows)
        self._step(f"{len(rows)} contracts")

    def _make_contracts(self, rows: Sequence[_Deal]) -> None:
        with tenant_context(self._tenant.id, actor="Ruben Castellanos"):
            versions = [history.open_quote(customer, deal) for customer, _, deal in rows]
        self._side_by_side(
            lambda one: history.sign_up(self._tenant.id, *one),
            [
                (company.currency, (version_id, company, deal))
                for version_id, (_, company, deal) in zip(versions, rows, strict=True)
            ],
        )

    def _bill(self) -> None:
        issued = 0
        farah = partial(tenant_context, self._tenant.id, actor="Farah Okonkwo")
        month = self._first
        while month < self._this_month:
            after = add_months(month, 1, anchor_day=1)
            with farah():
                self._prepaid.month(month)
                issued += history.issue_month(month)
            self._collect(month)
            if after < self._this_month:
                with farah():
                    history.close_books(month)
            else:  # its books are still open
                self._collect(after, until=self._today)
                with farah():
                    history.correct_some(month, self._now - timedelta(days=self._today.day))
            month = after
        with farah():
            self._prepaid.today(self._now)
        self._step(f"{issued:,} invoices issued, collected and recognized")

    def _collect(self, month: date, until: date | None = None) -> None:
        with tenant_context(self._tenant.id, actor="Farah Okonkwo"):
            payments = history.payments_in(month, self._payers, self._random, until)

        def receive(payment: history.Payment) -> None:
            with tenant_context(self._tenant.id, actor="Farah Okonkwo"):
                history.receive(payment)

        self._side_by_side(receive, [(one.invoice.currency, one) for one in payments])

    @staticmethod
    def _side_by_side(do: Callable[[T], None], work: Iterable[tuple[str, T]]) -> None:
        """Do what is in dollars beside all the rest, each in its order.

        Each currency is a legal entity's, whose documents are numbered one after the other: every
        run gives the same numbers. Half of the work waits for Postgres.
        """
        shares: defaultdict[bool, list[T]] = defaultdict(list)
        for currency, one in work:
            shares[currency == "USD"].append(one)

        def do_all(share: list[T]) -> None:
            try:
                for one in share:
                    do(one)
            finally:
                connection.close()

        with ThreadPoolExecutor() as threads:
            list(threads.map(do_all, shares.values()))

    def _connect(self) -> None:
        """Connect Xero from now on: what was issued before is in the books already."""
        with tenant_context(self._tenant.id, actor="Emre Aydin"):
            connect_xero(now=self._now)
            _, secret = ApiKey.objects.create_key(
                name="billing-core",
                tenant=self._tenant,
                scopes=["usage:read", "usage:write", "customers:read", "catalog:read"],
                created_by="Emre Aydin",
            )
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        _key_file().touch(mode=0o600)
        _key_file().write_text(secret)

    def _step(self, text: str) -> None:
        self._say(f"{text} ({time.monotonic() - self._started:.0f} s)")
