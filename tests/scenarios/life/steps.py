"""Steps of contracts and usage: what sales, customers and their systems do."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from billing.models import BillingSchedule
from billing.services.amendments import end_schedule
from billing.services.estimates import set_estimate
from billing.services.schedules import activate_schedule, change_status, create_schedule
from billing.services.seats import record_seats
from billing.services.taxing import set_customer_tax, set_tax_method
from billing.services.thresholds import set_threshold
from metering.domain.events import SUPERSEDES, VOIDS, Correction, UsageEvent
from metering.services import record_usage_events
from monetization.customers.services import map_alias
from monetization.kernel.money import Money
from monetization.tenancy.models import LegalEntity
from quotes import services as quotes
from quotes.models import OrderForm, Quote
from quotes.services.following import draft_amendment, draft_renewal
from quotes.services.payloads import payload_of
from tests.scenarios.life.company import CUSTOMERS, METERS, Company, Said, chosen, customer_named
from tests.scenarios.life.offers import offer, usage_model

Step = Callable[..., object]
SOURCE = "life"


def sell(company: Company, who: int, what: int, when: int) -> None:
    """Sign a contract that began, begins or will begin."""
    name, currency, _ = CUSTOMERS[who % len(CUSTOMERS)]
    start = company.today + timedelta(days=(0, -4, -35, 9, 26)[when % 5])
    quote = quotes.create_quote(
        customer_id=customer_named(name).id, title="Deal", start_on=start, now=company.now
    )
    _sign(company, quote, offer(what, currency) | {"start_on": start.isoformat()}, is_billed=True)


def _sign(company: Company, quote: Quote, payload: dict[str, Any], *, is_billed: bool) -> None:
    version = quotes.save_draft(version_id=quote.versions.get().id, payload=payload)
    form = quotes.import_order_form(
        version_id=version.id, signed_at=company.now, signer_name="Ann", signer_email="a@b.example"
    )
    if is_billed:
        schedule = create_schedule(order_form_id=form.id, now=company.now)
        activate_schedule(schedule_id=schedule.id, now=company.now)


def amend(company: Company, which: int, how: int, when: int) -> None:
    """Sign an amendment: other prices and quantities from a day on, lines that come and go."""
    form = chosen(OrderForm.objects.filter(schedules__isnull=False), which)
    if form is None:
        return
    draw = Random(how)  # noqa: S311
    day = company.today + timedelta(days=(0, 7, -5, 30)[when % 4])
    rule = draw.choice(("now_prorated", "now_full_reset", "at_period_end"))
    quote = draft_amendment(
        order_form_id=form.id, effective_on=day, now=company.now, change_rule=rule
    )
    payload = payload_of(quote.versions.get())
    for phase in payload["phases"]:
        if draw.random() < 0.2:
            phase["lines"] = phase["lines"][:1]
        for line in phase["lines"]:
            _change_line(draw, line, quote.versions.get().currency)
    _sign(company, quote, payload, is_billed=False)  # the event of signing applies it


def _change_line(draw: Random, line: dict[str, Any], currency: str) -> None:
    if line["meter_key"] and draw.random() < 0.5:
        line["model"] = usage_model(draw, currency)
    elif line["model"].get("model") == "flat":
        amount = Decimal(line["model"]["amount"]) * draw.choice((1, 2, Decimal("0.5")))
        line["model"] = {
            "model": "flat",
            "amount": str(Money.rounded(amount, currency).amount),
        }
    elif line["model"].get("model") == "seat":
        line["quantity"] = str(draw.randint(0, 30))


def renew(company: Company, which: int) -> None:
    """Sign the next term of a contract."""
    form = chosen(OrderForm.objects.filter(schedules__isnull=False), which)
    if form is not None:
        quote = draft_renewal(order_form_id=form.id, now=company.now)
        if quote.versions.get().status == "draft":
            _sign(company, quote, {}, is_billed=True)


def end_contract(company: Company, which: int, when: int) -> None:
    schedule = _schedule(which)
    if schedule is not None:
        day = company.today + timedelta(days=(0, 14, -9, 40)[when % 4])
        end_schedule(schedule_id=schedule.id, end=day, now=company.now)


def change_contract(company: Company, which: int, how: int) -> None:
    """Suspend, resume or cancel."""
    schedule = _schedule(which)
    if schedule is not None:
        action = ("suspend", "resume", "resume", "cancel")[how % 4]
        change_status(schedule_id=schedule.id, action=action, now=company.now)


def say_seats(company: Company, which: int, how_many: int, when: int) -> None:
    """Say how many seats a line has from a day on."""
    keys = [
        (schedule, item["key"])
        for schedule in BillingSchedule.objects.order_by("id")
        for item in schedule.terms["phases"][0]["items"]
        if item["kind"] == "seat"
    ]
    if keys:
        schedule, key = keys[which % len(keys)]
        record_seats(
            schedule_id=schedule.id,
            item_key=key,
            effective_on=company.today + timedelta(days=(0, 3, -8, -31)[when % 4]),
            balance=Decimal(how_many % 40),
            now=company.now,
        )


def bill_at(company: Company, which: int, amount: int) -> None:
    """Bill usage at a threshold, or no more."""
    schedule = _schedule(which)
    if schedule is not None:
        wanted = None if amount % 5 == 0 else Decimal(amount % 7 + 1) * 50
        set_threshold(schedule_id=schedule.id, amount=wanted, now=company.now)


def estimate(company: Company, which: int, how: int) -> None:
    """Estimate a usage line that is known late."""
    keys = [
        (schedule.id, item["key"])
        for schedule in BillingSchedule.objects.order_by("id")
        for item in schedule.terms["phases"][0]["items"]
        if item["kind"] == "usage"
    ]
    if keys:
        schedule_id, key = keys[which % len(keys)]
        basis = ("fixed", "previous", "average", "")[how % 4]
        set_estimate(
            schedule_id=schedule_id,
            item_key=key,
            basis=basis,
            quantity=Decimal(how % 900) if basis == "fixed" else None,
            is_always=how % 3 == 0,
            now=company.now,
        )


def tax(company: Company, who: int, percent: int, how: int) -> None:
    """Change what a customer is taxed from a day on, or how the company adds tax up."""
    name, _, _ = CUSTOMERS[who % len(CUSTOMERS)]
    if how % 3 == 0:
        inclusive = percent % 3 == 0
        set_tax_method(
            legal_entity_id=LegalEntity.objects.get(is_default=True).id,
            method="per_line" if inclusive or percent % 2 else "per_category",
            prices_include_tax=inclusive,
            now=company.now,
        )
    else:
        set_customer_tax(
            customer_id=customer_named(name).id,
            valid_from=company.today + timedelta(days=(how % 5 - 2) * 10),
            treatment="taxable",
            name="VAT",
            percent=Decimal(percent % 26),
            now=company.now,
        )


def _schedule(number: int) -> BillingSchedule | None:
    found: BillingSchedule | None = chosen(BillingSchedule.objects.all(), number)
    return found


# --- usage


def use(company: Company, who: int, units: int, when: int) -> None:
    """Post some usage: of these days, late, or of somebody nobody knows yet."""
    draw = Random(who * 7919 + units * 31 + when)  # noqa: S311
    names = [name for name, _, _ in CUSTOMERS]
    alias = names[who % len(names)]
    if draw.random() < 0.15:
        alias = f"{alias}-lab"
    back = (2, 2, 20, 45, 80)[when % 5]
    events = []
    for _ in range(draw.randint(1, 4)):
        number = company.next_number()
        at = company.now - timedelta(hours=draw.randint(0, back * 24))
        meter = draw.choice(list(METERS))
        one = Said(f"e{number}", meter, alias, at, Decimal(draw.choice((1, units % 700, 250, 9))))
        company.said.append(one)
        events.append(_event(one))
    record_usage_events(events, now=company.now)


def _event(one: Said, corrects: Correction | None = None) -> UsageEvent:
    who = f"p{one.units}"
    return UsageEvent(
        SOURCE, one.id, one.meter, one.alias, one.at, {"n": one.units, "who": who}, corrects
    )


def repeat(company: Company, which: int) -> None:
    """Send an event again, as it was or with another content: the first counts."""
    if company.said:
        one = company.said[which % len(company.said)]
        record_usage_events([_event(one)], now=company.now)
        changed = Said(one.id, one.meter, one.alias, one.at, one.units + 5)
        record_usage_events([_event(changed)], now=company.now)


def correct(company: Company, which: int, units: int) -> None:
    """Take an event back, or say what it should have been."""
    live = [one for one in company.said if one.counts]
    if not live:
        return
    old = live[which % len(live)]
    old_place = company.said.index(old)
    company.said[old_place] = Said(old.id, old.meter, old.alias, old.at, old.units, counts=False)
    kind = VOIDS if units % 3 == 0 else SUPERSEDES
    new = Said(
        f"e{company.next_number()}",
        old.meter,
        old.alias,
        old.at,
        Decimal(units % 500),
        counts=kind == SUPERSEDES,
    )
    company.said.append(new)
    record_usage_events([_event(new, Correction(kind, SOURCE, old.id))], now=company.now)


def attribute(company: Company, who: int) -> None:
    """Say whose usage a name is."""
    name, _, _ = CUSTOMERS[who % len(CUSTOMERS)]
    map_alias(customer_id=customer_named(name).id, alias=f"{name}-lab", now=company.now)
    company.aliases[f"{name}-lab"] = name
