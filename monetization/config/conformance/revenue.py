"""Revenue: allocation of a price over obligations, and the months it is earned in."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.domain.posting_rules import (
    Document,
    LineAmount,
    Position,
    credit_note_issued,
    credits_used,
    invoice_issued,
    payment_received,
)
from monetization.config.conformance.registry import (
    UnknownShape,
    adapter,
    currency,
    day,
    instant,
    number,
    optional,
    result,
)
from monetization.kernel.money import Money
from monetization.ledger.accounts import Account, Leg, balanced
from revrec.domain.allocation import Bundle, allocate_by_ssp, allocate_with_residual
from revrec.domain.obligations import RevenueSlice
from revrec.domain.posting_rules import LineToRecognize, revenue_recognized
from revrec.domain.recognition import earned_by_month

Case = Mapping[str, Any]
_NOBODY = UUID(int=0)
_DOCUMENT = Document(_NOBODY, _NOBODY, _NOBODY)
_LINE = "service"
_NAMES = {
    Account.ACCOUNTS_RECEIVABLE: ("receivable", 1),
    Account.CASH_CLEARING: ("cash", 1),
    Account.CUSTOMER_CREDITS: ("customer_balance", -1),
    Account.REVENUE: ("revenue", -1),
    Account.DEFERRED_REVENUE: ("deferred", -1),
    Account.UNBILLED_RECEIVABLE: ("unbilled", 1),
    Account.TAX_PAYABLE: ("tax", -1),
}


@adapter("revrec.allocate_ssp")
def allocate_ssp(given: Case) -> Mapping[str, Any]:
    price = Money.rounded(number(given["transaction_price"]), currency(given))
    return result(allocation=allocate_by_ssp(price, _selling_prices(given)).amounts)


@adapter("revrec.allocate_residual")
def allocate_residual(given: Case) -> Mapping[str, Any]:
    code = currency(given)
    rows = given.get("bundles") or (
        [{"ids": given["bundle"], "price": given["bundle_price"]}] if given.get("bundle") else []
    )
    allocation = allocate_with_residual(
        Money.rounded(number(given["transaction_price"]), code),
        _selling_prices(given),
        None if given.get("residual") is None else str(given["residual"]),
        tuple(
            Bundle(tuple(map(str, row["ids"])), Money.rounded(number(row["price"]), code))
            for row in rows
        ),
    )
    return result(allocation=allocation.amounts, warnings=list(allocation.warnings))


def _selling_prices(given: Case) -> dict[str, Decimal]:
    """Read the standalone selling prices; an obligation whose price varies has none."""
    return {
        str(row["id"]): number(row["ssp"])
        for row in given["obligations"]
        if row.get("ssp") is not None
    }


@adapter("revrec.ratable")
def ratable(given: Case) -> Mapping[str, Any]:
    price = Money.rounded(number(given["amount"]), currency(given))
    start, end = instant(given["from"]), instant(given["to"])
    slices = earned_by_month(price, start, end, _method(str(given.get("method") or "day")))
    return result(months=_months(slices))


def _method(name: str) -> str:
    """Read a method by any of its names."""
    text = name.lower()
    if "half" in text or "mid" in text:
        return "half_month"
    if "month" in text:
        return "month_prorated" if "prorat" in text or "partial" in text else "month"
    if "day" in text or "dai" in text or "straight" in text:
        return "day"
    if any(word in text for word in ("second", "milli", "exact", "duration")):
        return "second"
    raise UnknownShape(f"method {name!r} is not one we know")


def _months(slices: Sequence[RevenueSlice]) -> dict[str, Money]:
    return {f"{part.month:%Y-%m}": part.amount for part in slices}


@adapter("revrec.invoice_journal")
def invoice_journal(given: Case) -> Mapping[str, Any]:
    """Movements by month of one invoice issued when its service starts, earned by day."""
    code = currency(given)
    start, end = instant(given["from"]), instant(given["to"])
    price = Money.rounded(number(given["invoice"]), code)
    journal = _Journal(code)
    facts = _facts(given, code, start.date())
    months = [f"{part.month:%Y-%m}" for part in earned_by_month(price, start, end)]
    journal.post(
        start.date(), invoice_issued(_DOCUMENT, [LineAmount(_LINE, price)], _zero(code), {})
    )
    for month in sorted({*months, *(f"{on:%Y-%m}" for on, _, _ in facts)}):
        for on, kind, amount in facts:
            if f"{on:%Y-%m}" == month:
                price = journal.fact(on, kind, amount, price)
        slices = _months(earned_by_month(price, start, end))
        journal.recognize(month, [slices[known] for known in months if known <= month])
    return result(months=journal.rows)


def _facts(given: Case, code: str, start: date) -> list[tuple[date, str, Money]]:
    """Read what happens to the invoice, in order: credit used, credit notes, payments."""
    used = Money.rounded(number(given.get("customer_balance_applied"), "0"), code)
    facts = [(start, "used", used)] if used else []
    for note in given.get("credit_notes") or ():
        on = day(note.get("date", start))
        facts.append((on, "credit_note", Money.rounded(number(note["amount"]), code)))
        for name, kind in (("refund", "refund"), ("customer_balance", "given_back")):
            part = optional(note.get(name))
            if part:
                facts.append((on, kind, Money.rounded(part, code)))
    for payment in given.get("payments") or ():
        facts.append((day(payment["date"]), "paid", Money.rounded(number(payment["amount"]), code)))
    return sorted(facts, key=lambda fact: fact[0])


class _Journal:
    """The movements of each month, by the posting rules of billing and revenue."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.rows: dict[str, dict[str, Money]] = {}
        self.balances: dict[Account, Money] = {}

    def post(self, on: date, legs: Sequence[Leg]) -> None:
        names = ("receivable", "cash", "customer_balance", "revenue", "deferred")
        row = self.rows.setdefault(f"{on:%Y-%m}", dict.fromkeys(names, _zero(self.code)))
        for leg in balanced(legs):
            name, sign = _NAMES[leg.account]
            moved = leg.amount if sign > 0 else -leg.amount
            row[name] = row.get(name, _zero(self.code)) + moved
            self.balances[leg.account] = self._balance(leg.account) + leg.amount

    def fact(self, on: date, kind: str, amount: Money, price: Money) -> Money:
        """Post a fact; return the price after it."""
        if kind == "credit_note":
            lines, zero = [LineAmount(_LINE, amount)], _zero(self.code)
            positions = {_LINE: self._position()}
            self.post(on, credit_note_issued(_DOCUMENT, lines, zero, positions))
            return price - amount
        if kind in ("used", "given_back"):
            self.post(on, credits_used(_DOCUMENT, _LINE, amount if kind == "used" else -amount))
        else:
            paid = amount if kind == "paid" else -amount
            self.post(on, payment_received(_NOBODY, paid, {_NOBODY: paid}))
        return price

    def recognize(self, month: str, earned: Sequence[Money]) -> None:
        """Post what is earned to date and was not recognized yet; a smaller price takes back."""
        due = sum(earned, start=_zero(self.code)) + self._balance(Account.REVENUE)
        position = self._position()
        line = LineToRecognize(
            _NOBODY, _NOBODY, _LINE, due, deferred=position.deferred, unbilled=position.unbilled
        )
        self.post(date.fromisoformat(f"{month}-01"), revenue_recognized(line))

    def _position(self) -> Position:
        deferred = -self._balance(Account.DEFERRED_REVENUE)
        return Position(deferred, self._balance(Account.UNBILLED_RECEIVABLE))

    def _balance(self, account: Account) -> Money:
        return self.balances.get(account, _zero(self.code))


def _zero(code: str) -> Money:
    return Money.zero(code)
