"""The signer's page: no account, no script, one signature, and nothing told to strangers."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings
from django.utils import timezone

from monetization.events.models import Event
from monetization.tenancy.context import tenant_context
from quotes import services
from quotes.models import OrderForm, Quote, QuoteVersion, SigningLink
from tests.integration.quotes.conftest import browser, make_catalog
from tests.integration.quotes.test_web_quotes import priced

Inside = Callable[[], Any]
GOOD = {"name": "Ann Lee", "email": "ann@example.com", "title": "CFO", "consent": "on"}


@pytest.fixture
def path(quote: Quote, inside: Inside) -> str:
    """Where the quote's signer signs."""
    with inside():
        priced(quote)
        address = services.send_version(version_id=quote.versions.get().id, now=timezone.now())
    return f"/sign/{address.rpartition('/')[2]}"


@pytest.fixture
def signer() -> Client:
    return Client(headers={"User-Agent": "Phone 9"})


class TestReading:
    def test_shows_the_whole_order_form_to_whoever_has_the_link(
        self, signer: Client, path: str
    ) -> None:
        answer = signer.get(path)
        body = answer.content.decode()

        assert answer.status_code == 200
        for text in ("Platform", "$500.00", "$6,000.00", "Northwind Software, Inc.", "Ann Lee"):
            assert text in body
        assert "<script" not in body
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]

    def test_opening_is_recorded_once_and_signs_nothing(
        self, signer: Client, path: str, inside: Inside
    ) -> None:
        signer.get(path)
        signer.get(path)

        with inside():
            assert QuoteVersion.objects.get().status == "viewed"
            [event] = Event.objects.filter(type="quote.viewed")
            assert not OrderForm.objects.exists()
        assert event.actor == "ann@example.com (signer)"

    def test_our_own_people_looking_is_not_the_signer_reading(
        self, company: Any, path: str, inside: Inside
    ) -> None:
        assert browser(company).get(path).status_code == 200
        with inside():
            assert QuoteVersion.objects.get().status == "sent"

    def test_somebody_signed_in_at_another_company_may_sign(
        self, make_tenant: Callable[..., Any], path: str, inside: Inside
    ) -> None:
        buyer = browser(make_tenant("Buyer"))
        assert buyer.get(path).status_code == 200
        assert buyer.post(path, GOOD).status_code == 302
        with inside():
            assert OrderForm.objects.count() == 1

    @pytest.mark.pdf
    def test_the_document_can_be_downloaded(self, signer: Client, path: str) -> None:
        answer = signer.get(f"{path}/document.pdf")
        assert answer.content.startswith(b"%PDF")
        assert answer["Referrer-Policy"] == "no-referrer"

    def test_takes_a_bounded_number_of_queries(
        self, signer: Client, path: str, django_assert_max_num_queries: Any
    ) -> None:
        signer.get(path)
        with django_assert_max_num_queries(14):
            signer.get(path)


class TestSigning:
    def test_keeps_who_signed_when_from_where_and_with_what(
        self, signer: Client, path: str, inside: Inside
    ) -> None:
        answer = signer.post(path, GOOD, REMOTE_ADDR="203.0.113.7", follow=True)

        assert "Download the signed copy" in answer.content.decode()
        with inside():
            form = OrderForm.objects.get()
        assert (form.signer_name, form.signer_title) == ("Ann Lee", "CFO")
        assert (form.ip_address, form.user_agent) == ("203.0.113.7", "Phone 9")
        signed = signer.get(f"{path}/document.pdf")
        assert "signed.pdf" in signed["Content-Disposition"]

    def test_a_second_submit_shows_the_same_signed_page(
        self, signer: Client, path: str, inside: Inside
    ) -> None:
        first = signer.post(path, GOOD, follow=True)
        second = signer.post(path, {**GOOD, "name": "Somebody Else"}, follow=True)
        third = signer.post(path, {}, follow=True)

        assert first.content == second.content == third.content
        with inside():
            assert OrderForm.objects.get().signer_name == "Ann Lee"

    @pytest.mark.parametrize(
        ("typed", "message"),
        [
            ({"consent": ""}, "Tick the box"),
            ({"name": " "}, "Type your full name"),
            ({"email": "nobody"}, "not an e-mail address"),
            ({"name": "x" * 201}, "at most 200"),
            ({"name": "a\x00b"}, "Null characters"),
        ],
    )
    def test_says_what_is_missing_and_keeps_what_was_typed(
        self, signer: Client, path: str, inside: Inside, typed: dict[str, str], message: str
    ) -> None:
        answer = signer.post(path, {**GOOD, "title": "Chief of X", **typed})

        assert answer.status_code == 422
        assert message in answer.content.decode()
        assert "Chief of X" in answer.content.decode()
        with inside():
            assert not OrderForm.objects.exists()

    def test_names_are_shown_as_text(self, signer: Client, path: str) -> None:
        body = signer.post(path, {**GOOD, "name": "<b>Ann</b>"}, follow=True).content.decode()
        assert "&lt;b&gt;Ann&lt;/b&gt;" in body

    def test_forwarding_headers_of_strangers_are_not_evidence(
        self, signer: Client, path: str, inside: Inside
    ) -> None:
        forged = {"X-Forwarded-For": "198.51.100.1"}
        signer.post(path, GOOD, REMOTE_ADDR="203.0.113.7", headers=forged)
        with inside():
            assert OrderForm.objects.get().ip_address == "203.0.113.7"

    @override_settings(TRUSTED_PROXY_COUNT=1)
    def test_behind_our_own_proxy_the_last_forwarded_address_counts(
        self, signer: Client, path: str, inside: Inside
    ) -> None:
        forwarded = {"X-Forwarded-For": "10.9.9.9, 198.51.100.1"}
        signer.post(path, GOOD, REMOTE_ADDR="10.0.0.1", headers=forwarded)
        with inside():
            assert OrderForm.objects.get().ip_address == "198.51.100.1"


