"""An order form goes to Dropbox Sign, is signed there, and becomes one signed order form here."""

import io

import pypdf
import pytest
from django.test import Client
from django.utils import timezone

from integrations.dropbox_sign import connecting, services
from integrations.dropbox_sign.simulator import Fault
from integrations.models import InboundWebhook, SignatureLogEntry
from monetization.documents.models import Document
from monetization.events.models import Event
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from quotes import services as quotes
from quotes.models import OrderForm, QuoteVersion, SignatureEvidence, Signer, SigningLink
from quotes.services.links import invite
from quotes.services.verifying import verify_signatures
from tests.integration.signatures.conftest import Signing


def sign_there(signing: Signing) -> None:
    signing.dropbox.desk.sign(signing.signature_id)
    signing.dropbox.desk.prepare_file(signing.there["signature_request_id"])


class TestConnecting:
    def test_names_the_account_and_has_the_apps_events_sent_to_us(self, signing: Signing) -> None:
        signing.work()

        with tenant_context(signing.tenant.id):
            found = connecting.connection()
            address = connecting.callback_address()
        assert found is not None
        assert "signatures@simulator.example" in found.organisation_name
        client_id = connecting.Credentials.from_json(found.credentials).client_id
        key = f"simulator-{signing.tenant.id}"
        assert signing.dropbox.desk.app(key, client_id)["callback_url"] == address

    def test_a_wrong_key_is_said_on_the_connection_and_nothing_is_lost(
        self, signing: Signing
    ) -> None:
        with tenant_context(signing.tenant.id):
            connecting.connect(now=timezone.now(), api_key="wrong", client_id="app")
        signing.send()
        signing.work()

        with tenant_context(signing.tenant.id):
            found = connecting.connection()
        assert found is not None
        assert "does not let this connection in (401)" in found.last_error
        assert signing.row.state == "new"

    def test_without_a_connection_the_sender_cannot_choose_it(self, signing: Signing) -> None:
        with tenant_context(signing.tenant.id):
            connecting.disconnect()

        with pytest.raises(quotes.SignatureMethodUnavailable, match="must be one of link"):
            signing.send()


