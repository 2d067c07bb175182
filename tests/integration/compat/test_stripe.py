"""The official ``stripe`` client, with only its base address and key changed."""

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe
from django.test import Client
from stripe import HTTPClient, StripeClient

from monetization.users.models import ApiKey
from tests.integration.compat.conftest import TEXT, UNIX, Company

BASE = "https://throughline.example/compat/stripe"


class InProcess(HTTPClient):
    """Stripe's own hook for another HTTP library: ours answers without a network."""

    name = "in-process"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        **_options: Any,
    ) -> tuple[Any, int, Mapping[str, str]]:
        sent = dict(headers or {})
        answer = getattr(Client(), method)(
            urlsplit(url).path,
            post_data or "",
            content_type=sent.pop("Content-Type", "application/x-www-form-urlencoded"),
            headers=sent,
        )
        return answer.content, answer.status_code, dict(answer.headers)

    def close(self) -> None: ...


def client_of(key: str) -> StripeClient:
    return StripeClient(
        key,
        base_addresses={"api": BASE, "meter_events": BASE},
        http_client=InProcess(),
        max_network_retries=0,
    )


@pytest.fixture
def client(company: Company) -> StripeClient:
    return client_of(company.key)


def event(identifier: str = "e1", value: str = "25", **changes: Any) -> Any:
    return {
        "event_name": "tokens",
        "identifier": identifier,
        "payload": {"stripe_customer_id": "acme", "value": value},
        **changes,
    }


class TestV1:
    def test_a_meter_event_counts_and_comes_back(
        self, company: Company, client: StripeClient
    ) -> None:
        made = client.v1.billing.meter_events.create(event(timestamp=UNIX))

        assert (made.object, made.identifier, made.timestamp) == (
            "billing.meter_event",
            "e1",
            UNIX,
        )
        assert made.payload["value"] == "25"
        assert company.used() == Decimal(25)
        (stored,) = company.stored()
        assert (stored.source, stored.source_event_id, stored.subject) == ("stripe", "e1", "acme")

    def test_an_identifier_is_taken_once(self, company: Company, client: StripeClient) -> None:
        client.v1.billing.meter_events.create(event(timestamp=UNIX))

        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.billing.meter_events.create(event(timestamp=UNIX))

        assert refused.value.user_message == "An event already exists with identifier e1."
        assert (refused.value.http_status, refused.value.param) == (400, "identifier")
        assert company.used() == Decimal(25)

    def test_a_retry_with_its_idempotency_key_gets_the_first_answer(
        self, company: Company, client: StripeClient
    ) -> None:
        options: Any = {"idempotency_key": "k1"}
        nameless = event()
        del nameless["identifier"]

        first = client.v1.billing.meter_events.create(nameless, options)
        again = client.v1.billing.meter_events.create(nameless, options)

        assert first.to_dict() == again.to_dict()
        assert len(company.stored()) == 1

    def test_an_idempotency_key_of_another_request_is_refused(self, client: StripeClient) -> None:
        options: Any = {"idempotency_key": "k1"}
        client.v1.billing.meter_events.create(event(timestamp=UNIX), options)

        with pytest.raises(stripe.IdempotencyError):
            client.v1.billing.meter_events.create(event("e2", timestamp=UNIX), options)

    def test_what_is_wrong_is_named_as_stripe_names_it(self, client: StripeClient) -> None:
        without: Any = event(payload={"value": "1"})
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.billing.meter_events.create(without)
        assert refused.value.param == "payload[stripe_customer_id]"
        assert refused.value.code == "parameter_missing"

        later: Any = event("e2", timestamp="tomorrow")
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.billing.meter_events.create(later)
        assert refused.value.param == "timestamp"

    def test_a_wrong_key_is_an_authentication_error(self, company: Company, reader: str) -> None:
        with pytest.raises(stripe.AuthenticationError):
            client_of("sk_unknown").v1.billing.meter_events.create(event())
        with pytest.raises(stripe.PermissionError):
            client_of(reader).v1.billing.meter_events.create(event())
        assert company.stored() == []

    def test_curl_sends_the_key_as_a_user_name(self, company: Company) -> None:
        basic = base64.b64encode(f"{company.key}:".encode()).decode()

        answer = company.send(
            "stripe/v1/billing/meter_events",
            f"event_name=tokens&payload[stripe_customer_id]=acme&payload[value]=3&timestamp={UNIX}",
            "application/x-www-form-urlencoded",
            Authorization=f"Basic {basic}",
        )

        assert answer.status_code == 200
        assert company.used() == Decimal(3)

    def test_a_field_given_twice_is_refused(self, company: Company) -> None:
        answer = company.send(
            "stripe/v1/billing/meter_events",
            "event_name=tokens&event_name=other&payload[stripe_customer_id]=acme",
            "application/x-www-form-urlencoded",
        )

        assert answer.status_code == 400
        assert "event_name is given twice" in answer.json()["error"]["message"]


class TestV2:
    def test_a_meter_event_counts_and_comes_back(
        self, company: Company, client: StripeClient
    ) -> None:
        made = client.v2.billing.meter_events.create(event(timestamp=TEXT))

        assert (made.object, made.identifier, made.timestamp) == (
            "v2.billing.meter_event",
            "e1",
            TEXT,
        )
        assert company.used() == Decimal(25)

    def test_v1_and_v2_share_their_identifiers(
        self, company: Company, client: StripeClient
    ) -> None:
        client.v1.billing.meter_events.create(event(timestamp=UNIX))

        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            client.v2.billing.meter_events.create(event(timestamp=TEXT))

        assert company.used() == Decimal(25)

    def test_a_stream_takes_many_with_the_token_of_a_session(
        self, company: Company, client: StripeClient
    ) -> None:
        session = client.v2.billing.meter_event_session.create()
        stream = client_of(session.authentication_token).v2.billing.meter_event_stream

        stream.create({"events": [event(f"e{n}", "2", timestamp=TEXT) for n in range(5)]})
        stream.create({"events": [event("e1", "2", timestamp=TEXT)]})

        assert company.used() == Decimal(10)

    def test_a_stream_needs_a_session(self, client: StripeClient, company: Company) -> None:
        with pytest.raises(stripe.TemporarySessionExpiredError):
            client.v2.billing.meter_event_stream.create({"events": [event()]})

    def test_a_session_ends_with_its_key(self, client: StripeClient, company: Company) -> None:
        session = client.v2.billing.meter_event_session.create()
        ApiKey.objects.update(revoked=True)

        with pytest.raises(stripe.TemporarySessionExpiredError):
            client_of(session.authentication_token).v2.billing.meter_event_stream.create(
                {"events": [event()]}
            )


@pytest.mark.django_db(transaction=True)
def test_over_a_real_connection_only_the_address_and_the_key_differ(
    live_server: Any, company: Company
) -> None:
    address = f"{live_server.url}/compat/stripe"
    client = StripeClient(
        company.key,
        base_addresses={"api": address, "meter_events": address},
        http_client=stripe.RequestsClient(),
    )

    client.v1.billing.meter_events.create(event(timestamp=UNIX))
    client.v2.billing.meter_events.create(event("e2", timestamp=TEXT))

    assert company.used() == Decimal(50)
