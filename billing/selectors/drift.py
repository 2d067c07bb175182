"""What is billed compared with what was signed: every difference no amendment covers."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing.models import BillingSchedule, CreditNoteLine, Invoice, InvoiceLine, UnusedTime
from billing.selectors.schedules import charge_period, period_row
from monetization.kernel.money import Money
from monetization.pricing.estimate import SeatBalances, price_periods
from monetization.pricing.terms import OrderTerms, terms_from_data, terms_hash
from monetization.pricing.usage import Usage


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is billed otherwise than signed, and by how much."""

    what: str
    amount: Money | None
    invoice: Invoice | None = None
    by: str = ""


def drift_of(schedule: BillingSchedule) -> list[Difference]:
    """Return every difference between a contract's bills and its signed terms, in words.

    Lines written by hand and credits are differences too, each with who made it; what gives
    back the unused time of an amended contract is covered by the amendment. Tiers, minimums
    and caps that look back over several invoices are left to ``verify``.
    """
    terms = terms_from_data(schedule.terms)
    signed = schedule.order_form.terms_sha256 if schedule.order_form else schedule.terms_sha256
    found = []
    if not terms_hash(terms) == schedule.terms_sha256 == signed:
        found.append(Difference("The terms are not those that were signed", None))
    return [*found, *_by_hand(schedule), *_computed(schedule, terms), *_credited(schedule)]


def _by_hand(schedule: BillingSchedule) -> list[Difference]:
    covered = UnusedTime.objects.filter(
        schedule__ended_by=schedule.order_form_id, schedule__ended_by__isnull=False
    ).values_list("given_back_line", flat=True)
    lines = (
        InvoiceLine.objects.filter(invoice__schedule=schedule, is_manual=True)
        .exclude(invoice__status=Invoice.Status.VOID)
        .exclude(id__in=list(covered))
        .select_related("invoice")
    )
    return [
        Difference(
            f"A line by hand: {line.description}",
            Money(line.amount, schedule.currency),
            line.invoice,
            line.edited_by,
        )
        for line in lines.order_by("invoice__bill_on", "position")
    ]


def _credited(schedule: BillingSchedule) -> list[Difference]:
    rows = CreditNoteLine.objects.filter(invoice_line__invoice__schedule=schedule).select_related(
        "credit_note", "invoice_line__invoice"
    )
    return [
        Difference(
            f"Credited by {row.credit_note.number}: {row.credit_note.reason}",
            Money(-row.amount, schedule.currency),
            row.invoice_line.invoice,
        )
        for row in rows.order_by("id")
    ]


def _computed(schedule: BillingSchedule, terms: OrderTerms) -> list[Difference]:
    """Price every invoice again from the signed terms and what was measured for it."""
    if _looks_back(terms):
        return []
    found = []
    invoices = schedule.invoices.exclude(status=Invoice.Status.VOID).order_by("bill_on")
    for invoice in invoices.prefetch_related("lines__reading", "periods__phase"):
        measured: dict[tuple[str, date], Decimal | Usage | SeatBalances] = {
            (line.item_key, line.service_start): line.reading.quantity
            for line in invoice.lines.all()
            if line.reading is not None
        }
        charges = [charge_period(terms, period_row(row)) for row in invoice.periods.all()]
        due = {line.key: line.amount for line in price_periods(terms, charges, measured)}
        billed = {
            line.key: Money(line.amount, schedule.currency)
            for line in invoice.lines.all()
            if not line.is_manual
        }
        for key in sorted({*due, *billed}):
            zero = Money.zero(schedule.currency)
            gap = billed.get(key, zero) - due.get(key, zero)
            if gap:
                found.append(Difference(f"{key} is not billed as signed", gap, invoice))
    return found


def _looks_back(terms: OrderTerms) -> bool:
    items = [item for phase in terms.phases for item in phase.items]
    return (
        bool(terms.minimums or terms.caps)
        or any(phase.minimum or phase.further_minimums or phase.caps for phase in terms.phases)
        or any(item.accumulation != "per_period" or item.kind == "usage" for item in items)
    )
