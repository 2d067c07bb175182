"""A tax rate holds from a day on: each line has the rate of its own tax date."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice, TaxRate
from billing.services import taxing
from billing.services.drafts import create_one_off
from billing.services.invoicing import issue_invoice, recalculate_invoices
from billing.services.reissue import void_and_reissue
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.kernel.decimals import plain
from monetization.kernel.period import Period
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_member, make_tenant
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer
from tests.integration.api.conftest import Api

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH = date(2026, 3, 1)


def rate(percent: str, since: date | None = None, country: str = "DE", **more: Any) -> TaxRate:
    entity = LegalEntity.objects.get(is_default=True)
    return taxing.set_tax_rate(
        legal_entity_id=entity.id, category="standard", country=country, now=NOW,
        valid_from=since,
        **{"treatment": "taxable", "name": "VAT", "percent": Decimal(percent), **more},
    )  # fmt: skip


def german() -> Any:
    return make_customer(country="DE")


def percents(invoice: Invoice) -> dict[str, str]:
    rows = invoice.lines.values_list("item_key", "tax_percent")
    return {key: plain(percent) for key, percent in rows}


def test_each_line_has_the_rate_of_its_own_tax_date(tenant: Any) -> None:
    # From March on 16 %: March paid ahead has it, February's usage billed in March has not.
    rate("19")
    rate("16", MARCH)
    schedule = billed(deal(PLATFORM, CALLS), now=NOW, customer=german())
    assert percents(schedule.invoices.get(bill_on=date(2026, 2, 1))) == {
        "platform": "19", "calls": "19",
    }  # fmt: skip
    march = schedule.invoices.get(bill_on=MARCH)
    assert percents(march) == {"platform": "16", "calls": "19"}
    assert march.tax_amount == Decimal("80.00")


def test_a_rate_to_come_changes_nothing_before_its_day(tenant: Any) -> None:
    rate("19")
    schedule = billed(deal(PLATFORM), now=NOW, customer=german())
    march = schedule.invoices.get(bill_on=MARCH)
    rate("21", date(2026, 4, 1))
    assert recalculate_invoices(invoice_ids=[march.id], now=NOW) == []
    rate("20", MARCH)
    [change] = recalculate_invoices(invoice_ids=[march.id], now=NOW)
    assert [each.cause for each in change.changes] == ["tax"]
    assert percents(march) == {"platform": "20"}


def test_a_country_whose_rate_begins_later_has_that_of_all_the_others_until_then(
    tenant: Any,
) -> None:
    rate("5", country="")
    rate("19", date(2026, 2, 1))
    schedule = billed(deal(PLATFORM), now=NOW, customer=german())
    days = (date(2026, 1, 1), date(2026, 2, 1))
    assert [percents(schedule.invoices.get(bill_on=day))["platform"] for day in days] == ["5", "19"]


def test_an_invoice_drafted_again_has_the_rate_of_its_day(tenant: Any) -> None:
    rate("19")
    schedule = billed(deal(PLATFORM), now=NOW, customer=german())
    february = schedule.invoices.get(bill_on=date(2026, 2, 1))
    issued = issue_invoice(invoice_id=february.id, issued_on=date(2026, 3, 3), now=NOW)
    rate("16", MARCH)
    again = void_and_reissue(invoice_id=issued.id, reason="address", now=NOW)
    assert percents(again) == {"platform": "19"}


def test_what_is_issued_keeps_its_rate_and_the_books_agree(tenant: Any) -> None:
    rate("19")
    schedule = billed(deal(PLATFORM), now=NOW, customer=german())
    draft = schedule.invoices.get(bill_on=MARCH)
    issued = issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=NOW)
    rate("16", MARCH)
    assert recalculate_invoices(invoice_ids=[issued.id], now=NOW) == []
    assert percents(issued) == {"platform": "19"}
    books = Books()
    for id, check in CHECKS.items():
        if id.startswith(("I02", "I03", "I16.1", "I17")):
            assert not check.run(books).differing, (id, check.name)


@pytest.mark.parametrize(("point", "percent"), [("earlier", "19"), ("service_end", "16")])
def test_what_is_billed_ahead_has_the_rate_of_the_day_the_entity_chose(
    tenant: Any, point: str, percent: str
) -> None:
    # A year billed on 1 March; from July on the rate is another.
    rate("19")
    rate("16", date(2026, 7, 1))
    taxing.set_tax_method(
        legal_entity_id=LegalEntity.objects.get(is_default=True).id,
        method="per_line", prices_include_tax=False, tax_point=point, now=NOW,
    )  # fmt: skip
    year = Period(MARCH, date(2027, 3, 1))
    entries = [ManualEntry("Support", amount=Decimal(100), service=year)]
    draft = create_one_off(customer_id=german().id, bill_on=MARCH, entries=entries, now=NOW)
    assert plain(draft.lines.get().tax_percent) == percent


def test_a_rate_of_the_same_day_is_written_anew_and_taken_back(tenant: Any) -> None:
    rate("19")
    rate("16", MARCH)
    later = rate("15", MARCH)
    assert TaxRate.objects.count() == 2
    schedule = billed(deal(PLATFORM), now=NOW, customer=german())
    march = schedule.invoices.get(bill_on=MARCH)
    assert percents(march) == {"platform": "15"}
    taxing.remove_tax_rate(rate_id=later.id, now=NOW)
    recalculate_invoices(invoice_ids=[march.id], now=NOW)
    assert percents(march) == {"platform": "19"}
    with pytest.raises(taxing.TaxInvalid, match=r"^valid_from:"):
        rate("15", date(1066, 10, 14))


def test_history_and_what_is_to_come_are_read_over_rest(db: None) -> None:
    company = make_tenant("Rest")
    api = Api(company)
    with tenant_context(company.id):
        entity = str(LegalEntity.objects.get(is_default=True).id)
    body = {"legal_entity": entity, "country": "DE", "name": "VAT"}
    for percent, since in (("19", None), ("16", "2020-07-01"), ("19", "2021-01-01")):
        api.made("tax-rates", {**body, "percent": percent, "valid_from": since})
    rows = api.get("tax-rates").json()["results"]
    assert {row["valid_from"] for row in rows} == {None, "2020-07-01", "2021-01-01"}
    for day, percent in (("2020-06-30", "19"), ("2020-07-01", "16"), ("2026-01-01", "19")):
        [found] = api.get("tax-rates", {"on": day}).json()["results"]
        assert found["percent"] == percent
    bad = api.post("tax-rates", {**body, "percent": "1", "valid_from": "soon"})
    assert [error["field"] for error in bad.json()["errors"]] == ["valid_from"]


def test_the_page_says_which_rate_holds_which_is_past_and_which_is_to_come(db: None) -> None:
    company = make_tenant("Pages")
    client = Client()
    client.force_login(make_member(company, role="owner"))
    with tenant_context(company.id):
        entity = LegalEntity.objects.get(is_default=True)
    form = {"category": "standard", "country": "DE", "treatment": "taxable", "name": "VAT"}
    to = reverse("billing:tax-rate", args=[entity.id])
    for percent, since in (("19", ""), ("16", "2020-07-01"), ("25", "2099-01-01")):
        client.post(to, {**form, "percent": percent, "valid_from": since})
    page = client.get(reverse("billing:tax-settings")).content.decode()
    assert page.index("To come") < page.index("In force") < page.index("Past")
    wrong = client.post(to, {**form, "percent": "1", "valid_from": "2026-02-31"})
    assert wrong.status_code == 422