class TestDeclining:
    def test_needs_a_reason_and_ends_the_link(
        self, signer: Client, path: str, inside: Inside
    ) -> None:
        assert signer.post(f"{path}/decline", {"reason": ""}).status_code == 422
        answer = signer.post(f"{path}/decline", {"reason": "Too dear"})

        assert "You declined" in answer.content.decode()
        with inside():
            assert QuoteVersion.objects.get().status == "declined"
            event = Event.objects.get(type="quote.declined")
        assert event.data["reason"] == "Too dear"
        assert signer.get(path).status_code == 404
        assert signer.post(path, GOOD).status_code == 404

    def test_reading_the_address_declines_nothing(self, signer: Client, path: str) -> None:
        assert signer.get(f"{path}/decline").status_code == 405

    def test_what_is_signed_cannot_be_declined(
        self, signer: Client, path: str, inside: Inside
    ) -> None:
        signer.post(path, GOOD)
        signer.post(f"{path}/decline", {"reason": "Changed my mind"})
        with inside():
            assert QuoteVersion.objects.get().status == "accepted"


class TestLinksThatAreOver:
    def test_all_look_alike(
        self, signer: Client, path: str, quote: Quote, inside: Inside, make_tenant: Any
    ) -> None:
        token = path.removeprefix("/sign/")
        with inside():
            unknown = services.make_token()
        other = make_tenant("Stranger")
        with tenant_context(other.id, actor="test"):
            elsewhere = services.make_token()
        seen = {
            signer.get(f"/sign/{wrong}").content
            for wrong in (unknown, elsewhere, "x", "é" * 64, "A" * 64, "%00" * 8, token[:-1], "..")
        }
        statuses = {
            signer.get(f"/sign/{unknown}{part}").status_code for part in ("", "/document.pdf")
        }
        assert statuses == {404}

        with inside():
            services.revise_quote(quote_id=quote.id, now=timezone.now())
        seen.add(signer.get(path).content)  # withdrawn
        seen.add(signer.post(path, GOOD).content)
        with inside():
            SigningLink.objects.update(revoked_at=None, expires_at=timezone.now())
        seen.add(signer.get(path).content)  # expired
        seen.add(signer.post(f"{path}/decline", {"reason": "x"}).content)

        assert len(seen) == 1
        [page] = seen
        assert b"not valid any more" in page
        assert quote.title.encode() not in page

    def test_another_companys_bytes_in_front_of_a_secret_open_nothing(
        self, signer: Client, path: str, make_tenant: Any
    ) -> None:
        other = make_tenant("Stranger")
        with tenant_context(other.id, actor="test"):
            make_catalog()
            prefix = services.make_token()[:21]
        assert signer.get(f"/sign/{prefix}{path.removeprefix('/sign/')[21:]}").status_code == 404

    def test_secrets_never_reach_the_log(
        self, signer: Client, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        strict = Client(enforce_csrf_checks=True)
        signer.post(path, {})
        strict.post(path, GOOD)
        signer.get(f"{path}x")

        assert path.removeprefix("/sign/") not in caplog.text


class TestForgery:
    def test_a_post_without_the_pages_token_signs_nothing(self, path: str, inside: Inside) -> None:
        strict = Client(enforce_csrf_checks=True)
        answer = strict.post(path, GOOD)

        assert answer.status_code == 403
        assert "Nothing was signed" in answer.content.decode()
        with inside():
            assert not OrderForm.objects.exists()

    @pytest.mark.parametrize(("origin", "status"), [("null", 302), ("https://evil.example", 403)])
    def test_a_page_without_a_referrer_may_post_and_another_site_may_not(
        self, path: str, origin: str, status: int
    ) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.get(path)
        token = strict.cookies["csrftoken"].value
        typed = {**GOOD, "csrfmiddlewaretoken": token}
        assert strict.post(path, typed, headers={"Origin": origin}).status_code == status

    def test_trying_too_often_is_answered_with_a_pause(self, signer: Client, path: str) -> None:
        other = Client(REMOTE_ADDR="198.51.100.2")
        with time_machine.travel(timezone.now(), tick=False):  # the limit is per minute of a clock
            statuses = [signer.post(path, {}).status_code for _ in range(14)]
            elsewhere = other.post(path, {}).status_code

        assert statuses[0] == 422
        assert statuses[-1] == 429
        assert elsewhere == 422
