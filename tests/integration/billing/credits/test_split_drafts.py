"""Drafts that credits pay are split: the parts get what the whole got, worked by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.manual_lines import ManualEntry
from billing.models import DraftChange, Invoice, InvoiceCredit
from billing.services import splitting
from billing.services.bulk import start_bulk
from billing.services.corrections import void_invoice
from billing.services.drafts import add_manual_line, create_one_off
from billing.services.invoicing import issue_invoice, preview_invoices, recalculate_invoices
from billing.services.reviews import ReviewOutdated, apply_reviewed, start_apply
from monetization.jobs.tasks import run_job
from monetization.tenancy.models import LegalEntity
from tests.factories_billing import PLATFORM, billed, deal, make_customer
from tests.factories_credits import ZERO, assert_sound, give, held

D = Decimal
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH_1 = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def draft(tenant: Any) -> Invoice:
    """500.00 for the platform and 20.00 by hand, with 10 % tax."""
    customer = make_customer(tax_treatment="taxable", tax_name="VAT", tax_percent=D(10))
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    made: Invoice = schedule.invoices.get(bill_on=date(2026, 3, 1))
    add_manual_line(invoice_id=made.id, entry=ManualEntry("Help", amount=D(20)), now=NOW)
    return made


def granted(draft: Invoice, amount: str, **more: Any) -> Any:
    grant = give(draft.customer, amount, effective_at=MARCH_1, **more)
    recalculate_invoices(invoice_ids=[draft.id], now=NOW)
    draft.refresh_from_db()
    return grant


def split(draft: Invoice, text: str, **more: Any) -> Invoice:
    ids = list(draft.lines.filter(description=text).values_list("id", flat=True))
    part = splitting.split_draft(invoice_id=draft.id, line_ids=ids, now=NOW, **more)
    draft.refresh_from_db()
    return part


def uses(*rows: Invoice) -> dict[str, Decimal]:
    """What credits pay, by the line that is paid."""
    found: dict[str, Decimal] = {}
    for use in InvoiceCredit.objects.filter(invoice__in=rows).select_related("invoice"):
        label = use.invoice.lines.get(key=use.line_key).description
        found[label] = found.get(label, ZERO) + use.value
    return found


def issue(row: Invoice) -> Invoice:
    return issue_invoice(invoice_id=row.id, issued_on=date(2026, 3, 3), now=NOW)


@pytest.mark.parametrize("moved", ["Platform", "Help"])
def test_whichever_line_goes_the_first_of_the_whole_is_paid_first(
    tenant: Any, draft: Invoice, moved: str
) -> None:
    # 550.00 and 22.00 with tax; 530.00 of credits pay the platform, printed first, alone.
    grant = granted(draft, "530")
    assert uses(draft) == {"Platform": D(530)}
    part = split(draft, moved)
    assert uses(draft, part) == {"Platform": D(530)}
    assert draft.prepaid_amount + part.prepaid_amount == D(530)
    assert draft.total_amount + part.total_amount == D(572)
    # One by one, in any order, and together: nothing changes any more.
    for ids in ([part.id], [draft.id], [draft.id, part.id]):
        assert recalculate_invoices(invoice_ids=ids, now=NOW) == []
    assert uses(draft, part) == {"Platform": D(530)}
    for row in (part, draft):
        issue(row)
    assert held(grant) == ZERO
    assert_sound(tenant)


def test_the_part_that_is_left_keeps_its_share_when_the_other_is_issued(
    tenant: Any, draft: Invoice
) -> None:
    grant = granted(draft, "560")  # 550.00 of the platform, 10.00 of the 22.00 by hand
    part = split(draft, "Platform")
    issue(part)
    assert recalculate_invoices(invoice_ids=[draft.id], now=NOW) == []
    assert uses(draft) == {"Help": D(10)}
    assert (held(grant), issue(draft).prepaid_amount, held(grant)) == (D(10), D(10), ZERO)
    void_invoice(invoice_id=part.id, reason="wrong order", now=NOW)
    assert held(grant) == D(550)
    assert_sound(tenant)


def test_credits_before_tax_go_with_the_lines_they_reduce_and_come_back_with_them(
    tenant: Any, draft: Invoice
) -> None:
    granted(draft, "510", taxed_at="grant")
    # 520.00 less 510.00: 10.00 and the tax on it.
    assert (draft.subtotal_amount, draft.total_amount) == (D(10), D(11))
    before = sorted(draft.lines.values_list("key", "amount", "tax_amount"))
    part = split(draft, "Platform")
    assert (part.subtotal_amount, part.total_amount) == (ZERO, ZERO)
    assert (draft.subtotal_amount, draft.total_amount) == (D(10), D(11))
    assert [line.amount for line in part.lines.filter(kind="credit")] == [D(-500)]

    splitting.undo_change(change_id=DraftChange.objects.get().id, now=NOW)

    draft.refresh_from_db()
    assert sorted(draft.lines.values_list("key", "amount", "tax_amount")) == before
    assert not Invoice.objects.filter(id=part.id).exists()
    assert uses(draft) == {"Platform": D(500), "Help": D(10)}
    assert recalculate_invoices(invoice_ids=[draft.id], now=NOW) == []
    assert_sound(tenant)


def test_parts_are_merged_again_with_what_credits_pay(tenant: Any, draft: Invoice) -> None:
    granted(draft, "510", taxed_at="grant")
    part = split(draft, "Platform")
    merged = splitting.merge_drafts(into_id=draft.id, invoice_ids=[part.id], now=NOW)
    assert (merged.subtotal_amount, merged.total_amount) == (D(10), D(11))
    assert uses(merged) == {"Platform": D(500), "Help": D(10)}


def test_a_part_of_a_part_waits_its_turn_too(tenant: Any, draft: Invoice) -> None:
    add_manual_line(invoice_id=draft.id, entry=ManualEntry("Travel", amount=D(30)), now=NOW)
    granted(draft, "580")  # 550.00, 22.00, and 8.00 of the 33.00
    part = split(draft, "Platform")
    ids = list(draft.lines.filter(description="Help").values_list("id", flat=True))
    third = splitting.split_draft(invoice_id=draft.id, line_ids=ids, now=NOW)
    assert uses(draft, part, third) == {"Platform": D(550), "Help": D(22), "Travel": D(8)}


def test_a_one_off_draft_is_split_in_the_order_of_its_lines(tenant: Any, draft: Invoice) -> None:
    entries = [ManualEntry("Travel", amount=D(30)), ManualEntry("Hotel", amount=D(60))]
    one_off = create_one_off(
        customer_id=draft.customer_id, bill_on=date(2026, 2, 1), entries=entries, now=NOW
    )
    give(draft.customer, "40")
    add_manual_line(invoice_id=one_off.id, entry=ManualEntry("Visa", amount=D(10)), now=NOW)
    one_off.refresh_from_db()
    assert uses(one_off) == {"Travel": D(33), "Hotel": D(7)}
    part = split(one_off, "Travel")
    assert uses(one_off, part) == {"Travel": D(33), "Hotel": D(7)}


def test_another_entitys_part_is_not_paid_by_this_ones_credits(tenant: Any, draft: Invoice) -> None:
    grant = granted(draft, "1000", taxed_at="grant")
    other = LegalEntity.objects.create(name="Northwind GmbH", code="DE", country="DE")
    part = split(draft, "Platform", legal_entity_id=other.id)
    assert uses(draft, part) == {"Help": D(20)}
    assert (draft.total_amount, part.total_amount) == (ZERO, D(550))
    issue(draft)
    assert held(grant) == D(980)
    assert_sound(tenant)


def test_a_later_draft_gets_what_both_parts_leave(tenant: Any, draft: Invoice) -> None:
    schedule = draft.schedule
    assert schedule is not None
    following = schedule.invoices.get(bill_on=date(2026, 4, 1))
    grant = granted(draft, "600")  # 28.00 beyond the 572.00
    part = split(draft, "Platform")
    recalculate_invoices(invoice_ids=[following.id], now=NOW)
    following.refresh_from_db()
    assert following.prepaid_amount == D(28)
    recalculate_invoices(invoice_ids=[part.id, following.id, draft.id], now=NOW)
    assert uses(draft, part) == {"Platform": D(550), "Help": D(22)}
    assert held(grant) == D(600)


def test_credit_lines_are_not_moved_by_themselves_and_no_part_is_below_zero(
    tenant: Any, draft: Invoice
) -> None:
    granted(draft, "100", taxed_at="grant")
    credit = draft.lines.get(kind="credit")
    with pytest.raises(splitting.SplitInvalid, match="goes with the line they pay"):
        splitting.split_draft(invoice_id=draft.id, line_ids=[credit.id], now=NOW)
    add_manual_line(invoice_id=draft.id, entry=ManualEntry("Goodwill", amount=D(-60)), now=NOW)
    with pytest.raises(splitting.SplitInvalid, match="below zero"):
        split(draft, "Goodwill")


@pytest.mark.parametrize("asked", [0, 1])
def test_recalculating_one_part_brings_in_the_others_so_that_both_get_what_the_whole_would(
    tenant: Any, draft: Invoice, asked: int
) -> None:
    # 550.00 and 22.00 with tax. 530.00 pay the platform, printed first; 30.00 more are granted:
    # the whole would get 550.00 for the platform, and 10.00 of the 22.00.
    granted(draft, "530")
    part = split(draft, "Platform")
    assert uses(draft, part) == {"Platform": D(530)}
    give(draft.customer, "30", effective_at=MARCH_1)

    told = preview_invoices(invoice_ids=[[draft.id, part.id][asked]], now=NOW)
    found = recalculate_invoices(invoice_ids=[[draft.id, part.id][asked]], now=NOW)

    assert {each.invoice_id for each in found} == {draft.id, part.id}
    assert found == told
    assert uses(draft, part) == {"Platform": D(550), "Help": D(10)}


def test_the_parts_of_a_part_come_in_through_one_that_is_issued(
    tenant: Any, draft: Invoice
) -> None:
    # 550.00, 22.00, 33.00. The second is split off the first, the third off the second.
    add_manual_line(invoice_id=draft.id, entry=ManualEntry("Travel", amount=D(30)), now=NOW)
    granted(draft, "550")
    part = split(draft, "Travel")
    add_manual_line(invoice_id=part.id, entry=ManualEntry("Hotel", amount=D(40)), now=NOW)
    third = split(part, "Hotel")
    issue(part)
    give(draft.customer, "30", effective_at=MARCH_1)

    recalculate_invoices(invoice_ids=[third.id], now=NOW)

    # 30.00: the 22.00 of the first, as on the whole, and 8.00 of the 44.00 of the third.
    assert uses(draft, third) == {"Platform": D(550), "Help": D(22), "Hotel": D(8)}


def test_an_edit_of_one_part_balances_the_others(tenant: Any, draft: Invoice) -> None:
    # 560.00 pay 550.00 of the platform and 10.00 of the 22.00. With 20.00 taken off the platform
    # and the 2.00 of tax on them, the credits left pay all there is: 528.00 and 22.00.
    granted(draft, "560")
    part = split(draft, "Platform")
    add_manual_line(invoice_id=part.id, entry=ManualEntry("Goodwill", amount=D(-20)), now=NOW)
    draft.refresh_from_db()
    part.refresh_from_db()
    assert part.prepaid_amount == D(528)
    assert draft.prepaid_amount == D(22)


def test_a_review_shows_the_parts_together_and_applies_them_together(
    tenant: Any, draft: Invoice
) -> None:
    granted(draft, "530")
    part = split(draft, "Platform")
    give(draft.customer, "30", effective_at=MARCH_1)

    def review() -> Any:
        job = start_bulk(action="preview", invoice_ids=[draft.id])
        run_job(tenant_id=str(tenant.id), job_id=str(job.id))
        job.refresh_from_db()
        return job

    first = review()
    assert {item.key for item in first.items.all()} == {str(draft.id), str(part.id)}
    # 5.00 more since: on the part the review of either says something else, so both are held.
    give(draft.customer, "5", effective_at=MARCH_1)
    held_back = apply_reviewed(review_id=first.id, invoice_ids=[part.id], now=NOW)
    assert all(isinstance(each, ReviewOutdated) for each in held_back.values())
    assert uses(draft, part) == {"Platform": D(530)}

    apply = start_apply(review_id=review().id, invoice_ids=[part.id])
    run_job(tenant_id=str(tenant.id), job_id=str(apply.id))
    apply.refresh_from_db()
    assert (apply.total, apply.failed) == (2, 0)
    # 565.00 granted: 550.00 and 15.00.
    assert uses(draft, part) == {"Platform": D(550), "Help": D(15)}
