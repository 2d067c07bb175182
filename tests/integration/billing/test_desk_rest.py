"""What a person reads on the desk's pages, a program reads over REST."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.services.invoicing import issue_invoice, recalculate_invoices
from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.tenancy.context import tenant_context
from tests.factories import make_tenant
from tests.factories_billing import CALLS, PLATFORM, billed, deal
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.django_db(transaction=True)
MARCH = datetime(2026, 3, 3, 12, tzinfo=UTC)
EVENTS = 7


def used(number: int, day: int, calls: str = "100") -> None:
    event = UsageEvent(
        source="app", id=f"e{number}", type="api.call", subject="acme",
        time=datetime(2026, 2, day, 9, tzinfo=UTC), data={"calls": calls},
    )  # fmt: skip
    record_usage_events([event], now=MARCH)


@pytest.fixture
def desk(transactional_db: None) -> Any:
    """February's 700 calls at 0.10 and March's platform fee on a draft of 570.00."""
    company = make_tenant("Rest")
    with tenant_context(company.id, actor="setup"):
        create_meter(
            key="calls", name="API calls", event_type="api.call", aggregation="sum",
            value_property="calls", now=MARCH,
        )  # fmt: skip
        schedule = billed(deal(PLATFORM, CALLS), now=MARCH)
    with tenant_context(company.id, actor="setup"):  # a reading sees what was committed
        for number in range(EVENTS):
            used(number, number + 1)
    with tenant_context(company.id, actor="setup"):
        draft = schedule.invoices.get(bill_on=date(2026, 3, 1))
        recalculate_invoices(invoice_ids=[draft.id], now=MARCH)
    api = Api(company)
    lines = api.get(f"invoices/{draft.id}").json()["lines"]
    line = next(each["id"] for each in lines if each["item_key"] == "calls")
    return company, api, draft, line


def test_a_line_is_explained_and_computed_again(desk: Any) -> None:
    _, api, draft, line = desk
    found = api.get(f"invoices/{draft.id}/lines/{line}/explanation").json()
    assert (found["amount"], found["computed_again"], found["agrees"]) == ("70.00", "70.00", True)
    assert (found["meter"], found["quantity"]) == ("calls", "700")
    assert len(found["days"]) == EVENTS
    assert sum(Decimal(day["quantity"]) for day in found["days"]) == 700


def test_the_events_behind_a_line_are_paged_each_once(desk: Any) -> None:
    _, api, draft, line = desk
    path = f"invoices/{draft.id}/lines/{line}/events"
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = api.get(path, {"page_size": "3", **after}).json()
        seen += [event["source_event_id"] for event in page["results"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == [f"e{number}" for number in range(EVENTS)]
    assert api.get(path, {"page_size": "0"}).status_code == 422
    other = api.get(f"invoices/{draft.id}/lines/{draft.id}/events")
    assert other.status_code == 404


def test_the_change_against_last_month_is_split_into_causes_that_add_up(desk: Any) -> None:
    _, api, draft, _ = desk
    found = api.get(f"invoices/{draft.id}/comparison").json()
    assert found["change"] == "70.00"
    assert sum(Decimal(each["amount"]) for each in found["causes"]) == Decimal("70.00")
    assert [line["item_key"] for line in found["lines"]] == ["calls"]


def test_what_a_filter_finds_is_added_up_by_currency(desk: Any) -> None:
    _, api, _, _ = desk
    found = api.get("invoices/summary", {"month": "2026-03"}).json()["results"]
    assert found == [{"currency": "USD", "count": 1, "total": "570.00"}]


def test_events_that_came_since_it_was_billed_are_apart(desk: Any) -> None:
    company, api, draft, line = desk
    with tenant_context(company.id, actor="setup"):
        issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=MARCH, ignore_grace=True)
    with tenant_context(company.id, actor="setup"):
        used(90, 20, "50")
    path = f"invoices/{draft.id}/lines/{line}/events"
    late = api.get(path, {"late": "true"}).json()
    assert [(e["source_event_id"], e["change"]) for e in late["results"]] == [("e90", "added")]
    assert len(api.get(path).json()["results"]) == EVENTS
