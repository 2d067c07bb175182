"""Plans and top-ups while they run: changed, paused, resumed, ended."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.models import CreditGrant, CreditPlan, CreditTopUp
from billing.services.credits import clock, recurring
from billing.services.credits.granting import CreditsInvalid, CreditWords
from billing.services.credits.recurring import CreditsStopped, PlanRhythm, Selling
from tests.factories_credits import JANUARY, MARCH, assert_sound, held


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 12, tzinfo=UTC)


@pytest.fixture
def plan(acme: Any) -> CreditPlan:
    words = CreditWords(customer_id=acme.id, name="Monthly", amount=Decimal(100))
    rhythm = PlanRhythm(every="monthly", starts_on=date(2026, 1, 1))
    made = recurring.plan_credits(words=words, rhythm=rhythm, now=JANUARY)
    clock.grant_by_plan(plan_id=made.id, now=at(1, 1))
    return made


@pytest.fixture
def rule(acme: Any) -> CreditTopUp:
    words = CreditWords(customer_id=acme.id, name="Top-up", amount=Decimal(100))
    selling = Selling(threshold=Decimal(10), unit_cost=Decimal(1))
    return recurring.set_top_up(words=words, selling=selling, now=MARCH)


def steps() -> list[tuple[date | None, Decimal]]:
    return list(CreditGrant.objects.order_by("plan_on").values_list("plan_on", "amount"))


def test_a_changed_plan_grants_as_before_until_its_next_step(tenant: Any, plan: CreditPlan) -> None:
    changes = {"amount": Decimal(150), "roll_over_fraction": Decimal("0.5")}

    recurring.change_plan(plan_id=plan.id, changes=changes, now=at(2, 2))
    clock.grant_by_plan(plan_id=plan.id, now=at(3, 1))

    # February had come before anybody changed anything.
    assert steps() == [
        (date(2026, 1, 1), Decimal(100)),
        (date(2026, 2, 1), Decimal(100)),
        (date(2026, 3, 1), Decimal(150)),
    ]
    february = CreditGrant.objects.get(plan_on=date(2026, 2, 1))
    clock.expire_grant(grant_id=february.id, now=at(3, 2))
    assert held(CreditGrant.objects.get(origin="roll_over")) == Decimal(50)
    assert_sound(tenant)


def test_what_comes_due_while_a_plan_is_paused_is_left_out(plan: CreditPlan) -> None:
    recurring.pause_plan(plan_id=plan.id, now=at(2, 1))
    assert clock.grant_by_plan(plan_id=plan.id, now=at(3, 5)) == []

    resumed = recurring.resume_plan(plan_id=plan.id, now=at(3, 5))
    assert (resumed.paused_at, resumed.grants_from) == (None, date(2026, 3, 5))
    clock.grant_by_plan(plan_id=plan.id, now=at(4, 1))

    # February was due before the pause of that day; March is left out; April is granted.
    assert [day for day, _ in steps()] == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 4, 1)]


def test_a_plan_resumed_on_the_day_of_a_step_grants_it(plan: CreditPlan) -> None:
    recurring.pause_plan(plan_id=plan.id, now=at(1, 10))

    recurring.resume_plan(plan_id=plan.id, now=at(2, 1))
    recurring.resume_plan(plan_id=plan.id, now=at(2, 2))

    assert [day for day, _ in steps()] == [date(2026, 1, 1), date(2026, 2, 1)]


def test_a_plan_that_was_ended_stays_ended(plan: CreditPlan) -> None:
    recurring.stop_plan(plan_id=plan.id, now=at(1, 5))

    for step in (recurring.pause_plan, recurring.resume_plan):
        with pytest.raises(CreditsStopped, match="Monthly was ended"):
            step(plan_id=plan.id, now=at(1, 6))
    with pytest.raises(CreditsStopped):
        recurring.change_plan(plan_id=plan.id, changes={"amount": Decimal(1)}, now=at(1, 6))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": Decimal("0.001")}, "amount"),
        ({"name": " "}, "name"),
        ({"ends_on": date(2026, 1, 1)}, "ends_on"),
        ({"roll_over_fraction": Decimal(2)}, "roll_over_fraction"),
        ({"roll_over_most": Decimal(0)}, "roll_over_most"),
        ({"products": ["nothing"]}, "products"),
    ],
)
def test_a_plan_is_changed_only_to_what_it_could_be(
    plan: CreditPlan, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(CreditsInvalid, match=f"^{field}: "):
        recurring.change_plan(plan_id=plan.id, changes=changes, now=at(1, 5))


def test_a_paused_top_up_sells_nothing_and_a_changed_one_sells_as_changed(
    rule: CreditTopUp,
) -> None:
    recurring.pause_top_up(rule_id=rule.id, now=MARCH)
    assert clock.top_up(rule_id=rule.id, now=MARCH) is None
    recurring.resume_top_up(rule_id=rule.id, now=MARCH)
    changes = {"target": Decimal(250), "unit_cost": Decimal("0.50")}
    changed = recurring.change_top_up(rule_id=rule.id, changes=changes, now=MARCH)
    assert (changed.amount, changed.target) == (None, Decimal(250))

    draft = clock.top_up(rule_id=rule.id, now=MARCH)

    assert draft is not None
    assert draft.subtotal_amount == Decimal(125)  # nothing is held: 250 at 0.50


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"threshold": Decimal(-1)}, "threshold"),
        ({"unit_cost": Decimal(0)}, "unit_cost"),
        ({"target": Decimal(10)}, "target"),
        ({"expires_after_days": 0}, "expires_after_days"),
    ],
)
def test_a_top_up_is_changed_only_to_what_it_could_be(
    rule: CreditTopUp, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(CreditsInvalid, match=f"^{field}: "):
        recurring.change_top_up(rule_id=rule.id, changes=changes, now=MARCH)


def test_a_target_that_goes_leaves_an_amount_to_be_said(rule: CreditTopUp) -> None:
    recurring.change_top_up(rule_id=rule.id, changes={"target": Decimal(50)}, now=MARCH)

    with pytest.raises(CreditsInvalid, match=r"^amount: "):
        recurring.change_top_up(rule_id=rule.id, changes={"target": None}, now=MARCH)
    back = {"target": None, "amount": Decimal(20)}
    changed = recurring.change_top_up(rule_id=rule.id, changes=back, now=MARCH)
    assert (changed.amount, changed.target) == (Decimal(20), None)
