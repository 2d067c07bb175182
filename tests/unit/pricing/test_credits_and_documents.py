"""Credits over time, automatic top-ups, documents and credit notes, worked by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.domain.credit_notes import LineCredit, MoreThanInvoiced, credit_line
from billing.domain.credit_timeline import GrantPlan, Recurrence, Reset, Standing, Use, run
from billing.domain.documents import DocumentDiscount, DocumentLine, total_document
from billing.domain.tax import TaxRate, tax_document
from monetization.kernel.money import Money
from monetization.pricing.credits import Grant, burn, top_up_due, unwind
from monetization.pricing.recurrence import CADENCES

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)
VAT = TaxRate("vat", Decimal(20))


def day(number: int) -> datetime:
    return START + timedelta(days=number - 1)


def grant(id: str = "g", amount: int = 100, **fields: object) -> Grant:
    return Grant(id, Decimal(amount), **fields)  # type: ignore[arg-type]


def follow(
    plans: list[GrantPlan], used: dict[int, int], resets: list[Reset] | None = None
) -> Standing:
    uses = [Use(day(on), Decimal(quantity)) for on, quantity in used.items()]
    return run(plans, uses, START, END, resets or [])


class TestCreditsOverTime:
    def test_a_monthly_grant_is_filled_and_not_stacked(self) -> None:
        weekly = Recurrence(timedelta(days=7), START)

        standing = follow([GrantPlan(grant(effective_at=START), recurrence=weekly)], {1: 90, 9: 30})

        assert standing.balances == {"g": Decimal(100)}  # filled on the 8th, 15th, 22nd and 29th

    def test_a_calendar_rhythm_clamps_to_the_end_of_the_month(self) -> None:
        anchor = datetime(2025, 12, 31, tzinfo=UTC)
        plan = GrantPlan(
            grant(effective_at=START), recurrence=Recurrence(CADENCES["monthly"], anchor)
        )

        assert follow([plan], {1: 60}).balances == {"g": Decimal(100)}  # filled on the 31st

    def test_a_rhythm_of_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="every: must be more than nothing"):
            Recurrence(timedelta(0), START)

    def test_what_expires_unused_is_breakage(self) -> None:
        plan = GrantPlan(grant(effective_at=START, expires_at=day(10)))

        standing = follow([plan], {5: 30, 12: 7})

        assert standing.breakage == 70
        assert standing.overage == 7
        assert standing.balances == {"g": Decimal(0)}

    @pytest.mark.parametrize(
        ("plan", "left"),
        [
            (GrantPlan(grant(), roll_over_most=Decimal(40)), 40),
            (GrantPlan(grant(), roll_over_least=Decimal(90), roll_over_most=Decimal(100)), 90),
            (GrantPlan(grant(), roll_over_fraction=Decimal("0.5")), 35),
            (GrantPlan(grant()), 0),
        ],
    )
    def test_a_reset_rolls_over_within_its_bounds(self, plan: GrantPlan, left: int) -> None:
        assert follow([plan], {5: 30}, [Reset(day(10))]).balances == {"g": Decimal(left)}

    @pytest.mark.parametrize(("keeps", "overage"), [(True, 20), (False, 0)])
    def test_overage_is_forgiven_at_a_reset_unless_it_is_kept(
        self, *, keeps: bool, overage: int
    ) -> None:
        standing = follow([], {5: 20}, [Reset(day(10), keeps)])

        assert standing.overage == overage

    def test_overage_is_paid_by_the_next_grant(self) -> None:
        standing = follow([GrantPlan(grant(effective_at=day(10)))], {5: 30})

        assert (standing.balances, standing.overage) == ({"g": Decimal(70)}, 0)

    def test_without_overdraft_what_is_not_covered_is_lost(self) -> None:
        uses = [Use(day(5), Decimal(30))]
        plans = [GrantPlan(grant(effective_at=day(10)))]

        standing = run(plans, uses, START, END, overdraft=False)

        assert (standing.balances, standing.overage) == ({"g": Decimal(100)}, 0)

    def test_a_voided_grant_pays_nothing_more(self) -> None:
        plan = GrantPlan(grant(effective_at=START, voided_at=day(4)))

        assert follow([plan], {3: 10, 5: 10}).overage == 10


class TestBurning:
    def test_sooner_expiry_goes_before_narrower_scope_and_age(self) -> None:
        grants = [
            grant("old", 5, created=1),
            grant("narrow", 5, scope=frozenset({"api"}), created=2),
            grant("soon", 5, expires_at=day(20), created=3),
            grant("first", 5, priority=-1, created=4),
        ]

        burned = burn(grants, {g.id: g.amount for g in grants}, Decimal(16), key="api")

        assert [c.grant_id for c in burned.consumptions] == ["first", "soon", "narrow", "old"]

    def test_a_void_gives_back_in_recorded_order(self) -> None:
        grants = [grant("a", 10, created=1), grant("b", 10, created=2)]
        burned = burn(grants, {"a": Decimal(10), "b": Decimal(10)}, Decimal(15))

        back = unwind(burned.consumptions, burned.balances, Decimal(12))

        assert back.balances == {"a": Decimal(10), "b": Decimal(7)}

    @pytest.mark.parametrize(
        ("balance", "target", "bought"), [(10, None, 0), (9, None, 25), (9, 60, 51)]
    )
    def test_an_automatic_top_up_waits_for_its_threshold(
        self, balance: int, target: int | None, bought: int
    ) -> None:
        goal = None if target is None else Decimal(target)
        assert top_up_due(Decimal(balance), Decimal(10), goal, Decimal(25)) == bought


def line(key: str, amount: str, *rates: TaxRate) -> DocumentLine:
    return DocumentLine(key, Money(Decimal(amount), "EUR"), rates or (VAT,))


def eur(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


class TestDocuments:
    def test_promotional_credit_lowers_the_tax_and_prepaid_credit_does_not(self) -> None:
        lines = [line("a", "100.00")]

        promotional = total_document(lines, "EUR", promotional=eur("50.00"))
        prepaid = total_document(lines, "EUR", prepaid=eur("50.00"))

        assert (promotional.tax.total, promotional.due) == (eur("10.00"), eur("60.00"))
        assert (prepaid.tax.total, prepaid.due) == (eur("20.00"), eur("70.00"))

    def test_discounts_go_one_after_the_other_on_what_is_left(self) -> None:
        ten = DocumentDiscount("ten", percent=Decimal(10))

        document = total_document([line("a", "100.00")], "EUR", discounts=[ten, ten])

        assert document.discounts == (eur("10.00"), eur("9.00"))
        assert document.subtotal == eur("81.00")

    def test_a_scoped_discount_leaves_other_lines_and_their_tax_alone(self) -> None:
        reduced = TaxRate("reduced", Decimal(10))
        lines = [line("a", "100.00"), line("b", "50.00", reduced)]
        coupon = DocumentDiscount("b only", amount=eur("80.00"), line_keys=frozenset({"b"}))

        document = total_document(lines, "EUR", discounts=[coupon])

        assert document.discounts == (eur("50.00"),)  # never more than the lines it is for
        assert document.tax.by_line == {"a": eur("20.00"), "b": eur("0.00")}

    def test_a_discount_after_tax_settles_like_a_payment(self) -> None:
        coupon = DocumentDiscount("voucher", amount=eur("20.00"), before_tax=False)

        document = total_document([line("a", "100.00")], "EUR", discounts=[coupon])

        assert (document.tax.total, document.due) == (eur("20.00"), eur("100.00"))

    def test_several_rates_each_apply_to_the_same_base(self) -> None:
        state, city = TaxRate("state", Decimal("6.25")), TaxRate("city", Decimal("2.5"))

        document = total_document([line("a", "100.00", state, city)], "EUR")

        assert [(row.rate.code, str(row.tax)) for row in document.tax.by_category] == [
            ("state", "6.25 EUR"),
            ("city", "2.50 EUR"),
        ]

    def test_reverse_charge_owes_nothing_and_stays_its_own_category(self) -> None:
        abroad = TaxRate("vat", Decimal(20), "reverse_charge")

        document = total_document([line("a", "100.00"), line("b", "100.00", abroad)], "EUR")

        assert [str(row.tax) for row in document.tax.by_category] == ["20.00 EUR", "0.00 EUR"]
        assert document.due == eur("220.00")

    def test_credits_and_negative_lines_mirror_the_tax(self) -> None:
        document = total_document([line("a", "10.03"), line("b", "-10.03")], "EUR")

        assert document.tax.by_line == {"a": eur("2.01"), "b": eur("-2.01")}
        assert document.due == eur("0.00")

    def test_an_unknown_tax_method_is_refused(self) -> None:
        with pytest.raises(ValueError, match="per_line, per_category"):
            tax_document([], "EUR", method="per_invoice")


class TestCreditNotes:
    def test_more_than_is_left_is_refused_with_what_is_left(self) -> None:
        given = [LineCredit(eur("6.00"), eur("1.20"))]

        with pytest.raises(MoreThanInvoiced, match=r"5\.00 EUR is more than the 4\.00 EUR left"):
            credit_line(eur("10.00"), eur("2.00"), given, eur("5.00"))

    def test_the_last_credit_takes_the_tax_that_is_left(self) -> None:
        given: list[LineCredit] = []
        for amount in ("0.01", "0.01", "0.01"):
            given.append(credit_line(eur("0.03"), eur("0.01"), given, eur(amount)))

        assert [str(credit.tax.amount) for credit in given] == ["0.00", "0.00", "0.01"]
