"""A customer's own tax holds from a day on: each line has that of its own tax date."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from billing.models import CustomerTaxRate, Invoice
from billing.services import taxing
from billing.services.assertions import enabled_rules, set_rule
from billing.services.calculation import outdated
from billing.services.invoicing import issue_invoice, recalculate_invoices
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.events.models import Event
from monetization.kernel.decimals import plain
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_member, make_tenant
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer
from tests.integration.api.conftest import Api

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))


def taxed(percent: str = "20") -> Any:
    return make_customer(country="DE", tax_name="VAT", tax_percent=Decimal(percent))


def own(customer: Any, percent: str, since: date, **more: Any) -> CustomerTaxRate:
    given = {"treatment": "taxable", "name": "VAT", "percent": Decimal(percent), **more}
    return taxing.set_customer_tax(customer_id=customer.id, valid_from=since, now=NOW, **given)


def said(invoice: Invoice) -> dict[str, str]:
    rows = invoice.lines.values_list("item_key", "tax_percent", "tax_treatment")
    return {key: f"{plain(percent)} {treatment}".strip() for key, percent, treatment in rows}


def test_each_line_has_the_customers_tax_of_its_own_day(tenant: Any) -> None:
    # 20 % by profile, 16 % from February, 10 % from March: March paid ahead has 10 %,
    # February's usage billed in March 16 %, and what was billed in January 20 %.
    customer = taxed()
    own(customer, "16", FEBRUARY)
    own(customer, "10", MARCH)
    schedule = billed(deal(PLATFORM, CALLS), now=NOW, customer=customer)
    assert said(schedule.invoices.get(bill_on=JANUARY)) == {"platform": "20"}
    march = schedule.invoices.get(bill_on=MARCH)
    assert said(march) == {"platform": "10", "calls": "16"}
    assert march.tax_amount == Decimal("50.00")


def test_a_draft_follows_and_is_found_out_of_date_what_is_issued_stays(tenant: Any) -> None:
    customer = taxed()
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    draft = schedule.invoices.get(bill_on=MARCH)
    issued = issue_invoice(
        invoice_id=schedule.invoices.get(bill_on=FEBRUARY).id,
        issued_on=date(2026, 3, 3),
        now=NOW,
    )
    recalculate_invoices(invoice_ids=[draft.id], now=NOW)
    assert outdated([draft.id], now=NOW) == []
    rate = own(customer, "10", JANUARY)
    assert outdated([draft.id], now=NOW) == [draft.id]
    [change] = recalculate_invoices(invoice_ids=[draft.id, issued.id], now=NOW)
    assert [each.cause for each in change.changes] == ["tax"]
    assert (said(draft), said(issued)) == ({"platform": "10"}, {"platform": "20"})
    taxing.remove_customer_tax(rate_id=rate.id, now=NOW)
    recalculate_invoices(invoice_ids=[draft.id], now=NOW)
    assert said(draft) == {"platform": "20"}
    told = Event.objects.filter(type="customer.tax_changed").order_by("id")
    assert [event.data["what"] for event in told] == [
        "Taxable: VAT 10 % from 2026-01-01", "no longer VAT 10 % from 2026-01-01",
    ]  # fmt: skip


def test_a_customer_accounts_for_the_tax_itself_from_a_day_on(tenant: Any) -> None:
    set_rule(kind="tax_present", is_enabled=True, parameters={"countries": "DE"}, now=NOW)
    assert "tax_present" in {rule.kind for rule in enabled_rules()}
    customer = taxed()
    own(customer, "0", MARCH, treatment="reverse_charge")
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    drafts = {day: schedule.invoices.get(bill_on=day) for day in (FEBRUARY, MARCH)}
    assert said(drafts[FEBRUARY]) == {"platform": "20"}
    assert said(drafts[MARCH]) == {"platform": "0 reverse_charge"}
    assert drafts[MARCH].failures.filter(kind="tax_present").count() == 0
    issue_invoice(invoice_id=drafts[MARCH].id, issued_on=date(2026, 3, 3), now=NOW)
    for id, check in CHECKS.items():
        if id.startswith(("I02", "I03", "I16.1", "I17")):
            assert not check.run(Books()).differing, (id, check.name)


def test_it_goes_before_the_rate_of_the_country_and_zero_leaves_it_to_that(tenant: Any) -> None:
    taxing.set_tax_rate(
        legal_entity_id=LegalEntity.objects.get(is_default=True).id, category="standard",
        country="DE", treatment="taxable", name="USt", percent=Decimal(19), now=NOW,
    )  # fmt: skip
    customer = taxed("0")
    own(customer, "7", FEBRUARY)
    own(customer, "0", MARCH)
    schedule = billed(deal(PLATFORM), now=NOW, customer=customer)
    found = [
        said(schedule.invoices.get(bill_on=day))["platform"] for day in (JANUARY, FEBRUARY, MARCH)
    ]
    assert found == ["19 taxable", "7", "19 taxable"]


def test_one_tax_a_day_and_only_taxes_that_can_be(tenant: Any) -> None:
    customer = taxed()
    own(customer, "16", MARCH)
    own(customer, "15", MARCH)
    assert plain(CustomerTaxRate.objects.get().percent) == "15"
    good: dict[str, Any] = {"treatment": "taxable", "name": "VAT", "percent": Decimal(1)}
    wrongs: tuple[tuple[str, dict[str, Any]], ...] = (
        ("percent", {"percent": Decimal(101)}),
        ("percent", {"treatment": "exempt", "percent": Decimal(1)}),
        ("name", {"name": " "}),
        ("treatment", {"treatment": "free"}),
    )
    for field, wrong in wrongs:
        with pytest.raises(taxing.TaxInvalid, match=f"^{field}:"):
            taxing.set_customer_tax(
                customer_id=customer.id, valid_from=MARCH, now=NOW, **{**good, **wrong}
            )
    with pytest.raises(taxing.TaxInvalid, match=r"^valid_from:"):
        own(customer, "1", date(1066, 10, 14))
    with pytest.raises(IntegrityError), transaction.atomic():
        CustomerTaxRate.objects.create(
            customer=customer, valid_from=MARCH, name="VAT", percent=Decimal(1)
        )


def test_over_rest_by_customer_and_day(db: None) -> None:
    company = make_tenant("Rest")
    api = Api(company)
    with tenant_context(company.id):
        customer = str(taxed().id)
    body = {"customer": customer, "name": "VAT"}
    for percent, since in (("16", "2020-07-01"), ("19", "2021-01-01")):
        api.made("customer-tax-rates", {**body, "percent": percent, "valid_from": since})
    rows = api.get("customer-tax-rates", {"customer": customer}).json()["results"]
    assert {row["valid_from"] for row in rows} == {"2020-07-01", "2021-01-01"}
    for day, percents in (("2020-06-30", []), ("2020-12-31", ["16"]), ("2026-01-01", ["19"])):
        found = api.get("customer-tax-rates", {"on": day}).json()["results"]
        assert [row["percent"] for row in found] == percents
    bad = api.post("customer-tax-rates", {**body, "percent": "101"})
    assert {error["field"] for error in bad.json()["errors"]} == {"valid_from", "percent"}
    gone = api.call("delete", f"customer-tax-rates/{rows[0]['id']}")
    assert gone.status_code == 204


def test_the_page_says_which_holds_which_is_past_and_which_is_to_come(db: None) -> None:
    company = make_tenant("Pages")
    client = Client()
    client.force_login(make_member(company, role="finance"))
    with tenant_context(company.id):
        customer = taxed()
    to = reverse("billing:customer-tax", args=[customer.id])
    assert "In force" in client.get(to).content.decode()
    form = {"treatment": "taxable", "name": "VAT"}
    for percent, since in (("16", "2020-07-01"), ("25", "2099-01-01")):
        client.post(to, {**form, "percent": percent, "valid_from": since})
    page = client.get(to).content.decode()
    assert page.index("To come") < page.index("In force") < page.index("Past")
    wrong = client.post(to, {**form, "percent": "1", "valid_from": "2026-02-31"})
    assert wrong.status_code == 422
    overview = client.get(reverse("customers:detail", args=[customer.id])).content.decode()
    assert to in overview
    with tenant_context(company.id):
        rate = CustomerTaxRate.objects.get(valid_from="2099-01-01")
    gone = client.post(reverse("billing:customer-tax-remove", args=[rate.id]), follow=True)
    assert "To come" not in gone.content.decode()
