"""A company whose month is over: customers, contracts, usage, and an invoice open for each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection
from django.utils import timezone

from billing.models import BillingPeriod, BillingSchedule, Invoice, Phase
from metering.services import create_meter
from monetization.customers.models import BillingContact, Customer, CustomerAlias
from monetization.kernel.ids import uuid7
from monetization.kernel.period import Frequency, add_months, start_instant
from monetization.pricing.prices import Flat, Graduated, PerUnit, Tier
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms, terms_hash, terms_to_data
from monetization.pricing.timeline import ChargePeriod, charge_periods
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity, Tenant

_OF_CUSTOMER = "o.customer_id = f.customer"
METERS = ("tokens", "requests")
CHUNK = 1000
TAX = Decimal("8.25")  # percent
_TIERS = (
    Tier(Decimal(100_000), Decimal("0.0005")),
    Tier(Decimal(1_000_000), Decimal("0.0003")),
    Tier(Decimal(10_000_000), Decimal("0.0002")),
    Tier(None, Decimal("0.0001")),
)


@dataclass(slots=True)
class Company:
    """A tenant made for the run. Invoices are by month, in the order of the customers."""

    tenant_id: UUID
    legal_entity_id: UUID
    month: date  # the month to close; its invoices bill on the first of the next
    customers: list[UUID] = field(default_factory=list)
    meters: dict[str, UUID] = field(default_factory=dict)
    previous: list[UUID] = field(default_factory=list)
    drafts: list[UUID] = field(default_factory=list)

    @property
    def bill_on(self) -> date:
        return add_months(self.month, 1, anchor_day=1)


def make_company(customers: int) -> Company:
    """Make customers with a contract of five lines each, and their open invoices of two months.

    The first is made as activation leaves it; the others are copies of its rows.
    """
    slug = f"bench-{uuid7().hex[-8:]}"
    tenant = Tenant.objects.create(name=slug, slug=slug)
    now = timezone.now()
    with tenant_context(tenant.id, actor="bench"):
        entity = LegalEntity.objects.create(name=slug, code="BE", is_default=True)
        month = add_months(now.date().replace(day=1), -1, anchor_day=1)
        company = Company(tenant.id, entity.id, month)
        for key in METERS:
            made = create_meter(
                key=key,
                name=key.capitalize(),
                event_type=f"api.{key}",
                aggregation="sum",
                value_property="units",
                now=now,
            )
            company.meters[key] = made.id
        _sign_up(company, [1])
    for first in range(2, customers + 1, CHUNK):
        with tenant_context(tenant.id, actor="bench"):
            _copy(company, first, min(first + CHUNK, customers + 1))
    return company


# Every row that names the first customer's rows, with what of it differs in a copy.
_COPIES = (
    ("customers_customer", "'id', c.customer, 'name', c.name", "o.id = f.customer"),
    (
        "customers_customeralias",
        "'id', gen_random_uuid(), 'customer_id', c.customer, 'alias', c.name",
        _OF_CUSTOMER,
    ),
    (
        "customers_billingcontact",
        "'id', gen_random_uuid(), 'customer_id', c.customer, 'name', c.name",
        _OF_CUSTOMER,
    ),
    (
        "billing_billingschedule",
        "'id', c.schedule, 'customer_id', c.customer, 'number', 'BENCH-' || c.n",
        "o.id = f.schedule",
    ),
    ("billing_phase", "'id', c.phase, 'schedule_id', c.schedule", "o.id = f.phase"),
    (
        "billing_invoice",
        "'id', CASE WHEN o.id = f.previous THEN c.previous ELSE c.draft END,"
        " 'customer_id', c.customer, 'schedule_id', c.schedule",
        "o.schedule_id = f.schedule",
    ),
    (
        "billing_billingperiod",
        "'id', gen_random_uuid(), 'schedule_id', c.schedule, 'phase_id', c.phase, 'invoice_id',"
        " CASE WHEN o.invoice_id = f.previous THEN c.previous ELSE c.draft END",
        "o.schedule_id = f.schedule",
    ),
)
_IDS = ("customer", "schedule", "phase", "previous", "draft")


def _copy(company: Company, first: int, stop: int) -> None:
    """Copy the first customer with all that hangs on it, under numbers from one on."""
    ids = {name: [uuid7() for _ in range(first, stop)] for name in _IDS}
    numbers = list(range(first, stop))
    names = [f"Customer {number:06d}" for number in numbers]
    schedule = BillingSchedule.objects.get(customer=company.customers[0])
    known = {
        "customer": company.customers[0],
        "schedule": schedule.id,
        "phase": Phase.objects.get(schedule=schedule).id,
        "previous": company.previous[0],
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE copies ON COMMIT DROP AS SELECT * FROM unnest("  # noqa: S608
            "%s::int[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[])"
            f" AS c(n, name, {', '.join(_IDS)})",
            [numbers, names, *ids.values()],
        )
        for table, differing, condition in _COPIES:
            cursor.execute(
                f"INSERT INTO {table} SELECT r.* FROM {table} o"  # noqa: S608 - from above
                " CROSS JOIN (SELECT %(customer)s::uuid AS customer, %(phase)s::uuid AS phase,"
                " %(schedule)s::uuid AS schedule, %(previous)s::uuid AS previous) f"
                " CROSS JOIN copies c CROSS JOIN LATERAL jsonb_populate_record(o,"
                f" jsonb_build_object({differing})) r"
                f" WHERE {condition}",
                known,
            )
    company.customers += ids["customer"]
    company.previous += ids["previous"]
    company.drafts += ids["draft"]


def _terms(month: date) -> OrderTerms:
    """Return five lines: a fee, seats, support, and two meters."""
    usage: dict[str, Any] = {"kind": "usage", "timing": "in_arrears", "recognition": "usage"}
    fixed: dict[str, Any] = {"kind": "fixed", "timing": "in_arrears"}
    lines: Sequence[tuple[str, Any, dict[str, Any]]] = (
        ("platform", Flat(Decimal(500)), fixed),
        ("support", Flat(Decimal(90)), fixed),
        ("seats", PerUnit(Decimal("29.90")), {**fixed, "kind": "seat", "quantity": Decimal(12)}),
        ("tokens", Graduated(_TIERS), {**usage, "meter": "tokens"}),
        ("requests", PerUnit(Decimal("0.0002")), {**usage, "meter": "requests"}),
    )
    items = tuple(
        ItemTerms(
            key=key,
            product_code=key,
            product_name=key.capitalize(),
            model=model,
            frequency=Frequency.MONTHLY,
            **fields,
        )
        for key, model, fields in lines
    )
    phase = PhaseTerms("p1", "Term", "standard", month, None, items)
    return OrderTerms("Bench", "USD", "UTC", month, None, 1, 30, (phase,))


def _sign_up(company: Company, numbers: Sequence[int]) -> None:
    """Write contracts as activation leaves them, without their quotes and papers."""
    start = add_months(company.month, -1, anchor_day=1)
    terms = _terms(start)
    periods = [p for p in charge_periods(terms, until=company.bill_on) if p.bill_on > start]
    customers = Customer.objects.bulk_create(
        Customer(
            name=f"Customer {number:06d}",
            currency="USD",
            legal_entity_id=company.legal_entity_id,
            country="US",
            tax_name="Sales tax",
            tax_percent=TAX,
        )
        for number in numbers
    )
    company.customers += [customer.id for customer in customers]
    CustomerAlias.objects.bulk_create(
        CustomerAlias(customer=customer, alias=customer.name, valid=(None, None))
        for customer in customers
    )
    BillingContact.objects.bulk_create(
        BillingContact(customer=c, name=c.name, email=f"{c.id}@example.com", is_primary=True)
        for c in customers
    )
    schedules = BillingSchedule.objects.bulk_create(
        BillingSchedule(
            number=f"BENCH-{number:06d}",
            customer=customer,
            legal_entity_id=company.legal_entity_id,
            title="Bench",
            status=BillingSchedule.Status.ACTIVE,
            currency="USD",
            time_zone="UTC",
            start_on=start,
            payment_terms_days=30,
            terms=terms_to_data(terms),
            terms_sha256=terms_hash(terms),
        )
        for number, customer in zip(numbers, customers, strict=True)
    )
    phases = Phase.objects.bulk_create(
        Phase(schedule=s, position=1, key="p1", name="Term", kind="standard", start_on=start)
        for s in schedules
    )
    for bill_on, bucket in ((company.month, company.previous), (company.bill_on, company.drafts)):
        billed = [period for period in periods if period.bill_on == bill_on]
        invoices = Invoice.objects.bulk_create(
            _invoice(schedule, billed, bill_on) for schedule in schedules
        )
        bucket += [invoice.id for invoice in invoices]
        BillingPeriod.objects.bulk_create(
            _periods(schedules, phases, invoices, billed), batch_size=CHUNK
        )


def _invoice(schedule: BillingSchedule, periods: Sequence[ChargePeriod], bill_on: date) -> Invoice:
    customer = schedule.customer
    return Invoice(
        schedule=schedule,
        customer=customer,
        legal_entity_id=schedule.legal_entity_id,
        status=Invoice.Status.DRAFT,
        currency="USD",
        bill_on=bill_on,
        period_start=min(period.service.start for period in periods),
        period_end=max(period.service.end for period in periods),
        tax_name=customer.tax_name,
        tax_percent=customer.tax_percent,
    )


def _periods(
    schedules: Sequence[BillingSchedule],
    phases: Sequence[Phase],
    invoices: Sequence[Invoice],
    periods: Sequence[ChargePeriod],
) -> Iterator[BillingPeriod]:
    for schedule, phase, invoice in zip(schedules, phases, invoices, strict=True):
        for period in periods:
            yield BillingPeriod(
                schedule=schedule,
                phase=phase,
                kind=period.kind,
                item_key=period.item_key,
                service_start=period.service.start,
                service_end=period.service.end,
                full_start=period.full.start,
                full_end=period.full.end,
                starts_at=start_instant(period.service.start, "UTC"),
                ends_at=start_instant(period.service.end, "UTC"),
                bill_on=period.bill_on,
                invoice=invoice,
            )


def nudge(company: Company, source: str) -> None:
    """Give every customer one more event on every meter in both months."""
    add_usage(company, 2 * len(METERS) * len(company.customers), source, is_much=False)


def add_usage(company: Company, events: int, source: str, *, is_much: bool = True) -> None:
    """Put events into both months and every meter, spread over customers and hours, and fold."""
    start = start_instant(add_months(company.month, -1, anchor_day=1), "UTC")
    end = start_instant(company.bill_on, "UTC")
    each = events // len(METERS)
    with psycopg.connect(settings.DATABASE_OWNER_URL) as owner:
        owner.execute("SELECT set_config('app.tenant_id', %s, true)", [str(company.tenant_id)])
        for key, meter_id in company.meters.items():
            _write_events(owner, company, key, source, each, start, end)
            _fold_events(owner, company, key, source, meter_id)
    if is_much:
        with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as owner:
            owner.execute("ANALYZE")


def _write_events(
    owner: Any,
    company: Company,
    key: str,
    source: str,
    count: int,
    start: datetime,
    end: datetime,
) -> None:
    owner.execute(
        "INSERT INTO metering_usageevent (tenant_id, id, source, source_event_id, type, subject,"
        " customer_id, occurred_at, data)"
        " SELECT %(tenant)s, (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0')"
        " || substr(md5(n || %(source)s || %(type)s), 1, 20))::uuid, %(source)s, n::text, %(type)s,"
        " 'bench', c.id, t, jsonb_build_object('units', (n %% 5000)::text)"
        " FROM generate_series(0, %(count)s - 1) n"
        " CROSS JOIN LATERAL (SELECT %(start)s + (%(end)s - %(start)s) * (n / %(count)s::float8)"
        "  AS t) AS moment"
        " JOIN unnest(%(customers)s::uuid[]) WITH ORDINALITY AS c(id, place)"
        " ON c.place = 1 + n %% %(customer_count)s",
        {
            "tenant": company.tenant_id,
            "source": source,
            "type": f"api.{key}",
            "start": start,
            "end": end,
            "count": count,
            "customers": company.customers,
            "customer_count": len(company.customers),
        },
    )


def _fold_events(owner: Any, company: Company, key: str, source: str, meter_id: UUID) -> None:
    """Write into the roll-up what the folder would, in one statement."""
    owner.execute(
        "INSERT INTO metering_usagerollup AS r"
        " (tenant_id, meter_id, customer_id, hour, quantity, events)"
        " SELECT tenant_id, %s, customer_id, date_trunc('hour', occurred_at, 'UTC'),"
        " sum((data ->> 'units')::numeric), count(*) FROM metering_usageevent"
        " WHERE tenant_id = %s AND source = %s AND type = %s GROUP BY 1, 3, 4 ORDER BY 1, 3, 4"
        " ON CONFLICT (tenant_id, meter_id, customer_id, hour) DO UPDATE SET"
        " quantity = r.quantity + excluded.quantity, events = r.events + excluded.events",
        [meter_id, company.tenant_id, source, f"api.{key}"],
    )
