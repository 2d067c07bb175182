"""Two real traces, whole, by every way in: real web processes, the same totals, plain arithmetic.

The reference knows nothing of the product: it reads the same files with csv and adds up integers
and decimals. Batches are as large as each vendor documents; one in twenty is sent twice.
"""

import csv
import gzip
import http.client
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.faults.machine import Machine, machine

DATA = Path(os.environ.get("SAMPLE_DATA", ""))
SERVEGEN = DATA / "servegen" / "servegen_client_10min.csv.gz"
AZURE = {
    name: DATA / "azure_llm_2023" / f"AzureLLMInferenceTrace_{name}.csv.gz"
    for name in ("code", "conv")
}
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
# A quiet moment in the middle of each trace: in whole hours for one, not for the other.
MIDDLES = {"batch": "2024-01-08T00:00:00Z", "call": "2023-11-16T18:45:00Z"}
SPANS = {
    "batch": ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"),
    "call": ("2023-11-01T00:00:00Z", "2023-12-01T00:00:00Z"),
}
PROPERTIES = {"batch": ("requests", "output"), "call": ("context", "generated")}
SENDERS = 6

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (SERVEGEN.is_file() and all(file.is_file() for file in AZURE.values())),
        reason="needs the sample traffic: set SAMPLE_DATA to its folder",
    ),
]


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    alias: str
    time: str
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    path: str
    body: bytes
    media: str = "application/json"
    key: str = ""  # instead of the company's


def servegen() -> list[Row]:
    with gzip.open(SERVEGEN, "rt") as file:
        return [
            Row(
                f"{line['model']}/{line['client']}@{line['window_start_s']}",
                f"{line['model']}/{line['client']}",
                _text(EPOCH + timedelta(seconds=int(line["window_start_s"]))),
                {"requests": line["requests_600s"]}
                | ({"output": out} if (out := line["mean_output_tokens"]) else {}),
            )
            for line in csv.DictReader(file)
        ]


def azure() -> list[Row]:
    rows = []
    for name, path in AZURE.items():
        with gzip.open(path, "rt") as file:
            rows += [
                Row(
                    f"{name}@{line['TIMESTAMP']}",
                    name,
                    line["TIMESTAMP"].replace(" ", "T") + "Z",
                    {"context": line["ContextTokens"], "generated": line["GeneratedTokens"]},
                )
                for line in csv.DictReader(file)
            ]
    return rows


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _seconds(row: Row) -> str:
    """Write a row's time as seconds since 1970, with all its places."""
    whole, _, fraction = row.time.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return f"{seconds}.{fraction}" if fraction else str(seconds)


# --- the ways in: a part of the rows becomes a call -----------------------------------------------


def _own(kind: str, part: Sequence[Row], source: str) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "source": source,
            "type": f"{source}.{kind}",
            "customer": row.alias,
            "time": row.time,
            "data": row.data,
        }
        for row in part
    ]


def array(kind: str, part: Sequence[Row]) -> Call:
    return Call("/api/v1/usage-events", json.dumps(_own(kind, part, "array")).encode())


def ndjson(kind: str, part: Sequence[Row]) -> Call:
    lines = "\n".join(json.dumps(event) for event in _own(kind, part, "ndjson"))
    return Call("/api/v1/usage-events", lines.encode(), "application/x-ndjson")


def stripe_v1(kind: str, part: Sequence[Row]) -> Call:
    (row,) = part
    form = {
        "event_name": f"stripe_v1.{kind}",
        "identifier": f"v1:{row.id}",
        "timestamp": _seconds(row).partition(".")[0],
        "payload[stripe_customer_id]": row.alias,
    } | {f"payload[{name}]": value for name, value in row.data.items()}
    media = "application/x-www-form-urlencoded"
    return Call("/compat/stripe/v1/billing/meter_events", urlencode(form).encode(), media)


def _stripe(kind: str, row: Row, way: str) -> dict[str, Any]:
    return {
        "event_name": f"{way}.{kind}",
        "identifier": f"{way}:{row.id}",
        "timestamp": row.time,
        "payload": {"stripe_customer_id": row.alias, **row.data},
    }


def stripe_v2(kind: str, part: Sequence[Row]) -> Call:
    body = json.dumps(_stripe(kind, part[0], "stripe_v2")).encode()
    return Call("/compat/stripe/v2/billing/meter_events", body)


def stripe_stream(kind: str, part: Sequence[Row]) -> Call:
    events = [_stripe(kind, row, "stripe_stream") for row in part]
    path = "/compat/stripe/v2/billing/meter_event_stream"
    return Call(path, json.dumps({"events": events}).encode())


def lago(kind: str, part: Sequence[Row]) -> Call:
    events = [
        {
            "transaction_id": row.id,
            "external_subscription_id": row.alias,
            "code": f"lago.{kind}",
            "timestamp": _seconds(row),
            "properties": row.data,
        }
        for row in part
    ]
    return Call("/compat/lago/api/v1/events/batch", json.dumps({"events": events}).encode())


