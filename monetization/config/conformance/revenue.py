"""Revenue: allocation of a price over obligations, and the months it is earned in."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.config.conformance.registry import (
    UnknownShape,
    adapter,
    currency,
    day,
    instant,
    number,
    result,
)
from monetization.kernel.money import Money, allocate, total
from monetization.kernel.period import Period
from monetization.pricing.recurrence import CADENCES, dates_from, steps_until
from revrec.domain.obligations import straight_line

Case = Mapping[str, Any]
MONTH = CADENCES["monthly"]


@adapter("revrec.allocate_ssp")
def allocate_ssp(given: Case) -> Mapping[str, Any]:
    price = Money.rounded(number(given["transaction_price"]), currency(given))
    return result(allocation=_by_ssp(price, given["obligations"]))


@adapter("revrec.allocate_residual")
def allocate_residual(given: Case) -> Mapping[str, Any]:
    """Observable prices first, a bundle sold together at its own price, the rest to one."""
    code = currency(given)
    rows = list(given["obligations"])
    bundle = [row for row in rows if row["id"] in given.get("bundle", ())]
    allocation = {
        str(row["id"]): Money.rounded(number(row["ssp"]), code)
        for row in rows
        if row not in bundle and row["id"] != given["residual"]
    }
    if bundle:
        allocation |= _by_ssp(Money.rounded(number(given["bundle_price"]), code), bundle)
    price = Money.rounded(number(given["transaction_price"]), code)
    allocation[str(given["residual"])] = price - total(allocation.values(), code)
    return result(allocation=allocation)


def _by_ssp(price: Money, rows: Any) -> dict[str, Money]:
    weights = [Fraction(number(row["ssp"])) for row in rows]
    names = [str(row["id"]) for row in rows]
    return dict(zip(names, allocate(price, weights), strict=True))


@adapter("revrec.ratable")
def ratable(given: Case) -> Mapping[str, Any]:
    price = Money.rounded(number(given["amount"]), currency(given))
    start, end = instant(given["from"]), instant(given["to"])
    method = str(given["method"])
    if method == "month_even":
        whole = steps_until(start.date(), end.date(), MONTH)
        reached = dates_from(start.date(), MONTH, whole + 1)[whole]
        count = whole + (1 if reached < end.date() else 0)
        months = dates_from(start.date().replace(day=1), MONTH, max(1, count))
        return _months(months, allocate(price, [Decimal(1)] * len(months)))
    if method in ("day", "daily"):
        slices = straight_line(price, Period(start.date(), end.date()))
        return _months([part.month for part in slices], [part.amount for part in slices])
    if method in ("second", "exact"):
        return _by_second(price, start, end)
    raise UnknownShape(f"method {method!r} is not one we know")


def _by_second(price: Money, start: datetime, end: datetime) -> Mapping[str, Any]:
    months, weights, first = [], [], start
    while first < end:
        following = dates_from(first.date().replace(day=1), MONTH, 2)[1]
        last = min(end, instant(following.isoformat()))
        months.append(first.date())
        weights.append(Decimal((last - first) // timedelta(microseconds=1)))
        first = last
    return _months(months, allocate(price, weights))


def _months(months: Any, amounts: Any) -> Mapping[str, Any]:
    return result(months={f"{m:%Y-%m}": a for m, a in zip(months, amounts, strict=True)})


@adapter("revrec.invoice_journal")
def invoice_journal(given: Case) -> Mapping[str, Any]:
    """Movements by month of one invoice issued at the start of its service, earned by day."""
    if given.get("credit_notes"):
        raise UnknownShape("credit notes in a journal are not translated")
    code = currency(given)
    start = day(given["from"])
    invoice = Money.rounded(number(given["invoice"]), code)
    used = Money.rounded(number(given.get("customer_balance_applied"), "0"), code)
    rows: dict[str, dict[str, Money]] = {}

    def move(on: date, **amounts: Money) -> None:
        names = ("receivable", "cash", "customer_balance", "revenue", "deferred")
        row = rows.setdefault(f"{on:%Y-%m}", dict.fromkeys(names, Money.zero(code)))
        for name, amount in amounts.items():
            row[name] = row[name] + amount

    move(start, receivable=invoice - used, customer_balance=-used, deferred=invoice)
    for part in straight_line(invoice, Period(start, day(given["to"]))):
        move(part.month, revenue=part.amount, deferred=-part.amount)
    for payment in given.get("payments", ()):
        paid = Money.rounded(number(payment["amount"]), code)
        move(day(payment["date"]), cash=paid, receivable=-paid)
    return result(months=rows)
