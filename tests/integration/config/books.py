"""A small company with a quarter of books, made through the use cases people use."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.models import Invoice
from billing.services.collections import record_payment
from billing.services.corrections import credit_invoice, void_invoice
from billing.services.credits import granting
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.schedules import activate_schedule, create_schedule
from billing.services.taxing import set_tax_method
from metering.domain.events import UsageEvent
from metering.models import Meter
from metering.services import create_meter, fold_usage, record_usage_events
from monetization.catalog.models import Price, PriceVersion, Product
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, claim_job, register_job_kind, run_next_batch
from monetization.jobs.services import start_job as start
from monetization.mail.services import queue_mail
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity, Tenant
from quotes.services import create_quote, import_order_form, save_draft
from revrec.services import close_month, recognize_month
from tests.factories import make_tenant
from tests.factories_billing import make_customer

JAN, FEB, MAR, APR = (date(2026, month, 1) for month in (1, 2, 3, 4))
NOW = datetime(2026, 4, 10, 12, tzinfo=UTC)


def make_books(slug: str = "made") -> Tenant:
    """Two contracts, one of them over; usage; payments; a void, a credit; two months closed."""
    tenant = make_tenant("Made", slug=slug)
    with tenant_context(tenant.id, actor="test"):
        make_catalog()
        acme, beta = make_customer("Acme", tax_percent=Decimal(8)), make_customer("Beta")
        use("acme", until=date(2026, 4, 8))
    # Another transaction: a reading's snapshot does not show what its own transaction wrote.
    with tenant_context(tenant.id, actor="test"):
        give(acme.id, beta.id)
        sign_up(acme.id, months=3)
        sign_up(beta.id, months=24)
        for month in (JAN, FEB):
            issue_month(month)
            settle(month)
            recognize_month(month=month, now=NOW)
            close_month(month=month, now=NOW)
        issue_month(MAR)
        issue_month(APR)
        correct()
        recognize_month(month=MAR, now=NOW)
        do_a_job()
        queue_mail(dedupe_key="hello", to="a@example.com", subject="Hi", text="Hi", now=NOW)
        use("nobody", until=date(2026, 1, 4))
        fold_usage()
        tax_once_per_rate()
        gamma = make_customer("Gamma", tax_percent=Decimal(8))
        sign_up(gamma.id, months=24, minimum="")  # drafts that no credits pay
    with tenant_context(tenant.id, actor="test"):
        recalculate_invoices(invoice_ids=Invoice.objects.values_list("id", flat=True), now=NOW)
    return tenant


def tax_once_per_rate() -> None:
    entity = LegalEntity.objects.get(is_default=True)
    set_tax_method(
        legal_entity_id=entity.id, method="per_category", prices_include_tax=False, now=NOW
    )


def give(*customer_ids: UUID) -> None:
    """Give credits: used up in January; used in March, and given back by the credit note."""
    for customer_id in customer_ids:
        for first, end, amount in ((JAN, FEB, 50), (MAR, APR, 20)):
            granting.grant_credits(
                words=granting.CreditWords(
                    customer_id=customer_id, name=f"{first:%B}", amount=Decimal(amount)
                ),
                effective_at=datetime.combine(first, time(0), tzinfo=UTC),
                expires_at=datetime.combine(end, time(0), tzinfo=UTC),
                now=datetime(2026, 1, 1, tzinfo=UTC),
            )


def make_catalog() -> None:
    meter = create_meter(
        key="calls",
        name="Calls",
        event_type="api",
        aggregation="sum",
        value_property="n",
        now=datetime(2025, 12, 1, tzinfo=UTC),
    )
    _price("platform", "fixed", "straight_line", "in_advance", {"model": "flat", "amount": "500"})
    tiers = [{"up_to": "1000", "unit_price": "0.10"}, {"up_to": None, "unit_price": "0.08"}]
    graduated = {"model": "graduated", "tiers": tiers}
    _price("calls", "usage", "usage", "in_arrears", graduated, meter)


def _price(
    code: str, kind: str, recognition: str, timing: str, model: Any, meter: Meter | None = None
) -> None:
    product = Product.objects.create(
        code=code, name=code.title(), kind=kind, recognition=recognition
    )
    price = Price.objects.create(
        product=product,
        code=f"{code}-usd",
        name=code.title(),
        currency="USD",
        frequency="monthly",
        timing=timing,
        meter=meter,
    )
    PriceVersion.objects.create(price=price, number=1, model=model)


def use(alias: str, *, until: date) -> None:
    """Record 500.25 calls a day from January on."""
    days = (until - JAN).days
    events = [
        UsageEvent(
            "test",
            f"{alias}-{offset}",
            "api",
            alias,
            datetime(2026, 1, 1, 9, 30, tzinfo=UTC) + timedelta(days=offset),
            {"n": Decimal("500.25")},
        )
        for offset in range(days)
    ]
    record_usage_events(events, now=NOW)
    fold_usage()


def sign_up(
    customer_id: UUID,
    *,
    months: int,
    starts: date = JAN,
    now: datetime = NOW,
    minimum: str = "1000",
) -> UUID:
    """Quote, sign and bill a contract of a platform fee and calls; no minimum if empty."""
    signed_at = datetime.combine(starts, time(12), tzinfo=UTC) - timedelta(days=12)
    quote = create_quote(customer_id=customer_id, title="Platform", start_on=starts, now=signed_at)
    version = quote.versions.get()
    phase = {
        "name": "Term",
        "months": months,
        "discount_percent": "10",
        "minimum_amount": minimum,
        "minimum_frequency": "monthly" if minimum else "",
        "lines": [_line("platform", "500"), _line("calls", None)],
    }
    save_draft(version_id=version.id, payload={"phases": [phase]})
    form = import_order_form(
        version_id=version.id, signed_at=signed_at, signer_name="Ann", signer_email="a@example.com"
    )
    schedule = create_schedule(order_form_id=form.id, now=now)
    activate_schedule(schedule_id=schedule.id, now=now)
    opened = advance_schedule(schedule_id=schedule.id, now=now)
    recalculate_invoices(invoice_ids=opened, now=now)
    return schedule.id


def _line(code: str, amount: str | None) -> dict[str, Any]:
    listed = PriceVersion.objects.get(price__code=f"{code}-usd")
    return {"product": code, "price_version": str(listed.id), "quantity": "1"}


def issue_month(month: date) -> None:
    drafts = Invoice.objects.filter(status="draft", bill_on=month).exclude(total_amount=0)
    for invoice in drafts.order_by("id"):
        issue_invoice(invoice_id=invoice.id, issued_on=month, now=NOW, ignore_grace=True)


def settle(month: date) -> None:
    for invoice in Invoice.objects.filter(status="issued", bill_on=month).order_by("number"):
        record_payment(
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            amount=invoice.total_amount,
            received_on=month,
            reference=f"paid-{invoice.number}",
            now=NOW,
        )


def correct() -> None:
    """Void one invoice of April, credit one of March, leave money without an invoice."""
    first, second = Invoice.objects.filter(status="issued", bill_on=APR).order_by("number")
    void_invoice(invoice_id=second.id, reason="Wrong address", now=NOW)
    advance_schedule(schedule_id=second.schedule_id, now=NOW)
    recalculate_invoices(
        invoice_ids=Invoice.objects.filter(status="draft").values_list("id", flat=True), now=NOW
    )
    credited = Invoice.objects.filter(status="issued", bill_on=MAR).order_by("number")[0]
    credit_invoice(invoice_id=credited.id, reason="Outage", issued_on=date(2026, 4, 2), now=NOW)
    record_payment(
        customer_id=first.customer_id,
        currency="USD",
        amount=first.total_amount + 7,
        received_on=date(2026, 4, 3),
        reference="too much",
        allocations={first.id: first.total_amount - 5},
        now=NOW,
    )


def do_a_job() -> None:
    def run_item(job: Job, item: JobItem) -> None:
        return None

    register_job_kind(JobKind("test.nothing", run_item))
    job = start(kind="test.nothing", title="Nothing", items=[("a", "A"), ("b", "B")])
    token = claim_job(job_id=job.id, now=NOW)
    while run_next_batch(job_id=job.id, token=token or 0, now=NOW):
        pass
