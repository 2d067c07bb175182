"""``bench ingest``: raw COPY, the store, and HTTP end to end, in one run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.utils import timezone

from metering.benches.limits import copy_rate, scratch_schema
from metering.benches.subjects import Server, http_rate, store_rate, web_server
from metering.benches.workload import CUSTOMERS, Batch, alias, batches_of, make_events, repeat_some
from metering.services import create_meter
from monetization.customers.models import Customer, CustomerAlias
from monetization.kernel.ids import uuid7
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity, Tenant
from monetization.users.models import ApiKey

LARGEST, MEMORY_MB = 10_000, 50
USAGE_TABLES = (
    "usageevent", "usagekey", "usagedelta", "usagerollup", "usageday", "usageconflict",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant made for the run, with customers, two meters and a key."""

    tenant_id: UUID
    customers: dict[str, UUID]
    key: str


def ingest(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rates by batch size and share of duplicates, as ratios to raw COPY."""
    sizes = [int(size) for size in options["batches"].split(",")]
    shares = [int(share) for share in options["duplicates"].split(",")]
    schema = f"bench_{uuid7().hex[-8:]}"
    with company_of_the_run() as company, scratch_schema(schema):
        if options["rows"]:
            _fill(schema, company, options["rows"], options["ids"])
            _settle(schema)
        with web_server(options["workers"], DEBUG="0") as server:
            for size in sizes:
                for share in shares:
                    yield from _measure(schema, company, server, size, share, options)
            yield {
                "name": f"ingest: memory a body of {LARGEST:,} events of a kilobyte takes",
                "value": round(_memory_of_largest(server, company), 1),
                "unit": "MB",
                "limit": MEMORY_MB,
                "ratio": None,
            }
            yield {
                "name": "ingest: peak memory of a web process",
                "value": round(server.peak_mb(), 1),
                "unit": "MB",
                "limit": None,
                "ratio": None,
            }


def _measure(
    schema: str, company: Company, server: Any, size: int, share: int, options: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    copied, stored, posted, seconds = [], [], [], []
    for number in range(options["rounds"]):
        given = {"seed": number, "ids": options["ids"]}
        limit = _batches(company, options["events"], size, 0, **given)
        first, second = (
            _batches(company, options["events"], size, share, **given) for _ in range(2)
        )
        copied.append(copy_rate(schema, limit))
        if share == 100:  # everything was stored before: what is measured is the second time
            store_rate(company.tenant_id, first)
            http_rate(server.port, company.key, second)
        stored.append(store_rate(company.tenant_id, first))
        answers = http_rate(server.port, company.key, second)
        if answers.refused:
            raise RuntimeError(f"{answers.refused} requests were not answered with 200")
        posted.append(answers.rate)
        seconds.append(answers)
    what = f"batches of {size:,}, {share} % duplicates"
    limit_rate = median(copied)
    yield _figure(f"ingest: raw COPY, {what}", copied, None)
    for name, rates in (("the store", stored), ("HTTP end to end", posted)):
        ratios = [rate / limit for rate, limit in zip(rates, copied, strict=True)]
        yield _figure(f"ingest: {name}, {what}", rates, limit_rate, median(ratios))
    for percent in (50, 99):
        yield {
            "name": f"ingest: HTTP p{percent}, {what}",
            "value": median(found.percentile_ms(percent) for found in seconds),
            "unit": "ms",
            "limit": None,
            "ratio": None,
        }


def _figure(
    name: str, rates: Sequence[float], limit: float | None, ratio: float | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(median(rates)),
        "unit": "events/s",
        "limit": None if limit is None else round(limit),
        "ratio": None if ratio is None else round(ratio, 3),
        "n": len(rates),
        "min": round(min(rates)),
        "max": round(max(rates)),
    }


def _batches(
    company: Company, count: int, size: int, share: int, seed: int, ids: str = "time"
) -> list[Batch]:
    events = make_events(count, until=timezone.now(), seed=seed, ids=ids)
    if 0 < share < 100:
        events = repeat_some(events, share, seed)
    return batches_of(events, size, company.tenant_id, company.customers)


def _memory_of_largest(server: Server, company: Company) -> float:
    """Return how much the largest body moves a web process that has just worked."""
    events = make_events(LARGEST, until=timezone.now(), seed=0)
    for event in events:
        event["data"]["text"] = "x" * 730
    [body] = batches_of(events, LARGEST, company.tenant_id, company.customers)
    before = server.forget_peak()
    http_rate(server.port, company.key, [body], 1)
    return max(peak - before.get(pid, peak) for pid, peak in server.peaks().items())


@contextmanager
def company_of_the_run() -> Iterator[Company]:
    """Make a company with customers, two meters and a key; its events are taken away at the end."""
    slug = f"bench-{uuid7().hex[-8:]}"
    tenant = Tenant.objects.create(name=slug, slug=slug)
    with tenant_context(tenant.id, actor="bench"):
        entity = LegalEntity.objects.create(name=slug, code="BE", is_default=True)
        customers = {}
        for number in range(CUSTOMERS):
            made = Customer.objects.create(name=alias(number), currency="USD", legal_entity=entity)
            CustomerAlias.objects.create(customer=made, alias=alias(number), valid=(None, None))
            customers[alias(number)] = made.id
        for key, aggregation, value in (("tokens", "sum", "tokens"), ("requests", "count", "")):
            create_meter(
                key=key,
                name=key,
                event_type="api.request",
                aggregation=aggregation,
                value_property=value,
                now=timezone.now(),
            )
    _, secret = ApiKey.objects.create_key(name="bench", tenant=tenant, scopes=["usage:write"])
    try:
        yield Company(tenant.id, customers, secret)
    finally:
        _clean(tenant.id)


def _clean(tenant_id: UUID) -> None:
    """Take the run's events away; the empty company stays, as every company does."""
    with psycopg.connect(settings.DATABASE_OWNER_URL) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
        for table in USAGE_TABLES:
            connection.execute(f"DELETE FROM metering_{table} WHERE tenant_id = %s", [tenant_id])


def _settle(schema: str) -> None:
    """Do now what Postgres would do of the filling beside the first measurements."""
    with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as connection:
        for place in ("public", schema):
            for table in ("usagekey", "usageevent"):
                connection.execute(f"VACUUM (ANALYZE) {place}.metering_{table}")


def _fill(schema: str, company: Company, rows: int, ids: str) -> None:
    """Put rows into the real tables and the limit's, all alike but in identity and time."""
    one = next(iter(company.customers.values()))
    with psycopg.connect(settings.DATABASE_OWNER_URL) as connection:
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(company.tenant_id)])
        for place in ("public", schema):
            connection.execute(
                f"INSERT INTO {place}.metering_usagekey"
                " (tenant_id, key_hash, payload_hash, event_id)"
                " SELECT %s, (CASE WHEN %s THEN lpad(to_hex((extract(epoch FROM now()"
                " - interval '30 days' * (n::numeric / %s)) * 1000)::bigint), 12, '0')"
                " || substr(md5(n::text), 1, 20) ELSE md5(n::text) END)::uuid,"
                " sha256(n::text::bytea), gen_random_uuid()"
                " FROM generate_series(1, %s) n",
                [company.tenant_id, ids == "time", rows, rows],
            )
            connection.execute(
                f"INSERT INTO {place}.metering_usageevent (tenant_id, id, source,"
                " source_event_id, type, subject, customer_id, occurred_at, data, quarantine)"
                " SELECT %s, gen_random_uuid(), 'bench', n::text, 'api.request',"
                " 'customer-' || lpad((n %% 200)::text, 4, '0'), %s,"
                " now() - interval '30 days' * (n::numeric / %s),"
                """ '{"tokens": "1", "model": "small"}', '' FROM generate_series(1, %s) n""",
                [company.tenant_id, one, rows, rows],
            )
            connection.commit()
            connection.execute(
                "SELECT set_config('app.tenant_id', %s, true)", [str(company.tenant_id)]
            )
