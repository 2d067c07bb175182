"""Usage that came after its invoice was issued is listed exactly and goes where a person says."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import CreditNote, Invoice, InvoiceLine, LateUsageDecision
from billing.services.drafts import remove_manual_line
from billing.services.invoicing import advance_schedule, issue_invoice, recalculate_invoices
from billing.services.late_usage import (
    LateInvoice,
    LateUsageOwed,
    NothingLate,
    late_invoices,
    route_late_usage,
    start_routing,
)
from metering.domain.events import VOIDS, Correction, UsageEvent
from metering.services import record_usage_events
from monetization.jobs.services import claim_job, run_next_batch
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import CALLS, billed, deal, make_calls_meter

FEBRUARY = datetime(2026, 2, 10, 12, tzinfo=UTC)
MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)
SPAN: dict[str, Any] = {"since": date(2026, 1, 1), "until": date(2026, 12, 1)}


def use(calls: int, id: str, **more: Any) -> None:
    event = UsageEvent("t", id, "api", "acme", FEBRUARY, {"n": Decimal(calls)}, **more)
    record_usage_events([event], now=MARCH)


def late() -> list[LateInvoice]:
    return late_invoices(**SPAN, now=MARCH)


def owed() -> list[tuple[str, Decimal]]:
    return [(one.invoice.number, one.owed.amount) for one in late()]


@pytest.fixture
def invoice(tenant: Any) -> Invoice:
    """February's invoice: 900 calls at 0.10, issued; 0.08 begins beyond 1,000."""
    return issued()


def issued() -> Invoice:
    make_calls_meter(FEBRUARY)
    schedule = billed(deal(CALLS, start=date(2026, 2, 1)), now=FEBRUARY)
    use(900, "first")
    recalculate_invoices(
        invoice_ids=advance_schedule(schedule_id=schedule.id, now=MARCH), now=MARCH
    )
    draft = Invoice.objects.get(schedule=schedule, bill_on=date(2026, 3, 1))
    found: Invoice = issue_invoice(
        invoice_id=draft.id, issued_on=date(2026, 3, 3), now=MARCH, ignore_grace=True
    )
    assert found.subtotal_amount == Decimal("90.00")
    return found


class TestWhatIsLate:
    def test_an_invoice_that_bills_its_usage_is_not_listed(self, invoice: Invoice) -> None:
        assert late() == []

    def test_the_difference_goes_through_the_tiers(self, invoice: Invoice) -> None:
        use(300, "late")

        (one,) = late()

        (line,) = one.lines
        assert one.owed.amount == Decimal("26.00")  # 100 at 0.10 and 200 at 0.08
        assert (line.quantity_billed, line.quantity_now) == (900, 1200)
        assert one.suggested == "next_invoice"

    def test_usage_taken_back_is_owed_to_the_customer(self, invoice: Invoice) -> None:
        use(0, "undo", corrects=Correction(VOIDS, "t", "first"))

        assert owed() == [(invoice.number, Decimal("-90.00"))]
        assert late()[0].suggested == "credit_note"

    def test_only_invoices_billed_in_the_days_asked_for(self, invoice: Invoice) -> None:
        use(300, "late")

        days: dict[str, Any] = {"since": date(2026, 4, 1), "until": date(2026, 5, 1)}
        assert late_invoices(**days, now=MARCH) == []