class TestByMail:
    def test_is_sent_with_its_document_signer_and_last_day(self, signing: Signing) -> None:
        signing.send()
        signing.work()

        there = signing.there
        with tenant_context(signing.tenant.id):
            version = QuoteVersion.objects.get()
            sent = signing.dropbox.desk.file(
                f"simulator-{signing.tenant.id}", there["signature_request_id"]
            )
            assert sent == bytes(Document.objects.get(id=version.document_id).content)
        assert there["signatures"][0]["signer_email_address"] == "ann@example.com"
        assert there["title"].startswith("Q-00001-v1: Platform deal")
        assert there["expires_at"] > version.sent_at.timestamp()
        assert signing.row.state == "sent"
        assert signing.address == ""  # no link of ours, and no mail
        with tenant_context(signing.tenant.id):
            assert not SigningLink.objects.exists()
            assert not OutgoingMail.objects.exists()

    @pytest.mark.pdf
    def test_signed_there_becomes_one_order_form_with_their_file_as_evidence(
        self, signing: Signing
    ) -> None:
        signing.send()
        signing.work()
        sign_there(signing)
        signing.call_all("viewed", "signed", "all_signed", "downloadable")
        signing.work()

        with tenant_context(signing.tenant.id):
            form = OrderForm.objects.select_related("document", "signed_document").get()
            version = QuoteVersion.objects.get()
        assert signing.status == "accepted"
        assert (form.signer_name, form.signer_email) == ("Ann Lee", "ann@example.com")
        assert form.signed_at.timestamp() == signing.there["signatures"][0]["signed_at"]
        assert (form.terms_sha256, form.document_id) == (version.terms_sha256, version.document_id)
        assert signing.row.external_id in form.consent_text
        signed = bytes(form.signed_document.content)
        assert signed.startswith(bytes(form.document.content))
        assert "Signed by Ann Lee" in pypdf.PdfReader(io.BytesIO(signed)).pages[-1].extract_text()
        row = signing.row
        assert row.state == "complete"
        assert row.evidence["file_sha256"] == form.signed_document.sha256
        assert row.evidence["signature_request"]["is_complete"] is True
        assert row.due_at is None

    def test_signed_by_everybody_is_not_yet_the_signed_file(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        signing.dropbox.desk.sign(signing.signature_id)
        signing.call_all("signed", "all_signed")
        signing.work()

        assert signing.row.state == "signed"
        assert signing.counts().order_forms == 0

        signing.dropbox.desk.prepare_file(signing.there["signature_request_id"])
        signing.call_all("downloadable")
        signing.work()

        assert signing.row.state == "complete"
        assert signing.counts().order_forms == 1

    def test_opening_it_there_shows_on_the_quote(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        signing.dropbox.desk.view(signing.signature_id)
        signing.call_all("viewed")
        signing.work()

        assert signing.status == "viewed"

    def test_declining_there_declines_the_quote_with_the_reason(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        signing.dropbox.desk.decline(signing.signature_id, "Too dear")
        signing.call_all("declined")
        signing.work()

        assert signing.status == "declined"
        with tenant_context(signing.tenant.id):
            assert Event.objects.get(type="quote.declined").data["reason"] == "Too dear"

    def test_revising_the_quote_cancels_the_request_there(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        with tenant_context(signing.tenant.id):
            quotes.revise_quote(quote_id=signing.quote.id, now=timezone.now())
        signing.deliver_events()
        signing.work()

        assert signing.row.state == "canceled"
        assert signing.dropbox.desk.all()[0][1] is True  # canceled

    def test_revised_before_it_left_it_never_goes_there(self, signing: Signing) -> None:
        signing.send()
        with tenant_context(signing.tenant.id):
            quotes.revise_quote(quote_id=signing.quote.id, now=timezone.now())
        signing.deliver_events()
        signing.work()

        assert signing.row.state == "canceled"
        assert signing.dropbox.desk.all() == []

    def test_reassigned_there_the_new_signer_is_the_one_who_signed(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        signing.dropbox.desk.reassign(signing.signature_id, "Bo Chen", "bo@example.com")
        sign_there(signing)
        signing.call_all("reassigned", "downloadable")
        signing.work()

        with tenant_context(signing.tenant.id):
            assert OrderForm.objects.get().signer_email == "bo@example.com"

    def test_a_reminder_is_sent_by_them_and_logged(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        for _ in range(2):
            with tenant_context(signing.tenant.id):
                services.want_reminder(request_id=signing.row.id, now=timezone.now())
            signing.work()

        with tenant_context(signing.tenant.id):
            said = list(SignatureLogEntry.objects.values_list("text", flat=True))
        assert "Reminded: ann@example.com" in said
        assert any("within the last hour" in text for text in said)
        assert not signing.row.needs_attention

    def test_an_error_there_waits_for_a_person_who_sends_it_anew(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        failed = signing.there["signature_request_id"]
        signing.dropbox.desk.fail(failed, "The file cannot be read")
        assert signing.call(signing.dropbox.callbacks[-1]).status_code == 200
        signing.work()
        assert signing.row.state == "failed"
        assert "The file cannot be read" in signing.row.last_error

        with tenant_context(signing.tenant.id):
            services.retry(request_id=signing.row.id, now=timezone.now())
        signing.work()

        assert signing.row.state == "sent"
        assert signing.row.external_id != failed


class TestSeveralSigners:
    def test_sign_in_their_order_and_each_is_evidence(self, signing: Signing) -> None:
        signing.send(counter_signer="cy@northwind.example")
        signing.work()
        first, second = (one["signature_id"] for one in signing.there["signatures"])

        with pytest.raises(Exception, match="another signer's turn"):
            signing.dropbox.desk.sign(second)
        signing.dropbox.desk.sign(first)
        signing.call_all("signed")
        signing.work()
        assert (signing.row.state, signing.status) == ("partly_signed", "partially_signed")
        assert signing.counts().order_forms == 0
        with tenant_context(signing.tenant.id):
            assert SignatureEvidence.objects.count() == 1
            assert Event.objects.filter(type="quote.signed").count() == 1
            assert verify_signatures()[1] == []

        signing.dropbox.desk.sign(second)
        signing.dropbox.desk.prepare_file(signing.there["signature_request_id"])
        signing.call_all("downloadable")
        signing.work()

        with tenant_context(signing.tenant.id):
            form = OrderForm.objects.get()
            rows = list(SignatureEvidence.objects.order_by("sequence"))
            statuses = set(Signer.objects.values_list("status", flat=True))
        assert [(one.side, one.email) for one in rows] == [
            ("customer", "ann@example.com"),
            ("seller", "cy@northwind.example"),
        ]
        assert (form.signer_email, form.evidence_sha256) == ("ann@example.com", rows[-1].sha256)
        assert statuses == {"signed"}

    def test_inside_our_page_each_gets_a_link_in_turn_and_only_their_own_frame(
        self, signing: Signing
    ) -> None:
        signing.send("dropbox_sign_embedded", counter_signer="cy@northwind.example")
        signing.work()
        first, second = (one["signature_id"] for one in signing.there["signatures"])
        ann = f"/sign/{signing.address.rpartition('/')[2]}"
        assert first in Client().get(f"{ann}/dropbox-sign").content.decode()
        with tenant_context(signing.tenant.id):
            assert not OutgoingMail.objects.filter(to="cy@northwind.example").exists()

        signing.dropbox.desk.sign(first)
        early = Client().get(f"{ann}/dropbox-sign").content.decode()
        signing.call_all("signed")
        signing.work()
        signing.call_all("signed")  # once more
        signing.work()

        assert second not in early  # we have not heard of it, and show nobody else's frame
        with tenant_context(signing.tenant.id):
            [mail] = OutgoingMail.objects.filter(to="cy@northwind.example")
        cy = "/sign/" + mail.text.partition("/sign/")[2].split()[0]
        assert Client().get(f"{ann}/dropbox-sign").headers["Location"] == ann
        assert "Thank you, you have signed" in Client().get(ann).content.decode()
        assert second in Client().get(f"{cy}/dropbox-sign").content.decode()

        signing.dropbox.desk.sign(second)
        signing.dropbox.desk.prepare_file(signing.there["signature_request_id"])
        signing.call_all("all_signed", "downloadable")
        signing.work()

        assert signing.status == "accepted"
        with tenant_context(signing.tenant.id):
            rows = list(SignatureEvidence.objects.order_by("sequence"))
            assert [one.email for one in rows] == ["ann@example.com", "cy@northwind.example"]
            assert verify_signatures()[1] == []

    def test_who_is_not_asked_yet_is_told_who_signs_before(self, signing: Signing) -> None:
        signing.send("dropbox_sign_embedded", counter_signer="cy@northwind.example")
        signing.work()
        first, second = (one["signature_id"] for one in signing.there["signatures"])
        with tenant_context(signing.tenant.id):  # a link that got out before its turn
            cy = Signer.objects.get(position=2)
            address = invite(cy.version, cy, timezone.now())

        page = Client().get(f"/sign/{address.rpartition('/')[2]}/dropbox-sign").content.decode()

        assert "Ann Lee signs before you" in page
        assert first not in page
        assert second not in page


class TestOptions:
    def test_are_chosen_on_our_page_and_what_was_chosen_is_signed_there(
        self, signing: Signing
    ) -> None:
        signing.send("dropbox_sign_embedded", option="seats")
        signing.work()
        before = signing.there["signature_request_id"]
        path = "/sign/" + signing.address.rpartition("/")[2]
        assert "Update the order form" in Client().get(path).content.decode()

        chosen = Client().post(f"{path}/choose", {"option": "seats"})
        signing.deliver_events()
        signing.wait()

        assert chosen.status_code == 302
        requests = {one[0]["signature_request_id"]: one[1] for one in signing.dropbox.desk.all()}
        assert requests.pop(before) is True  # canceled there
        [after] = requests
        assert signing.signature_id in Client().get(f"{path}/dropbox-sign").content.decode()
        signing.dropbox.desk.sign(signing.signature_id)
        signing.dropbox.desk.prepare_file(after)
        signing.call_all("all_signed", "downloadable")
        signing.wait()
        assert signing.status == "accepted"
        with tenant_context(signing.tenant.id):
            [form] = OrderForm.objects.all()
            items = [one["key"] for one in form.terms["phases"][0]["items"]]
            assert items == ["platform", "seats"]

    def test_nothing_is_chosen_where_the_service_writes_to_the_signer(
        self, signing: Signing
    ) -> None:
        with pytest.raises(quotes.SignatureMethodUnavailable, match="no place to choose"):
            signing.send("dropbox_sign", option="seats")


class TestOnOurPage:
    def test_opens_only_with_the_code_that_was_mailed_where_one_is_asked_for(
        self, signing: Signing
    ) -> None:
        signing.send("dropbox_sign_embedded")
        signing.work()
        with tenant_context(signing.tenant.id):
            QuoteVersion.objects.update(asks_email_code=True)

        page = Client().get(f"/sign/{signing.address.rpartition('/')[2]}/dropbox-sign")

        assert "Is this your mailbox?" in page.content.decode()
        assert signing.signature_id not in page.content.decode()

    def test_the_mailed_link_leads_to_their_page_inside_ours(self, signing: Signing) -> None:
        signing.send("dropbox_sign_embedded")
        signing.work()
        path = "/sign/" + signing.address.rpartition("/")[2]
        signer = Client()

        document = signer.get(path)
        frame = signer.get(f"{path}/dropbox-sign")

        assert f"{path}/dropbox-sign" in document.content.decode()
        assert 'name="consent"' not in document.content.decode()
        assert f"/sign/{signing.signature_id}?token=" in frame.content.decode()
        assert connecting.base_url() in frame["Content-Security-Policy"]

    def test_cannot_be_signed_in_our_own_way(self, signing: Signing) -> None:
        signing.send("dropbox_sign_embedded")
        path = "/sign/" + signing.address.rpartition("/")[2]
        answer = Client().post(
            path, {"name": "Ann Lee", "email": "ann@example.com", "consent": "on"}
        )

        assert answer.status_code == 409
        assert signing.counts().order_forms == 0

    def test_after_signing_the_signer_gets_the_copy_from_us(self, signing: Signing) -> None:
        signing.send("dropbox_sign_embedded")
        signing.work()
        path = "/sign/" + signing.address.rpartition("/")[2]
        signer = Client()
        signer.get(f"{path}/dropbox-sign")
        sign_there(signing)
        signer.post(f"{path}/dropbox-sign")  # "I have signed": no callback came
        signing.work()

        assert signing.status == "accepted"
        assert signer.get(f"{path}/dropbox-sign").headers["Location"] == path
        with tenant_context(signing.tenant.id):
            assert OutgoingMail.objects.filter(
                to="ann@example.com", subject__startswith="Signed"
            ).exists()

    def test_a_stranger_learns_nothing(self, signing: Signing) -> None:
        signing.send("dropbox_sign_embedded")

        assert Client().get(f"/sign/{'x' * 64}/dropbox-sign").status_code == 404

    def test_says_so_when_dropbox_sign_does_not_answer(self, signing: Signing) -> None:
        signing.send("dropbox_sign_embedded")
        signing.work()
        signing.dropbox.faults.append(Fault("error", "/embedded/"))

        answer = Client().get(f"/sign/{signing.address.rpartition('/')[2]}/dropbox-sign")

        assert answer.status_code == 200
        assert "cannot be reached now" in answer.content.decode()


class TestCallbacks:
    def test_every_event_is_answered_in_their_words_and_kept_once(self, signing: Signing) -> None:
        from integrations.dropbox_sign.mapping import EVENTS

        signing.send()
        signing.work()
        before = signing.row.state
        request_id = signing.there["signature_request_id"]
        for name in EVENTS:
            event = signing.dropbox.desk.emit(request_id, name)
            for _ in range(2):
                answer = signing.call(event)
                assert (answer.status_code, answer.content) == (200, b"Hello API Event Received")
        signing.work()

        with tenant_context(signing.tenant.id):
            rows = InboundWebhook.objects.filter(event_type__in=EVENTS)
            assert {(one.event_type, one.times) for one in rows} == {(n, 2) for n in EVENTS}
        assert signing.row.state == before  # what they claim happened has not

    def test_a_bounced_mail_is_shown_to_a_person(self, signing: Signing) -> None:
        signing.send()
        signing.work()
        request_id = signing.there["signature_request_id"]
        signing.call(signing.dropbox.desk.emit(request_id, "signature_request_email_bounce"))
        signing.work()

        assert signing.row.needs_attention
        assert "came back" in signing.row.last_error
        assert signing.row.state == "sent"

    def test_the_test_of_the_address_is_answered(self, signing: Signing) -> None:
        from integrations.dropbox_sign.simulated_desk import callback

        answer = signing.call(callback(f"simulator-{signing.tenant.id}", "callback_test"))

        assert answer.content == b"Hello API Event Received"
