"""Whatever is agreed in the builder: quote total = schedule total = sum of its invoices."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.services.invoicing import advance_schedule, recalculate_invoices
from billing.services.schedules import activate_schedule, create_schedule
from monetization.pricing.estimate import estimate
from monetization.pricing.terms import terms_from_data
from quotes import services
from tests.factories_billing import make_customer
from tests.scenarios.deals import PRODUCTS, line, make_products, phase

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
cents = st.integers(0, 500_000).map(lambda units: f"{Decimal(units) / 100:.2f}")
percents = st.integers(0, 10_000).map(lambda units: f"{Decimal(units) / 100:.2f}")
recurring = st.sampled_from(["monthly", "quarterly", "half_yearly", "yearly"])


@st.composite
def lines(draw: st.DrawFn, code: str) -> dict[str, Any]:
    kind = PRODUCTS[code][0]
    row = line(
        code,
        draw(cents),
        frequency="one_time" if code == "setup" else draw(recurring),
        discount_percent=draw(percents),
    )
    if kind != "usage":
        row |= {"quantity": str(draw(st.integers(0, 300)))}
        row |= {"timing": draw(st.sampled_from(["in_advance", "in_arrears"]))}
    return row


@st.composite
def phases(draw: st.DrawFn) -> dict[str, Any]:
    codes = draw(st.lists(st.sampled_from(sorted(PRODUCTS)), unique=True, max_size=4))
    is_trial = draw(st.booleans())
    row = phase(
        *(draw(lines(code)) for code in codes),
        months=draw(st.integers(1, 9)),
        kind="trial" if is_trial else "standard",
        discount_percent="100" if is_trial else draw(percents),
    )
    if draw(st.booleans()):
        row |= {"minimum_amount": draw(cents), "minimum_frequency": draw(recurring)}
    return row


@pytest.fixture(autouse=True)
def _catalog(tenant: Any) -> None:
    make_products()


class TestAnyDeal:
    @settings(
        max_examples=12,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        rows=st.lists(phases(), min_size=1, max_size=3),
        start=st.dates(date(2026, 7, 1), date(2027, 7, 1)),
        anchor=st.integers(1, 31),
        zone=st.sampled_from(["UTC", "America/New_York", "Pacific/Apia"]),
        currency=st.sampled_from(["USD", "JPY", "KWD"]),
    )
    def test_bills_over_its_term_what_the_quote_said(
        self, rows: list[dict[str, Any]], start: date, anchor: int, zone: str, currency: str
    ) -> None:
        customer = make_customer(currency=currency)
        customer.aliases.all().delete()  # each deal has a customer of the same name
        quote = services.create_quote(
            customer_id=customer.id, title="Deal", start_on=start, now=NOW
        )
        version = services.save_draft(
            version_id=quote.versions.get().id,
            payload={"phases": rows, "anchor_day": anchor, "time_zone": zone},
        )
        form = services.import_order_form(
            version_id=version.id, signed_at=NOW, signer_name="Ann", signer_email="a@example.com"
        )
        schedule = create_schedule(order_form_id=form.id, now=NOW)
        activate_schedule(schedule_id=schedule.id, now=NOW)
        terms = terms_from_data(schedule.terms)
        assert terms.end_on is not None
        after = datetime.combine(terms.end_on + timedelta(days=2), NOW.timetz())

        opened = advance_schedule(schedule_id=schedule.id, now=after)
        recalculate_invoices(invoice_ids=opened, now=after)

        version.refresh_from_db()
        billed = sum(row.subtotal_amount for row in schedule.invoices.all())
        assert billed == version.total_contract_value
        assert billed == estimate(terms).total_contract_value.amount
        assert not schedule.periods.filter(invoice__isnull=True).exists()
