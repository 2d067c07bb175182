"""Who sells a quote, and in which currency, is chosen: prices follow, and nothing is converted."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from django.utils import timezone

from monetization.catalog.models import PriceVersion, Product
from monetization.catalog.services import create_price
from monetization.pricing.prices import PriceError
from monetization.tenancy.models import LegalEntity
from quotes import selectors, services
from quotes.models import Quote, QuoteVersion
from quotes.services.following import clone_quote, draft_amendment, draft_renewal
from quotes.services.importing import import_order_form
from quotes.services.templates import QuoteTemplateInvalid, create_from_template, save_template
from tests.factories_billing import make_customer
from tests.integration.quotes.conftest import make_quote
from tests.integration.quotes.test_web_builder import HTMX, Builder

Inside = Callable[[], Any]
EURO_TIERS = [
    {"up_to": "1000", "unit_price": "0.09", "flat_fee": "0"},
    {"up_to": None, "unit_price": "0.07", "flat_fee": "0"},
]


def euro_prices() -> None:
    """Platform 450, seats 55, calls by tier, in euros; the set-up has none."""
    for code, model in (
        ("platform", {"model": "flat", "amount": "450"}),
        ("seats", {"model": "per_unit", "unit_price": "55"}),
        ("calls", {"model": "graduated", "tiers": EURO_TIERS}),
    ):
        product = Product.objects.get(code=code)
        dollars = product.prices.get()
        create_price(
            product_id=product.id,
            code=f"{code}-eur",
            name=dollars.name,
            currency="EUR",
            frequency=dollars.frequency,
            timing=dollars.timing,
            model=model,
            meter_id=dollars.meter_id,
            now=timezone.now(),
        )


def gmbh() -> LegalEntity:
    found: LegalEntity = LegalEntity.objects.create(
        name="Northwind GmbH", code="DE", country="DE", address="Torstraße 1, Berlin"
    )
    return found


@pytest.fixture
def entity(inside: Inside) -> LegalEntity:
    with inside():
        euro_prices()
        return gmbh()


@pytest.fixture
def builder(revops: Client, quote: Quote, entity: LegalEntity) -> Builder:
    return Builder(revops, quote)


def latest(quote: Quote) -> QuoteVersion:
    return selectors.version_for_reading(quote.id)


def at_list(code: str, currency: str = "USD") -> str:
    found = PriceVersion.objects.get(price__product__code=code, price__currency=currency)
    return str(found.id)


def dollars(code: str) -> str:
    return str(PriceVersion.objects.get(price__code=f"{code}-usd").id)


def year(*codes: str, currency: str = "USD") -> dict[str, Any]:
    lines = [{"product": code, "price_version": at_list(code, currency)} for code in codes]
    return {"phases": [{"name": "Year", "months": 12, "lines": lines}]}


class TestInTheBuilder:
    def test_lines_take_their_list_price_and_one_that_has_none_asks_for_it(
        self, builder: Builder, quote: Quote, inside: Inside, entity: LegalEntity
    ) -> None:
        for product in ("platform", "seats", "calls", "setup"):
            builder.add(product)
        builder.press(phases__0__lines__1__quantity="10", phases__0__lines__1__description="Desks")

        builder.press(currency="EUR", legal_entity=str(entity.id))

        assert "Prices are in EUR now" in builder.text
        assert "At their list price in EUR: Platform, Seats, Calls." in builder.text
        assert "To be agreed in EUR: Setup." in builder.text
        fields = builder.fields
        assert (fields["phases-0-lines-0-amount"], fields["phases-0-lines-1-unit_price"]) == (
            "450",
            "55",
        )
        assert fields["phases-0-lines-1-quantity"] == "10"
        assert fields["phases-0-lines-1-description"] == "Desks"
        assert fields["phases-0-lines-2-tiers-1-unit_price"] == "0.07"
        assert fields["phases-0-lines-3-amount"] == "1000 USD"
        error = 'id="id_phases-0-lines-3-amount_error">is in USD: agree anew'
        assert error in builder.text
        with inside():
            assert latest(quote).currency == "USD"  # not saved yet

        builder.press(phases__0__lines__3__amount="900")

        with inside():
            version = latest(quote)
            terms = selectors.terms_of(version)
            # Twelve months of 450 and of ten seats at 55, and the set-up once.
            assert version.total_contract_value == Decimal(12 * (450 + 550) + 900)
            assert (terms.currency, version.legal_entity_id) == ("EUR", entity.id)
            assert terms.phases[0].item("setup").price_version_id is None
        assert "€12,900.00" in builder.text
        assert "Northwind GmbH" in builder.text

    def test_undoing_goes_back_to_the_prices_before(
        self, builder: Builder, quote: Quote, inside: Inside
    ) -> None:
        builder.add("platform")
        builder.press(phases__0__lines__0__amount="480")

        builder.press(currency="EUR")
        assert "at their list price in EUR now: Platform (was 480 USD)." in builder.text
        assert builder.fields["phases-0-lines-0-amount"] == "450"
        builder.press("undo")

        assert builder.fields["phases-0-lines-0-amount"] == "480"
        assert builder.fields["currency"] == builder.fields["priced_in"] == "USD"
        with inside():
            assert latest(quote).total_contract_value == Decimal(12 * 480)
        builder.press("redo")
        assert builder.fields["phases-0-lines-0-amount"] == "450"

    def test_an_amount_of_ones_own_is_never_taken_for_another_currency(
        self, builder: Builder, quote: Quote, inside: Inside
    ) -> None:
        builder.add("calls")
        builder.press(
            "add-discount:0:0",
            phases__0__minimum_amount="100",
            phases__0__minimum_frequency="monthly",
            phases__0__lines__0__tiers__0__unit_price="0.5",
        )
        builder.press(phases__0__lines__0__discounts__0__value="7")

        builder.press(currency="CHF")

        fields = builder.fields
        assert "To be agreed in CHF: Calls, the minimum of Term." in builder.text
        asked = {
            "minimum_amount": "100",
            "lines-0-tiers-0-unit_price": "0.5",
            "lines-0-tiers-1-unit_price": "0.08",
            "lines-0-discounts-0-value": "7",
        }
        for name, amount in asked.items():
            assert fields[f"phases-0-{name}"] == f"{amount} USD"
        assert fields["phases-0-lines-0-tiers-0-up_to"] == "1000"
        with inside():
            assert latest(quote).currency == "USD"

        builder.press(currency="EUR")  # has a list price; the minimum is still in dollars
        assert builder.fields["phases-0-lines-0-tiers-1-unit_price"] == "0.07"
        assert builder.fields["phases-0-minimum_amount"] == "100 USD"

        builder.press(phases__0__minimum_amount="", phases__0__lines__0__discounts__0__value="6")
        with inside():
            assert latest(quote).currency == "EUR"
            assert latest(quote).phases.get().minimum_amount is None

    def test_choosing_the_first_currency_again_brings_its_amounts_back(
        self, builder: Builder, quote: Quote, inside: Inside
    ) -> None:
        builder.add("setup")
        builder.add("calls")
        builder.press(phases__0__lines__0__amount="1200", phases__0__minimum_amount="100")
        builder.press(currency="CHF")
        builder.press(currency="EUR")
        builder.press(currency="USD")

        assert builder.fields["phases-0-lines-0-amount"] == "1200"
        assert builder.fields["phases-0-minimum_amount"] == "100"
        with inside():
            assert latest(quote).currency == "USD"
            assert latest(quote).phases.get().minimum_amount == Decimal(100)

    def test_products_are_added_at_the_prices_of_the_currency_chosen(
        self, builder: Builder
    ) -> None:
        builder.press(currency="EUR")
        builder.add("seats")

        assert builder.fields["phases-0-lines-0-unit_price"] == "55"

    def test_an_amendment_shows_its_contracts_and_takes_no_other(
        self, revops: Client, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            signed = signed_in_euros(entity)
            amendment = draft_amendment(
                order_form_id=signed.id, effective_on=date(2027, 7, 1), now=timezone.now()
            )
        builder = Builder(revops, amendment)

        assert "Sold by Northwind GmbH in EUR, as the contract it amends." in builder.text
        page = builder.press(currency="USD")

        assert page.status_code == 422
        assert "an amendment keeps the one of its contract" in builder.text


def signed_in_euros(entity: LegalEntity) -> Any:
    """Platform at 450 a month in 2027, sold by the second company to a customer in dollars."""
    quote = make_quote("In euros", make_customer(name="Globex"))
    version = quote.versions.get()
    payload = {"currency": "EUR", "legal_entity": entity.id, **year("platform", currency="EUR")}
    services.save_draft(version_id=version.id, payload=payload)
    return import_order_form(
        version_id=version.id,
        signed_at=timezone.now(),
        signer_name="Ann",
        signer_email="ann@example.com",
    )


class TestWhatFollows:
    def test_the_order_form_what_amends_and_what_renews_it_keep_seller_and_currency(
        self, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            form = signed_in_euros(entity)
            assert form.legal_entity_id == entity.id
            assert form.terms["currency"] == "EUR"
            following = (
                draft_amendment(
                    order_form_id=form.id, effective_on=date(2027, 7, 1), now=timezone.now()
                ),
                draft_renewal(order_form_id=form.id, now=timezone.now()),
            )
            for each in following:
                version = latest(each)
                assert (version.currency, version.legal_entity_id) == ("EUR", entity.id)
                assert selectors.terms_of(version).phases[0].items[0].list_unit_price is None

    def test_a_sent_version_never_changes_its_seller(
        self, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            form = signed_in_euros(entity)
            other = LegalEntity.objects.get(is_default=True)
            with (
                pytest.raises(ProgrammingError, match="sent quote version never change"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(
                    "UPDATE quotes_quoteversion SET legal_entity_id = %s WHERE id = %s",
                    [other.id, form.version_id],
                )

    def test_the_next_version_may_be_sold_by_another_company(
        self, quote: Quote, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            services.save_draft(version_id=latest(quote).id, payload=year("platform"))
            services.send_version(version_id=latest(quote).id, now=timezone.now())
            after = services.revise_quote(quote_id=quote.id, now=timezone.now())
            services.save_draft(version_id=after.id, payload={"legal_entity": entity.id})

            sellers = [one.legal_entity.code for one in quote.versions.order_by("number")]

        assert sellers[0] != "DE" == sellers[1]

    def test_a_copy_for_the_same_customer_keeps_the_seller_and_another_has_its_own(
        self, quote: Quote, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            payload = {"legal_entity": entity.id, "currency": "EUR"}
            services.save_draft(version_id=latest(quote).id, payload=payload)
            other = make_customer(name="Globex")
            same, its_own = (
                latest(
                    clone_quote(
                        quote_id=quote.id,
                        customer_id=customer,
                        title="Copy",
                        start_on=date(2027, 1, 1),
                        now=timezone.now(),
                    )
                )
                for customer in (quote.customer_id, other.id)
            )

            assert (same.legal_entity_id, same.currency) == (entity.id, "EUR")
            assert its_own.legal_entity_id == other.legal_entity_id


class TestWithoutTheBuilder:
    def test_a_currency_alone_takes_every_line_to_its_list_price(
        self, quote: Quote, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            services.save_draft(version_id=latest(quote).id, payload=year("platform", "calls"))

            services.save_draft(version_id=latest(quote).id, payload={"currency": "EUR"})

            assert latest(quote).total_contract_value == Decimal(12 * 450)

    @pytest.mark.parametrize(
        ("code", "line", "phase", "refusal"),
        [
            ("setup", {}, {}, r"phases\[0\]\.lines\[0\]\.price_version: setup has no list price"),
            (
                "platform",
                {"model": {"model": "flat", "amount": "499"}},
                {},
                r"phases\[0\]\.lines\[0\]\.model: is agreed in USD; say it in EUR",
            ),
            (
                "calls",
                {},
                {"minimum_amount": "100", "minimum_frequency": "monthly"},
                r"phases\[0\]\.minimum_amount: is agreed in USD; say it in EUR",
            ),
        ],
    )
    def test_what_cannot_be_taken_over_is_named_and_nothing_changes(
        self,
        quote: Quote,
        inside: Inside,
        entity: LegalEntity,
        code: str,
        line: dict[str, Any],
        phase: dict[str, Any],
        refusal: str,
    ) -> None:
        with inside():
            payload = year(code)
            payload["phases"][0] |= phase
            payload["phases"][0]["lines"][0] |= line
            services.save_draft(version_id=latest(quote).id, payload=payload)
            before = latest(quote).total_contract_value

            with pytest.raises(PriceError, match=refusal):
                services.save_draft(version_id=latest(quote).id, payload={"currency": "EUR"})

            assert (latest(quote).currency, latest(quote).total_contract_value) == ("USD", before)

    def test_of_several_prices_the_one_of_the_same_name_is_taken(
        self, quote: Quote, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            product = Product.objects.get(code="platform")
            for name, currency, amount in (
                ("Platform plus (USD)", "USD", "700"),
                ("Platform plus (EUR)", "EUR", "630"),
            ):
                create_price(
                    product_id=product.id,
                    code=f"plus-{currency.lower()}",
                    name=name,
                    currency=currency,
                    frequency="monthly",
                    timing="in_advance",
                    model={"model": "flat", "amount": amount},
                    now=timezone.now(),
                )
            plus = PriceVersion.objects.get(price__code="plus-usd")
            lines = [
                {"product": "platform", "price_version": str(plus.id)},
                {"product": "platform", "item_key": "two", "price_version": dollars("platform")},
            ]
            payload = {"phases": [{"months": 12, "lines": lines}]}
            services.save_draft(version_id=latest(quote).id, payload=payload)

            services.save_draft(version_id=latest(quote).id, payload={"currency": "EUR"})

            assert latest(quote).total_contract_value == Decimal(12 * (630 + 450))

    def test_a_list_price_of_another_currency_is_refused_at_its_line(
        self, quote: Quote, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside(), pytest.raises(PriceError, match="is in USD, the quote in EUR"):
            services.save_draft(
                version_id=latest(quote).id, payload={"currency": "EUR", **year("platform")}
            )

    @pytest.mark.parametrize(
        ("payload", "refusal"),
        [
            ({"currency": "EURO"}, "currency: 'EURO' is not an ISO 4217 currency"),
            ({"legal_entity": "nobody"}, "legal_entity: there is none with this id"),
        ],
    )
    def test_what_there_is_not_cannot_be_chosen(
        self, quote: Quote, inside: Inside, payload: dict[str, str], refusal: str
    ) -> None:
        with inside(), pytest.raises(PriceError, match=refusal):
            services.save_draft(version_id=latest(quote).id, payload=payload)

    def test_a_template_is_offered_in_another_currency_at_its_list_prices(
        self, quote: Quote, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            services.save_draft(version_id=latest(quote).id, payload=year("platform", "seats"))
            template = save_template(quote_id=quote.id, name="Both")
            wanted: dict[str, Any] = {
                "template_id": template.id,
                "customer_id": quote.customer_id,
                "start_on": date(2027, 1, 1),
                "now": timezone.now(),
            }
            made = create_from_template(
                title="In euros", currency="EUR", legal_entity_id=entity.id, **wanted
            )

            version = latest(made)
            assert (version.currency, version.legal_entity_id) == ("EUR", entity.id)
            assert version.total_contract_value == Decimal(12 * (450 + 55))
            with pytest.raises(QuoteTemplateInvalid, match="platform has no list price in CHF"):
                create_from_template(title="In francs", currency="CHF", **wanted)

    def test_a_new_quote_says_who_sells_and_in_what(
        self, revops: Client, inside: Inside, entity: LegalEntity
    ) -> None:
        with inside():
            customer = make_customer(name="Globex")
        typed = {"customer": str(customer.id), "title": "Chosen", "start_on": "2027-01-01"}

        revops.post("/quotes/new/", {**typed, "currency": "EUR", "legal_entity": str(entity.id)})

        with inside():
            version = latest(Quote.objects.get(title="Chosen"))
            assert (version.currency, version.legal_entity_id) == ("EUR", entity.id)


class TestLive:
    def test_choosing_swaps_both_panes_with_what_happened(
        self, builder: Builder, revops: Client
    ) -> None:
        builder.add("platform")
        answer = revops.post(
            builder.url,
            {**builder.fields, "currency": "EUR"},
            headers={**HTMX, "HX-Target": "panes"},
        )

        text = answer.content.decode()
        assert answer.status_code == 200
        assert 'id="said"' in text
        assert 'name="priced_in" value="EUR"' in text
        assert "€5,400.00" in text
