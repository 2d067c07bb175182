"""What a prospect would be billed for the months they had, by the functions that bill.

Platform 500 a month in advance, calls 0.10 up to 1,000 and 0.08 beyond, a month in arrears,
for a quarter from 1 January 2027.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from metering.domain.events import UsageEvent
from metering.services import record_usage_events
from quotes import selectors, services
from quotes.domain.expectation import expected_bills
from quotes.models import Quote
from quotes.services.expectation import UsageHistoryInvalid, measured_history, read_history_file
from tests.integration.api.conftest import Api
from tests.integration.quotes.conftest import TIERS

Inside = Callable[[], Any]
D = Decimal
HISTORY = "month,meter,quantity\n2026-01,calls,1000\n2026-02,calls,3000\n2026-04,calls,2000\n"
LINES = [
    {"product": "platform", "model": {"model": "flat", "amount": "500"}},
    {
        "product": "calls",
        "model": {"model": "graduated", "tiers": TIERS},
        "meter_key": "calls",
        "timing": "in_arrears",
    },
]


@pytest.fixture
def offer(quote: Quote, inside: Inside) -> Quote:
    with inside():
        services.save_draft(
            version_id=quote.versions.get().id,
            payload={"phases": [{"months": 3, "lines": LINES}]},
        )
    return quote


def test_each_date_sees_every_month_once_and_the_term_sees_them_in_their_order(
    offer: Quote, inside: Inside
) -> None:
    with inside():
        terms = selectors.terms_of(selectors.version_for_reading(offer.id))
        units = [D(1000), D(3000), D(0), D(2000)]  # January to April; nothing in March

    found = expected_bills(terms, {"calls": units})

    # 1,000 calls cost 100, 3,000 cost 100 + 2,000 x 0.08 = 260, none 0, 2,000 cost 180.
    # The first bill is 500 of platform alone, the last usage alone, between them both.
    first, second, _, last = found.by_bill_date.values()
    assert (first.p10.amount, first.p90.amount) == (D(500), D(500))
    assert [s.amount for s in (second.p10, second.p50, second.p90)] == [D(500), D(600), D(760)]
    assert [s.amount for s in (last.p10, last.p50, last.p90)] == [D(0), D(100), D(260)]
    # Three months from January: 100 + 260 + 0 = 360; February: 260 + 0 + 180 = 440; March:
    # 0 + 180 + 100 = 280; April: 180 + 100 + 260 = 540; with 1,500 of platform.
    assert [s.amount for s in (found.term.p10, found.term.p50, found.term.p90)] == [
        D(1780),
        D(1860),
        D(2040),
    ]


def test_a_file_shows_the_spread_and_its_middle_month_becomes_the_expectation(
    offer: Quote, revops: Client, inside: Inside
) -> None:
    page = revops.post(f"/quotes/{offer.id}/expected-bill/", {"lines": HISTORY})
    assert page.status_code == 200
    assert "$1,860.00" in page.content.decode()

    revops.post(f"/quotes/{offer.id}/expected-bill/", {"lines": HISTORY, "do": "take"})

    with inside():
        version = selectors.version_for_reading(offer.id)
        line = version.phases.get().lines.get(product__code="calls")
        assert line.expected_quantity == D(1000)  # of 0, 1,000, 2,000 and 3,000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("month,meter\n2026-01,calls\n", "first line must be month,meter,quantity"),
        (HISTORY + "2026-13,calls,1\n", "Line 5: month must be like 2026-01"),
        (HISTORY + "2026-05,chat,1\n", "Line 5: the quote bills no meter &#x27;chat&#x27;"),
        (HISTORY + "2026-04,calls,1\n", "Line 5: calls has 2026-04 on an earlier line"),
        (HISTORY + "2026-05,calls,-1\n", "Line 5: quantity must be from 0"),
        (HISTORY + "2026-05,calls,1e9x\n", "Line 5: quantity"),
        (HISTORY + "2031-05,calls,1\n", "Must lie within 36 months"),
        ("", "Upload a file or paste its lines"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(
    offer: Quote, revops: Client, text: str, said: str
) -> None:
    page = revops.post(f"/quotes/{offer.id}/expected-bill/", {"lines": text})
    assert page.status_code == 422
    assert said in page.content.decode()


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageHistoryInvalid, match="UTF-8"):
        read_history_file(b"\xff\xfe\x00month")


def test_over_rest_the_same_numbers_and_a_trial_s_measured_months(
    offer: Quote, company: Any, inside: Inside
) -> None:
    api = Api(company)
    usage = [
        {"month": "2026-01", "meter": "calls", "quantity": "1000"},
        {"month": "2026-02", "meter": "calls", "quantity": "3000"},
        {"month": "2026-04", "meter": "calls", "quantity": "2000"},
    ]
    found = api.made(f"quotes/{offer.id}/expected-bill", {"usage": usage}, status=200)
    assert found["term"] == {"p10": "1780.00", "p50": "1860.00", "p90": "2040.00"}
    nothing = api.post(f"quotes/{offer.id}/expected-bill", {"measured": True})
    assert nothing.json()["code"] == "usage_history_invalid"


def test_a_trial_is_read_by_whole_months_from_the_first_with_usage(
    offer: Quote, inside: Inside
) -> None:
    with inside():
        events = [
            UsageEvent("test", f"{day}", "call", "acme", datetime(2026, *day, 12, tzinfo=UTC), {})
            for day in [(3, 5), (3, 6), (5, 1), (6, 2)]
        ]
        record_usage_events(events, now=datetime(2026, 6, 3, tzinfo=UTC))
        terms = selectors.terms_of(selectors.version_for_reading(offer.id))

        found = measured_history(
            customer_id=offer.customer_id, terms=terms, today=date(2026, 6, 15)
        )

    assert found == {"calls": [D(2), D(0), D(1)]}  # March to May; June is not over
