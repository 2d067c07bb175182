"""Renewals on screen and over REST: seen by who reads quotes, ended by who writes them."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from monetization.events.services import append_event
from monetization.mail.models import OutgoingMail
from quotes import services
from quotes.models import ContractRenewal, Quote
from quotes.tasks import renew_contracts
from tests.integration.api.conftest import Api
from tests.integration.quotes.conftest import browser
from tests.integration.quotes.test_web_quotes import priced

Inside = Callable[[], Any]


@pytest.fixture
def renewal(company: Any, quote: Quote, inside: Inside) -> ContractRenewal:
    """A signed year that renews by itself, planned by the task."""
    now = timezone.now()
    with inside():
        priced(quote)
        version = quote.versions.get()
        start = date(now.year + 1, 1, 1)
        services.save_draft(
            version_id=version.id,
            payload={"auto_renew": True, "start_on": start, "renewal_uplift_percent": "4"},
        )
        services.import_order_form(
            version_id=version.id,
            signed_at=now,
            signer_name="Ann Lee",
            signer_email="ann@example.com",
        )
    assert renew_contracts() == 0
    with inside():
        return ContractRenewal.objects.get()


def test_the_list_says_until_when_it_can_be_ended_and_a_click_ends_it(
    renewal: ContractRenewal, company: Any, revops: Client, inside: Inside
) -> None:
    auditor = browser(company, "auditor")
    page = auditor.get("/quotes/renewals/").content.decode()
    assert "Q-00001-v1" in page
    assert "4%" in page
    assert "Do not renew" not in page
    assert auditor.post(f"/quotes/renewals/{renewal.id}/end/").status_code == 403

    revops.post(f"/quotes/renewals/{renewal.id}/end/", {"reason": "Moves to a new plan"})

    assert "Moves to a new plan" in revops.get("/quotes/renewals/?status=all").content.decode()
    with inside():
        renewal.refresh_from_db()
        assert renewal.status == "ended"


def test_over_rest_it_is_found_and_ended_but_not_after_its_last_day(
    renewal: ContractRenewal, company: Any, inside: Inside
) -> None:
    api = Api(company)
    [row] = api.get("contract-renewals", {"status": "upcoming"}).json()["results"]
    assert row["order_form"] == str(renewal.order_form_id)
    with inside():
        over = timezone.now().date() - timedelta(days=3)
        ContractRenewal.objects.update(decide_by=over)

    late = api.post(f"contract-renewals/{row['id']}/opt-out", {"reason": "too late"})
    assert (late.status_code, late.json()["code"]) == (409, "renewal_decided")

    with inside():
        ContractRenewal.objects.update(decide_by=renewal.decide_by)
    ended = api.made(f"contract-renewals/{row['id']}/opt-out", {"reason": "moving"}, status=200)
    assert (ended["status"], ended["reason"]) == ("ended", "moving")


def test_what_was_ended_renews_after_all_until_its_last_day_and_the_signer_is_told(
    renewal: ContractRenewal, company: Any, revops: Client, inside: Inside
) -> None:
    def ended() -> bool:
        with inside():
            renewal.refresh_from_db()
            return renewal.status == "ended"

    revops.post(f"/quotes/renewals/{renewal.id}/end/", {"reason": "By mistake"})
    page = revops.get("/quotes/renewals/?status=ended").content.decode()
    assert "Renew after all" in page
    with inside():
        last = renewal.decide_by
        ContractRenewal.objects.update(decide_by=timezone.now().date() - timedelta(days=3))
    revops.post(f"/quotes/renewals/{renewal.id}/resume/")
    assert ended()

    with inside():
        ContractRenewal.objects.update(decide_by=last)
    revops.post(f"/quotes/renewals/{renewal.id}/resume/")
    assert not ended()
    with inside():
        mail = OutgoingMail.objects.filter(subject__contains="renews after all").get()
        assert "was not to renew" in mail.text
    assert (
        Api(company).made(f"contract-renewals/{renewal.id}/opt-in", {}, status=200)["reason"] == ""
    )


def test_a_contract_that_ended_itself_does_not_renew_after_all(
    renewal: ContractRenewal, company: Any, inside: Inside
) -> None:
    with inside():
        append_event(
            type="schedule.ended",
            subject="schedule/1",
            data={
                "schedule_id": str(renewal.id),
                "customer_id": str(renewal.order_form.customer_id),
                "ended_on": "2026-12-01",
                "order_form_id": str(renewal.order_form_id),
            },
            occurred_at=timezone.now(),
        )
        ContractRenewal.objects.update(status="ended", decided_at=timezone.now())

    answer = Api(company).post(f"contract-renewals/{renewal.id}/opt-in", {})

    assert (answer.status_code, answer.json()["code"]) == (409, "renewal_decided")


def test_many_renewals_are_shown_by_the_page(
    renewal: ContractRenewal, revops: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quotes.web.renewals.PER_PAGE", 1)

    assert "Q-00001-v1" not in revops.get("/quotes/renewals/?status=renewed").content.decode()
    assert "Q-00001-v1" in revops.get("/quotes/renewals/?page=7").content.decode()
