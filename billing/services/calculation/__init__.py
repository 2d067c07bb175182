"""Compute what invoices should say and write the difference: load, decide, record, in sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.domain.credit_use import Use
from billing.models import BillingPeriod, Invoice, InvoiceLine
from billing.services.assertions import check
from billing.services.calculation.estimating import assume
from billing.services.calculation.loading import load, measure_usage
from billing.services.calculation.marks import (
    Seen,
    forget_marks,
    hashed_the_same,
    outdated,
    set_marks,
    surely_current,
)
from billing.services.calculation.outcomes import InvoiceChange, outcomes_of, sums
from billing.services.calculation.unchanged import forget_noted
from billing.services.calculation.writing import TOTALS, set_totals, settle_stored, write

__all__ = [
    "TOTALS",
    "ComputedInvoice",
    "InvoiceChange",
    "Seen",
    "calculate",
    "compute",
    "forget_marks",
    "forget_noted",
    "hashed_the_same",
    "outdated",
    "preview",
    "set_totals",
    "settle_stored",
    "sums",
    "surely_current",
]


def calculate(invoices: Sequence[Invoice], *, now: datetime, seen: Seen) -> list[InvoiceChange]:
    """Compute locked open invoices and write the differences, a statement per kind of row.

    Every invoice is then tested by the company's assertions, also those nothing changed on.

    :param seen: before the invoices were read.
    """
    if not invoices:
        return []
    works = load(invoices)
    measure_usage(works, now)
    assume(works, now)
    outcomes = outcomes_of(works)
    write(outcomes, now)
    in_hand = {outcome.work.invoice.id: outcome.views() for outcome in outcomes}
    check(invoices, now=now, in_hand=in_hand)
    set_marks(works, now=now, seen=seen)
    return [outcome.change() for outcome in outcomes if outcome.changes]


def preview(invoices: Sequence[Invoice], *, now: datetime) -> list[InvoiceChange]:
    """Say what ``calculate`` would change, by the same computation. Writes nothing."""
    works = load(invoices)
    measure_usage(works, now, keep=False)
    assume(works, now)
    return [outcome.change() for outcome in outcomes_of(works) if outcome.changes]


@dataclass(frozen=True, slots=True)
class ComputedInvoice:
    """What an invoice would say now. Its lines are not stored, but for the manual ones."""

    invoice: Invoice
    lines: tuple[InvoiceLine, ...]  # in the order they are printed
    begins: Mapping[str, datetime]  # when the service of a computed line begins, by its key
    subtotal: Decimal
    tax: Decimal
    uses: tuple[Use, ...] = ()  # what credits pay of it


def compute(
    invoices: Sequence[Invoice], *, now: datetime, waiting: Sequence[BillingPeriod] = ()
) -> list[ComputedInvoice]:
    """Return what open invoices would say now, by the same computation. Writes nothing.

    :param waiting: periods that are on no invoice yet, each assigned to one of ``invoices``
        that need not be stored either.
    """
    works = load(invoices, waiting)
    measure_usage(works, now, keep=False)
    assume(works, now)
    return [
        ComputedInvoice(
            outcome.work.invoice,
            (*outcome.lines(), *outcome.manual),
            {
                key: line.period.starts_at
                for key, line in outcome.fresh.items()
                if line.period is not None
            },
            outcome.subtotal,
            outcome.tax,
            outcome.uses,
        )
        for outcome in outcomes_of(works)
    ]
