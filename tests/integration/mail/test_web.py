"""The outbox pages: what they show, to whom, and what a person can do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from monetization.mail import services
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant

NOON = datetime(2026, 4, 3, 12, tzinfo=UTC)


@pytest.fixture
def seller(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def signed_in(seller: Any) -> Callable[[str], Client]:
    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(
            make_member(seller, role), backend="django.contrib.auth.backends.ModelBackend"
        )
        return client

    return sign_in


def queued(seller: Any, key: str = "1", status: str = "queued", **fields: Any) -> OutgoingMail:
    with tenant_context(seller.id):
        values = {"subject": "Invoice", "text": "Pay here", "to": "ann@example.com", **fields}
        mail = services.queue_mail(dedupe_key=key, now=NOON, **values)
        OutgoingMail.objects.filter(id=mail.id).update(status=status)
        return mail


def status_of(seller: Any, mail: OutgoingMail) -> str:
    with tenant_context(seller.id):
        return str(OutgoingMail.objects.get(id=mail.id).status)


class TestOutbox:
    def test_filters_by_state_and_recipient(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        queued(seller, "1", subject="First", to="ann@example.com")
        queued(seller, "2", "failed", subject="Second", to="bob@example.com")
        client = signed_in("finance")

        def subjects(query: str) -> list[str]:
            return [mail.subject for mail in client.get(f"/outbox/?{query}").context["page"]]

        assert subjects("") == ["Second", "First"]
        assert subjects("status=failed") == ["Second"]
        assert subjects("q=ann") == ["First"]
        assert subjects("status=nonsense") == ["Second", "First"]

    def test_asks_what_to_do_about_a_mail_that_may_have_arrived(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        mail = queued(seller, status="unknown")
        client = signed_in("finance")

        assert "may have arrived" in client.get("/outbox/").content.decode()
        page = client.get(f"/outbox/{mail.id}/").content.decode()
        assert "It may have arrived." in page
        assert "Send again" in page

        client.post(f"/outbox/{mail.id}/arrived/")
        assert status_of(seller, mail) == "sent"

    def test_sends_again_what_a_person_says(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        mail = queued(seller, status="unknown")

        signed_in("finance").post(f"/outbox/{mail.id}/retry/")

        assert status_of(seller, mail) == "queued"

    def test_retries_all_failed_at_once(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        failed, unknown = queued(seller, "1", "failed"), queued(seller, "2", "unknown")

        signed_in("finance").post("/outbox/retry-failed/")

        assert status_of(seller, failed) == "queued"
        assert status_of(seller, unknown) == "unknown"

    def test_more_mail_does_not_mean_more_queries(
        self, seller: Any, signed_in: Callable[[str], Client], django_assert_max_num_queries: Any
    ) -> None:
        for number in range(60):
            queued(seller, str(number))
        client = signed_in("finance")

        with django_assert_max_num_queries(12):
            assert len(client.get("/outbox/").context["page"]) == 50


class TestWhoMay:
    def test_engineers_have_no_outbox_and_auditors_change_nothing(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        mail = queued(seller, status="failed")

        assert signed_in("engineer").get("/outbox/").status_code == 403
        auditor = signed_in("auditor")
        assert auditor.get("/outbox/").status_code == 200
        assert auditor.post(f"/outbox/{mail.id}/retry/").status_code == 403
        assert auditor.post("/outbox/retry-failed/").status_code == 403

    def test_another_company_s_mail_is_not_found(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        mail = queued(make_tenant("Stranger"), subject="Secretive")
        client = signed_in("finance")

        assert "Secretive" not in client.get("/outbox/").content.decode()
        assert client.get(f"/outbox/{mail.id}/").status_code == 404
        assert client.post(f"/outbox/{mail.id}/retry/").status_code == 404

    def test_a_link_that_sets_a_password_is_shown_to_owners_only(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        mail = queued(seller, text="Set it: https://x.example/key/1", subject_ref="user/1")

        assert "https://x.example" in signed_in("owner").get(f"/outbox/{mail.id}/").content.decode()
        for role in ("finance", "revops", "auditor"):
            page = signed_in(role).get(f"/outbox/{mail.id}/").content.decode()
            assert "https://x.example" not in page, role
            assert "[link hidden]" in page, role

    def test_a_signing_link_is_shown_to_who_may_send_quotes(
        self, seller: Any, signed_in: Callable[[str], Client]
    ) -> None:
        mail = queued(seller, text="Sign: https://x.example/sign/1", subject_ref="quote/1")

        assert (
            "https://x.example" in signed_in("revops").get(f"/outbox/{mail.id}/").content.decode()
        )
        assert (
            "https://x.example"
            not in signed_in("finance").get(f"/outbox/{mail.id}/").content.decode()
        )


def test_a_claim_lasts_longer_than_sending_can_take(settings: Any) -> None:
    # Open, greet, authenticate, hand over, say goodbye: each waits at most the timeout.
    assert timedelta(seconds=settings.EMAIL_TIMEOUT) * 12 < services.HANDOVER
