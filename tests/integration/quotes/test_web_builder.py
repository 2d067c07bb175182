"""The builder: every change is saved and priced by the server, and nothing typed is lost."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from monetization.catalog.models import PriceVersion
from quotes import selectors
from quotes.models import Quote, QuoteVersion
from tests.integration.quotes.conftest import browser, fields_of

HTMX = {"HX-Request": "true", "HX-Target": "preview"}


class Builder:
    """A person at the builder without scripts: fill in, press a button, see the page."""

    def __init__(self, client: Client, quote: Quote) -> None:
        self.client, self.url = client, f"/quotes/{quote.id}/edit/"
        self.page: Any = client.get(self.url)

    @property
    def fields(self) -> dict[str, str]:
        return fields_of(self.page)

    def press(self, button: str = "save", **typed: str) -> Any:
        data = {**self.fields, **{k.replace("__", "-"): v for k, v in typed.items()}, "do": button}
        self.page = self.client.post(self.url, data, follow=True)
        return self.page

    def add(self, product: str, phase: int = 0) -> None:
        prices = {row.price.product.code: str(row.id) for row in self.page.context["prices"]}
        self.press(f"add-line:{phase}", **{f"phases__{phase}__add": prices[product]})

    @property
    def text(self) -> str:
        return str(self.page.content.decode())


@pytest.fixture
def builder(revops: Client, quote: Quote) -> Builder:
    return Builder(revops, quote)


def saved(quote: Quote, inside: Callable[[], Any]) -> QuoteVersion:
    with inside():
        found: QuoteVersion = selectors.latest_versions().get(quote=quote)
        return found


class TestBuilding:
    def test_a_product_comes_with_its_list_price_and_the_document_shows_it(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.add("platform")

        assert builder.fields["phases-0-lines-0-amount"] == "500"
        assert "$6,000.00" in builder.text
        assert saved(quote, inside).total_contract_value == Decimal(6000)

    def test_three_phases_with_trial_tiers_minimum_and_discount_add_up(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        for product in ("platform", "seats", "calls", "setup"):
            builder.add(product)
        builder.press(
            "add-trial",
            phases__0__lines__1__unit_price="50",
            phases__0__lines__1__quantity="20",
            phases__0__lines__2__tiers__0__unit_price="0.09",
            phases__0__minimum_amount="100",
            phases__0__discount_percent="10",
            phases__0__name="Year 1",
        )
        builder.press("copy-phase:1")
        builder.press(phases__2__name="Year 2", phases__2__lines__0__amount="600")

        names = [builder.fields[f"phases-{n}-name"] for n in range(3)]
        assert names == ["Trial", "Year 1", "Year 2"]
        # Trial month: all off. Year 1: 12 x (500 + 1,000) + 1,000 once, less 10 %, and 12 x 100
        # minimum without usage. Year 2: 12 x (600 + 1,000) less 10 %, and the minimum.
        year_1 = Decimal("17100") + 1200
        year_2 = Decimal("17280") + 1200
        assert saved(quote, inside).total_contract_value == year_1 + year_2
        with inside():
            terms = selectors.terms_of(saved(quote, inside))
        assert [len(phase.items) for phase in terms.phases] == [3, 4, 3]
        assert terms.phases[1].item("calls").meter == "calls"

    @pytest.mark.parametrize(
        ("model", "typed", "amount"),
        [
            ("flat", {"amount": "700"}, "8400.00"),
            ("per_unit", {"unit_price": "7", "quantity": "10"}, "840.00"),
            (
                "package",
                {"package_price": "30", "size": "4", "free_units": "1", "quantity": "10"},
                "1080.00",
            ),
            (
                "graduated",
                {"quantity": "10", "tiers__0__unit_price": "2", "tiers__0__flat_fee": "5"},
                "300.00",
            ),
            ("volume", {"quantity": "10", "tiers__0__unit_price": "3"}, "360.00"),
            ("stair_step", {"quantity": "10", "tiers__0__flat_fee": "99"}, "1188.00"),
        ],
    )
    def test_every_charge_model_can_be_agreed(
        self,
        builder: Builder,
        quote: Quote,
        inside: Callable[[], Any],
        model: str,
        typed: dict[str, str],
        amount: str,
    ) -> None:
        builder.add("seats")
        builder.press("refresh", phases__0__lines__0__model=model)
        builder.press(**{f"phases__0__lines__0__{name}": value for name, value in typed.items()})

        assert builder.page.status_code == 200, builder.page.context["draft"].found
        assert saved(quote, inside).total_contract_value == Decimal(amount)

    def test_tiers_come_and_go(
        self, builder: Builder, inside: Callable[[], Any], quote: Quote
    ) -> None:
        builder.add("calls")
        builder.press("add-tier:0:0")
        builder.press(
            phases__0__lines__0__tiers__1__up_to="5000",
            phases__0__lines__0__tiers__1__unit_price="0.09",
            phases__0__lines__0__expected_quantity="6000",
        )
        # 1,000 x 0.10 + 4,000 x 0.09 + 1,000 x 0.08 = 540 a month.
        assert "$6,480.00" in builder.text
        builder.press("remove-tier:0:0:0")
        assert builder.fields["phases-0-lines-0-tiers-0-up_to"] == "5000"

    def test_a_ramp_makes_years_that_rise(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.add("platform")
        builder.press("ramp", ramp__years="3", ramp__price_percent="10")

        assert saved(quote, inside).total_contract_value == Decimal(6000 + 6600 + 7260)
        assert [builder.fields[f"phases-{n}-name"] for n in range(3)] == [
            "Year 1",
            "Year 2",
            "Year 3",
        ]

    def test_a_price_of_our_own_is_off_the_list(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.press("add-line:0", phases__0__add="product:platform")
        assert "is needed" in builder.text  # a price

        builder.press(phases__0__lines__0__amount="123.45")
        assert saved(quote, inside).total_contract_value == Decimal("1481.40")

    def test_terms_and_signer_are_saved(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.press(
            title="New name",
            start_on="2027-02-15",
            expires_on="2027-01-31",
            anchor_day="15",
            payment_terms_days="45",
            auto_renew="on",
            signer_name="Bo Chan",
            signer_email="bo@example.com",
            purchase_order="PO 7",
            introduction="Dear Bo",
            special_terms="None",
        )
        version = saved(quote, inside)
        assert (version.anchor_day, version.payment_terms_days) == (15, 45)
        assert version.quote.title == "New name"
        assert (version.auto_renew, version.signer_email) == (True, "bo@example.com")
        assert "Dear Bo" in builder.text

        builder.press(auto_renew="")
        assert saved(quote, inside).auto_renew is False

    def test_a_price_the_fields_cannot_hold_is_kept_as_it_is(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.add("platform")
        odd = {"model": "flat", "amount": "500", "of_later": "kept"}
        with inside():
            saved(quote, inside).phases.get().lines.update(model=odd)
        builder.page = builder.client.get(builder.url)
        fields = builder.fields

        assert fields["phases-0-lines-0-model"] == "as_is"
        assert '"of_later": "kept"' in fields["phases-0-lines-0-raw"]


class TestMistakes:
    @pytest.mark.parametrize(
        ("typed", "field", "message"),
        [
            ({"start_on": "soon"}, "start_on", "must be a date"),
            ({"start_on": "9999-12-31"}, "start_on", "must be from 1970"),
            ({"anchor_day": "32"}, "anchor_day", "from 1 to 31"),
            ({"signer_email": "nobody"}, "signer_email", "must be an address"),
            ({"phases__0__months": "0"}, "phases-0-months", "from 1 to 240"),
            ({"phases__0__discount_percent": "101"}, "phases-0-discount_percent", "0 to 100"),
            ({"phases__0__minimum_amount": "-1"}, "phases-0-minimum_amount", "not be negative"),
            ({"phases__0__lines__0__amount": "1,000"}, "phases-0-lines-0-amount", "separators"),
            ({"phases__0__lines__0__amount": "NaN"}, "phases-0-lines-0-amount", "plain decimal"),
            ({"phases__0__lines__0__amount": ""}, "phases-0-lines-0-amount", "is needed"),
            ({"phases__0__lines__0__amount": "1" * 16}, "phases-0-lines-0-amount", "15 digits"),
            ({"phases__0__kind": "gift"}, "phases-0-kind", "choose one"),
            ({"title": "a\x00b"}, "title", "Null characters"),
        ],
    )
    def test_is_named_at_its_field_and_what_was_typed_stays(
        self,
        builder: Builder,
        quote: Quote,
        inside: Callable[[], Any],
        typed: dict[str, str],
        field: str,
        message: str,
    ) -> None:
        builder.add("platform")
        page = builder.press(**typed, purchase_order="kept too")

        assert page.status_code == 422
        problems = {problem.field_id: problem.message for problem in page.context["draft"].found}
        assert message in problems[f"id_{field}"]
        name, value = next(iter(typed.items()))
        if "kind" not in name and "\x00" not in value:
            assert builder.fields[name.replace("__", "-")] == value
        assert builder.fields["purchase_order"] == "kept too"
        assert saved(quote, inside).purchase_order == ""

    def test_of_tiers_is_named_at_the_tier(self, builder: Builder) -> None:
        builder.add("calls")
        page = builder.press("add-tier:0:0", phases__0__lines__0__tiers__0__up_to="1000")
        assert page.status_code == 422  # the new tier has no bound yet

        page = builder.press(phases__0__lines__0__tiers__1__up_to="900")
        [problem] = page.context["draft"].found
        assert problem.field_id == "id_phases-0-lines-0-tiers-1-up_to"
        assert "must be more than 1000" in problem.message

    def test_an_open_end_in_the_middle_is_named_at_its_months(self, builder: Builder) -> None:
        builder.press("add-phase")
        page = builder.press(phases__0__months="")

        [problem] = page.context["draft"].found
        assert problem.field_id == "id_phases-0-months"

    def test_too_many_months_together_are_refused(self, builder: Builder) -> None:
        builder.press("add-phase")
        page = builder.press(phases__0__months="200", phases__1__months="200")

        assert "at most 240 months" in builder.text
        assert page.status_code == 422

    def test_an_amount_no_document_can_hold_is_refused_and_not_stored(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.add("seats")
        page = builder.press(
            phases__0__lines__0__unit_price="9" * 15, phases__0__lines__0__quantity="9" * 12
        )
        assert page.status_code == 422
        assert "15 digits" in builder.text
        with inside():
            assert saved(quote, inside).phases.get().lines.get().quantity == 1

    def test_a_button_still_works_while_something_is_wrong(self, builder: Builder) -> None:
        page = builder.press("add-phase", start_on="soon")

        assert page.status_code == 422
        assert builder.fields["phases-1-name"] == "Phase 2"

    @pytest.mark.parametrize("button", ["explode", "remove-phase:99", "add-line:0", "copy-phase:x"])
    def test_a_button_that_is_not_there_is_a_bad_request(
        self, builder: Builder, button: str
    ) -> None:
        assert builder.press(button).status_code == 400

    def test_hostile_lines_are_refused_in_words(self, builder: Builder, company: Any) -> None:
        builder.add("platform")
        for typed in (
            {"phases__0__lines__0__product": "../../etc"},
            {"phases__0__lines__0__price_version": "0" * 36},
            {"phases__0__lines__0__item_key": "a:b"},
            {"phases__0__lines__0__model": "as_is", "phases__0__lines__0__raw": "[" * 9000},
            {"phases__0__lines__0__model": "as_is", "phases__0__lines__0__raw": '{"model":1}'},
            {"phases__0__lines__0__model": "magic"},
            {"phases__0__lines__0__proration": "nonsense"},
            {"phases__0__lines__0__frequency": "hourly"},
        ):
            before = builder.page
            page = builder.press(**typed)
            assert page.status_code == 422, typed
            builder.page = before

    def test_text_of_the_customer_is_never_markup(self, builder: Builder) -> None:
        builder.press(introduction="<script>alert(1)</script>")

        assert "<script>alert(1)" not in builder.text
        assert "&lt;script&gt;alert(1)" in builder.text


class TestLive:
    def test_a_change_answers_with_the_document_alone(self, builder: Builder) -> None:
        builder.add("platform")
        answer = builder.client.post(
            builder.url, {**builder.fields, "phases-0-lines-0-amount": "550"}, headers=HTMX
        )

        body = answer.content.decode()
        assert answer.status_code == 200
        assert "$6,600.00" in body
        assert "<form" not in body
        assert 'hx-swap-oob="innerHTML"' in body  # the timeline beside the form

    def test_a_mistake_answers_with_where_it_is_and_the_last_saved_document(
        self, builder: Builder
    ) -> None:
        builder.add("platform")
        answer = builder.client.post(
            builder.url, {**builder.fields, "phases-0-months": "x"}, headers=HTMX
        )
        body = answer.content.decode()

        assert answer.status_code == 422
        assert 'data-problem="id_phases-0-months"' in body
        assert "$6,000.00" in body

    def test_a_version_sent_in_another_window_is_not_changed(
        self, builder: Builder, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        builder.add("platform")
        fields = builder.fields
        builder.client.post(f"/quotes/{quote.id}/send/")
        answer = builder.client.post(builder.url, fields, headers=HTMX)

        assert answer.status_code == 409
        assert "revise the quote" in answer.content.decode()
        assert builder.client.get(builder.url).status_code == 302

    def test_saving_takes_a_bounded_number_of_queries(
        self, builder: Builder, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(2):
            for product in ("platform", "seats", "calls"):
                builder.add(product)
        fields = builder.fields
        with django_assert_max_num_queries(82):
            answer = builder.client.post(builder.url, fields, headers=HTMX)
        assert answer.status_code == 200
        with django_assert_max_num_queries(34):
            builder.client.get(builder.url)


class TestBeforeSending:
    def test_the_builder_lists_what_is_missing_until_nothing_is(self, builder: Builder) -> None:
        assert "At least one product" in builder.text
        builder.add("platform")
        builder.press(signer_email="", signer_name="")
        assert "2 things missing before it can be sent" in builder.text
        builder.press(signer_email="ann@example.com", signer_name="Ann")
        assert "Ready to be sent." in builder.text


class TestAccess:
    @pytest.mark.parametrize("role", ["finance", "engineer", "auditor"])
    def test_only_those_who_write_quotes_may_edit(
        self, company: Any, quote: Quote, role: str
    ) -> None:
        client = browser(company, role)
        assert client.get(f"/quotes/{quote.id}/edit/").status_code == 403
        assert client.post(f"/quotes/{quote.id}/edit/", {"title": "x"}).status_code == 403

    def test_another_companys_quote_is_not_there(
        self, make_tenant: Callable[..., Any], quote: Quote
    ) -> None:
        stranger = browser(make_tenant("Stranger"))
        assert stranger.get(f"/quotes/{quote.id}/edit/").status_code == 404
        assert stranger.post(f"/quotes/{quote.id}/edit/", {"title": "x"}).status_code == 404

    def test_another_companys_price_is_not_sold(
        self, builder: Builder, make_tenant: Callable[..., Any]
    ) -> None:
        from monetization.tenancy.context import tenant_context
        from tests.integration.quotes.conftest import make_catalog

        other = make_tenant("Stranger")
        with tenant_context(other.id, actor="test"):
            make_catalog()
            price = PriceVersion.objects.all()[0]
        assert builder.press("add-line:0", phases__0__add=str(price.id)).status_code == 400