def metronome(kind: str, part: Sequence[Row]) -> Call:
    events = [
        {
            "transaction_id": row.id,
            "customer_id": row.alias,
            "event_type": f"metronome.{kind}",
            "timestamp": row.time,
            "properties": row.data,
        }
        for row in part
    ]
    return Call("/compat/metronome/v1/ingest", json.dumps(events).encode())


def orb(kind: str, part: Sequence[Row]) -> Call:
    events = [
        {
            "idempotency_key": row.id,
            "external_customer_id": row.alias,
            "event_name": f"orb.{kind}",
            "timestamp": row.time,
            "properties": row.data,
        }
        for row in part
    ]
    return Call("/compat/orb/v1/ingest", json.dumps({"events": events}).encode())


def openmeter(kind: str, part: Sequence[Row]) -> Call:
    events = [
        {
            "specversion": "1.0",
            "id": row.id,
            "source": "trace",
            "type": f"openmeter.{kind}",
            "subject": row.alias,
            "time": row.time,
            "data": row.data,
        }
        for row in part
    ]
    media = "application/cloudevents-batch+json"
    return Call("/compat/openmeter/api/v1/events", json.dumps(events).encode(), media)


Way = Callable[[str, Sequence[Row]], Call]
# Events a call; OpenMeter documents no maximum, so ours. Those of one are sent one by one.
BATCHES: dict[Way, int] = {
    array: 10_000,
    ndjson: 10_000,
    stripe_stream: 100,
    lago: 100,
    metronome: 100,
    orb: 500,
    openmeter: 10_000,
}
SINGLES: tuple[Way, ...] = (stripe_v1, stripe_v2)
KNOWN = {"lago": 422, "stripe_v1": 400, "stripe_v2": 400}  # how a repeat is answered, else 2xx

PREPARE = """
import json
from django.utils import timezone
from metering.services import create_meter
from monetization.tenancy.context import tenant_context
from tests.factories import make_api_key, make_tenant
from tests.factories_billing import make_customer
given = json.loads('''GIVEN''')
tenant = make_tenant("Whole traffic")
with tenant_context(tenant.id, actor="test"):
    customers = {alias: str(make_customer(alias).id) for alias in given["aliases"]}
    for key, type, property in given["meters"]:
        create_meter(key=key, name=key, event_type=type, aggregation="sum",
                     value_property=property, now=timezone.now())
key = make_api_key(tenant, "usage:write", "usage:read")
print("\\n" + json.dumps({"slug": tenant.slug, "key": key, "customers": customers}))
"""


def meter_key(type: str, name: str) -> str:
    return f"{type}-{name}".replace(".", "-").replace("_", "-")


