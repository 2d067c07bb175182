"""A longer commitment costs less by rule: applied by itself, with its reason, overridden openly."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from monetization.catalog.models import TermDiscount
from monetization.catalog.term_discounts import TermDiscountInvalid, save_term_discount
from quotes import selectors, services
from quotes.models import Quote, QuoteLine, QuoteVersion
from quotes.services.approval_rules import save_rule
from quotes.services.approvals import needs_of
from quotes.services.following import clone_quote, draft_renewal
from tests.integration.quotes.conftest import browser
from tests.integration.quotes.test_web_builder import Builder, saved

D = Decimal


@pytest.fixture
def rules(inside: Callable[[], Any]) -> None:
    """10 % from two years on everything that recurs, 17.5 % on the platform from three."""
    with inside():
        for name, months, percent, products in (
            ("Two-year commitment", 24, "10", []),
            ("Three-year commitment", 36, "17.5", ["platform"]),
        ):
            values = {"name": name, "min_months": months, "percent": D(percent)}
            save_term_discount(values=values | {"products": products})


@pytest.fixture
def builder(rules: None, revops: Client, quote: Quote) -> Builder:
    made = Builder(revops, quote)
    for product in ("platform", "seats", "setup"):
        made.add(product)
    return made


def taken_off(version: QuoteVersion) -> dict[str, Decimal]:
    rows = QuoteLine.objects.filter(phase__version=version)
    return {row.item_key: row.term_discount_percent.normalize() for row in rows}


def value_of(version: QuoteVersion) -> Decimal:
    return selectors.totals_of(selectors.terms_of(version)).priced.total_contract_value.amount


class TestByRule:
    def test_the_term_decides_what_is_taken_off_and_the_builder_says_why(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        # 12 months: 12 x (500 + 60) + 1,000 once = 7,720.
        assert value_of_saved(quote, inside) == D(7720)

        builder.press(phases__0__months="24")
        # 24 x 504 + 1,000: what is billed once is not part of the commitment.
        assert value_of_saved(quote, inside) == D(13096)
        assert "10% off: Two-year commitment" in builder.text

        builder.press(phases__0__months="36")
        # 36 x (500 less 17.5 % + 60 less 10 %) + 1,000 = 36 x 466.50 + 1,000.
        assert value_of_saved(quote, inside) == D(17794)
        with inside():
            assert taken_off(saved(quote, inside)) == {
                "platform": D("17.5"),
                "seats": D(10),
                "setup": D(0),
            }
        assert "17.5% off: Three-year commitment" in builder.text

    def test_a_trial_is_not_part_of_the_commitment(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.press("add-trial", phases__0__months="23")

        with inside():
            assert set(taken_off(saved(quote, inside)).values()) == {D(0)}

    def test_an_open_end_and_a_price_off_the_list_get_nothing(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.press(phases__0__months="")
        with inside():
            assert set(taken_off(saved(quote, inside)).values()) == {D(0)}
        builder.press(phases__0__months="24", phases__0__lines__0__price_version="")
        with inside():
            assert taken_off(saved(quote, inside))["platform"] == D(0)

    def test_an_own_discount_is_laid_on_top_of_the_rules(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.press(phases__0__months="24", phases__0__lines__0__discount_percent="5")

        # 500 less 10 % less 5 % = 427.50; 24 x (427.50 + 54) + 1,000.
        assert value_of_saved(quote, inside) == D(12556)


def value_of_saved(quote: Quote, inside: Callable[[], Any]) -> Decimal:
    version = saved(quote, inside)
    with inside():
        return value_of(version)


class TestOverriding:
    def test_more_than_the_rule_gives_needs_the_approval_its_rule_asks_for(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        at = "phases__0__lines__0__term_discount"
        with inside():
            save_rule(
                values={
                    "name": "Commitment",
                    "approver_role": "finance",
                    "overrides_term_discount": True,
                }
            )
        builder.press(phases__0__months="24")

        def needs() -> list[tuple[str, ...]]:
            version = saved(quote, inside)
            with inside():
                terms = selectors.terms_of(version)
                return [need.reasons for need in needs_of(version, terms, timezone.now())]

        assert needs() == []
        builder.press(**{f"{at}_mode": "own", f"{at}_percent": "20", f"{at}_label": "Friends"})
        assert needs() == [("Platform gets 20% for its term, by the rules 10%.",)]
        assert "An approval: Commitment. Platform gets 20% for its term" in builder.text
        # 24 x (400 + 54) + 1,000.
        assert value_of_saved(quote, inside) == D(11896)
        builder.press(**{f"{at}_percent": "8"})
        assert needs() == []

    def test_what_follows_a_contract_keeps_what_was_agreed(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.press(phases__0__months="24")
        with inside():
            version = saved(quote, inside)
            form = services.import_order_form(
                version_id=version.id,
                signed_at=timezone.now(),
                signer_name="Ann Lee",
                signer_email="ann@example.com",
            )
            renewal = draft_renewal(order_form_id=form.id, now=timezone.now()).versions.get()
            services.save_draft(version_id=renewal.id, payload={"purchase_order": "PO"})
            assert taken_off(renewal) == {"platform": D(10), "seats": D(10)}
            assert renewal.phases.get().months == 12

            copy = clone_quote(
                quote_id=quote.id,
                customer_id=quote.customer_id,
                title="Copy",
                start_on=renewal.start_on,
                now=timezone.now(),
            )
            TermDiscount.objects.update(is_active=False)
            again = copy.versions.get()
            services.save_draft(version_id=again.id, payload={"purchase_order": "PO"})
            assert set(taken_off(again).values()) == {D(0)}


class TestTheRules:
    def test_are_kept_in_the_catalog(
        self, revops: Client, company: Any, inside: Callable[[], Any]
    ) -> None:
        owner = browser(company, "owner")
        page = owner.get("/catalog/term-discounts")
        assert "No rules" in page.content.decode()

        form = {"name": "Two years", "min_months": "24", "percent": "10", "is_active": "on"}
        owner.post("/catalog/term-discounts/new", form)
        with inside():
            rule = TermDiscount.objects.get()
        assert (
            "Every list price that recurs" in owner.get("/catalog/term-discounts").content.decode()
        )

        owner.post(f"/catalog/term-discounts/{rule.id}", form | {"products": "seats"})
        wrong = owner.post(f"/catalog/term-discounts/{rule.id}", form | {"percent": "0"})
        assert (wrong.status_code, rule.products) == (422, [])
        with inside():
            rule.refresh_from_db()
            assert (rule.percent, rule.products) == (D(10), ["seats"])
        owner.post(f"/catalog/term-discounts/{rule.id}/delete")
        with inside():
            assert not TermDiscount.objects.exists()

    def test_name_the_field_that_cannot_be(self, rules: None, inside: Callable[[], Any]) -> None:
        good = {"name": "N", "min_months": 1, "percent": D(5)}
        with inside():
            for wrong, field in (
                ({"name": ""}, "name"),
                ({"name": "Two-year commitment"}, "name"),
                ({"percent": D(101)}, "percent"),
                ({"min_months": 0}, "min_months"),
                ({"products": ["nothing"]}, "products"),
                ({"currency": "EURO"}, "currency"),
            ):
                with pytest.raises(TermDiscountInvalid, match=f"^{field}: "):
                    save_term_discount(values=good | wrong)
