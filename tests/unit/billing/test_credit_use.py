"""What credits pay of an invoice: the numbers of docs/credits.md, and laws for any of them."""

import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.domain.credit_use import (
    Claim,
    Payable,
    Purse,
    Use,
    liability,
    plan_parts,
    plan_uses,
    returned_units,
)
from billing.domain.tax import line_tax
from monetization.kernel.money import ZERO, Money, total
from monetization.pricing.credits import Grant, pay_lines

PAGE = Path(__file__).parents[3] / "docs" / "credits.md"


def usd(amount: Decimal | str | int) -> Money:
    return Money(Decimal(amount), "USD")


def said(kind: str) -> list[dict[str, str]]:
    """The examples of one kind on the page."""
    return [
        dict(row.split(": ", 1) for row in block.strip().splitlines())
        for block in re.findall(rf"```example {kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    ]


def _payable(text: str, grants: list[str]) -> tuple[Payable, Decimal]:
    name, net, tax, *options = text.split()
    found = dict(zip(options[::2], options[1::2], strict=True))
    line = Payable(
        name,
        usd(net),
        dict.fromkeys(grants, Fraction(1)),
        Decimal(found["of"]) if "of" in found else None,
        Decimal(found["rate"]) if "rate" in found else None,
    )
    return line, Decimal(tax.strip("@%"))


@pytest.mark.parametrize("example", said("uses"))
def test_the_page_says_what_is_computed(example: dict[str, str]) -> None:
    purses = []
    for place, text in enumerate(example["grants"].split(", ")):
        name, amount, kind, *rest = text.split()
        taxed = "grant" if rest else "use"
        grant = Grant(name, Decimal(amount), created=place, taxed_at=taxed)
        purses.append(Purse(grant, kind, Decimal(amount)))
    line, percent = _payable(example["lines"], [purse.grant.id for purse in purses])
    claimed = line.net + line_tax(line.net, percent)

    uses = plan_uses(purses, [line], lambda _, net: line_tax(net, percent), claimed)

    for use in uses:
        units = f"{use.units.normalize():f}"
        assert example[use.grant_id] == f"{units} pays {use.value.amount}"
        claimed = claimed - use.value
        if use.reduces_base:
            claimed = claimed - line_tax(use.value, percent)
            if "total" in example:
                assert str(claimed.amount) == example["total"]
    assert str(claimed.amount) == example["due"]


def test_the_page_says_what_is_owed() -> None:
    (example,) = said("owed")
    amount, cost = Decimal(example["amount"]), usd(example["cost"])

    owed = [liability(cost, amount, Decimal(b)) for b in example["balances"].split(", ")]

    assert ", ".join(str(one.amount) for one in owed) == example["owed"]


AMOUNTS = st.decimals(min_value=0, max_value=1000, places=2)
SHARES = st.fractions(min_value=0, max_value=1)
KINDS = st.sampled_from(["money", "meter", "unit"])


@st.composite
def purses(draw: st.DrawFn) -> list[Purse]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        grant = Grant(
            f"g{number}",
            Decimal(1000),
            priority=draw(st.integers(0, 2)),
            cost_basis=draw(st.sampled_from([ZERO, Decimal(1)])),
            taxed_at=draw(st.sampled_from(["use", "grant"])),
            created=number,
        )
        overdraws = draw(st.sampled_from([False, False, True]))
        found.append(Purse(grant, draw(KINDS), draw(AMOUNTS), overdraws))
    return found


@st.composite
def payables(draw: st.DrawFn, grants: list[Purse]) -> list[Payable]:
    return [
        Payable(
            f"l{number}",
            usd(draw(AMOUNTS)),
            {purse.grant.id: draw(SHARES) for purse in grants},
            draw(AMOUNTS),
            draw(st.sampled_from([Decimal("0.015"), Decimal("2.5")])),
        )
        for number in range(draw(st.integers(1, 4)))
    ]


def planned(grants: list[Purse], lines: list[Payable], percent: Decimal) -> tuple[Use, ...]:
    claimed = total((line.net + line_tax(line.net, percent) for line in lines), "USD")
    return plan_uses(grants, lines, lambda _, net: line_tax(net, percent), claimed)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([Decimal(0), Decimal(19)]))
def test_no_grant_pays_more_than_it_holds_and_no_line_more_than_it_costs(
    data: st.DataObject, percent: Decimal
) -> None:
    grants = data.draw(purses())
    lines = data.draw(payables(grants))

    uses = planned(grants, lines, percent)

    for purse in grants:
        used = sum((use.units for use in uses if use.grant_id == purse.grant.id), ZERO)
        assert used <= purse.available or purse.overdraws
    for line in lines:
        paid = [use for use in uses if use.line_key == line.key]
        reduced = total((use.value for use in paid if use.reduces_base), "USD")
        settled = total((use.value for use in paid if not use.reduces_base), "USD")
        back = total((line_tax(use.value, percent) for use in paid if use.reduces_base), "USD")
        assert reduced <= line.net
        due = max(usd(0), line.net - reduced + line_tax(line.net, percent) - back)
        assert settled <= due
    assert all(use.value.amount > 0 and use.units >= 0 for use in uses)
    assert len({(use.grant_id, use.line_key) for use in uses}) == len(uses)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([Decimal(0), Decimal(19)]))
