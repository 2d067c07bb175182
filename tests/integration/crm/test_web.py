"""Bringing and taking CRM files in the browser; opportunities and their quotes."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from crm.models import CrmImport
from crm.services.records import save_record
from monetization.customers.models import Customer
from monetization.jobs.models import Job
from quotes.models import Opportunity, Quote
from tests.integration.crm.conftest import NOW, SOURCE, run, written
from tests.integration.quotes.conftest import browser, fields_of, make_quote

Inside = Callable[[], Any]
ACCOUNTS = written(
    ("Account ID", "Account Name", "Country Code"),
    ("001A", "Acme", "US"),
    ("001B", "<b>Borg</b>", "USA"),
)


@pytest.fixture
def revops(company: Any) -> Client:
    return browser(company, "revops")


def upload(client: Client, content: bytes = ACCOUNTS, kind: str = "accounts") -> Any:
    file = SimpleUploadedFile("from-crm.csv", content, "text/csv")
    return client.post("/crm/", {"kind": kind, "source": "Salesforce", "file": file})


def test_a_file_is_mapped_by_its_names_judged_and_taken_in(revops: Client, inside: Inside) -> None:
    address = upload(revops).headers["Location"]
    page = revops.get(address)
    body = page.content.decode()

    assert '<option value="Account Name" selected>' in body
    assert "1 of these 2 would be rejected" in body
    assert "must be a code of 2 letters" in body
    assert "<b>Borg</b>" not in body
    with inside():
        assert not Customer.objects.exists()

    started = revops.post(address, {**mapping(page), "action": "start"})
    again = revops.post(address, {**mapping(page), "action": "start"})
    with inside():
        job = Job.objects.get(kind="crm.import")
        assert started.headers["Location"] == again.headers["Location"] == f"/jobs/{job.id}"
        run(job)
        assert [one.name for one in Customer.objects.all()] == ["Acme"]

    result = revops.get(f"/crm/jobs/{job.id}/result").content.decode()
    assert "2 rows: 1 created, 1 rejected." in result
    rejects = revops.get(f"/crm/jobs/{job.id}/rejects.csv")
    rows = list(csv.reader(io.StringIO(rejects.getvalue().decode("utf-8-sig"))))
    assert rows == [
        ["line", "field", "reason", "Account ID", "Account Name", "Country Code"],
        ["3", "country", "must be a code of 2 letters", "001B", "<b>Borg</b>", "USA"],
    ]


def mapping(page: Any) -> dict[str, str]:
    return {name: value for name, value in page.context["form"].data.items() if name != "action"}


def test_the_rejects_come_in_again_once_they_are_mended(revops: Client, inside: Inside) -> None:
    mended = written(
        ("line", "field", "reason", "Account ID", "Account Name"), ("3", "x", "y", "001B", "Borg")
    )
    address = upload(revops, mended).headers["Location"]

    assert "All of these come in" in revops.get(address).content.decode()


@pytest.mark.parametrize(
    ("content", "said"), [(b"x", "has no rows"), (b"a,a\n1,2\n", "two columns called")]
)
def test_a_file_that_cannot_be_read_is_refused_at_its_field(
    revops: Client, content: bytes, said: str
) -> None:
    answer = upload(revops, content)

    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_a_mapping_without_an_id_is_refused_at_its_field(revops: Client) -> None:
    address = upload(revops).headers["Location"]

    answer = revops.post(address, {"name": "Account Name", "action": "start"})

    assert answer.status_code == 422
    assert "Choose the column that has the record" in answer.content.decode()


def test_every_kind_goes_out_in_its_columns(revops: Client, inside: Inside) -> None:
    with inside():
        save_record("accounts", SOURCE, {"external_id": "001", "name": "=Acme"}, NOW)
    page = revops.get("/crm/").content.decode()
    assert "with the ids of salesforce" in page

    file = revops.get("/crm/export/accounts.csv?source=salesforce").getvalue().decode("utf-8-sig")
    header, row = csv.reader(io.StringIO(file))
    assert dict(zip(header, row, strict=True)) | {"id": ""} == {
        "external_id": "001",
        "id": "",
        "name": "'=Acme",
        "legal_name": "",
        "currency": "USD",
        "country": "",
        "address": "",
        "time_zone": "UTC",
        "payment_terms_days": "30",
        "tax_id": "",
        "tax_treatment": "taxable",
        "tax_name": "",
        "tax_percent": "0",
        "purchase_order": "",
    }
    for kind in ("contacts", "opportunities", "quotes"):
        assert revops.get(f"/crm/export/{kind}.csv").status_code == 200
    assert revops.get("/crm/export/invoices.csv").status_code == 404


def test_who_may_not_see_or_write_a_kind_does_not(company: Any, inside: Inside) -> None:
    engineer, finance = browser(company, "engineer"), browser(company, "finance")

    assert upload(engineer).status_code == 422
    assert upload(finance, kind="quotes").status_code == 422
    assert engineer.get("/crm/export/quotes.csv").status_code == 404
    assert engineer.get("/crm/opportunities/").status_code == 403
    address = upload(finance).headers["Location"]
    assert engineer.get(address).status_code == 404
    with inside():
        assert CrmImport.objects.count() == 1


def test_an_opportunity_shows_its_quotes_and_the_quote_its_opportunity(
    revops: Client, inside: Inside
) -> None:
    with inside():
        acme = save_record("accounts", SOURCE, {"external_id": "001", "name": "Acme"}, NOW).row
        deal = {"external_id": "006", "account": "001", "name": "Platform", "stage": "Proposal"}
        save_record("opportunities", SOURCE, deal, NOW)
        opportunity = Opportunity.objects.get()
        ours = make_quote("Ours", acme)
    listed = revops.get("/crm/opportunities/?q=acme&outcome=open").content.decode()
    assert "Platform" in listed
    assert "none" in listed
    at = f"/crm/opportunities/{opportunity.id}"
    assert "No quote yet" in revops.get(at).content.decode()

    revops.post(f"{at}/link", {"quote": ours.number})
    form = fields_of(
        revops.get(f"/quotes/new/?customer={acme.id}&opportunity={opportunity.id}"), ""
    )
    made = revops.post("/quotes/new/", {**form, "title": "New", "start_on": "2027-01-01"})

    assert made.status_code == 302
    body = revops.get(at).content.decode()
    assert "Ours" in body
    assert "New" in body
    page = revops.get(f"/quotes/{ours.id}/").content.decode()
    assert "Platform" in page
    assert "Proposal" in page
    assert "001" in revops.get(f"/customers/{acme.id}").content.decode()
    with inside():
        assert set(Quote.objects.values_list("opportunity", flat=True)) == {opportunity.id}


def test_another_companys_files_and_opportunities_are_not_there(
    revops: Client, company: Any, inside: Inside, make_tenant: Callable[..., Any]
) -> None:
    address = upload(revops).headers["Location"]
    with inside():
        save_record("accounts", SOURCE, {"external_id": "001", "name": "Acme"}, NOW)
        deal = {"external_id": "006", "account": "001", "name": "Platform"}
        opportunity = save_record("opportunities", SOURCE, deal, NOW).row
    stranger = browser(make_tenant("Borg"), "owner")

    assert stranger.get(address).status_code == 404
    assert stranger.get(f"/crm/opportunities/{opportunity.id}").status_code == 404
    assert b"Acme" not in stranger.get("/crm/export/accounts.csv?source=salesforce").getvalue()
