"""Laws of credits, documents, tax and credit notes; and of whole lines with every modifier."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.credit_notes import LineCredit, credit_line
from billing.domain.credit_timeline import GrantPlan, Recurrence, Reset, Use, run
from billing.domain.documents import DocumentDiscount, DocumentLine, spread, total_document
from billing.domain.tax import METHODS, TaxedBase, TaxRate, tax_document
from monetization.kernel.money import Money, minor_unit, total
from monetization.kernel.period import Frequency
from monetization.pricing.credits import NEVER, Grant, burn, burn_key, pay_lines, unwind
from monetization.pricing.estimate import PricedLine, price_periods, rerate
from monetization.pricing.prices import ChargeModel, Graduated, Package, PerUnit, Tier, Volume
from monetization.pricing.quantities import Conversion
from monetization.pricing.terms import (
    CapTerms,
    DiscountTerms,
    IncludedTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
    PricingUnit,
    terms_from_data,
    terms_hash,
    terms_to_data,
)
from monetization.pricing.timeline import charge_periods

currencies = st.sampled_from(["JPY", "USD", "KWD", "CLF"])
amounts = st.integers(0, 10**7)
START = datetime(2024, 1, 1, tzinfo=UTC)
moments = st.integers(0, 60).map(lambda day: START + timedelta(days=day))
units = st.integers(0, 100).map(Decimal)


@st.composite
def grants(draw: st.DrawFn) -> list[Grant]:
    return [
        Grant(
            f"g{place}",
            draw(units),
            draw(st.integers(0, 2)),
            draw(moments),
            draw(st.just(NEVER) | moments.map(lambda at: at + timedelta(days=20))),
            cost_basis=draw(st.sampled_from([Decimal(0), Decimal(1)])),
            scope=draw(st.sampled_from([None, frozenset({"a"}), frozenset({"a", "b"})])),
            created=draw(st.integers(0, 3)),
        )
        for place in range(draw(st.integers(0, 5)))
    ]


class TestCredits:
    @given(grants(), units, st.sampled_from([None, "a", "c"]))
    def test_a_use_is_paid_or_left_over_and_nothing_is_lost(
        self, held: list[Grant], amount: Decimal, key: str | None
    ) -> None:
        before = {grant.id: grant.amount for grant in held}
        burned = burn(held, before, amount, key=key)
        taken = sum((c.amount for c in burned.consumptions), start=Decimal(0))
        assert taken + burned.uncovered == amount
        assert sum(before.values()) - sum(burned.balances.values()) == taken
        assert all(balance >= 0 for balance in burned.balances.values())

    @given(grants(), units)
    def test_grants_burn_in_their_order(self, held: list[Grant], amount: Decimal) -> None:
        burned = burn(held, {grant.id: grant.amount for grant in held}, amount)
        order = [
            grant.id for grant in sorted(held, key=burn_key) if grant.amount and not grant.scope
        ]
        used = [c.grant_id for c in burned.consumptions]
        assert used == order[: len(used)]
        assert all(burned.balances[id] == 0 for id in used[:-1])

    @given(grants(), units, st.fractions(0, 1))
    def test_a_void_gives_back_exactly_what_was_taken(
        self, held: list[Grant], amount: Decimal, part: Fraction
    ) -> None:
        before = {grant.id: grant.amount for grant in held}
        burned = burn(held, before, amount)
        assert unwind(burned.consumptions, burned.balances, None).balances == before
        some = Decimal(int(part * 100))
        back = unwind(burned.consumptions, burned.balances, some)
        assert sum(back.balances.values()) - sum(burned.balances.values()) == some - back.uncovered

    @given(grants(), st.lists(units, max_size=5))
    def test_lines_are_paid_with_what_the_grants_lose(
        self, held: list[Grant], lines: list[Decimal]
    ) -> None:
        before = {grant.id: grant.amount for grant in held}
        paid, after = pay_lines(held, before, [(f"l{n}", line) for n, line in enumerate(lines)])
        lost = sum(before.values()) - sum(after.values())
        assert sum(line.amount - line.due for line in paid) == lost
        assert all(0 <= line.due <= line.amount for line in paid)

    @given(grants(), st.lists(st.tuples(moments, units), max_size=8), st.lists(moments, max_size=2))
    def test_over_time_balances_stay_between_nothing_and_the_grant(
        self, held: list[Grant], rows: list[tuple[datetime, Decimal]], resets: list[datetime]
    ) -> None:
        plans = [
            GrantPlan(
                grant,
                recurrence=Recurrence(timedelta(days=7), START) if place % 2 else None,
                roll_over_fraction=Decimal("0.5"),
            )
            for place, grant in enumerate(held)
        ]
        uses = [Use(at, quantity) for at, quantity in rows]
        end = START + timedelta(days=61)
        standing = run(plans, uses, START, end, [Reset(at) for at in resets])
        for plan in plans:
            assert 0 <= standing.balances[plan.grant.id] <= plan.grant.amount
        assert 0 <= standing.overage <= sum(quantity for _, quantity in rows)

    @given(grants(), st.lists(st.tuples(moments, units), max_size=8))
    def test_over_time_what_was_granted_is_left_used_or_expired(
        self, held: list[Grant], rows: list[tuple[datetime, Decimal]]
    ) -> None:
        uses = [Use(at, quantity, "a") for at, quantity in rows]
        end = START + timedelta(days=61)
        begun = [grant for grant in held if grant.effective_at < min(end, grant.expires_at)]
        standing = run([GrantPlan(grant) for grant in begun], uses, START, end)
        granted = sum((grant.amount for grant in begun), start=Decimal(0))
        used = sum((use.quantity for use in uses), start=Decimal(0)) - standing.overage
        assert granted == sum(standing.balances.values()) + used + standing.breakage


rates = st.builds(
    TaxRate,
    st.sampled_from(["vat", "city"]),
    st.sampled_from([Decimal(0), Decimal(7), Decimal("19.25")]),
    st.sampled_from(["taxable", "reverse_charge", "exempt"]),
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[DocumentLine], list[DocumentDiscount]]:
    code = draw(currencies)
    unit = minor_unit(code)
    lines = [
        DocumentLine(
            str(place),
            Money(draw(amounts) * unit, code),
            tuple(draw(st.lists(rates, max_size=2, unique_by=lambda rate: rate.code))),
        )
        for place in range(draw(st.integers(0, 5)))
    ]
    discounts = []
    for place in range(draw(st.integers(0, 3))):
        is_percent = draw(st.booleans())
        discounts.append(
            DocumentDiscount(
                str(place),
                draw(st.decimals(0, 100, places=2)) if is_percent else None,
                None if is_percent else Money(draw(amounts) * unit, code),
                line_keys=draw(st.sampled_from([None, frozenset({"0"}), frozenset({"0", "1"})])),
                before_tax=draw(st.booleans()),
            )
        )
    return code, lines, discounts


class TestDocuments:
    @given(documents(), amounts, amounts, amounts, st.sampled_from(METHODS), st.booleans())
    def test_every_step_adds_up_and_nothing_is_owed_below_zero(
        self,
        drawn: tuple[str, list[DocumentLine], list[DocumentDiscount]],
        promotional: int,
        prepaid: int,
        notes: int,
        method: str,
        inclusive: bool,
    ) -> None:
        code, lines, discounts = drawn
        unit = minor_unit(code)
        document = total_document(
            lines,
            code,
            discounts=discounts,
            promotional=Money(promotional * unit, code),
            prepaid=Money(prepaid * unit, code),
            credit_notes=Money(notes * unit, code),
            tax_method=method,
            inclusive=inclusive,
        )
        before = [
            off for off, row in zip(document.discounts, discounts, strict=True) if row.before_tax
        ]
        after = total(document.discounts, code) - total(before, code)
        assert document.subtotal == document.lines - total(before, code)
        tax = Money.zero(code) if inclusive else document.tax.total
        assert document.total == document.subtotal - document.promotional + tax - after
        assert document.due == document.total - document.prepaid - document.credit_notes
        assert document.due.amount >= 0
        assert total(document.tax.by_line.values(), code) == document.tax.total
        assert total((row.tax for row in document.tax.by_category), code) == document.tax.total

    @given(documents(), amounts)
    def test_a_discount_spreads_without_loss(
        self, drawn: tuple[str, list[DocumentLine], list[DocumentDiscount]], off: int
    ) -> None:
        code, lines, _ = drawn
        weights = {line.key: Fraction(line.amount.amount) for line in lines}
        whole = sum(weights.values(), start=Fraction(0))
        discount = Money(off * minor_unit(code), code)
        for split in ("minor_units", "exact"):
            parts = spread(weights, discount, split)
            assert sum(parts.values()) == min(whole, Fraction(discount.amount))
            assert all(0 <= parts[key] <= weights[key] for key in weights)

    @given(documents(), st.booleans())
    def test_methods_differ_by_less_than_half_a_unit_per_line(
        self, drawn: tuple[str, list[DocumentLine], list[DocumentDiscount]], inclusive: bool
    ) -> None:
        code, lines, _ = drawn
        bases = [TaxedBase(line.key, Fraction(line.amount.amount), line.rates) for line in lines]
        per_line, per_category = (
            tax_document(bases, code, method=method, inclusive=inclusive).total.amount
            for method in METHODS
        )
        assert abs(per_line - per_category) <= minor_unit(code) * (len(lines) * 2 + 2) / 2

    @given(currencies, amounts, amounts, st.lists(st.integers(0, 100), min_size=1, max_size=6))
    def test_an_invoice_and_its_whole_credit_cancel_out(
        self, code: str, net_units: int, tax_units: int, weights: list[int]
    ) -> None:
        unit = minor_unit(code)
        net, tax = Money(net_units * unit, code), Money(min(tax_units, net_units) * unit, code)
        credits: list[LineCredit] = []
        left = net
        for weight in weights:
            part = Money.rounded(Fraction(left.amount) * weight / 100, code)
            credits.append(credit_line(net, tax, credits, part))
            left = left - part
        if left:
            credits.append(credit_line(net, tax, credits, left))
        assert total((credit.net for credit in credits), code) == net
        if net:
            assert total((credit.tax for credit in credits), code) == tax
        assert all(credit.tax.amount >= 0 for credit in credits)


TIERS = (Tier(Decimal(10), Decimal(3)), Tier(None, Decimal("1.005"), Decimal(2)))
MODELS: tuple[ChargeModel, ...] = (
    PerUnit(Decimal("0.333")),
    Graduated(TIERS),
    Volume(TIERS),
    Package(Decimal(7), Decimal(5)),
)
WINDOWS = st.sampled_from(["per_period", "over_contract_year", "over_contract"])
DISCOUNTS = (
    DiscountTerms(Decimal(10)),
    DiscountTerms(amount=Decimal(5), item_keys=("calls",)),
    DiscountTerms(free_units=Decimal(2), item_keys=("calls",)),
)


@st.composite
def usage_lines(draw: st.DrawFn) -> ItemTerms:
    conversion = st.none() | st.builds(
        Conversion, st.just("divide"), st.just(Decimal(3)), st.sampled_from(["none", "up"])
    )
    return ItemTerms(
        "calls",
        "calls",
        "Calls",
        "usage",
        draw(st.sampled_from(MODELS)),
        Frequency.MONTHLY,
        "in_arrears",
        meter="calls",
        recognition="usage",
        conversion=draw(conversion),
        included=draw(st.none() | st.builds(IncludedTerms, st.just(Decimal(4)), st.booleans())),
        accumulation=draw(WINDOWS),
        pricing_unit=draw(st.none() | st.just(PricingUnit("credits", Decimal("0.37")))),
    )


@st.composite
def contracts(draw: st.DrawFn) -> OrderTerms:
    """Draw a year of one usage line with any modifiers, in one or two phases."""
    item = draw(usage_lines())
    minimum = MinimumTerms(Decimal(20), Frequency.MONTHLY, window=draw(WINDOWS))
    cap = CapTerms(Decimal(90), Frequency.QUARTERLY, window=draw(WINDOWS))
    start, end = date(2026, 1, 1), date(2027, 1, 1)
    cut = draw(st.none() | st.dates(date(2026, 1, 2), date(2026, 12, 31)))
    spans = [(start, end)] if cut is None else [(start, cut), (cut, end)]
    phases = [
        PhaseTerms(
            f"p{number}",
            "P",
            "standard",
            first,
            last,
            (item,),
            tuple(draw(st.lists(st.sampled_from(DISCOUNTS), max_size=3, unique=True))),
            draw(st.none() | st.just(minimum)),
            caps=draw(st.sampled_from([(), (cap,)])),
        )
        for number, (first, last) in enumerate(spans)
    ]
    return OrderTerms(
        "T",
        draw(currencies),
        "Europe/Paris",
        start,
        end,
        draw(st.sampled_from([1, 15, 31])),
        30,
        tuple(phases),
        minimums=draw(st.sampled_from([(), (MinimumTerms(Decimal(500), Frequency.YEARLY),)])),
    )


class TestWholeContracts:
    @given(contracts(), st.lists(units, min_size=15, max_size=15))
    def test_every_line_rates_again_from_its_explanation(
        self, terms: OrderTerms, used: list[Decimal]
    ) -> None:
        periods = charge_periods(terms)
        places = [(p.item_key, p.service.start) for p in periods if p.kind == "item"]
        quantities = dict(zip(places, used, strict=False))
        for line in price_periods(terms, periods, quantities):
            stored = json.loads(json.dumps(line.explanation))
            assert rerate(stored) == line.amount
            assert sum(c.amount for c in line.components) == line.amount.amount

    @given(contracts())
    def test_terms_survive_being_stored_with_their_hash(self, terms: OrderTerms) -> None:
        stored = terms_from_data(json.loads(json.dumps(terms_to_data(terms))))
        assert stored == terms
        assert terms_hash(stored) == terms_hash(terms)

    @given(contracts(), st.lists(units, min_size=15, max_size=15))
    def test_billing_month_by_month_is_billing_all_at_once(
        self, terms: OrderTerms, used: list[Decimal]
    ) -> None:
        periods = charge_periods(terms)
        places = [(p.item_key, p.service.start) for p in periods if p.kind == "item"]
        quantities = dict(zip(places, used, strict=False))
        whole = {line.key: line.amount for line in price_periods(terms, periods, quantities)}
        apart: dict[str, Money] = {}
        earlier: list[PricedLine] = []
        for day in sorted({period.bill_on for period in periods}):
            now = [period for period in periods if period.bill_on == day]
            lines = price_periods(terms, now, quantities, earlier)
            earlier.extend(lines)
            apart.update((line.key, line.amount) for line in lines)
        assert apart == whole
