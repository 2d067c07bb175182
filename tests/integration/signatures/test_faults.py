"""Dropbox Sign misbehaves: late, twice, out of order, forged, silent. One order form still."""

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.dropbox_sign import connecting, services
from integrations.dropbox_sign.simulated_desk import callback
from integrations.dropbox_sign.simulator import Fault
from integrations.models import InboundWebhook, SignatureLogEntry, SignatureRequest
from monetization.tenancy.context import tenant_context
from quotes import services as quotes
from quotes.models import OrderForm
from tests.integration.signatures.conftest import Signing


def sign_there(signing: Signing) -> None:
    signing.dropbox.desk.sign(signing.signature_id)
    signing.dropbox.desk.prepare_file(signing.there["signature_request_id"])


def event(signing: Signing, name: str) -> dict[str, Any]:
    (found,) = [
        one
        for one in signing.dropbox.callbacks
        if one["event"]["event_type"] == f"signature_request_{name}"
    ]
    return copy.deepcopy(found)


@pytest.fixture
def sent(signing: Signing) -> Signing:
    signing.send()
    signing.work()
    return signing


class TestForged:
    def test_a_wrong_hash_is_not_answered_in_their_words_and_kept_nowhere(
        self, sent: Signing
    ) -> None:
        forged = callback("simulator-somebody-else", "signature_request_all_signed")
        forged["signature_request"] = sent.there

        answer = sent.call(forged)

        assert answer.status_code == 404
        assert b"Hello API Event Received" not in answer.content
        with tenant_context(sent.tenant.id):
            assert not InboundWebhook.objects.exists()

    def test_a_body_that_claims_to_be_signed_is_not_believed(self, sent: Signing) -> None:
        lie = sent.dropbox.desk.emit(
            sent.there["signature_request_id"], "signature_request_all_signed"
        )
        lie = copy.deepcopy(lie)
        lie["signature_request"]["is_complete"] = True
        lie["signature_request"]["signatures"][0]["status_code"] = "signed"

        sent.call(lie)
        sent.work()

        assert sent.row.state == "sent"
        assert sent.counts().order_forms == 0

    def test_a_real_hash_with_another_requests_id_changes_nothing(self, sent: Signing) -> None:
        sign_there(sent)
        replayed = event(sent, "all_signed")
        replayed["signature_request"]["signature_request_id"] = "f" * 40
        replayed["signature_request"]["metadata"] = {}

        answer = sent.call(replayed)

        assert answer.content == b"Hello API Event Received"
        with tenant_context(sent.tenant.id):
            assert InboundWebhook.objects.get().outcome == "not_ours"
        calls = len(sent.dropbox.calls)
        sent.work()
        assert len(sent.dropbox.calls) == calls  # strangers cannot make us ask

    def test_a_real_hash_that_names_our_request_and_a_strange_id_changes_nothing(
        self, sent: Signing
    ) -> None:
        before = sent.row.external_id
        replayed = event(sent, "sent")
        replayed["signature_request"]["signature_request_id"] = "f" * 40

        sent.call(replayed)
        sent.work()

        assert (sent.row.external_id, sent.row.state) == (before, "sent")
        assert sent.there["is_complete"] is False

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"event": 7}', '{"event": {}}', "x" * 50])
    def test_what_is_no_event_is_refused_in_words(self, sent: Signing, text: str) -> None:
        answer = Client().post(f"/callbacks/dropbox-sign/{sent.tenant.id}", {"json": text})

        assert answer.status_code == 400
        assert "must hold a Dropbox Sign event" in answer.json()["detail"]

    def test_another_tenants_address_does_not_take_it(
        self, sent: Signing, make_tenant: Callable[..., Any]
    ) -> None:
        other = make_tenant("Globex")
        with tenant_context(other.id):
            connecting.connect(now=timezone.now())
        sign_there(sent)

        assert sent.call(event(sent, "all_signed"), tenant_id=other.id).status_code == 404
        with tenant_context(other.id):
            assert not InboundWebhook.objects.exists()

    def test_reading_the_address_does_nothing(self, sent: Signing) -> None:
        assert Client().get(f"/callbacks/dropbox-sign/{sent.tenant.id}").status_code == 405


