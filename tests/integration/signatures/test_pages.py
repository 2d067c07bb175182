"""Dropbox Sign in the browser and over REST: connect, choose, follow, try again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from integrations.dropbox_sign import connecting
from integrations.models import SignatureRequest
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key
from tests.integration.quotes.conftest import browser
from tests.integration.signatures.conftest import Signing


@pytest.fixture
def sent(signing: Signing) -> Signing:
    signing.send()
    signing.work()
    return signing


def complete(signing: Signing) -> None:
    signing.dropbox.desk.sign(signing.signature_id)
    signing.dropbox.desk.prepare_file(signing.there["signature_request_id"])
    signing.call_all("signed", "downloadable")
    signing.work()


class TestConnecting:
    def test_is_connected_and_disconnected_on_the_page_and_never_shows_the_key(
        self, signing: Signing
    ) -> None:
        client = browser(signing.tenant, "engineer")
        form = {"api_key": "very-secret-key", "client_id": "app-1", "is_test": "on"}

        client.post("/integrations/dropbox-sign/connect/", form)
        page = client.get("/integrations/").content.decode()
        with tenant_context(signing.tenant.id):
            made = connecting.connection()
        client.post("/integrations/dropbox-sign/disconnect/")
        with tenant_context(signing.tenant.id):
            ended = connecting.connection()

        assert "very-secret-key" not in page
        assert f"/callbacks/dropbox-sign/{signing.tenant.id}" in page
        assert made is not None
        assert made.settings == {"is_test": True}
        assert ended is not None
        assert not ended.is_connected
        assert not ended.credentials

    def test_half_of_the_credentials_is_refused_in_words(self, signing: Signing) -> None:
        answer = browser(signing.tenant, "engineer").post(
            "/integrations/dropbox-sign/connect/", {"api_key": "key"}
        )

        assert answer.status_code == 422
        assert "client id of an API app" in answer.content.decode()

    def test_who_may_not_connect_is_told_so(self, signing: Signing) -> None:
        answer = browser(signing.tenant, "viewer").post("/integrations/dropbox-sign/connect/", {})

        assert answer.status_code == 403


class TestSending:
    def test_the_sender_chooses_among_what_is_connected(
        self, signing: Signing, make_tenant: Callable[..., Any]
    ) -> None:
        signing.send()
        client = browser(signing.tenant)
        client.post(f"/quotes/{signing.quote.id}/revise/")

        page = client.get(f"/quotes/{signing.quote.id}/send/").content.decode()
        assert 'value="dropbox_sign"' in page
        assert 'value="dropbox_sign_embedded"' in page

        client.post(
            f"/quotes/{signing.quote.id}/send/", {"signature_method": "dropbox_sign_embedded"}
        )
        signing.deliver_events()
        signing.work()
        with tenant_context(signing.tenant.id):
            newest = SignatureRequest.objects.order_by("-id")[0]
        assert (newest.is_embedded, newest.state) == (True, "sent")

    def test_a_method_that_does_not_exist_sends_nothing(self, signing: Signing) -> None:
        signing.send()
        client = browser(signing.tenant)
        client.post(f"/quotes/{signing.quote.id}/revise/")

        answer = client.post(f"/quotes/{signing.quote.id}/send/", {"signature_method": "fax"})

        assert answer.status_code in (302, 409)
        assert signing.status == "draft"

    def test_there_is_no_new_link_where_we_sent_none(self, sent: Signing) -> None:
        client = browser(sent.tenant)

        assert "New link" not in client.get(f"/quotes/{sent.quote.id}/").content.decode()
        client.post(f"/quotes/{sent.quote.id}/new-link/")
        with tenant_context(sent.tenant.id):
            assert not sent.quote.versions.get().links.exists()


class TestFollowing:
    def test_the_quote_shows_where_it_stands(self, sent: Signing) -> None:
        client = browser(sent.tenant)
        with tenant_context(sent.tenant.id):
            version = sent.quote.versions.get()

        page = client.get(f"/quotes/{sent.quote.id}/").content.decode()
        part = client.get(f"/integrations/parts/quote-version/{version.id}").content.decode()

        assert f"/integrations/parts/quote-version/{version.id}" in page
        assert "Waits for its signer" in part
        assert "has not opened it" in part
        assert "Remind" in part

    def test_the_detail_has_log_callbacks_evidence_and_file(self, sent: Signing) -> None:
        complete(sent)
        client = browser(sent.tenant, "engineer")

        page = client.get(f"/integrations/signatures/{sent.row.id}/").content.decode()
        file = browser(sent.tenant).get(f"/integrations/signatures/{sent.row.id}/signed.pdf")

        assert "Fetched the signed file" in page
        assert "signature_request_downloadable" in page
        assert sent.row.evidence["file_sha256"] in page
        assert file.content.startswith(b"%PDF-")
        assert "attachment" in file["Content-Disposition"]

    def test_a_reminder_and_another_look_are_asked_for(self, sent: Signing) -> None:
        client = browser(sent.tenant)

        client.post(f"/integrations/signatures/{sent.row.id}/remind/")
        client.post(f"/integrations/signatures/{sent.row.id}/retry/")

        assert sent.row.wants_reminder
        complete(sent)
        refused = client.post(f"/integrations/signatures/{sent.row.id}/retry/", follow=True)
        assert "is signed" in refused.content.decode()

    def test_the_list_filters_by_state_and_customer(self, sent: Signing) -> None:
        client = browser(sent.tenant, "engineer")

        def found(query: str) -> int:
            page = client.get(f"/integrations/signatures/?{query}").context["page"]
            return int(page.paginator.count)

        asked = ("", "state=sent", "state=complete", "q=q-00001", "q=nobody")
        assert [found(query) for query in asked] == [1, 1, 0, 1, 0]


class TestRest:
    def test_says_where_it_stands_and_takes_another_try(self, sent: Signing) -> None:
        key = make_api_key(sent.tenant, "integrations:read", "integrations:write")
        client = Client(headers={"authorization": f"Bearer {key}"})
        base = "/api/v1/integrations/signature-requests"

        (listed,) = client.get(f"{base}?state=sent").json()["results"]
        shown = client.get(f"{base}/{listed['id']}").json()
        asked = client.post(f"{base}/{listed['id']}/remind")
        complete(sent)
        over = client.post(f"{base}/{listed['id']}/retry")

        assert shown["quote"] == str(sent.quote.id)
        assert shown["signatures"][0]["email"] == "ann@example.com"
        assert shown["log"][0]["text"].startswith("Sent by e-mail")
        assert asked.json()["state"] == "sent"
        assert (over.status_code, over.json()["code"]) == (409, "nothing_to_retry")

    def test_a_quote_is_sent_with_its_method(self, signing: Signing) -> None:
        signing.send()
        browser(signing.tenant).post(f"/quotes/{signing.quote.id}/revise/")
        key = make_api_key(signing.tenant, "quotes:read", "quotes:write")
        client = Client(headers={"authorization": f"Bearer {key}"})
        address = f"/api/v1/quotes/{signing.quote.id}/send"
        kind = "application/json"

        wrong = client.post(address, {"signature_method": "fax"}, content_type=kind)
        right = client.post(address, {"signature_method": "dropbox_sign"}, content_type=kind)

        assert (wrong.status_code, wrong.json()["code"]) == (409, "signature_method_unavailable")
        assert (right.status_code, right.json()["signing_url"]) == (200, "")

    def test_another_tenant_finds_nothing(
        self, sent: Signing, make_tenant: Callable[..., Any]
    ) -> None:
        complete(sent)
        other = make_tenant("Globex")
        key = make_api_key(other, "integrations:read", "integrations:write")
        client = Client(headers={"authorization": f"Bearer {key}"})
        base = f"/api/v1/integrations/signature-requests/{sent.row.id}"

        answers = [client.get(base), client.post(f"{base}/remind"), client.post(f"{base}/retry")]

        assert [one.status_code for one in answers] == [404, 404, 404]
        page = browser(other).get(f"/integrations/signatures/{sent.row.id}/signed.pdf")
        assert page.status_code == 404
