"""One stream of real traffic through every dialect: the same totals, equal to plain arithmetic.

The reference knows nothing of the product: it reads the same file with csv and adds up integers.
Half of the calls are made twice, as clients do when a line breaks.
"""

import csv
import gzip
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from metering.selectors import ReadingRequest, read_usage
from monetization.customers.models import Customer
from monetization.tenancy.context import tenant_context
from tests.factories_billing import make_customer
from tests.integration.compat.conftest import Company

FILE = Path(os.environ.get("SAMPLE_DATA", "")) / "servegen" / "servegen_client_10min.csv.gz"
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
SPAN = (EPOCH, datetime(2024, 2, 1, tzinfo=UTC))
BATCH = 100
Row = tuple[str, str, datetime, int]  # id, alias, time, requests

pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason="needs the sample traffic: set SAMPLE_DATA to its folder"
)


def rows(count: int) -> list[Row]:
    """Every 12th line of the file, so that many clients take part."""
    with gzip.open(FILE, "rt") as file:
        lines = islice(csv.DictReader(file), 0, None, 12)
        return [
            (
                f"{line['model']}/{line['client']}@{line['window_start_s']}",
                f"{line['model']}/{line['client']}",
                EPOCH + timedelta(seconds=int(line["window_start_s"])),
                int(line["requests_600s"]),
            )
            for line in islice(lines, count)
        ]


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def stripe(part: list[Row], company: Company) -> Any:
    token = company.send("stripe/v2/billing/meter_event_session", "").json()
    events = [
        {
            "event_name": "tokens",
            "identifier": id,
            "timestamp": _text(time),
            "payload": {"stripe_customer_id": alias, "value": str(value)},
        }
        for id, alias, time, value in part
    ]
    key = f"Bearer {token['authentication_token']}"
    path = "stripe/v2/billing/meter_event_stream"
    return company.send(path, {"events": events}, Authorization=key)


def lago(part: list[Row], company: Company) -> Any:
    events = [
        {
            "transaction_id": id,
            "external_subscription_id": alias,
            "code": "tokens",
            "timestamp": int(time.timestamp()),
            "properties": {"value": value},
        }
        for id, alias, time, value in part
    ]
    return company.send("lago/api/v1/events/batch", {"events": events})


def metronome(part: list[Row], company: Company) -> Any:
    events = [
        {
            "transaction_id": id,
            "customer_id": alias,
            "event_type": "tokens",
            "timestamp": _text(time),
            "properties": {"value": str(value)},
        }
        for id, alias, time, value in part
    ]
    return company.send("metronome/v1/ingest", events)


def orb(part: list[Row], company: Company) -> Any:
    events = [
        {
            "idempotency_key": id,
            "external_customer_id": alias,
            "event_name": "tokens",
            "timestamp": _text(time),
            "properties": {"value": value},
        }
        for id, alias, time, value in part
    ]
    return company.send("orb/v1/ingest", {"events": events})


def openmeter(part: list[Row], company: Company) -> Any:
    events = [
        {
            "specversion": "1.0",
            "id": id,
            "source": "trace",
            "type": "tokens",
            "subject": alias,
            "time": _text(time),
            "data": {"value": value},
        }
        for id, alias, time, value in part
    ]
    media = "application/cloudevents-batch+json"
    return company.send("openmeter/api/v1/events", events, media)


def _parts(sent: list[Row]) -> Iterator[list[Row]]:
    for at in range(0, len(sent), BATCH):
        yield sent[at : at + BATCH]


@pytest.mark.parametrize("count", [pytest.param(20_000, marks=pytest.mark.slow), 400])
@pytest.mark.parametrize("dialect", [stripe, lago, metronome, orb, openmeter])
def test_every_dialect_counts_what_was_sent(company: Company, dialect: Any, count: int) -> None:
    sent = rows(count)
    expected: Counter[str] = Counter()
    for _, alias, _, value in sent:
        expected[alias] += value
    with tenant_context(company.tenant.id, actor="test"):
        customers = {alias: make_customer(alias).id for alias in expected}

    for number, part in enumerate(_parts(sent)):
        assert dialect(part, company).status_code in (200, 204)
        if number % 2:
            assert dialect(part, company).status_code in (200, 204, 422)  # Lago names repeats

    with tenant_context(company.tenant.id):
        requests = [ReadingRequest(id, company.meter.id, *SPAN) for id in customers.values()]
        found = read_usage(requests)
        assert Customer.objects.count() == len(customers) + 1
    counted = {alias: int(read.quantity) for alias, read in zip(customers, found, strict=True)}
    assert counted == dict(expected)
    assert sum(read.event_count for read in found) == len(sent)
