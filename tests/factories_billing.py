"""Contracts to bill, made through the use cases."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from billing.services.invoicing import advance_schedule, recalculate_invoices
from billing.services.schedules import activate_schedule, create_schedule
from metering.services import create_meter
from monetization.customers.models import Customer, CustomerAlias
from monetization.documents.services import store_document
from monetization.kernel.period import Frequency
from monetization.pricing.prices import Flat, Graduated, Tier
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms, terms_hash, terms_to_data
from monetization.tenancy.models import LegalEntity
from quotes.models import OrderForm, Quote, QuoteVersion

PLATFORM = ItemTerms(
    key="platform",
    product_code="platform",
    product_name="Platform",
    kind="fixed",
    model=Flat(Decimal(500)),
    frequency=Frequency.MONTHLY,
    timing="in_advance",
)
CALLS = ItemTerms(
    key="calls",
    product_code="calls",
    product_name="API calls",
    kind="usage",
    model=Graduated(
        (Tier(Decimal(1000), Decimal("0.10")), Tier(None, Decimal("0.08"))),
    ),
    frequency=Frequency.MONTHLY,
    timing="in_arrears",
    meter="calls",
    recognition="usage",
)


def make_customer(name: str = "Acme", currency: str = "USD", **fields: Any) -> Customer:
    """A customer of the default entity, known to usage events by its name in lower case."""
    customer: Customer = Customer.objects.create(
        name=name,
        currency=currency,
        legal_entity=LegalEntity.objects.get(is_default=True),
        **fields,
    )
    CustomerAlias.objects.create(customer=customer, alias=name.lower(), valid=(None, None))
    return customer


def make_calls_meter(now: datetime) -> Any:
    """The meter of ``CALLS``: events of type ``api`` add up their ``n``."""
    return create_meter(
        key="calls",
        name="Calls",
        event_type="api",
        aggregation="sum",
        value_property="n",
        now=now,
    )


def deal(
    *items: ItemTerms,
    start: date = date(2026, 1, 1),
    end: date | None = date(2027, 1, 1),
    currency: str = "USD",
    **phase: Any,
) -> OrderTerms:
    """Terms of one phase."""
    one = PhaseTerms(
        key="p1", name="Term", kind="standard", start_on=start, end_on=end, items=items, **phase
    )
    return OrderTerms(
        title="Deal",
        currency=currency,
        time_zone="UTC",
        start_on=start,
        end_on=end,
        anchor_day=1,
        payment_terms_days=30,
        phases=(one,),
    )


def signed(terms: OrderTerms, customer: Customer | None = None) -> OrderForm:
    """An order form as signing leaves it."""
    customer = customer or make_customer(currency=terms.currency)
    document = store_document(filename="order.pdf", content=b"%PDF")
    count = Quote.objects.count() + 1
    quote = Quote.objects.create(
        number=f"Q-{count:05d}",
        customer=customer,
        title=terms.title,
        owner_label="test",
    )
    version = QuoteVersion.objects.create(
        quote=quote,
        number=1,
        legal_entity=customer.legal_entity,
        currency=terms.currency,
        time_zone=terms.time_zone,
        start_on=terms.start_on,
        expires_on=terms.start_on,
    )
    form: OrderForm = OrderForm.objects.create(
        number=f"{quote.number}-1",
        version=version,
        customer=customer,
        legal_entity=customer.legal_entity,
        terms=terms_to_data(terms),
        terms_sha256=terms_hash(terms),
        document=document,
        document_sha256=document.sha256,
        signer_name="Ann",
        signer_email="ann@example.com",
        consent_text="I agree",
        signed_at=datetime(2025, 12, 1, tzinfo=UTC),
    )
    return form


def billed(terms: OrderTerms, *, now: datetime, customer: Customer | None = None) -> Any:
    """An active schedule whose invoices up to ``now`` are calculated."""
    form = signed(terms, customer)
    schedule = create_schedule(order_form_id=form.id, now=now)
    activate_schedule(schedule_id=schedule.id, now=now)
    opened = advance_schedule(schedule_id=schedule.id, now=now)
    recalculate_invoices(invoice_ids=opened, now=now)
    schedule.refresh_from_db()
    return schedule
