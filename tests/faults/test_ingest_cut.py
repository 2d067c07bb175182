"""The line is cut, events come in any order, aliases find their customer late, and processes die
in between: each event counts once, in its own microsecond."""

import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from queue import Queue
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.faults.machine import Machine, machine
from tests.faults.test_ingest_killed import (
    BATCH,
    assert_each_counted_once,
    event,
    send_all,
)

pytestmark = pytest.mark.slow

PATH = "/api/v1/usage-events"


@pytest.fixture(scope="module")
def whole() -> Iterator[Machine]:
    with machine() as made:
        made.start_web()
        yield made


def cut(whole: Machine, company: Any, body: bytes, *, at: int) -> None:
    """Send so many bytes of a request and tear the line without reading an answer."""
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {company['key']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    wire = socket.create_connection(("127.0.0.1", whole.port), timeout=60)
    with wire, suppress(OSError):
        wire.sendall((head + body)[: len(head) + at])
        time.sleep(random.uniform(0, 0.3))  # noqa: S311 - while it is read, stored, answered
        # A reset, not a goodbye: the server's answer finds nobody.
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def measured(whole: Machine, company: Any, meter: str, start: str, end: str) -> Decimal:
    """Return what all customers of a company used, by the API."""
    found = Decimal(0)
    for customer in company["customers"]:
        asked = urlencode({"customer": customer, "meter": meter, "from": start, "to": end})
        status, answer, _ = whole.call(company, "GET", f"/api/v1/usage?{asked}")
        assert status == 200, answer
        found += sum(Decimal(line["quantity"]) for line in answer["results"])
    return found


def until_answered(whole: Machine, company: Any, events: list[Any]) -> Counter[str]:
    """Send until the answer is there; return the verdicts of all that were told."""
    while True:
        with suppress(OSError):
            status, answer, _ = whole.post(company, events)
            if status == 200:
                return Counter(one["verdict"] for one in answer["events"])
            assert status in (429, 503), answer
        time.sleep(0.3)


def test_answers_that_never_arrive_are_asked_for_again_and_count_once(whole: Machine) -> None:
    company = whole.companies[0]
    chance = random.Random(2)  # noqa: S311
    count = 3000
    for start in range(0, count, BATCH):
        body = json.dumps([event(n, "cut") for n in range(start, start + BATCH)]).encode()
        # Half the time the whole request arrives and only the answer is lost.
        at = len(body) if chance.random() < 0.5 else chance.randrange(len(body))
        cut(whole, company, body, at=at)
        if start == count // 2 // BATCH * BATCH:
            whole.kill("web")
            whole.start_web()

    batches: Queue[list[int]] = Queue()
    for start in range(0, count, BATCH):
        batches.put(list(range(start, start + BATCH)))
    told = send_all(whole, company, batches, "cut")

    assert told["duplicate"] > 0, "no batch was stored whose answer was lost"
    assert told["duplicate"] % BATCH == 0, "part of a batch was stored"
    assert told["created"] + told["duplicate"] == count
    assert_each_counted_once(whole, company, count)
    whole.verify()


def test_events_and_their_corrections_in_any_order_come_to_the_same(whole: Machine) -> None:
    company = whole.companies[1]
    count = 1200
    events = [event(n, "order") for n in range(count)]
    corrections = [
        {**event(n, "order"), "id": f"fix{n}", "supersedes": f"order{n}", "data": {"n": 1}}
        for n in range(0, count, 3)
    ]
    voids = [
        {**event(n, "order"), "id": f"void{n}", "voids": f"order{n}", "data": {}}
        for n in range(1, count, 3)
    ]
    stream = [*events, *corrections, *voids]
    random.Random(6).shuffle(stream)  # noqa: S311
    parts = [stream[at : at + 100] for at in range(0, len(stream), 100)]
    whole.start_folder()

    for number, part in enumerate(parts):
        if number == len(parts) // 3:
            whole.kill_postgres()
            whole.start_postgres()
        if number == len(parts) * 2 // 3:
            whole.kill("web")
            whole.kill("folder")
            whole.start_web()
            whole.start_folder()
        until_answered(whole, company, part)
    whole.kill("folder")

    values = [one["data"]["n"] for one in events]
    expected = sum(1 if n % 3 == 0 else 0 if n % 3 == 1 else values[n] for n in range(count))
    assert whole.usage(company)["sum"] == expected
    whole.verify()


def test_an_alias_mapped_while_its_events_arrive_gets_each_of_them_once(whole: Machine) -> None:
    company = whole.companies[0]
    before = whole.usage(company)["sum"]
    count = 3000
    sent = [{**event(n, "late-alias"), "customer": "newcomer"} for n in range(count)]
    stop = threading.Event()

    def send() -> None:
        for start in range(0, count, 50):
            until_answered(whole, company, sent[start : start + 50])

    def kill_couriers() -> None:
        while not stop.is_set():
            whole.start_courier()
            stop.wait(random.uniform(2, 6))  # noqa: S311
            whole.kill("courier")

    threads = [threading.Thread(target=send), threading.Thread(target=kill_couriers)]
    for thread in threads:
        thread.start()
    whole.shell(
        "from django.utils import timezone\n"
        "from monetization.customers.services import map_alias\n"
        "from monetization.tenancy.context import tenant_context\n"
        f"with tenant_context({company['id']!r}, actor='test'):\n"
        f"    map_alias(customer_id={company['customers'][0]!r}, alias='newcomer',"
        " now=timezone.now())\n"
    )
    whole.kill("web")
    whole.start_web()
    threads[0].join(300)
    stop.set()
    threads[1].join(60)
    whole.start_courier()

    expected = before + sum(one["data"]["n"] for one in sent)
    until = time.monotonic() + 120
    while whole.usage(company)["sum"] < expected and time.monotonic() < until:
        time.sleep(1)
    whole.kill("courier")
    assert whole.usage(company)["sum"] == expected
    status, answer, _ = whole.call(company, "GET", "/api/v1/usage-events/unmatched")
    assert (status, answer["results"]) == (200, [])
    whole.verify()


def test_the_last_microsecond_of_a_month_is_in_it_also_after_a_kill(whole: Machine) -> None:
    company = whole.companies[1]
    last, first = "2025-06-30T23:59:59.999999Z", "2025-07-01T00:00:00Z"
    moments = {
        "exact": (last, 1),
        "nanoseconds": ("2025-06-30T23:59:59.999999999Z", 10),  # cut, not rounded up
        "zone": ("2025-07-01T05:29:59.999999+05:30", 100),
        "next": (first, 1000),
        "first": ("2025-07-01T00:00:00.000000001Z", 10_000),
        "float": ("2025-07-01T00:00:00.1Z", 100_000),
    }
    body = [
        {**event(0, "micro-"), "id": name, "time": moment, "data": {"n": value}}
        for name, (moment, value) in moments.items()
    ]
    assert until_answered(whole, company, body) == {"created": len(body)}
    whole.kill_postgres()
    whole.kill("web")
    whole.start_postgres()
    whole.start_web()

    assert until_answered(whole, company, body) == {"duplicate": len(body)}
    june, july = ("2025-06-01T00:00:00Z", first), (first, "2025-08-01T00:00:00Z")
    assert measured(whole, company, "sum", *june) == 111
    assert measured(whole, company, "sum", *july) == 111_000
    assert measured(whole, company, "sum", last, first) == 111
    assert measured(whole, company, "sum", "2025-06-30T23:59:59Z", last) == 0
    tenth = "2025-07-01T00:00:00.1Z"
    assert measured(whole, company, "sum", tenth, "2025-07-01T00:00:00.100001Z") == 100_000
    assert measured(whole, company, "sum", first, tenth) == 11_000
    whole.verify()
