"""Above a limit one person approves and another issues."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice
from billing.services.approvals import NothingToApprove, SecondPersonNeeded, approve_invoices
from billing.services.assertions import set_rule, waive_assertions
from billing.services.drafts import add_manual_line
from billing.services.invoicing import issue_invoice, recalculate_invoices
from monetization.tenancy.context import tenant_context
from tests.factories_billing import PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
TODAY = date(2026, 3, 3)
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def draft(tenant: Any) -> Invoice:
    """A draft of 500.00, in a company that wants four eyes above 499.99."""
    set_rule(kind="second_person", is_enabled=True, parameters={"limit": "499.99"}, now=NOW)
    billed(deal(PLATFORM), now=NOW, customer=make_customer())
    made: Invoice = Invoice.objects.get(bill_on="2026-03-01")
    return made


def as_(tenant: Any, who: str, act: Any) -> Any:
    with tenant_context(tenant.id, actor=who):
        return act()


def issue(invoice: Invoice) -> Invoice:
    return issue_invoice(invoice_id=invoice.id, issued_on=TODAY, now=NOW)


def approve(invoice: Invoice) -> int:
    return approve_invoices(invoice_ids=[invoice.id], now=NOW)


def failing(invoice: Invoice) -> int:
    invoice.refresh_from_db()
    return invoice.failing_assertions


def test_nobody_issues_what_nobody_approved(draft: Invoice) -> None:
    assert failing(draft) == 1
    with pytest.raises(SecondPersonNeeded, match="somebody approves it"):
        issue(draft)


def test_one_approves_and_another_issues(tenant: Any, draft: Invoice) -> None:
    assert as_(tenant, ANN, lambda: approve(draft)) == 1
    assert failing(draft) == 0
    with pytest.raises(SecondPersonNeeded, match="you approved it"):
        as_(tenant, ANN, lambda: issue(draft))
    assert as_(tenant, BOB, lambda: issue(draft)).number == "NW-INV-000001"


def test_a_waiver_is_no_approval(tenant: Any, draft: Invoice) -> None:
    as_(tenant, ANN, lambda: waive_assertions(invoice_ids=[draft.id], reason="Late", now=NOW))
    with pytest.raises(SecondPersonNeeded):
        as_(tenant, BOB, lambda: issue(draft))


def test_a_change_takes_the_approval_back(tenant: Any, draft: Invoice) -> None:
    as_(tenant, ANN, lambda: approve(draft))
    # In total nothing changes; what was looked at does.
    for amount in (Decimal(5), Decimal(-5)):
        add_manual_line(invoice_id=draft.id, entry=ManualEntry("Help", amount=amount), now=NOW)
    draft.refresh_from_db()
    assert draft.total_amount == Decimal(500)
    with pytest.raises(SecondPersonNeeded):
        as_(tenant, BOB, lambda: issue(draft))


def test_a_recalculation_that_changes_nothing_leaves_the_approval(
    tenant: Any, draft: Invoice
) -> None:
    as_(tenant, ANN, lambda: approve(draft))
    recalculate_invoices(invoice_ids=[draft.id], now=NOW)
    assert as_(tenant, BOB, lambda: issue(draft)).status == "issued"


def test_at_the_limit_one_person_is_enough(tenant: Any, draft: Invoice) -> None:
    set_rule(kind="second_person", is_enabled=True, parameters={"limit": "500"}, now=NOW)
    assert as_(tenant, ANN, lambda: issue(draft)).status == "issued"


def test_only_drafts_are_approved_and_once(draft: Invoice) -> None:
    assert (approve(draft), approve(draft)) == (1, 0)
    with pytest.raises(NothingToApprove):
        approve_invoices(invoice_ids=[Invoice.objects.get(status="in_progress").id], now=NOW)
