"""From what the builder posts to invoices, through the use cases people use."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.models import BillingSchedule
from billing.services.invoicing import advance_schedule, recalculate_invoices
from billing.services.schedules import activate_schedule, create_schedule
from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.catalog.services import create_product
from monetization.customers.models import Customer
from monetization.pricing.terms import terms_from_data, terms_hash
from quotes import services
from quotes.models import OrderForm, QuoteVersion
from tests.factories_billing import make_customer

# code -> kind and how it is recognized
PRODUCTS = {
    "platform": ("fixed", ""),
    "support": ("fixed", ""),
    "setup": ("fixed", "point_in_time"),
    "crm": ("seat", ""),
    "analytics": ("seat", ""),
    "admin": ("seat", ""),
    "calls": ("usage", ""),
    "storage": ("usage", ""),
}


def make_products() -> None:
    """The catalog of the deals; prices are agreed on the lines, so that tests show them."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for code, (kind, recognition) in PRODUCTS.items():
        create_product(code=code, name=code.title(), kind=kind, recognition=recognition)
        if kind == "usage":
            create_meter(
                key=code,
                name=code.title(),
                event_type=code,
                aggregation="sum",
                value_property="n",
                now=now,
            )


def line(product: str, amount: str = "", **fields: Any) -> dict[str, Any]:
    """A line of the builder: a flat amount, or a price each for seats and usage."""
    kind = PRODUCTS[product][0]
    row: dict[str, Any] = {"product": product, "frequency": "monthly", **fields}
    if amount:
        flat = {"model": "flat", "amount": amount}
        row["model"] = flat if kind == "fixed" else {"model": "per_unit", "unit_price": amount}
    if kind == "usage":
        row |= {"meter_key": product, "timing": "in_arrears"}
    return row


def tiers(model: str, *steps: tuple[str | None, str], **fields: Any) -> dict[str, Any]:
    """A tiered price from (up to, price) pairs."""
    rows = [{"up_to": up_to, "unit_price": price, "flat_fee": "0"} for up_to, price in steps]
    return {"model": model, "tiers": rows, **fields}


def phase(*lines: dict[str, Any], months: int | None = 12, **fields: Any) -> dict[str, Any]:
    return {"months": months, "lines": list(lines), **fields}


@dataclass
class Deal:
    """A signed deal and its schedule."""

    version: QuoteVersion
    form: OrderForm
    schedule: BillingSchedule

    @property
    def value(self) -> Decimal | None:
        return self.version.total_contract_value

    def invoices(self, on: date, *, hour: int = 12) -> dict[str, Decimal]:
        """Bring billing up to a day; return net totals by billing date, the open one too."""
        now = datetime(on.year, on.month, on.day, hour, tzinfo=UTC)
        advance_schedule(schedule_id=self.schedule.id, now=now)
        rows = self.schedule.invoices.exclude(status="void")
        recalculate_invoices(invoice_ids=[row.id for row in rows], now=now)
        found = self.schedule.invoices.order_by("bill_on")
        return {str(row.bill_on): row.subtotal_amount.normalize() for row in found}

    def lines(self, bill_on: date) -> dict[str, Decimal]:
        """Return what one invoice charges, by contract line."""
        rows = self.schedule.invoices.get(bill_on=bill_on).lines.order_by("position")
        return {row.item_key: row.amount.normalize() for row in rows}


def sell(
    *phases: dict[str, Any],
    start: date,
    currency: str = "",
    signed: datetime | None = None,
    customer: Customer | None = None,
    **header: Any,
) -> Deal:
    """Draft, send and sign a quote, by default in its customer's currency, and bill it."""
    customer = customer or make_customer(currency=currency or "USD")
    now = signed or datetime(start.year, start.month, start.day, 9, tzinfo=UTC) - timedelta(days=10)
    quote = services.create_quote(customer_id=customer.id, title="Deal", start_on=start, now=now)
    payload = {
        "signer_name": "Ann Lee",
        "signer_email": "ann@example.com",
        "currency": currency or customer.currency,
        "phases": list(phases),
        **header,
    }
    version = services.save_draft(version_id=quote.versions.get().id, payload=payload)
    address = services.send_version(version_id=version.id, now=now)
    form = services.sign_version(
        token=address.rpartition("/")[2],
        name="Ann Lee",
        email="ann@example.com",
        title="CFO",
        consent=True,
        ip_address="203.0.113.7",
        user_agent="Browser",
        now=now,
    )
    assert form is not None
    schedule = create_schedule(order_form_id=form.id, now=now)
    activate_schedule(schedule_id=schedule.id, now=now)
    version.refresh_from_db()
    assert terms_hash(terms_from_data(schedule.terms)) == version.terms_sha256
    return Deal(version, form, schedule)


def use(product: str, units: int | str, on: date, *, hour: int = 12, alias: str = "acme") -> None:
    """Record one usage event."""
    at = datetime(on.year, on.month, on.day, hour, tzinfo=UTC)
    event = UsageEvent(
        "test", f"{product}-{at.isoformat()}-{units}", product, alias, at, {"n": Decimal(units)}
    )
    record_usage_events([event], now=at + timedelta(minutes=1))