class TestOrder:
    @pytest.mark.parametrize(
        "order",
        [
            ("downloadable", "all_signed", "signed", "sent"),
            ("signed", "sent", "downloadable"),
            ("all_signed", "all_signed", "downloadable", "downloadable", "all_signed"),
            (),  # none arrived
        ],
    )
    def test_any_order_any_number_of_times_is_one_order_form(
        self, sent: Signing, order: tuple[str, ...]
    ) -> None:
        sign_there(sent)
        for name in order:
            sent.call_all(name)
            sent.work()
        sent.wait()
        sent.wait()

        assert sent.counts().order_forms == 1
        assert sent.counts().signed == 1
        assert (sent.row.state, sent.status) == ("complete", "accepted")

    def test_declined_after_signed_is_still_signed(self, sent: Signing) -> None:
        sign_there(sent)
        sent.call_all("downloadable")
        sent.work()
        late = sent.dropbox.desk.emit(
            sent.there["signature_request_id"], "signature_request_declined"
        )
        sent.call(late)
        sent.wait()

        assert (sent.row.state, sent.status) == ("complete", "accepted")

    def test_two_events_of_one_second_are_two_events(self, sent: Signing) -> None:
        """Their hash covers time and type only, so it is the same for both."""
        first = sent.dropbox.desk.emit(
            sent.there["signature_request_id"], "signature_request_viewed"
        )
        second = copy.deepcopy(first)
        second["event"]["event_metadata"]["related_signature_id"] = "another"

        sent.call(first)
        sent.call(second)

        with tenant_context(sent.tenant.id):
            kept = InboundWebhook.objects.filter(event_type="signature_request_viewed")
            assert kept.count() == 2

    def test_a_callback_during_an_attempt_is_not_forgotten(self, sent: Signing) -> None:
        sent.wait()
        with tenant_context(sent.tenant.id):
            SignatureRequest.objects.update(due_at=timezone.now())
            taken = services.claim(request_id=sent.row.id, now=timezone.now())
            assert taken is not None
        found = sent.gateway().get(taken.external_id)
        sign_there(sent)
        sent.call_all("downloadable")  # after we asked, before we wrote down what we heard
        with tenant_context(sent.tenant.id):
            services.record_standing(taken=taken, found=found, signed_file=None, now=timezone.now())
        sent.work()

        assert sent.row.state == "complete"


