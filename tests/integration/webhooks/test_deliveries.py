"""A receiver hears of everything it asked for, at least once, and can tell that it was us."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monetization.events.models import Event, EventDelivery
from monetization.tenancy.models import Tenant
from monetization.webhooks import services, tasks
from monetization.webhooks.models import (
    EndpointHealth,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from tests.integration.webhooks.conftest import NOON, Receiver, attempt, happened, only_delivery


def verify(header: str, secret: str, body: bytes) -> bool:
    """What a receiver does, written from the documentation."""
    parts = [part.split("=", 1) for part in header.split(",")]
    moment = next(value for name, value in parts if name == "t")
    expected = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(value, expected) for name, value in parts if name == "v1")


class TestWhatIsSent:
    def test_an_event_arrives_signed_with_what_it_says(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        event = happened()

        delivery = attempt(only_delivery())

        assert delivery.status == "delivered"
        ((headers, body),) = receiver.got
        sent = json.loads(body)
        assert (sent["id"], sent["type"], sent["data"]["key"]) == (
            str(event.id),
            "meter.created",
            "tokens",
        )
        assert headers["Throughline-Event-Id"] == str(event.id)
        assert verify(headers["Throughline-Signature"], endpoint.secret, body)
        assert not verify(headers["Throughline-Signature"], endpoint.secret, body + b" ")

    def test_only_types_that_were_asked_for_are_sent(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        event = happened("member.removed", user_id="1", email="x@example.com", role="finance")

        assert not WebhookDelivery.objects.filter(event=event).exists()
        assert not EventDelivery.objects.filter(event=event, handler="webhooks.fan_out").exists()

    def test_handing_an_event_on_twice_owes_it_once(self, endpoint: WebhookEndpoint) -> None:
        event = happened()

        services.fan_out(event)

        assert WebhookDelivery.objects.count() == 1

    def test_while_a_secret_is_replaced_both_sign_for_a_day(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        old = endpoint.secret
        new = services.rotate_secret(endpoint_id=endpoint.id, now=timezone.now()).secret
        happened()

        attempt(only_delivery())

        headers, body = receiver.got[0]
        assert new != old
        assert verify(headers["Throughline-Signature"], old, body)
        assert verify(headers["Throughline-Signature"], new, body)

        WebhookEndpoint.objects.update(previous_until=NOON)
        attempt(services.redeliver(delivery_id=only_delivery().id, now=NOON))
        headers, body = receiver.got[1]
        assert not verify(headers["Throughline-Signature"], old, body)

    def test_a_test_reaches_this_endpoint_alone(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        services.create_endpoint(url=receiver.url, event_types=["*"])

        delivery = services.test_endpoint(endpoint_id=endpoint.id, now=NOON)

        assert attempt(delivery).status == "delivered"
        assert json.loads(receiver.got[0][1])["type"] == "webhook.tested"
        assert not EventDelivery.objects.filter(event=delivery.event).exists()


class TestWhenItIsNotAccepted:
    def test_it_is_tried_ever_more_slowly_and_then_waits_for_a_person(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        receiver.status, receiver.body = 500, b"broken"
        happened()
        delivery, waits = only_delivery(), []
        while delivery.status == "pending":
            EndpointHealth.objects.update(quiet_until=None)
            delivery = attempt(delivery)
            if delivery.next_attempt_at:
                waits.append(round((delivery.next_attempt_at - timezone.now()).total_seconds()))

        assert delivery.status == "failed"
        assert waits == sorted(waits)
        assert len(receiver.got) == len(services.BACKOFF) + 1 == 11
        first = WebhookAttempt.objects.order_by("number")[0]
        assert (first.response_status, first.response_excerpt, first.error) == (
            500,
            "broken",
            "answered 500",
        )

        receiver.status = 200
        assert attempt(services.redeliver(delivery_id=delivery.id, now=NOON)).status == "delivered"

    def test_a_redirect_is_not_followed(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        receiver.status, receiver.headers = 302, {"Location": receiver.url}
        happened()

        delivery = attempt(only_delivery())

        assert delivery.last_error == "answered 302; redirects are not followed"
        assert len(receiver.got) == 1

    def test_gone_switches_the_endpoint_off_and_what_happens_waits(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        receiver.status = 410
        happened()
        attempt(only_delivery())

        endpoint.refresh_from_db()
        assert endpoint.status == "disabled"
        assert Event.objects.filter(type="webhook.disabled").count() == 1
        happened("meter.created", meter_id="2", key="requests")
        for waiting in WebhookDelivery.objects.all():
            attempt(waiting)
        assert len(receiver.got) == 1

        receiver.status = 200
        services.switch_endpoint(endpoint_id=endpoint.id, on=True, now=NOON)
        for waiting in WebhookDelivery.objects.all():
            assert attempt(waiting).status == "delivered"

    def test_an_endpoint_that_is_down_is_left_alone_for_a_while(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        receiver.status = 503
        for number in range(8):
            happened("meter.created", meter_id=str(number), key="k")
        for waiting in WebhookDelivery.objects.order_by("id"):
            attempt(waiting)

        assert len(receiver.got) == services.PATIENCE + 1
        last = WebhookDelivery.objects.order_by("-id")[0]
        assert (last.attempts, last.status) == (0, "pending")
        assert last.next_attempt_at is not None
        assert last.next_attempt_at > timezone.now()

    def test_a_huge_answer_is_cut(self, endpoint: WebhookEndpoint, receiver: Receiver) -> None:
        receiver.body = b"x" * 1_000_000
        happened()

        assert attempt(only_delivery()).status == "delivered"
        assert len(WebhookAttempt.objects.get().response_excerpt) == 2000


class TestWhenWorkersDie:
    def test_a_claim_that_never_came_back_is_due_again(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        happened()
        delivery = only_delivery()
        now = timezone.now()
        assert services.claim_delivery(delivery_id=delivery.id, now=now)

        assert services.claim_delivery(delivery_id=delivery.id, now=now) is None
        later = now + services.HANDOVER
        assert services.claim_delivery(delivery_id=delivery.id, now=later)

    def test_a_worker_that_was_only_slow_decides_nothing(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        happened()
        delivery = only_delivery()
        now = timezone.now()
        slow = services.claim_delivery(delivery_id=delivery.id, now=now)
        quick = services.claim_delivery(delivery_id=delivery.id, now=now + services.HANDOVER)
        assert slow
        assert quick
        bad = tasks.sender.Answer(500, "", "answered 500", 5)
        services.record_attempt(claim=quick, answer=tasks.sender.Answer(200, "", "", 5), now=NOON)
        services.record_attempt(claim=slow, answer=bad, now=NOON)

        delivery.refresh_from_db()
        assert delivery.status == "delivered"
        assert WebhookAttempt.objects.count() == 2

    def test_the_sweep_finds_what_nobody_rang_for(
        self, endpoint: WebhookEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rung: list[dict[str, str]] = []
        happened()
        WebhookDelivery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
        monkeypatch.setattr(tasks.send_webhook, "delay", lambda **call: rung.append(call))
        monkeypatch.setattr(Tenant.objects, "values_list", lambda *_a, **_k: [endpoint.tenant_id])

        tasks.send_due_webhooks()

        assert [call["delivery_id"] for call in rung] == [str(only_delivery().id)]


class TestEndpoints:
    @pytest.mark.parametrize("types", [[], ["nothing.ever"], ["*", "quote"]])
    def test_types_that_do_not_exist_are_refused(
        self, tenant: Any, receiver: Receiver, types: list[str]
    ) -> None:
        with pytest.raises(services.EndpointInvalid, match=r"^event_types: "):
            services.create_endpoint(url=receiver.url, event_types=types)

    def test_a_removed_endpoint_gets_nothing_and_keeps_its_log(
        self, endpoint: WebhookEndpoint, receiver: Receiver
    ) -> None:
        happened()
        services.remove_endpoint(endpoint_id=endpoint.id)
        happened("meter.created", meter_id="2", key="k")

        delivery = attempt(only_delivery())

        assert (delivery.status, receiver.got) == ("failed", [])
        with pytest.raises(services.EndpointDisabled):
            services.redeliver(delivery_id=delivery.id, now=NOON)
