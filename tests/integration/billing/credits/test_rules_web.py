"""Plans and top-ups in a browser's words: made, changed, paused, resumed, ended."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import CreditGrant, CreditPlan, CreditTopUp
from tests.factories import make_member
from tests.factories_billing import make_customer

PLAN = {
    "name": "Monthly allowance", "kind": "unit", "unit_code": "AI credits", "amount": "1000",
    "priority": "50", "taxed_at": "use", "every": "monthly", "starts_on": "2026-01-31",
    "resets": "on", "roll_over_percent": "25", "roll_over_most": "100",
}  # fmt: skip
TOP_UP = {
    "name": "Refill", "kind": "money", "amount": "", "priority": "50", "taxed_at": "use",
    "threshold": "50", "target": "500", "unit_cost": "1", "expires_after_days": "365",
}  # fmt: skip


@pytest.fixture
def finance(tenant: Any, client: Client) -> Client:
    client.force_login(make_member(tenant, "finance"))
    return client


def page_of(client: Client, customer: Any) -> str:
    found = client.get(reverse("billing:customer-credits", args=[customer.id]))
    return " ".join(found.content.decode().split())


def test_recurring_credits_are_planned_changed_paused_and_ended(finance: Client) -> None:
    customer = make_customer()
    new = reverse("billing:plan-new", args=[customer.id])
    assert finance.get(new).status_code == 200

    refused = finance.post(new, {**PLAN, "ends_on": "2026-01-31"})
    assert (refused.status_code, CreditPlan.objects.count()) == (422, 0)
    assert "Must be after it starts." in refused.content.decode()
    finance.post(new, PLAN)

    plan = CreditPlan.objects.get()
    assert (plan.roll_over_fraction, plan.amount) == (Decimal("0.25"), Decimal(1000))
    assert plan.grants.count() == 1, "today's period is granted at once"
    page = page_of(finance, customer)
    assert "25% rolls over, at most 100" in page
    edit = reverse("billing:plan-edit", args=[plan.id])
    assert 'value="25"' in finance.get(edit).content.decode()
    written = {name: PLAN[name] for name in ("name", "priority", "taxed_at")}
    finance.post(edit, {**written, "amount": "2000", "resets": "on", "roll_over_percent": ""})
    plan.refresh_from_db()
    assert (plan.amount, plan.roll_over_fraction, plan.unit_code) == (2000, 0, "AI credits")
    assert CreditGrant.objects.get().amount == 1000, "what was granted stays"

    step = reverse("billing:plan-step", args=[plan.id])
    finance.post(step, {"do": "pause"})
    assert "Paused" in page_of(finance, customer)
    finance.post(step, {"do": "resume"})
    assert "Paused" not in page_of(finance, customer)
    finance.post(step, {"do": "end"})
    page = page_of(finance, customer)
    assert "Ended" in page
    assert edit not in page
    again = finance.post(step, {"do": "pause"}, follow=True).content.decode()
    assert "Monthly allowance was ended; make another one" in again
    assert finance.post(step, {"do": "explode"}).status_code == 404


def test_top_ups_are_made_changed_paused_and_ended(finance: Client) -> None:
    customer = make_customer()
    new = reverse("billing:top-up-new", args=[customer.id])

    neither = finance.post(new, {**TOP_UP, "target": ""})
    assert neither.status_code == 422
    assert "a target to fill up to" in neither.content.decode()
    finance.post(new, TOP_UP)

    rule = CreditTopUp.objects.get()
    assert (rule.target, rule.amount, rule.expires_after_days) == (500, None, 365)
    assert "up to 500" in page_of(finance, customer)
    edit = reverse("billing:top-up-edit", args=[rule.id])
    assert 'value="50"' in finance.get(edit).content.decode()
    changed = {**TOP_UP, "amount": "200", "target": "", "issues_at_once": "on"}
    finance.post(edit, changed)
    rule.refresh_from_db()
    assert (rule.target, rule.amount, rule.issues_at_once) == (None, 200, True)
    step = reverse("billing:top-up-step", args=[rule.id])
    for do, word in (("pause", "Paused"), ("resume", "Active"), ("end", "Ended")):
        finance.post(step, {"do": do})
        assert word in page_of(finance, customer)


def test_who_only_reads_sees_them_and_changes_nothing(tenant: Any, client: Client) -> None:
    customer = make_customer()
    client.force_login(make_member(tenant, "revops"))

    assert "New top-up" not in page_of(client, customer)
    assert client.post(reverse("billing:plan-new", args=[customer.id]), PLAN).status_code == 403
    assert not CreditPlan.objects.exists()
