"""Calls in the form the vendors document and their clients send, byte for byte where it matters.

The clients of Lago, Metronome, Orb and OpenMeter are not installed; their requests are written
down here as their source and documentation make them.
"""

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from tests.integration.compat.conftest import TEXT, UNIX, Company


class TestLago:
    def event(self, transaction_id: str = "t1", **changes: Any) -> dict[str, Any]:
        return {
            "transaction_id": transaction_id,
            "external_subscription_id": "acme",
            "code": "tokens",
            "timestamp": UNIX,
            "properties": {"value": 12.5},
            **changes,
        }

    def test_an_event_counts_and_comes_back(self, company: Company) -> None:
        answer = company.send("lago/api/v1/events", {"event": self.event()})

        assert answer.status_code == 200
        shown = answer.json()["event"]
        assert (shown["transaction_id"], shown["code"], shown["timestamp"]) == (
            "t1",
            "tokens",
            TEXT,
        )
        assert shown["external_subscription_id"] == "acme"
        assert company.used() == Decimal("12.5")

    @pytest.mark.parametrize("timestamp", [str(UNIX), f"{UNIX}.000", float(UNIX)])
    def test_seconds_are_taken_however_they_are_written(
        self, company: Company, timestamp: Any
    ) -> None:
        event = self.event(timestamp=timestamp)

        assert company.send("lago/api/v1/events", {"event": event}).status_code == 200
        assert company.stored()[0].occurred_at.timestamp() == UNIX

    def test_a_known_transaction_is_refused_as_lago_does(self, company: Company) -> None:
        company.send("lago/api/v1/events", {"event": self.event()})

        answer = company.send("lago/api/v1/events", {"event": self.event()})

        assert answer.status_code == 422
        assert answer.json() == {
            "status": 422,
            "error": "Unprocessable Entity",
            "code": "validation_errors",
            "error_details": {"transaction_id": ["value_already_exist"]},
        }
        assert company.used() == Decimal("12.5")

    def test_a_batch_names_what_is_wrong_by_its_place_and_keeps_the_rest(
        self, company: Company
    ) -> None:
        events = [self.event("t1"), self.event("t2", code=None), self.event("t3", timestamp="x")]

        answer = company.send("lago/api/v1/events/batch", {"events": events})

        assert answer.status_code == 422
        assert answer.json()["error_details"] == {
            "1": {"code": ["value_is_mandatory"]},
            "2": {"timestamp": ["value_is_invalid", "must be seconds since 1970"]},
        }
        assert company.used() == Decimal("12.5")

    def test_a_good_batch_comes_back_whole(self, company: Company) -> None:
        events = [self.event(f"t{n}") for n in range(3)]

        answer = company.send("lago/api/v1/events/batch", {"events": events})

        assert [event["transaction_id"] for event in answer.json()["events"]] == ["t0", "t1", "t2"]

    def test_more_than_a_hundred_are_too_many(self, company: Company) -> None:
        events = [self.event(f"t{n}") for n in range(101)]

        answer = company.send("lago/api/v1/events/batch", {"events": events})

        assert answer.json()["error_details"] == {"events": ["too_many_events"]}
        assert company.stored() == []

    def test_a_wrong_key_is_unauthorized(self, company: Company) -> None:
        answer = company.send(
            "lago/api/v1/events", {"event": self.event()}, Authorization="Bearer wrong"
        )

        assert (answer.status_code, answer.json()) == (
            401,
            {"status": 401, "error": "Unauthorized"},
        )


class TestMetronome:
    def event(self, transaction_id: str = "t1", **changes: Any) -> dict[str, Any]:
        return {
            "transaction_id": transaction_id,
            "customer_id": "acme",
            "event_type": "tokens",
            "timestamp": "2026-03-03T12:00:00+00:00",
            "properties": {"value": "7", "region": "Europe"},
            **changes,
        }

    def test_events_count_and_known_ones_pass_in_silence(self, company: Company) -> None:
        for _ in range(2):
            answer = company.send("metronome/v1/ingest", [self.event(), self.event("t2")])
            assert (answer.status_code, answer.json()) == (200, {})

        assert company.used() == Decimal(14)

    def test_what_is_wrong_is_said_in_a_message_and_the_rest_is_kept(
        self, company: Company
    ) -> None:
        answer = company.send(
            "metronome/v1/ingest", [self.event(), self.event("t2", customer_id=None)]
        )

        assert answer.status_code == 400
        assert answer.json() == {"message": "[1].customer_id: is missing"}
        assert company.used() == Decimal(7)

    def test_who_may_only_read_is_refused(self, company: Company, reader: str) -> None:
        answer = company.send(
            "metronome/v1/ingest", [self.event()], Authorization=f"Bearer {reader}"
        )

        assert answer.status_code == 403
        assert "usage:write" in answer.json()["message"]


