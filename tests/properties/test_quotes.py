"""A quote is worth what its schedule bills: ramp, trial, discount, anchor and zone whatever."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from monetization.kernel.money import Money, total
from monetization.kernel.period import add_months
from monetization.pricing.estimate import PricedLine, estimate, first_invoice, price_periods
from monetization.pricing.terms import (
    OrderTerms,
    SellerTerms,
    TaxShare,
    TaxTerms,
    terms_from_data,
    terms_hash,
    terms_to_data,
)
from monetization.pricing.timeline import ChargePeriod, charge_periods
from quotes.domain.assembly import DraftHeader, DraftLine, DraftPhase, ProductFacts, assemble
from quotes.domain.totals import quote_totals
from revrec.domain.preview import amendment_effect, revenue_preview
from tests.properties.strategies import decimals, heavy

RHYTHMS = ["one_time", "weekly", "monthly", "quarterly", "half_yearly", "yearly"]
RECURRING = RHYTHMS[1:]
percents = st.decimals(0, 100, places=2)
amounts = st.decimals(0, 10**12, places=4)
sellers = st.builds(SellerTerms, *[st.text(max_size=20)] * 4)
treatments = st.sampled_from(["taxable", "reverse_charge", "exempt"])
shares = st.builds(
    TaxShare,
    st.text(max_size=9),
    percents,
    treatments,
    amounts,
    amounts,
    st.lists(st.text(max_size=9), max_size=3).map(tuple),
)
taxes = st.builds(
    TaxTerms,
    treatments,
    st.lists(shares, max_size=3).map(tuple),
    st.booleans(),
    st.text(max_size=9),
    st.none() | st.dates(),
)


@st.composite
def lines(draw: st.DrawFn, code: str) -> DraftLine:
    kind = {"p": "fixed", "s": "seat", "u": "usage"}[code[0]]
    price = str(draw(decimals(most=5000, places=4)))
    model = {"model": "flat", "amount": price}
    if kind != "fixed":
        model = {"model": "per_unit", "unit_price": price}
    usage = kind == "usage"
    once = kind == "fixed" and draw(st.booleans())
    return DraftLine(
        item_key=code,
        product=ProductFacts(code, code, kind, "usage" if usage else "straight_line"),
        model=model,
        frequency="one_time" if once else draw(st.sampled_from(RECURRING)),
        timing="in_arrears" if usage else draw(st.sampled_from(["in_advance", "in_arrears"])),
        quantity=None if usage else draw(decimals(most=200, places=1)),
        expected_quantity=None,
        meter_key="calls" if usage else "",
        proration=draw(st.sampled_from(["daily", "none", "thirty_day_month", "exact"])),
        discount_percent=draw(percents),
        term_discount_percent=draw(st.just(Decimal(0)) | percents),
        term_discount_label="Two-year commitment",
    )


@st.composite
def phases(draw: st.DrawFn, *, trial: bool = False) -> DraftPhase:
    codes = draw(st.lists(st.sampled_from(["p1", "p2", "s1", "u1"]), unique=True, max_size=4))
    commits = "u1" in codes and draw(st.booleans())
    return DraftPhase(
        name="Phase",
        kind="trial" if trial else "standard",
        months=draw(st.integers(1, 3 if trial else 18)),
        lines=[draw(lines(code)) for code in codes],
        minimum_amount=draw(decimals(most=9000, places=2)) if commits else None,
        minimum_frequency=draw(st.sampled_from(RECURRING)) if commits else "",
        discount_percent=Decimal(100) if trial else draw(st.just(Decimal(0)) | percents),
    )


@st.composite
def agreed(draw: st.DrawFn) -> OrderTerms:
    """Draw what a builder may hold: perhaps a trial, then one to three phases."""
    drawn = [draw(phases(trial=True))] if draw(st.booleans()) else []
    drawn += [draw(phases()) for _ in range(draw(st.integers(1, 3)))]
    header = DraftHeader(
        title="Deal",
        currency=draw(st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF"])),
        time_zone=draw(st.sampled_from(["UTC", "America/New_York", "Pacific/Apia"])),
        start_on=draw(st.dates(date(2024, 1, 1), date(2028, 12, 31))),
        anchor_day=draw(st.integers(1, 31)),
        payment_terms_days=30,
        auto_renew=False,
    )
    return assemble(header, drawn)


def invoice_by_invoice(terms: OrderTerms) -> dict[date, Sequence[PricedLine]]:
    """Price as billing does: one invoice a date, knowing only what was billed before it."""
    by_date: dict[date, list[ChargePeriod]] = defaultdict(list)
    for period in charge_periods(terms):
        by_date[period.bill_on].append(period)
    earlier: list[PricedLine] = []
    invoices: dict[date, Sequence[PricedLine]] = {}
    for bill_on, periods in sorted(by_date.items()):
        invoices[bill_on] = price_periods(terms, periods, {}, earlier)
        earlier.extend(invoices[bill_on])
    return invoices


class TestAQuote:
    @heavy
    @given(agreed())
    def test_earns_what_it_commits_and_has_nothing_deferred_in_the_end(
        self, terms: OrderTerms
    ) -> None:
        quoted = quote_totals(terms, {}).priced
        months = revenue_preview(terms)
        zero = Money.zero(terms.currency)

        assert sum((one.billed for one in months), start=zero) == quoted.total
        assert sum((one.earned for one in months), start=zero) == quoted.total
        assert not months or not months[-1].balance

    @heavy
    @given(agreed(), st.integers(0, 20))
    def test_catching_up_moves_an_amendments_revenue_and_never_changes_its_sum(
        self, terms: OrderTerms, closed: int
    ) -> None:
        later = terms.phases[1:]
        if not later:
            return
        rest = replace(terms, start_on=later[0].start_on, phases=later)
        first_open = add_months(terms.start_on.replace(day=1), closed, anchor_day=1)

        plain = amendment_effect(terms, rest)
        caught = amendment_effect(terms, rest, first_open=first_open)

        zero = Money.zero(terms.currency)
        assert sum((one.after for one in caught), start=zero) == sum(
            (one.after for one in plain), start=zero
        )
        assert all(not one.difference for one in caught if one.month < first_open)

    @heavy
    @given(agreed())
    def test_is_worth_what_its_schedule_holds_and_what_its_fixed_invoices_charge(
        self, terms: OrderTerms
    ) -> None:
        signed = terms_from_data(terms_to_data(terms))
        assert terms_hash(signed) == terms_hash(terms)

        quoted = quote_totals(terms, {}).priced
        scheduled = estimate(signed)
        invoices = {
            bill_on: total((line.amount for line in lines), terms.currency)
            for bill_on, lines in invoice_by_invoice(signed).items()
        }

        assert quoted.total_contract_value == scheduled.total == quoted.total
        assert total(invoices.values(), terms.currency) == quoted.total_contract_value
        assert invoices == quoted.by_bill_date
        assert total(quoted.by_phase.values(), terms.currency) == quoted.total
        assert total(quoted.by_year, terms.currency) == quoted.total

    @heavy
    @given(agreed())
    def test_names_as_its_first_invoice_the_first_that_costs_something(
        self, terms: OrderTerms
    ) -> None:
        billed = sorted(invoice_by_invoice(terms).items())
        costing = [tuple(lines) for _, lines in billed if any(line.amount for line in lines)]

        assert first_invoice(terms) == (costing[0] if costing else ())

    @heavy
    @given(agreed(), sellers, taxes, st.text(max_size=20))
    def test_is_signed_with_who_sells_and_how_it_is_taxed(
        self, terms: OrderTerms, seller: SellerTerms, tax: TaxTerms, purchase_order: str
    ) -> None:
        whole = replace(terms, seller=seller, tax=tax, purchase_order=purchase_order)

        assert terms_from_data(terms_to_data(whole)) == whole
        assert terms_hash(whole) != terms_hash(terms)
        assert set(terms_to_data(whole)) - set(terms_to_data(terms)) >= {"seller", "tax"}

    @heavy
    @given(agreed(), decimals(most=400, places=3))
    def test_expects_of_usage_what_its_invoices_would_charge_for_it(
        self, terms: OrderTerms, units: Decimal
    ) -> None:
        """Minimums over longer periods are topped up once, by what earlier invoices lack."""
        periods = charge_periods(terms)
        used = {
            (period.item_key, period.service.start): units
            for period in periods
            if period.kind == "item" and period.item_key == "u1"
        }
        whole = price_periods(terms, periods, used)

        by_date: dict[date, list[ChargePeriod]] = defaultdict(list)
        for period in periods:
            by_date[period.bill_on].append(period)
        earlier: list[PricedLine] = []
        for _, rows in sorted(by_date.items()):
            earlier.extend(price_periods(terms, rows, used, earlier))

        def sum_of(found: Sequence[PricedLine]) -> Money:
            return total((line.amount for line in found), terms.currency)

        assert sum_of(earlier) == sum_of(whole)
