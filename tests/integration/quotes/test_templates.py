"""A quote is kept as a template, and others are started from it or copied."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from monetization.pricing.terms import OrderTerms
from quotes import selectors, services
from quotes.models import Quote, QuoteTemplate
from quotes.services.templates import (
    QuoteTemplateInvalid,
    create_from_template,
    rename_template,
    save_template,
)
from tests.factories_billing import make_customer
from tests.integration.api.conftest import Api
from tests.integration.quotes.conftest import browser
from tests.integration.quotes.test_web_builder import Builder

Inside = Callable[[], Any]


@pytest.fixture
def ramp(revops: Client, quote: Quote) -> Quote:
    """A free trial month, then a year: platform, seats at 50, calls by tier, all 10% off."""
    builder = Builder(revops, quote)
    for product in ("platform", "seats", "calls", "setup"):
        builder.add(product)
    builder.press(
        "add-trial",
        phases__0__lines__1__unit_price="50",
        phases__0__lines__1__quantity="20",
        phases__0__lines__2__expected_quantity="1500",
        phases__0__discount_percent="10",
        phases__0__minimum_amount="100",
    )
    return quote


def offered(quote: Quote) -> OrderTerms:
    return selectors.terms_of(selectors.version_for_reading(quote.id))


class TestTemplates:
    def test_a_quote_from_a_template_offers_what_the_first_did(
        self, ramp: Quote, revops: Client, inside: Inside
    ) -> None:
        revops.post(f"/quotes/{ramp.id}/template/", {"name": "  Ramp   deal "})
        with inside():
            template = QuoteTemplate.objects.get(name="Ramp deal")
            other = make_customer(name="Globex")
        page = revops.get("/quotes/new/", {"template": str(template.id)})
        assert f'value="{template.id}" selected' in page.content.decode()

        answer = revops.post(
            "/quotes/new/",
            {
                "customer": str(other.id),
                "title": "For Globex",
                "start_on": "2027-01-01",
                "template": str(template.id),
            },
        )

        with inside():
            made = Quote.objects.get(title="For Globex")
            assert answer["Location"] == f"/quotes/{made.id}/edit/"
            assert offered(made).phases == offered(ramp).phases
            assert len(offered(made).phases) == 2
            assert made.customer_id == other.id

    def test_a_template_stays_when_its_quote_changes_and_the_same_name_replaces_it(
        self, ramp: Quote, inside: Inside
    ) -> None:
        with inside():
            kept = save_template(quote_id=ramp.id, name="Ramp")
            version = ramp.versions.get()
            services.save_draft(version_id=version.id, payload={"payment_terms_days": 90})
            assert QuoteTemplate.objects.get().payload["payment_terms_days"] == 30

            again = save_template(quote_id=ramp.id, name="Ramp")

            assert (again.id, again.payload["payment_terms_days"]) == (kept.id, 90)

    def test_a_customer_of_another_currency_gets_no_prices_in_the_wrong_one(
        self, ramp: Quote, revops: Client, inside: Inside
    ) -> None:
        with inside():
            template = save_template(quote_id=ramp.id, name="Ramp")
            euro = make_customer(name="Eurotel", currency="EUR")

        page = revops.post(
            "/quotes/new/",
            {
                "customer": str(euro.id),
                "title": "T",
                "start_on": "2027-01-01",
                "template": str(template.id),
            },
        )

        assert page.status_code == 422
        assert "Ramp is in USD, the quote in EUR: phases[0].lines[0]" in page.content.decode()
        with inside():
            assert Quote.objects.count() == 1

    def test_a_product_that_is_gone_is_named_and_nothing_is_made(
        self, ramp: Quote, inside: Inside
    ) -> None:
        with inside():
            template = save_template(quote_id=ramp.id, name="Ramp")
            template.payload["phases"][1]["lines"][0]["product"] = "gone"
            template.save()

            with pytest.raises(QuoteTemplateInvalid, match=r"phases\[1\]\.lines\[0\]\.product"):
                create_from_template(
                    template_id=template.id,
                    customer_id=ramp.customer_id,
                    title="T",
                    start_on=ramp.versions.get().start_on,
                    now=timezone.now(),
                )
            assert Quote.objects.count() == 1

    def test_templates_are_renamed_and_deleted_by_those_who_write_quotes(
        self, ramp: Quote, revops: Client, company: Any, inside: Inside
    ) -> None:
        with inside():
            first = save_template(quote_id=ramp.id, name="First")
            save_template(quote_id=ramp.id, name="Second")
            with pytest.raises(QuoteTemplateInvalid, match="already"):
                rename_template(template_id=first.id, name="Second")

        revops.post(f"/quotes/templates/{first.id}/rename/", {"name": "Third"})
        assert "Third" in revops.get("/quotes/templates/").content.decode()
        auditor = browser(company, "auditor")
        assert auditor.post(f"/quotes/templates/{first.id}/delete/").status_code == 403
        assert "New quote</a>" not in auditor.get("/quotes/templates/").content.decode()
        revops.post(f"/quotes/templates/{first.id}/delete/")

        with inside():
            assert list(QuoteTemplate.objects.values_list("name", flat=True)) == ["Second"]


class TestOverRest:
    def test_a_template_is_kept_used_renamed_and_forgotten(
        self, ramp: Quote, company: Any, inside: Inside
    ) -> None:
        api = Api(company)
        kept = api.made("quote-templates", {"quote": str(ramp.id), "name": "Ramp"})
        body = {"title": "Again", "start_on": "2027-01-01", "template": kept["id"]}
        made = api.made(
            "quotes", {**body, "customer": str(ramp.customer_id), "payment_terms_days": 45}
        )

        first = api.get(f"quotes/{ramp.id}").json()["latest"]
        assert made["latest"]["phases"] == first["phases"]
        assert made["latest"]["estimate"] == first["estimate"]
        assert made["latest"]["payment_terms_days"] == 45
        renamed = api.call("patch", f"quote-templates/{kept['id']}", {"name": "Two years"})
        assert renamed.json()["name"] == "Two years"
        assert api.call("delete", f"quote-templates/{kept['id']}").status_code == 204
        assert api.get("quote-templates").json()["results"] == []

    def test_a_copy_goes_to_another_customer_from_another_day(
        self, ramp: Quote, company: Any, inside: Inside
    ) -> None:
        with inside():
            other = make_customer(name="Globex")

        copied = Api(company).made(
            f"quotes/{ramp.id}/copy",
            {"customer": str(other.id), "title": "Theirs", "start_on": "2028-02-01"},
        )

        assert (copied["customer_name"], copied["title"]) == ("Globex", "Theirs")
        assert copied["latest"]["start_on"] == "2028-02-01"
        with inside():
            first = selectors.totals_of(offered(ramp)).priced.total_contract_value
            theirs = Quote.objects.get(id=copied["id"])
            assert selectors.totals_of(offered(theirs)).priced.total_contract_value == first
