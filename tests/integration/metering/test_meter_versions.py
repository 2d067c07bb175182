"""A meter's definition changes; its history is counted again while events and bills go on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from metering import selectors, services
from metering.domain.events import SUPERSEDES, Correction, UsageEvent
from metering.models import Meter
from monetization.config.verify import verify_tenant
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key
from tests.factories_billing import make_customer

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
START, END = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
CALLS: dict[str, Any] = {
    "event_type": "api",
    "aggregation": "sum",
    "value_property": "calls",
    "filters": {},
}
BYTES: dict[str, Any] = {**CALLS, "value_property": "bytes"}


@pytest.fixture
def company(make_tenant: Any) -> Any:
    tenant = make_tenant()
    with tenant_context(tenant.id, actor="test"):
        make_customer()
        services.create_meter(key="calls", name="Calls", now=NOW, **CALLS)
    return tenant


def send(company: Any, *numbers: int, **more: Any) -> None:
    """Send events three weeks apart; each is one call and as many bytes as its number."""
    with tenant_context(company.id):
        services.record_usage_events(
            [
                UsageEvent(
                    "app",
                    f"e{n}",
                    "api",
                    more.get("subject", "acme"),
                    START + timedelta(days=21 * (n % 4), minutes=n),
                    {"calls": "1", "bytes": str(n), "zone": "eu" if n % 2 else "us"},
                    more.get("corrects"),
                )
                for n in numbers
            ],
            now=NOW,
        )


def change(company: Any, **definition: Any) -> Any:
    with tenant_context(company.id):
        meter = Meter.objects.get()
        return services.change_meter(meter_id=meter.id, now=NOW, **definition)[1]


def run(company: Any, job: Any, batches: int = 100) -> Job:
    with tenant_context(company.id):
        token = claim_job(job_id=job.id, now=timezone.now() + timedelta(minutes=5))
        assert token
    for _ in range(batches):
        with tenant_context(company.id):
            if not run_next_batch(job_id=job.id, token=token, now=timezone.now()):
                break
    with tenant_context(company.id):
        found: Job = Job.objects.get(id=job.id)
        return found


def quantity(company: Any) -> int:
    with tenant_context(company.id):
        services.fold_usage()
        meter = Meter.objects.get()
        customer = meter_customer()
        request = selectors.ReadingRequest(customer, meter.id, START, END)
        return int(selectors.read_usage([request])[0].quantity)


def meter_customer() -> Any:
    from monetization.customers.models import Customer

    return Customer.objects.get(name="Acme").id


def test_the_old_definition_counts_until_the_new_one_has_its_history(company: Any) -> None:
    send(company, 1, 2, 3, 4)
    job = change(company, **BYTES)
    assert quantity(company) == 4
    send(company, 5)
    assert quantity(company) == 5

    assert run(company, job).status == "succeeded"

    assert quantity(company) == 1 + 2 + 3 + 4 + 5
    send(company, 6)
    assert quantity(company) == 21
    assert_sound(company)


def test_what_happens_while_it_is_counted_again_is_counted_once(company: Any) -> None:
    send(company, 1, 2, 3, 4)
    send(company, 7, subject="later")
    job = change(company, **BYTES)
    run(company, job, batches=1)  # one month is counted, the others are not
    send(company, 9, corrects=Correction(SUPERSEDES, "app", "e4"))
    send(company, 10, corrects=Correction(SUPERSEDES, "app", "e2"))
    send(company, 3)  # again
    with tenant_context(company.id):
        services.attribute_alias(
            alias="later", customer_id=meter_customer(), valid_from=None, valid_until=None
        )

    run(company, job)

    assert quantity(company) == 1 + 3 + 9 + 10 + 7
    assert_sound(company)


def test_a_newer_definition_takes_the_place_of_one_that_is_being_built(company: Any) -> None:
    send(company, 1, 2, 3, 4)
    first = change(company, **BYTES)
    second = change(company, **{**BYTES, "filters": {"zone": ["eu"]}})

    run(company, first)
    assert quantity(company) == 4
    run(company, second)

    assert quantity(company) == 1 + 3
    assert_sound(company)


def test_one_that_counts_no_sum_is_read_from_the_events(company: Any) -> None:
    send(company, 1, 2, 3, 4)

    run(company, change(company, **{**BYTES, "aggregation": "max"}))

    assert quantity(company) == 4
    assert_sound(company)


def test_a_computed_value_is_counted_again_from_the_events(company: Any) -> None:
    send(company, 1, 2, 3, 4)
    job = change(
        company, **{**CALLS, "value_property": "", "expression": "if(bytes > 2, bytes * 10, calls)"}
    )
    send(company, 5)

    run(company, job)

    assert quantity(company) == 1 + 1 + 30 + 40 + 50
    assert_sound(company)


def test_a_level_takes_the_place_of_a_sum(company: Any) -> None:
    send(company, 1, 2, 3, 4)

    run(company, change(company, **{**BYTES, "aggregation": "weighted_sum"}))

    # August to November has 122 days; they come 21 days and n minutes apart, 4 at the start.
    days = (1 * (122 - 21) + 2 * (122 - 42) + 3 * (122 - 63) + 4 * 122) * 1440 - (1 + 4 + 9 + 16)
    assert quantity(company) == days // (122 * 1440)
    assert_sound(company)


def test_one_that_is_being_built_can_be_given_up(company: Any) -> None:
    send(company, 1, 2)
    job = change(company, **BYTES)
    with tenant_context(company.id):
        assert services.cancel_version(meter_id=Meter.objects.get().id)

    run(company, job)

    assert quantity(company) == 2
    assert_sound(company)


def test_a_reading_keeps_the_definition_it_was_taken_by(company: Any) -> None:
    send(company, 1, 2)
    with tenant_context(company.id):
        meter = Meter.objects.get()
        request = selectors.ReadingRequest(meter_customer(), meter.id, START, END)
        reading = services.take_readings(requests=[request], now=NOW)[0]
    run(company, change(company, **{**BYTES, "filters": {"zone": ["eu"]}}))

    with tenant_context(company.id):
        reading.refresh_from_db()
        counted = [row.source_event_id for row in selectors.events_in_reading(reading)]
    assert sorted(counted) == ["e1", "e2"]
    assert_sound(company)


def test_nothing_new_is_refused(company: Any) -> None:
    with pytest.raises(services.MeterUnchanged):
        change(company, **CALLS)


def test_the_api_begins_a_version_and_lists_them(company: Any) -> None:
    key = make_api_key(company, "catalog:read", "catalog:write")
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "a"}
    with tenant_context(company.id):
        path = f"/api/v1/meters/{Meter.objects.get().id}/versions"

    made = Client().post(path, BYTES, content_type="application/json", headers=headers)
    listed = Client().get(path, headers=headers).json()["results"]

    assert made.status_code == 202, made.content
    assert [(one["number"], one["status"]) for one in listed] == [(1, "active"), (2, "building")]


def assert_sound(company: Any) -> None:
    report = verify_tenant(company.id, company.slug)
    assert {o.check.id: o.found.samples for o in report.outcomes if not o.is_ok} == {}