class TestSilence:
    def test_the_reply_to_a_create_is_lost_and_it_is_found_again(self, signing: Signing) -> None:
        signing.send()
        signing.dropbox.faults.append(Fault("lost_reply", "/send"))
        signing.work()
        assert signing.row.state == "new"
        signing.wait()

        assert len(signing.dropbox.desk.all()) == 1
        assert signing.row.state == "sent"

    def test_a_second_request_made_in_the_dark_is_canceled(
        self, signing: Signing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Their search did not know the first one yet; its callback tells of it."""
        signing.send()
        signing.dropbox.faults.append(Fault("lost_reply", "/send"))
        signing.work()
        empty = {"num_pages": 1, "num_results": 0, "page": 1, "page_size": 100}
        with monkeypatch.context() as late:
            late.setattr(
                signing.dropbox.desk,
                "listing",
                lambda key, query: {"signature_requests": [], "list_info": empty},
            )
            signing.wait()
        assert len(signing.dropbox.desk.all()) == 2

        signing.call_all("sent")
        signing.work()

        (newer, newer_gone), (_, older_gone) = signing.dropbox.desk.all()
        assert signing.row.external_id == newer["signature_request_id"]
        assert (newer_gone, older_gone) == (False, True)

    @pytest.mark.parametrize("kind", ["error", "garbage", "lost_reply", "rate_limit"])
    @pytest.mark.parametrize("path", ["/send", "/files/", "/signature_request/"])
    def test_whatever_goes_wrong_once_heals(self, signing: Signing, kind: str, path: str) -> None:
        signing.send()
        signing.dropbox.faults.append(Fault(kind, path))
        signing.work()
        signing.wait()
        sign_there(signing)
        for _ in range(3):
            signing.wait()

        assert not signing.dropbox.faults
        assert (signing.row.state, signing.counts().order_forms) == ("complete", 1)
        open_there = [one for one, canceled in signing.dropbox.desk.all() if not canceled]
        assert len(open_there) == 1

    def test_a_limit_makes_everybody_wait_as_long_as_they_say(self, sent: Signing) -> None:
        with tenant_context(sent.tenant.id):
            SignatureRequest.objects.update(due_at=timezone.now())
        sent.dropbox.faults.append(Fault("rate_limit", retry_after=600))
        sent.work()

        paused = sent.connection.paused_until
        assert paused is not None
        assert timedelta(minutes=9) < paused - timezone.now() <= timedelta(minutes=10)
        calls = len(sent.dropbox.calls)
        sent.work()
        assert len(sent.dropbox.calls) == calls

    def test_a_worker_that_died_is_replaced_when_its_lease_ends(self, signing: Signing) -> None:
        signing.send()
        later = timezone.now() + services.LEASE + timedelta(seconds=1)
        with tenant_context(signing.tenant.id):
            row = SignatureRequest.objects.get()
            first = services.claim(request_id=row.id, now=timezone.now())
            second = services.claim(request_id=row.id, now=timezone.now())
            third = services.claim(request_id=row.id, now=later)

        assert first is not None
        assert second is None
        assert third is not None
        assert (first.may_be_there, third.may_be_there) == (False, True)

    def test_what_a_replaced_worker_heard_no_longer_counts(self, sent: Signing) -> None:
        with tenant_context(sent.tenant.id):
            SignatureRequest.objects.update(due_at=timezone.now())
            slow = services.claim(request_id=sent.row.id, now=timezone.now())
            assert slow is not None
        stale = sent.gateway().get(slow.external_id)
        sign_there(sent)
        sent.wait()
        assert sent.row.state == "complete"

        with tenant_context(sent.tenant.id):
            services.record_standing(taken=slow, found=stale, signed_file=None, now=timezone.now())

        assert sent.row.state == "complete"


class TestDisagreement:
    def test_signed_there_after_it_was_withdrawn_here_is_shown_and_the_file_kept(
        self, sent: Signing
    ) -> None:
        sign_there(sent)
        with tenant_context(sent.tenant.id):
            quotes.revise_quote(quote_id=sent.quote.id, now=timezone.now())
        sent.deliver_events()
        sent.wait()

        row = sent.row
        assert row.state == "complete"
        assert row.needs_attention
        assert "signed at Dropbox Sign, but here" in row.last_error
        assert row.signed_document_id is not None
        assert sent.counts().order_forms == 0

    def test_deleted_there_waits_for_a_person(self, sent: Signing) -> None:
        key = f"simulator-{sent.tenant.id}"
        sent.dropbox.desk.cancel(key, sent.row.external_id)
        sent.call_all("canceled")
        sent.work()

        assert (sent.row.state, sent.row.needs_attention) == ("gone", True)
        assert sent.status == "sent"

    def test_expired_here_is_canceled_there(self, sent: Signing) -> None:
        day = timezone.now().date() + timedelta(days=60)
        with tenant_context(sent.tenant.id):
            quotes.expire_versions(today=day, now=timezone.now())
        sent.deliver_events()
        sent.work()

        assert sent.row.state == "canceled"

    @pytest.mark.pdf
    def test_a_file_that_is_cut_off_is_not_taken(
        self, sent: Signing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sign_there(sent)
        whole = sent.dropbox.desk.file
        with monkeypatch.context() as broken:
            broken.setattr(sent.dropbox.desk, "file", lambda *names: whole(*names)[:2000])
            sent.wait()
        assert sent.counts().order_forms == 0
        sent.wait()

        assert sent.counts().order_forms == 1

    def test_terms_that_were_changed_in_storage_are_not_made_an_order_form(
        self, sent: Signing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("quotes.services.external.terms_hash", lambda terms: "another")
        sign_there(sent)
        sent.wait()

        assert sent.counts().order_forms == 0
        assert sent.row.needs_attention
        assert "not those that were sent" in sent.row.last_error


def test_the_log_says_what_was_asked_and_heard(sent: Signing) -> None:
    sign_there(sent)
    sent.call_all("downloadable")
    sent.work()

    with tenant_context(sent.tenant.id):
        said = list(SignatureLogEntry.objects.order_by("id").values_list("kind", "text"))
        assert OrderForm.objects.count() == 1
    assert said[0][0] == "call"
    assert said[0][1] == "Sent by e-mail"
    assert ("state", "Waits for its signer") in said
    assert ("callback", "The signed file can be fetched") in said
    assert said[-1] == ("state", "Signed")
