"""Runs the examples of docs/pricing.md: one function per kind, each only translates."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from billing.domain.credit_notes import LineCredit, credit_line
from billing.domain.documents import DocumentDiscount, DocumentLine, total_document
from billing.domain.tax import TaxRate
from metering.domain.aggregation import Delta, Sample, aggregate, by_property, weighted_sum
from metering.domain.expressions import parse
from monetization.kernel.decimals import plain
from monetization.kernel.money import Money
from monetization.kernel.period import Period
from monetization.pricing.arithmetic import exact_sum
from monetization.pricing.changes import change_by_rule, change_with_cycles, midnight, prorated
from monetization.pricing.codec import price_from_data
from monetization.pricing.credits import Grant, burn
from monetization.pricing.estimate import price_periods, rerate
from monetization.pricing.proration import prorate_factor
from monetization.pricing.rating_events import rate_usage
from monetization.pricing.recurrence import CADENCES, dates_from
from monetization.pricing.seats import BalanceChange, rate_seats
from monetization.pricing.terms import terms_from_data, terms_to_data
from monetization.pricing.timeline import charge_periods
from monetization.pricing.usage import Usage, UsagePart
from tests.unit.pricing.documented_revenue import run_allocation, run_earned

DOCUMENT = Path(__file__).parents[3] / "docs" / "pricing.md"
Example = Mapping[str, str]


def examples() -> list[tuple[str, str, dict[str, str]]]:
    """Return (heading and number, kind, fields) of every example on the page."""
    found, heading, number = [], "", 0
    lines = iter(DOCUMENT.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith("#"):
            heading, number = line.lstrip("# "), 0
        if line.startswith("```example "):
            number += 1
            fields = {}
            for row in lines:
                if row == "```":
                    break
                name, _, value = row.partition(": ")
                fields[name] = value
            found.append((f"{heading} {number}", line.split()[1], fields))
    return found


def money(text: str) -> Money:
    amount, currency = text.split()
    return Money(Decimal(amount), currency)


def signed_sum(text: str) -> list[Fraction]:
    """Read "100 - 10 + 5" as its terms."""
    return [Fraction(re.sub(r"\s", "", term)) for term in re.findall(r"[+-]?\s*[\d.]+", text)]


def span(text: str) -> Period:
    start, end = text.split(" to ")
    return Period(date.fromisoformat(start), date.fromisoformat(end))


def run_rate(example: Example) -> None:
    model = price_from_data(json.loads(example["price"]))
    if "quantity" in example:
        usage = Usage(Decimal(example["quantity"]))
    else:
        usage = Usage.of(_part(text) for text in example["events"].split(", "))
    charges = rate_usage(model, usage)
    exact = exact_sum(charge.amount for charge in charges)
    wanted = money(example["amount"])
    assert Money.rounded(exact, wanted.currency) == wanted
    if "exact" in example:
        assert exact == Decimal(example["exact"])
    if "steps" in example:
        assert [Fraction(charge.amount) for charge in charges] == signed_sum(example["steps"])


def _part(text: str) -> UsagePart:
    quantity, *rest = text.split()
    minute = next((int(word[1:]) for word in rest if word.startswith("@")), None)
    return UsagePart(Decimal(quantity), dict(w.split("=") for w in rest if "=" in w), minute)


def _terms(lines: list[dict[str, Any]], phase: dict[str, Any], kind: str) -> Any:
    items = [
        {
            "key": "line",
            "product_code": "line",
            "product_name": "Line",
            "kind": kind,
            "meter": "units" if kind == "usage" else None,
            "frequency": "monthly",
            "timing": "in_arrears",
            "recognition": "usage" if kind == "usage" else "straight_line",
            **line,
        }
        for line in lines
    ]
    whole = {"key": "p", "name": "P", "kind": "standard", "items": items, "discounts": []}
    days = {"start_on": "2026-01-01", "end_on": "2027-01-01"}
    data = {"schema": 1, "title": "T", "currency": "USD", "time_zone": "UTC", "anchor_day": 1}
    terms = terms_from_data(
        {**data, **days, "payment_terms_days": 30, "phases": [{**whole, **days, **phase}]}
    )
    assert terms_from_data(terms_to_data(terms)) == terms
    return terms


def run_line(example: Example) -> None:
    phase = json.loads(example.get("phase", "{}"))
    terms = _terms([json.loads(example["line"])], phase, "usage")
    periods = [p for p in charge_periods(terms) if p.service.start == date(2026, 2, 1)]
    quantities = {("line", date(2026, 2, 1)): Decimal(example["usage"])}
    if "earlier" in example:
        quantities["line", date(2026, 1, 1)] = Decimal(example["earlier"])
    lines = price_periods(terms, periods, quantities)
    item = next(line for line in lines if line.kind == "item")
    if "amount" in example:
        assert item.amount == money(example["amount"])
    if "steps" in example:
        exacts = [Fraction(component.exact) for component in item.components]
        assert exacts == signed_sum(example["steps"])
    if "minimum" in example:
        minimum = next(line for line in lines if line.kind == "minimum")
        assert minimum.amount == money(example["minimum"])
        assert item.amount + minimum.amount == money(example["total"])
    for line in lines:
        assert rerate(json.loads(json.dumps(line.explanation))) == line.amount


def run_lines(example: Example) -> None:
    terms = _terms(json.loads(example["lines"]), {}, "fixed")
    periods = [p for p in charge_periods(terms) if p.service.start == date(2026, 2, 1)]
    lines = price_periods(terms, periods, {})
    actual = ", ".join(f"{line.item_key} {line.amount.amount}" for line in lines)
    assert actual == example["amounts"]
    assert all(rerate(line.explanation) == line.amount for line in lines)


def run_dates(example: Example) -> None:
    wanted = example["dates"].split(", ")
    anchor = date.fromisoformat(example["anchor"])
    found = dates_from(anchor, CADENCES[example["cadence"]], len(wanted))
    assert [day.isoformat() for day in found] == wanted


def run_proration(example: Example) -> None:
    amount, currency = example["amount"].split()
    part = prorate_factor(
        span(example["served"]),
        span(example["full"]),
        example["method"],
        example.get("zone", "UTC"),
    )
    assert part == Fraction(example["part"])
    assert prorated(Decimal(amount), part, currency) == money(example["costs"])


def run_change(example: Example) -> None:
    sides = [example[name].split() for name in ("old", "new")]
    (old, old_every), (new, new_every) = sides
    wanted = money(example["credit"])
    change = change_with_cycles(
        (Decimal(old), CADENCES[old_every]),
        (Decimal(new), CADENCES[new_every]),
        midnight(date.fromisoformat(example["cycle"])),
        midnight(date.fromisoformat(example["at"])),
        wanted.currency,
    )
    assert (change.credit, change.charge) == (wanted, money(example["charge"]))


def run_rule(example: Example) -> None:
    ruled = change_by_rule(
        example["rule"],
        invoiced=money(example["invoiced"]),
        new_amount=Decimal(example["new"]),
        period=span(example["period"]),
        on=date.fromisoformat(example["on"]),
        cadence=CADENCES["monthly"],
    )
    assert ruled.change.credit == money(example["credit"])
    assert ruled.change.charge == money(example["charge"])
    assert ruled.effective_on == date.fromisoformat(example["effective"])
    assert ruled.next_period == span(example["next"])


def run_seats(example: Example) -> None:
    model: Any = price_from_data(json.loads(example["price"]))
    period = span(example["period"])
    changes = [
        BalanceChange(date.fromisoformat(on), Decimal(balance))
        for on, balance in (text.split() for text in example["changes"].split(", "))
    ]
    exact = rate_seats(model, period, period, Decimal(example["opening"]), changes).exact
    wanted = money(example["amount"])
    assert Money.rounded(exact, wanted.currency) == wanted
    if "exact" in example:
        assert abs(exact - Fraction(example["exact"])) < Fraction(1, 10**20)


def run_aggregate(example: Example) -> None:
    samples = [
        Sample({"value": value}, received=place)
        for place, value in enumerate(example["events"].split(", "))
    ]
    for kind, wanted in example.items():
        if kind != "events":
            value = aggregate(kind, samples, by_property("value"))
            assert value is not None
            assert Fraction(value) == Fraction(wanted), kind


def run_weighted(example: Example) -> None:
    start, end = (datetime.fromisoformat(text) for text in example["window"].split(" to "))
    deltas = [
        Delta(datetime.fromisoformat(at), Decimal(change))
        for at, change in (text.split() for text in example["changes"].split(", "))
    ]
    value = weighted_sum(start, end, deltas, Decimal(example["opening"]))
    assert value == Fraction(example["value"])


def run_expression(example: Example) -> None:
    value = parse(example["expression"]).decimal(json.loads(example["event"]))
    assert value == Decimal(example["value"])


def run_credits(example: Example) -> None:
    grants = []
    for place, text in enumerate(example["grants"].split(", ")):
        name, amount, *options = text.split()
        given = dict(option.split("=") for option in options)
        grants.append(
            Grant(
                name,
                Decimal(amount),
                int(given["priority"]),
                cost_basis=Decimal(given.get("cost", "0")),
                created=place,
            )
        )
    burned = burn(grants, {grant.id: grant.amount for grant in grants}, Decimal(example["use"]))
    took = ", ".join(f"{taken.grant_id} {plain(taken.amount)}" for taken in burned.consumptions)
    assert took == example["took"]


def run_document(example: Example) -> None:
    currency = example.get("currency", "USD")
    lines = []
    for place, text in enumerate(example["lines"].split(", ")):
        amount, percent, *treatment = text.split()
        rate = TaxRate("tax", Decimal(percent.strip("@%")))
        rate = replace(rate, treatment=treatment[0]) if treatment else rate
        lines.append(DocumentLine(str(place), Money.rounded(Decimal(amount), currency), (rate,)))
    discounts = []
    for text in filter(None, example.get("discounts", "").split(", ")):
        if text.endswith("%"):
            discounts.append(DocumentDiscount(text, percent=Decimal(text.strip("%"))))
        else:
            off = Money.rounded(Decimal(text), currency)
            discounts.append(DocumentDiscount(text, amount=off))
    prepaid = Money.rounded(Decimal(example.get("prepaid", "0")), currency)
    document = total_document(
        lines,
        currency,
        discounts=discounts,
        prepaid=prepaid,
        tax_method=example.get("method", "per_line"),
        inclusive=example.get("inclusive") == "yes",
    )
    assert document.tax.total.amount == Decimal(example["tax"])
    due = example["due"] if " " in example["due"] else f"{example['due']} {currency}"
    assert document.due == money(due)


def run_credit_note(example: Example) -> None:
    net, tax = (Money(Decimal(text), "USD") for text in example["line"].split(" + "))
    given: list[LineCredit] = []
    for amount in example["credits"].split(", "):
        given.append(credit_line(net, tax, given, Money(Decimal(amount), "USD")))
    assert ", ".join(str(credit.tax.amount) for credit in given) == example["taxes"]


RUNNERS: dict[str, Callable[[Example], None]] = {
    "rate": run_rate,
    "line": run_line,
    "lines": run_lines,
    "dates": run_dates,
    "proration": run_proration,
    "change": run_change,
    "rule": run_rule,
    "seats": run_seats,
    "aggregate": run_aggregate,
    "weighted": run_weighted,
    "expression": run_expression,
    "credits": run_credits,
    "document": run_document,
    "credit-note": run_credit_note,
    "earned": run_earned,
    "allocation": run_allocation,
}
