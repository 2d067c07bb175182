"""Deferred revenue from month to month, and whether it ties out."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting
from revrec.selectors.recognition import month_end


@dataclass(frozen=True, slots=True)
class RollForwardRow:
    """Deferred revenue of one currency over one month."""

    month: date
    currency: str
    opening: Decimal
    billed: Decimal
    recognized: Decimal
    credited: Decimal
    closing: Decimal


def deferred_roll_forward(*, start: date, end: date) -> list[RollForwardRow]:
    """Return opening + billed - recognized - credited = closing, by month and currency."""
    postings = Posting.objects.filter(account=Account.DEFERRED_REVENUE)
    opening: dict[str, Decimal] = {
        row["currency"]: -row["total"]
        for row in postings.filter(entry__entry_date__lt=start)
        .values("currency")
        .annotate(total=Sum("amount"))
    }
    moves: dict[tuple[date, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in (
        postings.filter(entry__entry_date__gte=start, entry__entry_date__lt=end)
        .values("entry__entry_date", "entry__rule", "currency")
        .annotate(total=Sum("amount"))
    ):
        month = row["entry__entry_date"].replace(day=1)
        moves[month, row["currency"]][_cause(row["entry__rule"])] -= row["total"]
    currencies = sorted({*opening, *(currency for _, currency in moves)})
    rows = []
    month = start.replace(day=1)
    while month < end:
        for currency in currencies:
            move = moves[month, currency]
            before = opening.get(currency, Decimal(0))
            closing = before + move["billed"] + move["recognized"] + move["credited"]
            rows.append(
                RollForwardRow(
                    month,
                    currency,
                    before,
                    move["billed"],
                    -move["recognized"],
                    -move["credited"],
                    closing,
                )
            )
            opening[currency] = closing
        month = month_end(month)
    return rows


def _cause(rule: str) -> str:
    if rule.startswith("revenue_recognized"):
        return "recognized"
    return "credited" if rule in ("credit_note_issued", "invoice_voided") else "billed"
