"""Every event counted once, exactly, whatever engineers send."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from metering import selectors, services
from metering.domain.events import Outcome, UsageEvent
from monetization.customers.models import Customer, CustomerAlias
from monetization.kernel.ids import uuid7
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_api_key

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
OCTOBER, NOVEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


def event(n: int = 1, *, subject: str = "acme", time: datetime | None = None, **data: Any) -> Any:
    values = {key: Decimal(str(value)) for key, value in (data or {"calls": "1"}).items()}
    return UsageEvent(
        "test", f"e{n}", "api", subject, time or datetime(2026, 10, 5, tzinfo=UTC), values
    )


def customer(alias: str = "acme") -> Customer:
    entity = LegalEntity.objects.get()
    made: Customer = Customer.objects.create(name=alias, currency="USD", legal_entity=entity)
    CustomerAlias.objects.create(customer=made, alias=alias, valid=(None, None))
    return made


def meter(aggregation: str = "sum", key: str = "calls") -> Any:
    return services.create_meter(
        key=key,
        name=key,
        event_type="api",
        aggregation=aggregation,
        value_property="calls",
        now=NOW,
    )


def october(who: Customer, what: Any) -> selectors.UsageQuantity:
    request = selectors.ReadingRequest(who.id, what.id, OCTOBER, NOVEMBER)
    return selectors.read_usage([request])[0]


@pytest.mark.usefixtures("tenant")
class TestRecordUsageEvents:
    def test_counts_an_event_once_however_often_it_comes(self) -> None:
        who, what = customer(), meter()

        first = services.record_usage_events([event(calls="2.5")], now=NOW)
        again = services.record_usage_events([event(calls="2.50")], now=NOW)

        assert [v.outcome for v in first + again] == [Outcome.CREATED, Outcome.DUPLICATE]
        assert october(who, what) == selectors.UsageQuantity(Decimal("2.5"), 1)

    def test_keeps_the_first_value_when_a_repeat_says_something_else(self) -> None:
        who, what = customer(), meter()
        services.record_usage_events([event(calls=1)], now=NOW)

        verdicts = services.record_usage_events([event(calls=999)], now=NOW)

        assert verdicts[0].outcome is Outcome.CONFLICT
        assert october(who, what).quantity == 1

    def test_judges_repeats_inside_one_batch_too(self) -> None:
        who, what = customer(), meter()

        verdicts = services.record_usage_events([event(1), event(1), event(1, calls=7)], now=NOW)

        assert [v.outcome for v in verdicts] == [
            Outcome.CREATED,
            Outcome.DUPLICATE,
            Outcome.CONFLICT,
        ]
        assert october(who, what).quantity == 1

    def test_attributes_events_that_came_before_their_alias(self) -> None:
        what = meter()
        services.record_usage_events([event(1, calls=3), event(2, calls=4)], now=NOW)
        assert [row.alias for row in selectors.unmatched_aliases()] == ["acme"]
        who = customer()

        moved = services.attribute_alias(
            alias="acme", customer_id=who.id, valid_from=None, valid_until=None
        )

        assert moved == 2
        assert october(who, what).quantity == 7
        assert selectors.unmatched_aliases() == []

    def test_quarantines_what_claims_to_be_from_the_future(self) -> None:
        who, what = customer(), meter()

        verdicts = services.record_usage_events([event(time=NOW + timedelta(hours=25))], now=NOW)

        assert verdicts[0].outcome is Outcome.QUARANTINED
        assert october(who, what).quantity == 0

    def test_a_new_meter_counts_the_events_already_there(self) -> None:
        who = customer()
        services.record_usage_events([event(1, calls=3), event(2, calls=4)], now=NOW)

        assert october(who, meter()).quantity == 7

    def test_folding_changes_no_quantity(self) -> None:
        who, what = customer(), meter()
        services.record_usage_events([event(n, calls=n) for n in range(1, 21)], now=NOW)
        before = october(who, what)

        assert services.fold_usage() > 0
        services.record_usage_events([event(99, calls=5)], now=NOW)
        services.fold_usage()

        assert october(who, what).quantity == before.quantity + 5

    @pytest.mark.parametrize(
        ("aggregation", "quantity"),
        [
            ("count", "4"),
            ("sum", "10"),
            ("max", "5"),
            ("min", "1"),
            ("latest", "3"),
            ("average", "2.5"),
            ("count_unique", "3"),
        ],
    )
    def test_every_aggregation_reads_its_quantity(self, aggregation: str, quantity: str) -> None:
        who = customer()
        what = meter(aggregation)
        moments = [datetime(2026, 10, day, 10, 30, tzinfo=UTC) for day in (1, 2, 3, 4)]
        values = [5, 1, 1, 3]
        services.record_usage_events(
            [event(n, time=moments[n], calls=values[n]) for n in range(4)], now=NOW
        )

        assert october(who, what).quantity == Decimal(quantity)

    def test_a_window_that_cuts_hours_is_exact(self) -> None:
        who, what = customer(), meter()
        start = datetime(2026, 10, 1, tzinfo=UTC)
        services.record_usage_events(
            [event(n, time=start + timedelta(minutes=20 * n)) for n in range(30)], now=NOW
        )

        request = selectors.ReadingRequest(
            who.id, what.id, start + timedelta(minutes=30), start + timedelta(minutes=390)
        )

        assert selectors.read_usage([request])[0].quantity == 18  # 40, 60, ... 380


@pytest.mark.django_db(transaction=True)
def test_the_same_batch_from_four_clients_counts_once(make_tenant: Any) -> None:
    tenant = make_tenant()
    with tenant_context(tenant.id):
        who, what = customer(), meter()
    batch = [event(n) for n in range(50)]

    def post(_: int) -> list[str]:
        try:
            with tenant_context(tenant.id):
                return [v.outcome for v in services.record_usage_events(batch, now=NOW)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = [outcome for result in pool.map(post, range(8)) for outcome in result]

    assert outcomes.count(Outcome.CREATED) == 50
    assert outcomes.count(Outcome.DUPLICATE) == 350
    with tenant_context(tenant.id):
        assert october(who, what).quantity == 50


@pytest.mark.django_db(transaction=True)
def test_usage_after_a_reading_is_listed_as_late(make_tenant: Any) -> None:
    tenant = make_tenant()
    with tenant_context(tenant.id):
        who, what = customer(), meter()
        services.record_usage_events([event(1)], now=NOW)
    with tenant_context(tenant.id):
        request = selectors.ReadingRequest(who.id, what.id, OCTOBER, NOVEMBER)
        reading = services.take_readings(requests=[request], now=NOW)[0]
    with tenant_context(tenant.id):
        services.record_usage_events([event(2)], now=NOW)

    with tenant_context(tenant.id):
        counted = [row.source_event_id for row in selectors.events_in_reading(reading)]
        late = [row.source_event_id for row in selectors.late_events(reading)]
    assert (counted, late) == (["e1"], ["e2"])


class TestApi:
    @pytest.fixture
    def post(self, make_tenant: Any, transactional_db: None) -> Any:
        tenant = make_tenant()
        key = make_api_key(tenant, "usage:write", "usage:read")

        def send(body: bytes, content_type: str = "application/json", **headers: str) -> Any:
            return Client().post(
                "/api/v1/usage-events",
                data=body,
                content_type=content_type,
                headers={"Authorization": f"Bearer {key}", **headers},
            )

        return send

    def good(self, **fields: Any) -> dict[str, Any]:
        base = {"id": str(uuid7()), "type": "api", "customer": "a", "time": "2026-10-05T00:00:00Z"}
        return {**base, "data": {"calls": "1"}, **fields}

    def test_takes_json_ndjson_and_gzip(self, post: Any) -> None:
        array = json.dumps([self.good(), self.good()]).encode()
        lines = b"\n".join(json.dumps(self.good()).encode() for _ in range(3))

        assert post(array).json()["counts"] == {"created": 2}
        assert post(lines, "application/x-ndjson").json()["counts"] == {"created": 3}
        zipped = gzip.compress(json.dumps([self.good()]).encode())
        assert post(zipped, **{"Content-Encoding": "gzip"}).json()["counts"] == {"created": 1}

    def test_one_bad_event_does_not_fail_its_batch(self, post: Any) -> None:
        answer = post(json.dumps([self.good(), self.good(time="yesterday"), self.good()]).encode())

        assert answer.status_code == 200
        assert answer.json()["counts"] == {"created": 2, "invalid": 1}
        assert answer.json()["events"][1]["field"] == "time"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("data", {"q": "x" * 2001}),
            ("data", {"q": 1e40}),
            ("data", {"q": 0.1234567890123}),
            ("data", {"q": [1]}),
            ("time", "2026-10-05T00:00:00"),
            ("time", 1760000000),
            ("time", "2026-10-05T24:00:00Z"),
            ("time", "2026-12-31T23:59:60Z"),
            ("time", "10000-01-01T00:00:00Z"),
            ("id", ""),
            ("id", 7),
            ("type", "a b"),
            ("customer", None),
            ("surprise", 1),
        ],
    )
    def test_names_the_field_that_is_wrong(self, post: Any, field: str, value: Any) -> None:
        answer = post(json.dumps([self.good(**{field: value})]).encode())

        verdict = answer.json()["events"][0]
        assert answer.status_code == 200
        assert verdict["verdict"] == "invalid"
        assert verdict["field"].startswith(field)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b'[{"id": "a", "id": "b"}]',
            b'[{"id": "\\u0000"}]',
            b'[{"id": "\\ud800"}]',
            b"[NaN]",
            b"\xff\xfe",
            b"[" * 5000 + b"]" * 5000,
            b'[{"data": {"q": 1e999999999}}]',
            b"\xef\xbb\xbf[]",
        ],
    )
    def test_answers_hostile_bodies_with_a_problem(self, post: Any, body: bytes) -> None:
        answer = post(body)

        assert answer.status_code in (200, 400, 415, 422)
        if answer.status_code == 200:
            assert set(answer.json()["counts"]) == {"invalid"}
        else:
            assert answer["Content-Type"] == "application/problem+json"

    def test_a_gzip_bomb_is_too_large(self, post: Any) -> None:
        bomb = gzip.compress(b"[" + b" " * 40_000_000 + b"]")

        assert post(bomb, **{"Content-Encoding": "gzip"}).status_code == 413

    def test_exact_numbers_survive(self, post: Any) -> None:
        body = self.good()
        text = json.dumps([body]).replace('"1"', "1234567890.123456789012").encode()

        assert post(text).json()["counts"] == {"created": 1}

    def test_without_a_key_nothing_is_taken(self, db: None) -> None:
        answer = Client().post("/api/v1/usage-events", data=b"[]", content_type="application/json")

        assert answer.status_code in (401, 403)
        assert answer["Content-Type"] == "application/problem+json"