def test_parts_of_an_invoice_get_what_it_gets_together_and_one_by_one(
    data: st.DataObject, percent: Decimal
) -> None:
    grants = data.draw(purses())
    whole = data.draw(payables(grants))
    lines = [replace(line, part=data.draw(st.sampled_from("abc"))) for line in whole]
    claims = {
        part: Claim(
            total(
                (each.net + line_tax(each.net, percent) for each in lines if each.part == part),
                "USD",
            )
        )
        for part in "abc"
    }

    def tax(_: str, net: Money) -> Money:
        return line_tax(net, percent)

    together = plan_parts(grants, lines, tax, claims)

    assert together == planned(grants, whole, percent)
    if any(purse.overdraws for purse in grants):
        return  # what is overdrawn may come from other grants, once the others' uses are kept back
    part_of = {line.key: line.part for line in lines}
    for part in "abc":
        own = [use for use in together if part_of[use.line_key] == part]
        kept_back = [
            replace(
                purse,
                available=purse.available
                - sum(
                    (
                        use.units
                        for use in together
                        if use not in own and use.grant_id == purse.grant.id
                    ),
                    ZERO,
                ),
            )
            for purse in grants
        ]
        mine = [line for line in lines if line.part == part]
        assert list(plan_parts(kept_back, mine, tax, claims)) == own


@given(st.data())
def test_the_order_grants_are_given_in_changes_nothing(data: st.DataObject) -> None:
    grants = data.draw(purses())
    lines = data.draw(payables(grants))

    again = data.draw(st.permutations(grants))

    assert planned(again, lines, ZERO) == planned(grants, lines, ZERO)


@given(st.data())
def test_money_without_tax_or_scopes_burns_as_the_reference_does(data: st.DataObject) -> None:
    grants = [
        Purse(Grant(p.grant.id, Decimal(1000), p.grant.priority, created=n), "money", p.available)
        for n, p in enumerate(data.draw(purses()))
    ]
    whole = {purse.grant.id: Fraction(1) for purse in grants}
    lines = [Payable(f"l{n}", usd(a), whole) for n, a in enumerate(data.draw(st.lists(AMOUNTS)))]

    uses = planned(grants, lines, ZERO)

    paid, _ = pay_lines(
        [purse.grant for purse in grants],
        {purse.grant.id: purse.available for purse in grants},
        [(line.key, line.net.amount) for line in lines],
    )
    expected = [
        (line.key, taken.grant_id, taken.amount) for line in paid for taken in line.consumptions
    ]
    assert [(use.line_key, use.grant_id, use.value.amount) for use in uses] == expected


@given(
    st.decimals(min_value="0.01", max_value=10**6, places=6),
    st.lists(st.integers(1, 500), min_size=1, max_size=6),
)
def test_parts_given_back_add_up_to_the_units_used(units: Decimal, parts: list[int]) -> None:
    value, before, back = Decimal(sum(parts)), ZERO, ZERO
    for part in parts:
        back += returned_units(units, value, before, Decimal(part))
        before += part

    assert back == units


@given(
    st.decimals(min_value=0, max_value=10**6, places=2),
    st.integers(1, 10**6),
    st.lists(st.integers(0, 10**6), max_size=6),
)
def test_releases_add_up_to_what_was_sold_in_any_order(
    cost: Decimal, amount: int, balances: list[int]
) -> None:
    steps = [Decimal(amount), *(Decimal(b % (amount + 1)) for b in balances), ZERO]
    owed = [liability(usd(cost), Decimal(amount), balance) for balance in steps]

    released = total((a - b for a, b in pairwise(owed)), "USD")

    assert released == usd(cost)


def test_credits_before_tax_stop_where_lines_below_zero_leave_nothing() -> None:
    offer = Purse(Grant("offer", Decimal(1000), taxed_at="grant"), "money", Decimal(1000))
    lines = [Payable(key, usd(net), {"offer": Fraction(1)}) for key, net in (("a", 50), ("b", 70))]

    uses = plan_uses([offer], lines, lambda key, net: net - net, usd(90), usd(90))

    assert [(use.line_key, use.value) for use in uses] == [("a", usd(50)), ("b", usd(40))]
