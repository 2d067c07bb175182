"""Every state of a quote is told to webhooks once, with the ids CRMs have for what it is about."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from crm.services.records import save_record
from monetization.events.models import Event, EventDelivery
from monetization.events.services import deliver
from monetization.tenancy.context import tenant_context
from monetization.webhooks.models import WebhookDelivery
from monetization.webhooks.services import create_endpoint
from quotes import services
from quotes.domain.lifecycle import VERSION
from quotes.models import Opportunity, Quote
from quotes.services.approval_rules import save_rule
from quotes.services.approvals import Decider, decide, reopen_draft, request_approval
from quotes.services.opportunities import OpportunityInvalid, link_quote
from tests.factories_billing import make_customer
from tests.integration.crm.conftest import NOW, SOURCE
from tests.integration.quotes.conftest import make_quote
from tests.integration.quotes.test_signers import PEOPLE, mailed_to, sign
from tests.integration.quotes.test_web_quotes import priced

# state of a version -> the events that say it was reached
STATES = {
    "draft": {"quote.created", "quote.approval_refused", "quote.approval_withdrawn"},
    "in_approval": {"quote.approval_requested"},
    "approved": {"quote.approved"},
    "sent": {"quote.sent"},
    "viewed": {"quote.viewed"},
    "partially_signed": {"quote.signed"},
    "accepted": {"quote.accepted"},
    "declined": {"quote.declined"},
    "expired": {"quote.expired"},
    "superseded": {"quote.superseded"},
}


@pytest.fixture
def quote(company: Any) -> Iterator[Quote]:
    """A priced quote for a deal of the CRM, which an endpoint is told about."""
    with tenant_context(company.id, actor="rep@example.com"):
        create_endpoint(
            url="https://crm.example.com/hooks", event_types=["quote.*", "opportunity.*"]
        )
        save_record("accounts", SOURCE, {"external_id": "001", "name": "Acme"}, NOW)
        ann = {"external_id": "003", "account": "001", "name": "Ann", "email": "ann@example.com"}
        save_record("contacts", SOURCE, ann, NOW)
        deal = {"external_id": "006", "account": "001", "name": "Platform"}
        save_record("opportunities", SOURCE, deal, NOW)
        offer = {"external_id": "0Q0", "opportunity": "006", "title": "Deal"}
        start = {"start_on": date(2027, 1, 1)}
        made: Quote = save_record("quotes", SOURCE, {**offer, **start}, NOW).row
        priced(made)
        yield made


def latest(quote: Quote) -> Any:
    return quote.versions.order_by("-number")[0]


def send(quote: Quote) -> str:
    return services.send_version(version_id=latest(quote).id, now=NOW).rpartition("/")[2]


def outcome() -> str:
    return str(Opportunity.objects.get().outcome)


def told() -> list[str]:
    """What the endpoint is sent, in the order it happened; every event carries its ids."""
    for _ in range(2):  # handlers may run twice
        for delivery_id in EventDelivery.objects.values_list("id", flat=True):
            deliver(delivery_id=delivery_id, now=NOW)
    rows = [row.event for row in WebhookDelivery.objects.select_related("event")]
    for event in rows:
        if event.type.startswith("quote."):
            assert event.data["external_ids"] == {SOURCE: "0Q0"}, event.type
            assert event.data["customer_external_ids"] == {SOURCE: "001"}, event.type
            assert event.data["opportunity_external_ids"] == {SOURCE: "006"}, event.type
        else:
            assert event.data["external_ids"] == {SOURCE: "006"}, event.type
    return [event.type for event in sorted(rows, key=lambda event: event.id)]


def test_every_state_has_events_of_its_own() -> None:
    assert {target for _, target in VERSION.values()} == set(STATES)
    assert len(set().union(*STATES.values())) == sum(map(len, STATES.values()))


def test_a_quote_that_is_approved_read_and_signed_by_two_is_told_of_step_by_step(
    quote: Quote,
) -> None:
    save_rule(values={"name": "All", "approver_role": "finance"})
    services.save_draft(version_id=latest(quote).id, payload={"further_signers": PEOPLE[:1]})
    finance = Decider("fay@northwind.example", "finance")
    for is_approved in (False, True):
        [step] = request_approval(version_id=latest(quote).id, comment="", now=NOW)
        decide(step_id=step.id, decider=finance, is_approved=is_approved, comment="So", now=NOW)
    token = send(quote)
    link = services.valid_link(token=token, now=NOW)
    for _ in range(2):
        services.record_view(link_id=link.id, now=NOW)
        sign(token, "Ann Lee", "ann@example.com", now=NOW)
    sign(mailed_to("cy@example.com"), "Cy Fox", "cy@example.com", now=NOW)

    assert told() == [
        "opportunity.created",
        "quote.created",
        "quote.approval_requested",
        "quote.approval_refused",
        "quote.approval_requested",
        "quote.approval_given",
        "quote.approved",
        "quote.sent",
        "quote.viewed",
        "quote.signed",
        "quote.signed",
        "quote.accepted",
        "opportunity.won",
    ]
    [signed] = Event.objects.filter(type="order_form.signed")
    assert signed.data["external_ids"] == {SOURCE: "0Q0"}
    assert outcome() == "won"


def test_declined_revised_and_expired_lose_and_reopen_the_opportunity(quote: Quote) -> None:
    services.decline_version(token=send(quote), reason="Too dear", now=NOW)
    assert outcome() == "lost"
    services.revise_quote(quote_id=quote.id, now=NOW)
    assert outcome() == "open"
    send(quote)
    later = NOW + timedelta(days=60)
    services.expire_versions(today=later.date(), now=later)
    services.expire_versions(today=later.date(), now=later)

    assert told() == [
        "opportunity.created",
        "quote.created",
        "quote.sent",
        "quote.declined",
        "opportunity.lost",
        "quote.superseded",
        "opportunity.reopened",
        "quote.sent",
        "quote.expired",
        "opportunity.lost",
    ]


def test_withdrawn_from_approval_is_told_of_too(quote: Quote) -> None:
    save_rule(values={"name": "All", "approver_role": "finance"})
    request_approval(version_id=latest(quote).id, comment="", now=NOW)
    reopen_draft(version_id=latest(quote).id, now=NOW)

    assert told()[-2:] == ["quote.approval_requested", "quote.approval_withdrawn"]


def test_one_of_several_quotes_that_is_signed_wins_the_opportunity(quote: Quote) -> None:
    other = make_quote("Cheaper", quote.customer)
    priced(other, "100")
    deal = Opportunity.objects.get()
    link_quote(quote_id=other.id, opportunity_id=deal.id, now=NOW)
    services.decline_version(token=send(quote), reason="No", now=NOW)
    assert outcome() == "open"  # the other one is still written
    token = services.send_version(version_id=latest(other).id, now=NOW).rpartition("/")[2]
    sign(token, "Ann Lee", "ann@example.com", now=NOW)

    assert outcome() == "won"
    again = {"external_id": "006", "outcome": "lost", "stage": "Closed Lost"}
    assert save_record("opportunities", SOURCE, again, NOW).verdict == "updated"
    assert (outcome(), Opportunity.objects.get().stage) == ("won", "Closed Lost")


def test_until_a_quote_was_sent_the_crm_says_whether_it_was_lost(quote: Quote) -> None:
    again = {"external_id": "006", "outcome": "lost"}
    assert save_record("opportunities", SOURCE, again, NOW).verdict == "updated"
    assert outcome() == "lost"
    send(quote)
    assert outcome() == "open"


def test_a_quote_of_another_customer_is_no_offer_for_it(quote: Quote) -> None:
    other = make_quote("Other", make_customer("Borg"))

    with pytest.raises(OpportunityInvalid, match="another customer's"):
        link_quote(quote_id=other.id, opportunity_id=Opportunity.objects.get().id, now=NOW)