class TestOrb:
    def event(self, key: str = "k1", **changes: Any) -> dict[str, Any]:
        return {
            "event_name": "tokens",
            "timestamp": "2026-03-03T12:00:00",  # the client sends naive times as UTC
            "properties": {"value": 4, "is_cached": True},
            "idempotency_key": key,
            "external_customer_id": "acme",
            **changes,
        }

    def test_events_count(self, company: Company) -> None:
        answer = company.send("orb/ingest", {"events": [self.event(), self.event("k2")]})

        assert (answer.status_code, answer.json()) == (200, {"validation_failed": []})
        assert company.used() == Decimal(8)

    def test_debug_says_which_were_new(self, company: Company) -> None:
        company.send("orb/v1/ingest", {"events": [self.event()]})

        answer = company.send(
            "orb/v1/ingest?debug=true", {"events": [self.event(), self.event("k2")]}
        )

        assert answer.json() == {
            "validation_failed": [],
            "debug": {"duplicate": ["k1"], "ingested": ["k2"]},
        }

    def test_what_is_wrong_is_named_by_its_key_and_the_rest_is_kept(self, company: Company) -> None:
        both = self.event("k2", customer_id="x")

        answer = company.send("orb/ingest", {"events": [self.event(), both]})

        assert answer.status_code == 400
        body = answer.json()
        assert body["type"].endswith("#400-request-validation-errors")
        assert body["validation_failed"] == [
            {
                "idempotency_key": "k2",
                "validation_errors": [
                    "external_customer_id: give customer_id or external_customer_id, not both"
                ],
            }
        ]
        assert company.used() == Decimal(4)

    def test_a_wrong_key_is_an_authentication_error(self, company: Company) -> None:
        answer = company.send("orb/ingest", {"events": []}, Authorization="Bearer no")

        assert answer.status_code == 401
        assert answer.json()["type"].endswith("#401-authentication-error")


class TestOpenMeter:
    def event(self, id: str = "e1", **changes: Any) -> dict[str, Any]:
        return {
            "id": id,
            "source": "my-app",
            "specversion": "1.0",
            "type": "tokens",
            "subject": "acme",
            "time": "2026-03-03T12:00:00.000000Z",
            "data": {"value": 100, "model": "small"},
            **changes,
        }

    def test_one_event_counts(self, company: Company) -> None:
        answer = company.send(
            "openmeter/api/v1/events", self.event(), "application/cloudevents+json"
        )

        assert (answer.status_code, answer.content) == (204, b"")
        assert company.used() == Decimal(100)
        assert company.stored()[0].source == "my-app"

    def test_a_batch_counts_and_repeats_do_not(self, company: Company) -> None:
        events = [self.event("e1"), self.event("e2"), self.event("e1")]

        answer = company.send(
            "openmeter/api/v1/events", events, "application/cloudevents-batch+json"
        )

        assert answer.status_code == 204
        assert company.used() == Decimal(200)

    def test_an_event_without_a_time_happened_now(self, company: Company) -> None:
        event = self.event()
        del event["time"]

        assert company.send("openmeter/api/v1/events", event).status_code == 204
        (stored,) = company.stored()
        assert abs((stored.recorded_at - stored.occurred_at).total_seconds()) < 60

    def test_what_is_wrong_is_a_problem_and_the_rest_is_kept(self, company: Company) -> None:
        events = [self.event(), self.event("e2", data={"value": {"nested": 1}})]

        answer = company.send("openmeter/api/v1/events", events)

        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["extensions"]["validationErrors"][0]["field"] == "[1].data.value"
        assert company.used() == Decimal(100)


VALID = {
    "lago/api/v1/events": {"event": TestLago().event()},
    "metronome/v1/ingest": [TestMetronome().event()],
    "orb/ingest": {"events": [TestOrb().event()]},
    "openmeter/api/v1/events": TestOpenMeter().event(),
}


NONSENSE = (
    b"",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"[1]",
    b'{"event": [], "events": {}}',
    b'{"events": [[]]}',
    b'[{"id": "\\u0000"}]',
    b'{"event": {"timestamp": 1e999999}}',
    b'{"event": {"timestamp": [1], "properties": "x"}}',
    b'{"events": [{"timestamp": 5, "properties": [], "idempotency_key": {}}]}',
    b"\xff",
)


class TestEveryDialect:
    @pytest.mark.parametrize("path", VALID)
    def test_gzip_is_welcome(self, company: Company, path: str) -> None:
        body = gzip.compress(json.dumps(VALID[path]).encode())

        answer = company.send(path, body, **{"Content-Encoding": "gzip"})

        assert answer.status_code in (200, 204)
        assert len(company.stored()) == 1

    @pytest.mark.parametrize("path", VALID)
    def test_nonsense_is_refused_and_never_an_error_of_ours(
        self, company: Company, path: str
    ) -> None:
        for body in NONSENSE:
            answer = company.send(path, body)

            assert 400 <= answer.status_code < 500, body
            assert "json" in answer["Content-Type"]
        assert company.stored() == []

    @pytest.mark.parametrize("path", VALID)
    def test_an_unknown_alias_is_stored_and_waits(self, company: Company, path: str) -> None:
        body = json.loads(json.dumps(VALID[path]).replace("acme", "nobody"))

        assert company.send(path, body).status_code in (200, 204)

        assert [event.customer_id for event in company.stored()] == [None]

    @pytest.mark.parametrize("path", VALID)
    def test_only_posts_are_events(self, company: Company, path: str) -> None:
        answer = Client().get(f"/compat/{path}")

        assert answer.status_code in (400, 405)
