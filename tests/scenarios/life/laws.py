"""What must hold after every step: every check of ``verify``, and a few laws asked by hand."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.models import (
    BillingSchedule,
    CalculationMark,
    CreditNote,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentRefund,
)
from billing.services.invoicing import preview_invoices, recalculate_invoices
from monetization.config.verify import verify_tenant
from monetization.kernel.money import ZERO
from monetization.ledger.models import Posting
from monetization.tenancy.context import tenant_context
from tests.scenarios.life.company import Company, open_invoices


class LawBroken(AssertionError):
    """A law of the books does not hold; the message names it."""


def check_all(company: Company) -> None:
    """Ask every law. Writes nothing that stays.

    :raises LawBroken: naming the first ones that do not hold.
    """
    with tenant_context(company.tenant_id, actor="law"):
        for law in (entries_balance, receivables_by_hand, twice_changes_nothing):
            law(company)
    report = verify_tenant(company.tenant_id, company.slug)
    broken = [
        f"{one.check.id} {one.check.name}: {'; '.join(one.found.samples[:3])}"
        for one in report.outcomes
        if not one.is_ok
    ]
    if broken:
        raise LawBroken("\n".join(broken))


def entries_balance(company: Company) -> None:
    """Debits are credits, in every entry and currency."""
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for entry, currency, amount in Posting.objects.values_list("entry_id", "currency", "amount"):
        sums[entry, currency] += amount
    off = {key: amount for key, amount in sums.items() if amount}
    if off:
        raise LawBroken(f"by hand: entries do not balance: {off}")


def receivables_by_hand(company: Company) -> None:
    """What a customer owes is issued - credited - paid - written off - settled by credits."""
    owed: dict[Any, Decimal] = defaultdict(Decimal)
    for row in Invoice.objects.filter(status="issued"):
        settled = row.written_off_amount + row.prepaid_amount
        owed[row.customer_id, row.currency] += row.total_amount - settled
    for note in CreditNote.objects.all():
        owed[note.customer_id, note.currency] -= note.total_amount
    for payment in Payment.objects.all():
        owed[payment.customer_id, payment.currency] -= payment.amount
    for refund in PaymentRefund.objects.select_related("payment"):
        owed[refund.payment.customer_id, refund.payment.currency] += refund.amount
    booked: dict[Any, Decimal] = defaultdict(Decimal)
    rows = Posting.objects.filter(account="accounts_receivable")
    for customer, currency, amount in rows.values_list("customer_id", "currency", "amount"):
        booked[customer, currency] += amount
    off = [(key, owed[key], booked[key]) for key in {*owed, *booked} if owed[key] != booked[key]]
    if off:
        raise LawBroken(f"by hand: receivables owed and booked differ: {off}")


def twice_changes_nothing(company: Company) -> None:
    """What is computed twice is the same, from scratch too; a review says what will be done."""
    ids = list(open_invoices().values_list("id", flat=True))
    saved = transaction.savepoint()
    seen = {one.invoice_id: one for one in preview_invoices(invoice_ids=ids, now=company.now)}
    done = {one.invoice_id: one for one in recalculate_invoices(invoice_ids=ids, now=company.now)}
    again = recalculate_invoices(invoice_ids=ids, now=company.now)
    CalculationMark.objects.all().delete()
    anew = recalculate_invoices(invoice_ids=ids, now=company.now)
    usage_on_drafts(company)
    transaction.savepoint_rollback(saved)
    if seen != done:
        raise LawBroken(f"by hand: reviewed {_said(seen.values())}, done {_said(done.values())}")
    if again:
        raise LawBroken(f"by hand: recalculated again it changes: {_said(again)}")
    if anew:
        raise LawBroken(f"by hand: computed from scratch it changes: {_said(anew)}")


def _said(changes: Any) -> str:
    return "; ".join(
        f"{one.invoice_id} {one.total_before} -> {one.total_after} "
        + ", ".join(
            f"{line.key} {line.before} -> {line.after} ({line.cause})" for line in one.changes
        )
        for one in changes
    )


def recounted(company: Company, line: InvoiceLine) -> Decimal:
    """Count again, from what was sent, what a usage line's window holds."""
    reading = line.reading
    assert reading is not None
    units = [
        one.units
        for one in company.said
        if one.counts
        and one.meter == reading.meter.key
        and company.aliases.get(one.alias) == reading.customer.name
        and reading.window_start <= one.at < reading.window_end
    ]
    if reading.meter.aggregation == "max":
        return max(units, default=ZERO)
    return (
        Decimal(len(set(units)))
        if reading.meter.aggregation == "count_unique"
        else sum(units, ZERO)
    )


def usage_on_drafts(company: Company) -> None:
    """A draft that was just computed bills what was sent, counted by hand."""
    lines = InvoiceLine.objects.filter(
        invoice__status__in=["draft", "in_progress"],
        invoice__threshold_number__isnull=True,
        reading__isnull=False,
    )
    for line in lines.select_related("reading__meter", "reading__customer"):
        if line.reading.quantity != (count := recounted(company, line)):
            raise LawBroken(
                f"by hand: {line.description} measures {line.reading.quantity}, sent {count}"
            )


def check_end(company: Company) -> None:
    """When every contract is over and billed, nothing is deferred or unbilled any more.

    Contracts that are suspended or cancelled, or still have a draft, keep what they have.
    """
    with tenant_context(company.tenant_id):
        drafts = Invoice.objects.filter(status__in=["draft", "in_progress"])
        waiting = drafts.exclude(subtotal_amount=0).values_list("schedule_id", flat=True)
        completed = BillingSchedule.objects.filter(status="completed")
        over = set(completed.values_list("id", flat=True)) - set(waiting)
        sums: dict[Any, Decimal] = defaultdict(Decimal)
        rows = Posting.objects.filter(
            account__in=["deferred_revenue", "unbilled_receivable"], contract_id__in=over
        )
        for contract, key, amount in rows.values_list("contract_id", "item_key", "amount"):
            sums[contract, key] += amount
        off = {key: amount for key, amount in sums.items() if amount}
        if off:
            raise LawBroken(f"by hand: at the end it is still deferred or unbilled: {off}")
