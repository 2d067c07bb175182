"""What the customers agreed to: seven kinds of deal, as the quote builder would hold them."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from monetization.catalog.models import Price
from monetization.config.demo.company import CURRENCIES, PRICES, in_currency, price_code
from monetization.config.demo.customers import Company
from monetization.kernel.period import add_months

Payload = dict[str, Any]


RENEWS: Payload = {
    "auto_renew": True,
    "renewal_months": "12",
    "renewal_uplift_percent": "4",
    "renewal_notice_days": "30",
}


@dataclass(frozen=True, slots=True)
class Deal:
    """A contract to make, with the usage it will have."""

    title: str
    payload: Payload
    signed_on: date
    invoices_per_day: int = 0
    calls_per_day: int = 0


class Builder:
    """Builds quote payloads from the catalog's prices in one currency."""

    def __init__(self, prices: dict[str, Price], currency: str) -> None:
        self._prices, self._currency = prices, currency

    def line(self, code: str, quantity: int | None = None, **changes: Any) -> Payload:
        price = self._prices[price_code(code, self._currency)]
        version = price.versions.latest("number")
        row: Payload = {"product": price.product.code, "price_version": str(version.id)}
        if quantity is not None:
            row["quantity"] = str(quantity)
        return row | changes

    def amount(self, dollars: str) -> str:
        return f"{(Decimal(dollars) * CURRENCIES[self._currency]).normalize():f}"

    def model(self, code: str, **numbers: str) -> Payload:
        """Return a list price's model with some numbers agreed otherwise, in dollars."""
        listed = next(row for row in PRICES if row.code == code).model
        return in_currency({**listed, **numbers}, self._currency)


def deal_for(
    index: int, company: Company, prices: dict[str, Price], first: date, random: Random
) -> Deal:
    """Return the contract of the index-th customer.

    :param first: the first day of the oldest month; starts are spread over thirteen months.
    """
    builder = Builder(prices, company.currency)
    start = add_months(first, min(12, index * 14 // 200), anchor_day=1)
    if index % 9 == 4:
        start += timedelta(days=random.randint(4, 19))  # a stub first
    make = (_ramp, _seats, _volume, _seats, _usage, _trial, _quarterly, _api)[index % 8]
    title, phases, invoices, calls = make(builder, random)
    renews: Payload = {}
    if make is _quarterly and start >= add_months(first, 2, anchor_day=1):
        # A year that goes on by itself; none of them ends before the demo begins.
        phases[0]["months"], renews = 12, RENEWS
    header = {
        "start_on": start.isoformat(),
        "anchor_day": 15 if index % 17 == 3 else 1,
        "payment_terms_days": str(company.payment_terms_days),
        "time_zone": company.time_zone,
        "signer_name": company.contact,
        "signer_email": company.email,
        "phases": phases,
        **renews,
    }
    signed_on = start - timedelta(days=random.randint(3, 25))
    return Deal(title, header, signed_on, invoices, calls)


_Made = tuple[str, list[Payload], int, int]


def _ramp(b: Builder, random: Random) -> _Made:
    seats = random.choice((40, 60, 90, 120))
    daily = random.randint(150, 700)
    phases: list[Payload] = []
    for year, (percent, dollars) in enumerate((("15", "36000"), ("12", "48000"), ("10", "60000"))):
        phases.append(
            {
                "name": f"Year {year + 1}",
                "kind": "ramp",
                "months": 12,
                "discount_percent": percent,
                "discount_label": "Three-year commitment",
                "minimum_amount": b.amount("1500"),
                "minimum_frequency": "monthly",
                "lines": [
                    b.line("platform-yearly", 1, model=b.model("platform-yearly", amount=dollars)),
                    b.line("billing-seats-monthly", seats + 20 * year),
                    b.line("invoice-volume-graduated", expected_quantity=str(daily * 30)),
                ],
            }
        )
    phases[0]["lines"].append(b.line("onboarding-fee", 1))
    return "Three-year platform agreement", phases, daily, 0


def _seats(b: Builder, random: Random) -> _Made:
    lines = [
        b.line("platform-monthly", 1),
        b.line("billing-seats-monthly", random.randint(5, 45)),
        b.line("revenue-seats-quarterly", random.randint(2, 12)),
    ]
    phase = {
        "name": "Term",
        "months": 24,
        "lines": lines,
        "discount_percent": "10",
        "discount_label": "Two-year commitment",
    }
    return "Platform and seats", [phase], 0, 0


def _volume(b: Builder, random: Random) -> _Made:
    daily = random.randint(80, 1100)
    phase = {
        "name": "Term",
        "months": 24,
        "minimum_amount": b.amount("900"),
        "minimum_frequency": "monthly",
        "lines": [
            b.line("platform-monthly", 1),
            b.line("invoice-volume-all-units", expected_quantity=str(daily * 30)),
        ],
    }
    return "Invoice volume with a minimum", [phase], daily, 0


def _usage(b: Builder, random: Random) -> _Made:
    daily = random.randint(20, 400)
    phase = {
        "name": "Pay as you go",
        "months": "",
        "lines": [b.line("invoice-volume-graduated", expected_quantity=str(daily * 30))],
    }
    return "Pay as you go", [phase], daily, 0


def _trial(b: Builder, random: Random) -> _Made:
    seats, daily = random.randint(4, 25), random.randint(15, 120)

    def lines(percent: str) -> list[Payload]:
        return [
            b.line("platform-monthly", 1, discount_percent=percent),
            b.line("billing-seats-monthly", seats, discount_percent=percent),
            b.line(
                "invoice-volume-graduated",
                expected_quantity=str(daily * 30),
                discount_percent=percent,
            ),
        ]

    phases = [
        {"name": "Trial", "kind": "trial", "months": 1, "lines": lines("100")},
        {"name": "Term", "months": 24, "lines": lines("0")},
    ]
    return "Platform after a free month", phases, daily, 0


def _quarterly(b: Builder, random: Random) -> _Made:
    lines = [
        b.line("revenue-seats-quarterly", random.randint(6, 40)),
        b.line("platform-monthly", 1, model=b.model("platform-monthly", amount="1500")),
    ]
    return "Revenue module", [{"name": "Term", "months": 36, "lines": lines}], 0, 0


def _api(b: Builder, random: Random) -> _Made:
    daily = random.randint(4_000, 90_000)
    lines = [
        b.line("platform-monthly", 1),
        b.line("api-calls-package", expected_quantity=str(daily * 30)),
    ]
    return "Platform and API", [{"name": "Term", "months": 24, "lines": lines}], 0, daily
