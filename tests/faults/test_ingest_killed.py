"""Postgres, the web processes and the folder are killed while usage comes in: nothing is lost,
nothing is counted twice, and who sends is told to come again."""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from queue import Empty, Queue
from typing import Any

import pytest

from tests.faults.machine import Machine, machine

pytestmark = pytest.mark.slow

EVENTS = int(os.environ.get("SOAK_EVENTS", "20000"))
BATCH, CLIENTS, KILLS = 200, 4, 3
FIRST = 1_770_000_000  # a second of February 2026


@pytest.fixture(scope="module")
def whole() -> Iterator[Machine]:
    with machine() as made:
        made.start_web()
        yield made


def value_of(n: int) -> int:
    return n * 7919 % 1009


def event(n: int, prefix: str) -> dict[str, Any]:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(FIRST + n % 2_000_000))
    return {
        "id": f"{prefix}{n}",
        "source": "soak",
        "type": "api",
        "customer": f"c{n % 5}",
        "time": moment,
        "data": {"n": value_of(n)},
    }


def arriving(count: int, seed: int) -> list[int]:
    """Return the numbers of events as they are sent: 20 % twice, 5 % out of order."""
    chance = random.Random(seed)  # noqa: S311
    order = list(range(count))
    order += [chance.randrange(count) for _ in range(count // 5)]
    for _ in range(count // 20):
        one, other = chance.randrange(len(order)), chance.randrange(len(order))
        order[one], order[other] = order[other], order[one]
    return order


def send_all(
    whole: Machine, company: Any, batches: "Queue[list[int]]", prefix: str
) -> Counter[Any]:
    """Send until every batch was answered with 200; count what came back."""
    told: Counter[Any] = Counter()
    lock = threading.Lock()

    def client() -> None:
        while True:
            try:
                batch = batches.get_nowait()
            except Empty:
                return
            body = [event(n, prefix) for n in batch]
            while True:
                try:
                    status, answer, headers = whole.post(company, body)
                except OSError:
                    status, answer, headers = 0, None, {}
                with lock:
                    told[status] += 1
                    if status == 200:
                        told.update(one["verdict"] for one in answer["events"])
                        break
                if status in (429, 503):
                    assert int(headers["retry-after"]) > 0
                time.sleep(0.3)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def assert_each_counted_once(whole: Machine, company: Any, count: int) -> None:
    by_customer: dict[int, list[int]] = {}
    for n in range(count):
        by_customer.setdefault(n % 5, []).append(value_of(n))
    assert whole.usage(company) == {
        "sum": sum(map(sum, by_customer.values())),
        "count": count,
        "max": sum(map(max, by_customer.values())),
        "count_unique": sum(len(set(values)) for values in by_customer.values()),
    }


def test_a_million_events_survive_kills_with_a_difference_of_nothing(whole: Machine) -> None:
    company = whole.companies[0]
    order = arriving(EVENTS, seed=4)
    batches: Queue[list[int]] = Queue()
    for start in range(0, len(order), BATCH):
        batches.put(order[start : start + BATCH])
    total = batches.qsize()
    told: list[Counter[Any]] = []
    sending = threading.Thread(target=lambda: told.append(send_all(whole, company, batches, "e")))
    whole.start_folder()
    sending.start()
    for number in range(1, KILLS + 1):
        until = time.monotonic() + 600
        while batches.qsize() > total - total * number // (KILLS + 1):
            assert time.monotonic() < until
            time.sleep(0.02)
        whole.kill_postgres()
        whole.kill("folder")
        time.sleep(1)  # senders meet a database that is away
        whole.start_postgres()
        whole.start_folder()
        if number == 2:
            whole.kill("web")
            whole.start_web()
    sending.join(900)
    assert not sending.is_alive()

    answers = told[0]
    assert answers[500] == 0, whole.last_error("web")
    assert answers[503] + answers[0] > 0, "nobody noticed the kills"
    # A batch that was stored and whose answer was lost is created without having been told.
    assert answers["created"] <= EVENTS
    assert answers["created"] + answers["duplicate"] == len(order)
    assert_each_counted_once(whole, company, EVENTS)
    whole.verify()


def test_a_folder_killed_at_work_leaves_the_roll_up_equal_to_the_events(whole: Machine) -> None:
    company = whole.companies[1]
    count = 4000
    batches: Queue[list[int]] = Queue()
    for start in range(0, count, BATCH):
        batches.put(list(range(start, start + BATCH)))
    stop = threading.Event()

    def kill_folders() -> None:
        while not stop.is_set():
            whole.start_folder()
            stop.wait(random.uniform(2, 5))  # noqa: S311
            whole.kill("folder")

    killing = threading.Thread(target=kill_folders)
    killing.start()
    send_all(whole, company, batches, "f")
    stop.set()
    killing.join()
    whole.start_folder()

    until = time.monotonic() + 60
    while waiting(whole):
        assert time.monotonic() < until, "deltas wait for longer than a minute"
        time.sleep(0.2)
    assert_each_counted_once(whole, company, count)
    whole.verify()


def waiting(whole: Machine) -> int:
    with whole.superuser() as connection:
        row = connection.execute("SELECT count(*) FROM metering_usagedelta").fetchone()
        return int(row[0]) if row else 0


def test_the_same_batch_ten_times_from_four_clients_counts_once(whole: Machine) -> None:
    company = whole.companies[1]
    before = whole.usage(company)["count"]
    batches: Queue[list[int]] = Queue()
    for _ in range(10):
        batches.put(list(range(500)))

    told = send_all(whole, company, batches, "same")

    assert (told[200], told["created"], told["duplicate"]) == (10, 500, 4500)
    assert whole.usage(company)["count"] == before + 500


def test_what_one_company_sends_the_other_may_send_too(whole: Machine) -> None:
    body = [event(1, "both"), {**event(1, "both"), "source": "another"}]

    verdicts = [
        [one["verdict"] for one in whole.post(company, body)[1]["events"]]
        for company in whole.companies
    ]

    assert verdicts == [["created"] * 2] * 2


def test_a_batch_with_one_bad_and_one_known_event_keeps_the_others(whole: Machine) -> None:
    company = whole.companies[1]
    good = [event(n, "batch") for n in range(998)]
    whole.post(company, good[:1])
    body = [*good, {**event(999, "batch"), "time": "yesterday"}, {**good[5]}]

    _, answer, _ = whole.post(company, body)
    _, again, _ = whole.post(company, body)

    assert answer["counts"] == {"created": 997, "duplicate": 2, "invalid": 1}
    assert again["counts"] == {"duplicate": 999, "invalid": 1}
    assert [one["index"] for one in answer["events"]] == list(range(1000))
    assert json.dumps(answer["events"][998]["field"]) == '"time"'
