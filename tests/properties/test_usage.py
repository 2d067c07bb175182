"""Usage is a set: order, batches and repeats change no quantity; and nothing breaks the door."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from metering.domain.events import Outcome, UsageEvent, Verdict, identity_hash, payload_hash
from metering.ingest.parser import parse_batch, read_events
from metering.selectors import ReadingRequest, read_usage
from metering.services import create_meter, fold_usage, record_usage_events
from tests.factories_billing import make_customer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
START = datetime(2026, 2, 1, 0, 20, tzinfo=UTC)  # not on the hour: both ways to read are used
END = datetime(2026, 2, 1, 3, 40, tzinfo=UTC)

numbers = st.one_of(
    st.integers(-50, 50).map(Decimal),
    st.decimals(-(10**6), 10**6, places=12),
    st.sampled_from(["1.50", "-0", "12e2", "1E-3", "007", ".5", "1.", "many", "", "NaN", "1_0"]),
    st.none() | st.booleans(),
)


@st.composite
def usage(draw: st.DrawFn) -> list[UsageEvent]:
    """Draw events with ids of their own."""
    drawn = draw(st.lists(st.tuples(st.integers(0, 5 * 3600), numbers), min_size=1, max_size=12))
    begin = START - timedelta(minutes=40)
    return [
        UsageEvent("s", f"e{n}", "api", "acme", begin + timedelta(seconds=at), {"units": value})
        for n, (at, value) in enumerate(drawn)
    ]


def plainly(events: Sequence[UsageEvent]) -> dict[str, Decimal]:
    """Count in the window the slow way."""
    values = []
    inside = [event for event in events if START <= event.time < END]
    for event in inside:
        value = event.data["units"]
        if isinstance(value, Decimal):
            values.append(value)
        elif isinstance(value, str) and value in ("1.50", "-0"):  # the others are no plain number
            values.append(Decimal(value))
    return {
        "sum": sum(values, Decimal(0)),
        "count": Decimal(len(inside)),
        "max": max(values, default=Decimal(0)),
    }


@pytest.mark.usefixtures("tenant")
class TestReadings:
    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_are_the_same_for_any_order_batches_and_repeats(self, data: st.DataObject) -> None:
        events = data.draw(usage())
        repeats = data.draw(st.lists(st.sampled_from(events), max_size=6))
        arriving = data.draw(st.permutations(events + repeats))
        cuts = sorted(data.draw(st.sets(st.integers(1, len(arriving)), max_size=3)))
        folded = data.draw(st.integers(0, len(cuts)))
        with transaction.atomic():
            customer = make_customer()
            meters = {name: _meter(name).id for name in ("sum", "count", "max")}
            verdicts = []
            for number, (start, end) in enumerate(
                zip([0, *cuts], [*cuts, len(arriving)], strict=True)
            ):
                verdicts += record_usage_events(arriving[start:end], now=NOW)
                if number == folded:
                    fold_usage()
            requests = [ReadingRequest(customer.id, id_, START, END) for id_ in meters.values()]
            found = {
                name: reading.quantity
                for name, reading in zip(meters, read_usage(requests), strict=True)
            }
            transaction.set_rollback(True)

        assert found == plainly(events)
        outcomes = [verdict.outcome for verdict in verdicts]
        assert outcomes.count(Outcome.CREATED) == len(events)
        assert outcomes.count(Outcome.DUPLICATE) == len(repeats)


def _meter(aggregation: str) -> Any:
    return create_meter(
        key=aggregation,
        name=aggregation,
        event_type="api",
        aggregation=aggregation,
        value_property="" if aggregation == "count" else "units",
        now=NOW,
    )


@pytest.mark.usefixtures("tenant")
def test_text_counts_only_as_a_plain_number_wherever_in_the_window_it_lies() -> None:
    customer, total, highest = make_customer(), _meter("sum"), _meter("max")
    ragged, whole_hour = START + timedelta(minutes=1), START + timedelta(minutes=70)
    texts = ["1.50", "12e2", "1E3", "007", ".5", "5.", "+1", "many", "NaN", "1_0", "1" * 39]
    record_usage_events(
        [
            UsageEvent("s", f"{moment}{text}", "api", "acme", moment, {"units": text})
            for text in texts
            for moment in (ragged, whole_hour)
        ],
        now=NOW,
    )

    requests = [ReadingRequest(customer.id, meter.id, START, END) for meter in (total, highest)]

    assert [found.quantity for found in read_usage(requests)] == [Decimal(3), Decimal("1.50")]


wild_numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(["1e400", "1e1000000", "-0", "9" * 5000, "0." + "1" * 40]),
)
scalars = st.none() | st.booleans() | wild_numbers | st.text() | st.text("\ud800\udfff\0a")
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)
moments = st.one_of(
    st.text("0123456789-:.TZ+ ", max_size=30),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.sampled_from(
        ["2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "0001-01-01T00:00:00+23:59",
         "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:99"]
    ),
)  # fmt: skip
odd_text = st.text(st.sampled_from("a \u00e4\0\ud800\udfff\n"), max_size=4) | st.just("x" * 2001)
FIELDS = ("id", "type", "source", "customer", "subject", "time", "data", "other")
good_events = st.fixed_dictionaries(
    {
        "id": st.text("abc", min_size=1, max_size=3),
        "type": st.sampled_from(["api", "a.b-c"]),
        "customer": st.text("abc", min_size=1, max_size=3),
        "time": st.just("2026-01-01T00:00:00Z"),
        "data": st.dictionaries(st.text("ab", min_size=1, max_size=2), scalars, max_size=2),
    }
)
# Mostly right, so that what is wrong is looked at and not covered by something else.
almost_events = st.builds(
    lambda event, odd, moment: {**event, **odd, **moment},
    good_events,
    st.dictionaries(st.sampled_from(FIELDS), odd_text | anything, max_size=1)
    | st.fixed_dictionaries({"data": st.dictionaries(odd_text, odd_text | scalars, max_size=2)}),
    st.just({}) | st.fixed_dictionaries({"time": moments}),
)


PLAIN = {"id": "a", "type": "api", "customer": "a", "time": "2026-01-01T00:00:00Z"}
many = settings(max_examples=6 * settings.default.max_examples if settings.default else 400)


class TestParser:
    @many
    @example(
        [{**PLAIN, "id": "a\0"}, {**PLAIN, "data": {"a\0": "1"}}, {**PLAIN, "data": {"a": "\0"}}]
    )
    @example([{**PLAIN, "id": "\ud800"}, {**PLAIN, "data": {"a": "\udfff"}}])
    @given(st.lists(almost_events | anything, max_size=5))
    def test_judges_every_event_and_raises_nothing(self, raw: list[Any]) -> None:
        judged = read_events(raw, default_source="s")

        assert len(judged) == len(raw)
        for index, item in enumerate(judged):
            if isinstance(item, UsageEvent):
                _can_be_stored(item)
            else:
                assert isinstance(item, Verdict)
                assert (item.index, item.outcome) == (index, Outcome.INVALID)
                assert item.reason

    @given(
        st.one_of(
            st.binary(max_size=200),
            anything.map(lambda value: json.dumps(value).encode()),
            st.lists(almost_events, max_size=3).map(lambda value: json.dumps(value).encode()),
        ),
        st.booleans(),
    )
    def test_reads_any_bytes_or_says_why_not(self, body: bytes, ndjson: object) -> None:
        try:
            raw = parse_batch(body, ndjson=bool(ndjson))
        except ParseError:
            return
        for item in read_events(raw, default_source="s"):
            if isinstance(item, UsageEvent):
                _can_be_stored(item)


def _can_be_stored(event: UsageEvent) -> None:
    """What is accepted must fit the columns: text without NUL, moments and numbers that exist."""
    for text in (event.source, event.id, event.type, event.subject, *event.data):
        assert text
        assert "\0" not in text
        text.encode()
    assert event.time.tzinfo is UTC
    identity_hash(event.source, event.id)
    payload_hash(event)
    for value in event.data.values():
        if isinstance(value, Decimal):
            assert value.is_finite()
            assert len(f"{abs(value):f}".replace(".", "").lstrip("0")) <= 50
        else:
            assert value is None or isinstance(value, (str, bool))
            assert "\0" not in str(value)
            orjson.dumps(value)