class TestWhereItGoes:
    def route(self, invoice: Invoice, action: str) -> list[LateUsageDecision]:
        return route_late_usage(invoice_id=invoice.id, action=action, reason="late feed", now=MARCH)

    def test_onto_the_next_invoice_with_its_own_service_period(self, invoice: Invoice) -> None:
        use(300, "late")

        (decision,) = self.route(invoice, "next_invoice")

        line = InvoiceLine.objects.get(id=decision.target_line_id)
        assert (line.amount, line.service_start, line.service_end) == (
            Decimal("26.00"),
            date(2026, 2, 1),
            date(2026, 3, 1),
        )
        assert line.note == "1200 used, 900 billed"
        assert line.invoice.bill_on == date(2026, 4, 1)
        assert late() == []

    def test_what_comes_later_still_is_listed_and_only_that(self, invoice: Invoice) -> None:
        use(300, "late")
        self.route(invoice, "next_invoice")

        use(100, "later")

        assert owed() == [(invoice.number, Decimal("8.00"))]

    def test_a_line_that_is_taken_off_again_is_late_again(self, invoice: Invoice) -> None:
        use(300, "late")
        (decision,) = self.route(invoice, "next_invoice")
        assert decision.target_line is not None
        target = decision.target_line
        remove_manual_line(invoice_id=target.invoice_id, line_id=target.id, now=MARCH)

        assert owed() == [(invoice.number, Decimal("26.00"))]

    def test_into_a_credit_note(self, invoice: Invoice) -> None:
        use(0, "undo", corrects=Correction(VOIDS, "t", "first"))

        (decision,) = self.route(invoice, "credit_note")

        note = CreditNote.objects.get(id=decision.credit_note_id)
        assert note.subtotal_amount == Decimal("90.00")
        assert late() == []

    def test_what_is_owed_more_is_not_credited(self, invoice: Invoice) -> None:
        use(300, "late")

        with pytest.raises(LateUsageOwed):
            self.route(invoice, "credit_note")
        assert owed() == [(invoice.number, Decimal("26.00"))]

    def test_nowhere_and_that_is_kept_too(self, invoice: Invoice) -> None:
        use(300, "late")

        (decision,) = self.route(invoice, "left")

        assert (decision.reason, decision.amount) == ("late feed", Decimal("26.00"))
        assert late() == []

    def test_once_however_often_it_is_asked_for(self, invoice: Invoice) -> None:
        use(300, "late")
        self.route(invoice, "next_invoice")

        with pytest.raises(NothingLate):
            self.route(invoice, "next_invoice")
        assert InvoiceLine.objects.filter(is_manual=True).count() == 1

    def test_many_at_once_as_a_job(self, invoice: Invoice) -> None:
        use(300, "late")
        job = start_routing(invoice_ids=[invoice.id], action="next_invoice", reason="feed")
        token = claim_job(job_id=job.id, now=MARCH)
        assert token
        while run_next_batch(job_id=job.id, token=token, now=MARCH):
            pass

        item = job.items.get()
        assert (item.status, item.result) == ("done", {"amount": "26"}), item.error


class TestOnScreen:
    @pytest.fixture
    def company(self, db: None) -> Any:
        return make_tenant("Northwind Software")

    @pytest.fixture
    def signed_in(self, company: Any) -> Callable[[str], Client]:
        def sign_in(role: str) -> Client:
            client = Client()
            client.force_login(
                make_member(company, role), backend="django.contrib.auth.backends.ModelBackend"
            )
            return client

        return sign_in

    def test_the_queue_is_seen_exported_and_routed(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(company.id, actor="test"):
            found = issued()
            use(300, "late")
        client = signed_in("finance")

        page = client.get("/billing/late-usage/?month=2026-03").content.decode()
        assert found.number in page
        assert "$26.00" in page
        lines = b"".join(
            client.get("/billing/late-usage/export/?month=2026-03").streaming_content  # type: ignore[attr-defined]
        ).decode()
        assert f"{found.number},Acme,API calls," in lines
        assert ",26,USD" in lines
        body = {"action": "next_invoice", "id": str(found.id)}
        answer = client.post(
            "/billing/late-usage/?month=2026-03", {**body, "reason": ""}, follow=True
        )
        assert "give a reason" in answer.content.decode()
        answer = client.post("/billing/late-usage/", {**body, "reason": "feed"})
        assert answer["Location"].startswith("/jobs/")

    def test_nonsense_is_refused_and_readers_change_nothing(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        client = signed_in("finance")
        for query in ("", "month=x", "month=2026-13", "month=%00"):
            assert client.get(f"/billing/late-usage/?{query}").status_code == 200
        assert client.post("/billing/late-usage/", {"action": "left", "id": "x"}).status_code == 302
        assert signed_in("auditor").post("/billing/late-usage/").status_code == 403
        assert signed_in("engineer").get("/billing/late-usage/").status_code == 403
