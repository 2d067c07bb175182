"""Usage billed ahead of its period whenever it has accrued to an amount."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import BillingSchedule, Invoice, InvoiceLine
from billing.services.corrections import TakenOffElsewhere, credit_lines, void_invoice
from billing.services.drafts import InvoiceHasSchedule, discard_one_off
from billing.services.invoicing import (
    InvoiceBelowZero,
    ThresholdInvoiceOpen,
    advance_schedule,
    issue_invoice,
    recalculate_invoices,
)
from billing.services.late_usage import late_invoices
from billing.services.reissue import NotReissued, void_and_reissue
from billing.services.schedules import change_status
from billing.services.thresholds import (
    ThresholdInvalid,
    bill_threshold,
    due_thresholds,
    set_threshold,
)
from metering.domain.events import UsageEvent
from metering.services import create_meter
from metering.services.recording import record_usage_events
from monetization.events.models import Event
from monetization.kernel.money import Money
from monetization.kernel.period import Frequency
from monetization.ledger.selectors import trial_balance
from monetization.pricing.estimate import rerate
from monetization.pricing.prices import Graduated, PerUnit, Tier, Volume
from monetization.pricing.terms import CapTerms, MinimumTerms
from revrec.selectors.recognition import recognized, should_be_recognized
from revrec.services import recognize_month
from tests.factories import make_member
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
START = datetime(2026, 1, 2, 12, tzinfo=UTC)


def on(day: int, month: int = 1) -> datetime:
    return datetime(2026, month, day, 12, tzinfo=UTC)


def use(calls: int, day: int, id: str) -> None:
    event = UsageEvent("api", id, "api", "acme", on(day), {"n": Decimal(calls)})
    record_usage_events([event], now=on(day))


def contract(*items: Any, threshold: str | None = "100", **phase: Any) -> BillingSchedule:
    create_meter(
        key="calls", name="Calls", event_type="api", aggregation="sum", value_property="n",
        now=START,
    )  # fmt: skip
    customer = make_customer(tax_percent=Decimal(20), tax_name="VAT")
    made: BillingSchedule = billed(
        deal(*(items or (PLATFORM, CALLS)), **phase), now=START, customer=customer
    )
    amount = None if threshold is None else Decimal(threshold)
    return set_threshold(schedule_id=made.id, amount=amount, now=START)


def close(schedule: BillingSchedule) -> Invoice:
    """January is over: its usage is on the invoice of 1 February."""
    touched = advance_schedule(schedule_id=schedule.id, now=on(3, 2))
    recalculate_invoices(invoice_ids=touched, now=on(3, 2))
    return Invoice.objects.get(schedule=schedule, bill_on=date(2026, 2, 1), threshold_number=None)


def said(invoice: Invoice) -> list[tuple[str, str, Decimal]]:
    rows = invoice.lines.order_by("position")
    return [(line.kind, line.description, line.amount) for line in rows]


def issue(invoice: Invoice, day: int, month: int = 1) -> Invoice:
    made = issue_invoice(
        invoice_id=invoice.id, issued_on=date(2026, month, day), now=on(day, month)
    )
    return Invoice.objects.get(id=made.id)


def test_usage_is_billed_when_it_reaches_the_amount_and_the_rest_at_the_end() -> None:
    # 1,000 calls at 0.10, those beyond at 0.08: 100.00 on the 10th, then 3,000 of them 260.00.
    schedule = contract()
    use(999, 5, "a")
    assert due_thresholds(now=on(5)) == []
    use(1, 10, "b")
    assert due_thresholds(now=on(10)) == [schedule.id]
    first = bill_threshold(schedule_id=schedule.id, now=on(10))
    assert first is not None
    assert (first.threshold_number, first.total_amount) == (1, Decimal(120))
    assert due_thresholds(now=on(10)) == []
    first = issue(first, 10)

    use(2000, 20, "c")
    second = bill_threshold(schedule_id=schedule.id, now=on(20))
    assert second is not None
    assert said(second) == [("progress", "API calls", Decimal(160))]
    assert [step["amount"] for step in second.lines.get().explanation["steps"]] == [
        "260.00",
        "-100.00",
    ]
    second = issue(second, 20)

    use(500, 28, "d")
    last = close(schedule)
    assert said(last) == [
        ("item", "API calls", Decimal(300)),
        ("item", "Platform", Decimal(500)),
        ("billed", f"API calls: billed on {first.number}", Decimal(-100)),
        ("billed", f"API calls: billed on {second.number}", Decimal(-160)),
    ]
    assert last.subtotal_amount == Decimal(540)
    assert last.total_amount == Decimal(648)
    issue(last, 3, 2)
    assert sum((row.balance for row in trial_balance()), Decimal(0)) == 0
    assert late_invoices(since=date(2026, 1, 1), until=date(2026, 3, 1), now=on(4, 2)) == []
    for line in InvoiceLine.objects.all():
        assert rerate(line.explanation) == Money(line.amount, "USD")


def test_a_threshold_is_billed_once_however_often_the_clock_runs() -> None:
    schedule = contract()
    use(1500, 5, "a")
    made = [bill_threshold(schedule_id=schedule.id, now=on(5)) for _ in range(3)]
    assert [one is None for one in made] == [False, True, True]
    assert Invoice.objects.filter(threshold_number__isnull=False).count() == 1
    assert Event.objects.filter(type="invoice.threshold_reached").count() == 1


def test_a_void_threshold_invoice_does_not_come_back_and_the_period_bills_it() -> None:
    schedule = contract()
    use(1000, 5, "a")
    first = bill_threshold(schedule_id=schedule.id, now=on(5))
    assert first is not None
    with pytest.raises(NotReissued):
        void_and_reissue(invoice_id=issue(first, 5).id, reason="no", now=on(6))
    void_invoice(invoice_id=first.id, reason="sent too early", now=on(6))
    assert due_thresholds(now=on(6)) == []
    assert close(schedule).subtotal_amount == Decimal(600)


def test_what_is_credited_of_a_threshold_invoice_is_billed_at_the_end() -> None:
    schedule = contract()
    use(1000, 5, "a")
    first = bill_threshold(schedule_id=schedule.id, now=on(5))
    assert first is not None
    first = issue(first, 5)
    credit_lines(
        invoice_id=first.id,
        amounts={first.lines.get().id: Decimal(40)},
        reason="billed too early",
        issued_on=date(2026, 1, 6),
        now=on(6),
    )
    last = close(schedule)
    assert last.subtotal_amount == Decimal(540)  # 500 + 100 - 60
    earned = should_be_recognized([schedule], date(2026, 1, 1))
    assert earned[schedule.id, "calls"] == Money(Decimal(100), "USD")
    issue(last, 3, 2)
    credit_lines(  # a credit after the period is issued gives the amount up
        invoice_id=first.id,
        amounts={first.lines.get().id: Decimal(10)},
        reason="goodwill",
        issued_on=date(2026, 2, 4),
        now=on(4, 2),
    )
    earned = should_be_recognized([schedule], date(2026, 1, 1))
    assert earned[schedule.id, "calls"] == Money(Decimal(90), "USD")
    assert late_invoices(since=date(2026, 1, 1), until=date(2026, 3, 1), now=on(5, 2)) == []


def test_corrected_usage_below_what_was_billed_asks_for_a_credit() -> None:
    schedule = contract(CALLS)
    use(1000, 5, "a")
    first = bill_threshold(schedule_id=schedule.id, now=on(5))
    assert first is not None
    first = issue(first, 5)
    use(-200, 6, "b")
    last = close(schedule)
    assert last.subtotal_amount == Decimal(-20)
    with pytest.raises(InvoiceBelowZero):
        issue(last, 3, 2)
    credit_lines(
        invoice_id=first.id,
        amounts={first.lines.get().id: Decimal(20)},
        reason="usage corrected",
        issued_on=date(2026, 2, 3),
        now=on(3, 2),
    )
    recalculate_invoices(invoice_ids=[last.id], now=on(3, 2))
    last.refresh_from_db()
    assert last.subtotal_amount == Decimal(0)


def test_the_period_waits_for_its_threshold_invoices_and_holds_them() -> None:
    schedule = contract()
    use(1000, 5, "a")
    first = bill_threshold(schedule_id=schedule.id, now=on(5))
    assert first is not None
    last = close(schedule)
    with pytest.raises(ThresholdInvoiceOpen, match="threshold invoice 1"):
        issue(last, 3, 2)
    with pytest.raises(InvoiceHasSchedule, match="take the threshold off"):
        discard_one_off(invoice_id=first.id)
    issue(first, 3, 2)
    recalculate_invoices(invoice_ids=[last.id], now=on(3, 2))
    issue(last, 3, 2)
    with pytest.raises(TakenOffElsewhere):
        void_invoice(invoice_id=first.id, reason="no", now=on(4, 2))


def test_a_draft_is_discarded_once_the_contract_has_no_threshold() -> None:
    schedule = contract()
    use(1000, 5, "a")
    first = bill_threshold(schedule_id=schedule.id, now=on(5))
    assert first is not None
    set_threshold(schedule_id=schedule.id, amount=None, now=on(6))
    discard_one_off(invoice_id=first.id)
    assert close(schedule).subtotal_amount == Decimal(600)


def test_a_recalculation_leaves_a_threshold_invoice_as_it_was_made() -> None:
    schedule = contract()
    use(1000, 5, "a")
    first = bill_threshold(schedule_id=schedule.id, now=on(5))
    assert first is not None
    use(100, 6, "b")
    assert recalculate_invoices(invoice_ids=[first.id], now=on(6)) == []
    first.refresh_from_db()
    assert first.subtotal_amount == Decimal(100)


@pytest.mark.parametrize(
    ("amount", "reason"),
    [("0", "above zero"), ("-1", "above zero"), ("NaN", "above zero"), ("1.001", "decimals")],
)
def test_an_amount_that_makes_no_sense_is_refused(amount: str, reason: str) -> None:
    schedule = contract(threshold=None)
    with pytest.raises(ThresholdInvalid, match=reason):
        set_threshold(schedule_id=schedule.id, amount=Decimal(amount), now=START)


def test_a_contract_without_usage_has_no_threshold() -> None:
    with pytest.raises(ThresholdInvalid, match="no usage"):
        contract(PLATFORM)


def test_it_is_set_on_the_schedules_page_and_over_rest(tenant: Any, client: Client) -> None:
    schedule = contract(threshold=None)
    client.force_login(make_member(tenant, "finance"))
    act = reverse("billing:schedule-action", args=[schedule.id])
    client.post(act, {"action": "threshold", "threshold_amount": "250.50"})
    page = client.get(reverse("billing:schedule-detail", args=[schedule.id])).content.decode()
    assert "Billed at $250.50" in page
    client.post(act, {"action": "threshold", "threshold_amount": "many"})
    schedule.refresh_from_db()
    assert schedule.threshold_amount == Decimal("250.50")
    call = f"/api/v1/schedules/{schedule.id}/threshold"
    answer = client.put(call, {"amount": "1000"}, content_type="application/json")
    assert answer.json()["threshold_amount"] == "1000.00"
    answer = client.put(call, {"amount": "0"}, content_type="application/json")
    assert (answer.status_code, "above zero" in answer.json()["detail"]) == (409, True)
    client.put(call, {"amount": None}, content_type="application/json")
    schedule.refresh_from_db()
    assert schedule.threshold_amount is None


def test_its_pages_say_what_it_is(tenant: Any, client: Client) -> None:
    schedule = contract()
    use(1500, 5, "a")
    first = bill_threshold(schedule_id=schedule.id, now=on(5))
    assert first is not None
    client.force_login(make_member(tenant, "finance"))
    page = client.get(reverse("billing:invoice-detail", args=[first.id])).content.decode()
    assert "Usage billed ahead of its period" in page
    last = close(schedule)
    for invoice in (first, last):
        for line in invoice.lines.all():
            why = client.get(reverse("billing:invoice-explain", args=[invoice.id, line.id]))
            assert "the same to the cent" in why.content.decode()


MODELS = (
    Graduated((Tier(Decimal(50), Decimal("0.37")), Tier(None, Decimal("0.113")))),
    Volume((Tier(Decimal(60), Decimal("1.01")), Tier(None, Decimal("0.333")))),
    PerUnit(Decimal("0.777")),
)
STEPS = st.lists(st.tuples(st.integers(-20, 90), st.booleans()), min_size=1, max_size=6)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    STEPS,
    st.sampled_from(MODELS),
    st.sampled_from([None, MinimumTerms(Decimal(70), Frequency.MONTHLY)]),
    st.sampled_from([(), (CapTerms(Decimal(40), Frequency.MONTHLY),)]),
)
def test_however_often_it_bills_ahead_the_invoices_come_to_what_one_would(
    steps: list[tuple[int, bool]], model: Any, minimum: Any, caps: Any
) -> None:
    with transaction.atomic():
        try:
            _compare(steps, replace(CALLS, model=model), minimum=minimum, caps=caps)
        finally:
            transaction.set_rollback(True)


def _compare(steps: list[tuple[int, bool]], item: Any, **phase: Any) -> None:
    create_meter(
        key="calls", name="Calls", event_type="api", aggregation="sum", value_property="n",
        now=START,
    )  # fmt: skip
    made = {
        name: billed(
            deal(item, **phase),
            now=START,
            customer=make_customer(name, tax_percent=Decimal("19.5"), tax_name="VAT"),
        )
        for name in ("Acme", "Once")
    }
    set_threshold(schedule_id=made["Acme"].id, amount=Decimal("7.50"), now=START)
    for number, (calls, looks) in enumerate(steps):
        for name in made:
            event = UsageEvent(
                "api", f"{name}{number}", "api", name.lower(), on(3 + number), {"n": Decimal(calls)}
            )
            record_usage_events([event], now=on(3 + number))
        if looks:
            bill_threshold(schedule_id=made["Acme"].id, now=on(3 + number))
    for schedule in made.values():
        close(schedule)
    sums = [
        Invoice.objects.filter(schedule=schedule, bill_on__lte=date(2026, 2, 1)).aggregate(
            net=Sum("subtotal_amount"), tax=Sum("tax_amount")
        )
        for schedule in made.values()
    ]
    assert sums[0] == sums[1]


class TestRevenueOfACancelledContract:
    """100.00 of usage is billed on the 10th, 160.00 more accrues, and the contract is cancelled."""

    @pytest.fixture
    def schedule(self) -> BillingSchedule:
        schedule = contract(CALLS)
        use(1000, 10, "a")
        bill_threshold(schedule_id=schedule.id, now=on(10))
        use(2000, 20, "b")
        return schedule

    def cancel(self, schedule: BillingSchedule) -> None:
        change_status(schedule_id=schedule.id, action="cancel", now=on(3, 2))

    def test_is_what_its_threshold_invoices_billed_less_credits(
        self, schedule: BillingSchedule
    ) -> None:
        first = issue(schedule.invoices.get(threshold_number=1), 10)
        self.cancel(schedule)

        assert earned(schedule) == Decimal(100)
        balances = {row.account.value: row.balance for row in trial_balance() if row.balance}
        assert balances == {
            "accounts_receivable": Decimal(120),
            "tax_payable": Decimal(-20),
            "revenue": Decimal(-100),
        }
        credit_lines(
            invoice_id=first.id,
            amounts={first.lines.get().id: Decimal(30)},
            reason="goodwill",
            issued_on=date(2026, 2, 6),
            now=on(6, 2),
        )
        assert earned(schedule) == Decimal(70)

    def test_is_nothing_while_the_threshold_invoice_is_a_draft(
        self, schedule: BillingSchedule
    ) -> None:
        self.cancel(schedule)

        assert earned(schedule) == Decimal(0)
        issue(schedule.invoices.get(threshold_number=1), 4, 2)
        assert earned(schedule) == Decimal(100)

    def test_is_the_whole_period_once_its_invoice_is_issued(
        self, schedule: BillingSchedule
    ) -> None:
        issue(schedule.invoices.get(threshold_number=1), 10)
        whole = close(schedule)
        self.cancel(schedule)
        assert earned(schedule) == Decimal(100)

        issue(whole, 3, 2)

        assert earned(schedule) == Decimal(260)


def earned(schedule: BillingSchedule) -> Decimal:
    """Recognize January, as often as is asked, and return what the contract earned."""
    recognize_month(month=date(2026, 1, 1), now=on(7, 2))
    return sum((one.amount for one in recognized([schedule.id]).values()), start=Decimal(0))