class Traffic:
    """A company on an installation of its own, and those who send to it."""

    def __init__(self, whole: Machine, traces: dict[str, list[Row]]) -> None:
        self.whole, self.traces, self.wires = whole, traces, local()
        ways = [way.__name__ for way in BATCHES] + ["csv"]
        self.ways = {"batch": ways, "call": [*ways, *(way.__name__ for way in SINGLES)]}
        meters = [
            (meter_key(f"{way}.{kind}", name), f"{way}.{kind}", name)
            for kind, names in PROPERTIES.items()
            for way in self.ways[kind]
            for name in names
        ]
        aliases = sorted({row.alias for rows in traces.values() for row in rows})
        given = json.dumps({"aliases": aliases, "meters": meters})
        self.company = json.loads(whole.shell(PREPARE.replace("GIVEN", given)).splitlines()[-1])

    def send(self, way: Way, kind: str, size: int) -> None:
        """Send a trace, every twentieth call twice, and say how fast it went."""
        rows = self.traces[kind]
        began = time.monotonic()
        with ThreadPoolExecutor(SENDERS) as pool:
            parts = (rows[at : at + size] for at in range(0, len(rows), size))
            told = Counter[int]()
            for answered in pool.map(lambda one: self._twice(way, kind, one), enumerate(parts)):
                told.update(answered)
        took = time.monotonic() - began
        repeats = sum(told.values()) - -(-len(rows) // size)
        known = KNOWN.get(way.__name__, 200)
        accepted = told[200] + told[204]
        assert accepted + (told[known] if known > 299 else 0) == sum(told.values()), told
        assert known < 300 or told[known] >= repeats, told
        say(way.__name__, kind, len(rows), sum(told.values()), took)

    def _twice(self, way: Way, kind: str, numbered: tuple[int, Sequence[Row]]) -> list[int]:
        number, part = numbered
        call = way(kind, part)
        if way is stripe_stream:
            call = replace(call, key=self.session)
        return [self._post(call) for _ in range(1 + (number % 20 == 0))]

    def open_session(self) -> None:
        call = Call("/compat/stripe/v2/billing/meter_event_session", b"")
        status, answer = self._request("POST", call.path, call)
        assert status == 200
        self.session = json.loads(answer)["authentication_token"]

    def _post(self, call: Call) -> int:
        while True:
            status, _ = self._request("POST", call.path, call)
            if status not in (429, 503):
                return status
            time.sleep(0.2)

    def _request(self, method: str, path: str, call: Call | None = None) -> tuple[int, bytes]:
        """Ask over a line that is kept; make another one if the server has ended it meanwhile."""
        headers = {"Authorization": f"Bearer {(call and call.key) or self.company['key']}"}
        if call is not None:
            headers["Content-Type"] = call.media
        for attempt in range(3):
            wire = getattr(self.wires, "wire", None)
            if wire is None:
                wire = http.client.HTTPConnection("127.0.0.1", self.whole.port, timeout=120)
                self.wires.wire = wire
            try:
                wire.request(method, path, call.body if call else None, headers)
                answer = wire.getresponse()
                return answer.status, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.wires.wire = None
                if attempt == 2:
                    raise
        raise AssertionError

    def import_file(self, kind: str, path: Path, mapping: str, *more: str) -> None:
        began = time.monotonic()
        self.whole.manage(
            *("import_usage", str(path), "--tenant", self.company["slug"], "--map", mapping),
            *("--source", f"csv-{path.name}", *more),
        )
        with gzip.open(path, "rt") as file:
            rows = sum(1 for _ in file) - 1
        say("csv", kind, rows, 1, time.monotonic() - began)

    def check(self, way: str, *kinds: str) -> None:
        """Compare what a way in counted with the trace: the whole of it, and both its halves."""
        for kind in kinds:
            first, last = SPANS[kind]
            for start, end in ((first, last), (first, MIDDLES[kind]), (MIDDLES[kind], last)):
                expected = plain(self.traces[kind], start, end)
                assert expected
                assert self.read(way, kind, start, end) == expected, (kind, start, end)

    def read(
        self, way: str, kind: str, start: str, end: str
    ) -> dict[tuple[str, str], tuple[Decimal, int]]:
        """Return quantity and events of every property and customer that has any, by the API."""
        found = {}
        for alias in {row.alias for row in self.traces[kind]}:
            for name in PROPERTIES[kind]:
                customer = self.company["customers"][alias]
                asked = {"customer": customer, "from": start, "to": end}
                query = urlencode({**asked, "meter": meter_key(f"{way}.{kind}", name)})
                status, answer = self._request("GET", f"/api/v1/usage?{query}")
                assert status == 200, answer
                (line,) = json.loads(answer)["results"]
                if line["events"]:
                    found[name, alias] = (Decimal(line["quantity"]), line["events"])
        return found


def say(way: str, kind: str, events: int, calls: int, took: float) -> None:
    rate = events / took
    line = f"{way:<14} {kind:<6} {events:>8,} events {calls:>7,} calls {took:7.1f} s {rate:8,.0f}/s"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def plain(rows: Sequence[Row], start: str, end: str) -> dict[tuple[str, str], tuple[Decimal, int]]:
    """Add up every property of every alias, and count the rows with a number in it, not "nan"."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    counts = Counter[tuple[str, str]]()
    for row in rows:
        if start[:19] <= row.time[:19] < end[:19]:
            for name, value in row.data.items():
                if not value.replace(".", "", 1).isdigit():
                    continue
                sums[name, row.alias] += Decimal(value)
                counts[name, row.alias] += 1
    return {key: (sums[key], counts[key]) for key in sums}


@pytest.fixture(scope="module")
def traffic() -> Iterator[Traffic]:
    with machine() as whole:
        whole.start_web()
        whole.start_folder()
        traces = {"batch": servegen(), "call": azure()}
        assert (len(traces["batch"]), len(traces["call"])) == (251_524, 28_185)
        assert sum(int(row.data["requests"]) for row in traces["batch"]) == 3_824_907_861
        sys.stdout.write("\n")
        yield Traffic(whole, traces)


def test_a_csv_import_comes_to_the_totals_of_plain_arithmetic(traffic: Traffic) -> None:
    traffic.import_file(
        "batch",
        SERVEGEN,
        "id={model}/{client}@{window_start_s},customer={model}/{client},time=@window_start_s,"
        "type='csv.batch',data.requests=requests_600s,data.output=mean_output_tokens",
        *("--epoch", _text(EPOCH)),
    )
    for name, path in AZURE.items():
        traffic.import_file(
            "call",
            path,
            f"id={{TIMESTAMP}},customer='{name}',time={{TIMESTAMP}}Z,type='csv.call',"
            "data.context=ContextTokens,data.generated=GeneratedTokens",
        )
    traffic.check("csv", "batch", "call")


@pytest.mark.parametrize("way", BATCHES, ids=lambda way: way.__name__)
def test_batches_come_to_the_totals_of_plain_arithmetic(traffic: Traffic, way: Way) -> None:
    if way is stripe_stream:
        traffic.open_session()
    for kind in traffic.traces:
        traffic.send(way, kind, BATCHES[way])
    traffic.check(way.__name__, *traffic.traces)


@pytest.mark.parametrize("way", SINGLES, ids=lambda way: way.__name__)
def test_calls_of_one_event_come_to_the_totals_of_plain_arithmetic(
    traffic: Traffic, way: Way
) -> None:
    traffic.send(way, "call", 1)
    traffic.check(way.__name__, "call")


def test_the_books_of_it_all_check_themselves(traffic: Traffic) -> None:
    traffic.whole.verify()
