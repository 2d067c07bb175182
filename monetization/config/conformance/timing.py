"""Dates, part periods, changes in the middle of a period, seats."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from monetization.config.conformance.registry import (
    CURRENCY_OF_SCALE,
    UnknownShape,
    adapter,
    currency,
    day,
    instant,
    number,
    result,
    some,
    tiered,
    tiers,
)
from monetization.kernel.money import Money
from monetization.kernel.period import Period, local_day
from monetization.pricing.changes import (
    change_with_cycles,
    price_change,
    prorated,
    upgrade_to_bill,
)
from monetization.pricing.prices import Graduated
from monetization.pricing.proration import (
    days_factor,
    fixed_month_factor,
    instants_factor,
    prorate_factor,
    within_whole,
)
from monetization.pricing.quantities import round_units
from monetization.pricing.rating import rated_amount
from monetization.pricing.recurrence import (
    CADENCES,
    Cadence,
    billed_until,
    dates_from,
    first_anchor,
    is_billing_day,
    steps_until,
)
from monetization.pricing.seats import advance_charges, seat_change, walk_levels

Case = Mapping[str, Any]
_OTHER_NAMES = {
    "annual": "yearly",
    "annually": "yearly",
    "year": "yearly",
    "month": "monthly",
    "week": "weekly",
    "day": "daily",
    "quarter": "quarterly",
    "semiannual": "half_yearly",
    "semi_annual": "half_yearly",
    "biannual": "half_yearly",
    "half_year": "half_yearly",
    "bimonthly": "bimestrial",
    "thirty_day": "thirty_days",
}


def cadence(name: Any, count: Any = 1) -> Cadence:
    """Read a rhythm by any of its names."""
    known = _OTHER_NAMES.get(str(name).lower(), str(name).lower())
    if known not in CADENCES:
        raise UnknownShape(f"period {name!r} is not one we know")
    base = CADENCES[known]
    return Cadence(base.months * int(count), base.days * int(count))


def served(given: Case, names: tuple[str, str] = ("service_from", "service_to")) -> Fraction:
    """Return the part of a period that was served, by its basis."""
    start, end = instant(given[names[0]]), instant(given[names[1]])
    full = instant(given["period_from"]), instant(given["period_to"])
    if given.get("basis", "days") == "days":
        start, end = instant(start.date().isoformat()), instant(end.date().isoformat())
        full = instant(full[0].date().isoformat()), instant(full[1].date().isoformat())
    factor = instants_factor((start, end), full)
    return within_whole(factor) if given.get("cap_at_full", True) else max(Fraction(0), factor)


@adapter("proration.flat")
def flat(given: Case) -> Mapping[str, Any]:
    sign = -1 if str(given.get("sign", 1)).startswith("-") else 1
    exact = Fraction(number(given["amount"])) * served(given)
    if int(given.get("scale", 2)) not in CURRENCY_OF_SCALE:  # no currency has so many decimals
        return result(amount=sign * round_units(exact, "half_up", int(given["scale"])))
    amount = prorated(exact, Fraction(1), currency(given))
    return result(amount=amount if sign > 0 else -amount)


@adapter("proration.ratio")
def ratio(given: Case) -> Mapping[str, Any]:
    """Part of the calendar month of the first day, by the actual or the 30-day month."""
    start = day(given["service_from"])
    service = Period(start, day_after(given["service_to_inclusive"]))
    month = Period(start.replace(day=1), _next_month(start))
    method = str(given["method"])
    if method == "actual":
        return result(ratio=prorate_factor(service, month))
    if method == "actual_360":
        return result(ratio=prorate_factor(service, month, "actual_thirty"))
    if method == "strict_30_360":
        return result(ratio=prorate_factor(service, month, "thirty_day_month"))
    raise UnknownShape(f"method {method!r} is not one we know")


def day_after(value: Any) -> Any:
    return dates_from(day(value), CADENCES["daily"], 2)[1]


def _next_month(value: Any) -> Any:
    return dates_from(value.replace(day=1), CADENCES["monthly"], 2)[1]


@adapter("proration.fixed_30_day_month")
def fixed_month(given: Case) -> Mapping[str, Any]:
    days = some(given.get("month_days", 30))
    return result(fraction=fixed_month_factor(day(given["from"]), day(given["to"]), days))


@adapter("proration.billing_cycles")
def billing_cycles(given: Case) -> Mapping[str, Any]:
    end = given.get("end")
    spans = billed_until(
        day(given["start"]),
        None if end is None else day(end),
        day(given["target"]),
        cadence(given["period"]),
        anchor_day=some(given["billing_cycle_day"]),
        in_advance=given.get("mode", "in_advance") == "in_advance",
    )
    return result(cycles=[prorate_factor(span.service, span.full) for span in spans])


@adapter("proration.change")
def change(given: Case) -> Mapping[str, Any]:
    nothing = {"amount": "0", "service_from": "2025-01-01", "service_to": "2025-01-02"}
    nothing |= {"period_from": "2025-01-01", "period_to": "2025-01-02"}
    credit, charge = given.get("credit") or nothing, given.get("charge") or nothing
    priced = price_change(
        number(credit["amount"]),
        served(credit),
        number(charge["amount"]),
        served(charge),
        currency(given),
    )
    return result(credit=priced.credit, charge=priced.charge, net=priced.net)


@adapter("proration.change_same_item")
def change_same_item(given: Case) -> Mapping[str, Any]:
    remaining = int(given["remaining_days"])
    new, unused, to_bill = upgrade_to_bill(
        number(given["old_paid"]),
        Fraction(remaining, some(given.get("old_paid_days", remaining))),
        number(given["new_amount"]),
        Fraction(remaining, some(given["period_days"])),
        currency(given),
    )
    return result(new_prorated=new, old_unused=unused, to_bill=to_bill)


@adapter("proration.change_with_intervals")
def change_with_intervals(given: Case) -> Mapping[str, Any]:
    changed = change_with_cycles(
        (
            number(given["old_amount"]),
            cadence(given["old_interval"], given.get("old_interval_count", 1)),
        ),
        (
            number(given["new_amount"]),
            cadence(given["new_interval"], given.get("new_interval_count", 1)),
        ),
        instant(given["cycle_start"]),
        instant(given["at"]),
        currency(given),
    )
    return result(credit=-changed.credit, debit=changed.charge, net=changed.net)


@adapter("schedule.dates")
def schedule_dates(given: Case) -> Mapping[str, Any]:
    found = dates_from(day(given["anchor"]), cadence(given["period"]), int(given["count"]))
    return result(dates=[found_day.isoformat() for found_day in found])


@adapter("schedule.anniversary_dates")
def anniversary_dates(given: Case) -> Mapping[str, Any]:
    found = dates_from(
        day(given["anchor"]),
        cadence(given["period"]),
        int(given["count"]),
        day(given["first_on_or_after"]),
    )
    return result(dates=[found_day.isoformat() for found_day in found])


@adapter("schedule.first_anchor")
def schedule_first_anchor(given: Case) -> Mapping[str, Any]:
    start = day(given["start"])
    if cadence(given.get("period", "monthly")).days:
        return result(date=start.isoformat())  # only months are counted from a day of the month
    return result(date=first_anchor(start, some(given["billing_cycle_day"])).isoformat())


@adapter("schedule.is_billing_day")
def billing_day(given: Case) -> Mapping[str, Any]:
    zone = str(given["timezone"])
    start = local_day(instant(given["start_utc"]), zone)
    mode = str(given["mode"])
    if mode not in ("calendar", "anniversary"):
        raise UnknownShape(f"mode {mode!r} is not one we know")
    answers = [
        is_billing_day(
            local_day(instant(at), zone),
            start,
            cadence(given["period"]),
            on_calendar=mode == "calendar",
        )
        for at in given["instants"]
    ]
    return result(billing_day=answers)


@adapter("schedule.whole_periods")
def whole_periods(given: Case) -> Mapping[str, Any]:
    steps = steps_until(day(given["from"]), day(given["to"]), cadence(given["period"]))
    return result(count=max(0, steps))


@adapter("seats.advance_delta_no_refund")
def seats_in_advance(given: Case) -> Mapping[str, Any]:
    balances = [number(change) for change in given["changes"]]
    return result(invoices=list(advance_charges(tiered(given), number(given["initial"]), balances)))


@adapter("seats.change_prorated")
def seats_changed(given: Case) -> Mapping[str, Any]:
    price, new = tiered(given), number(given["new_seats"])
    left = served(
        {
            **given,
            "service_from": given["at"],
            "service_to": given["period_to"],
            "basis": "duration",
        }
    )
    delta = Money.rounded(
        seat_change(price, number(given["old_seats"]), new) * left, currency(given)
    )
    following = tiered({"unit": given["next_unit"]}) if given.get("next_unit") else price
    following = (
        tiered({**given, "tiers": given["next_tiers"]}) if given.get("next_tiers") else following
    )
    return result(
        amount=max(delta, -delta),
        direction="debit" if delta.amount > 0 else "credit" if delta.amount < 0 else "none",
        next_cycle_amount=rated_amount(following, new),
    )


@adapter("seats.graduated_prorated")
def seats_graduated(given: Case) -> Mapping[str, Any]:
    start, end = day(given["period_from"]), day(given["period_to"])
    full = some(given.get("full_period_days", (end - start).days))
    steps = [(number(given.get("initial"), "0"), days_factor(start, end, full))]
    for row in sorted(given.get("events", ()), key=lambda row: day(row["day"])):
        on = max(start, day(row["day"]))
        steps.append((number(row["delta"]), days_factor(on, end, full)))
    per_seat, fees = walk_levels(Graduated(tiers(given["tiers"])), steps)
    return result(amount=per_seat + fees)
