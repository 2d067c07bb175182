"""Templates, mail texts and electronic invoices, over REST and on the pages."""

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from PIL import Image
from pypdf import PdfReader

from billing.services import delivery
from billing.services.corrections import credit_invoice
from billing.services.invoicing import issue_invoice
from monetization.documents import renderer
from monetization.events.models import Event
from monetization.mail.models import OutgoingMail
from monetization.mail.services import files_of
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from tests.factories import make_member, make_tenant
from tests.factories_billing import PLATFORM, billed, deal, make_customer
from tests.integration.api.conftest import Api
from tests.unit.billing.test_electronic import check_ubl

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
BACKEND = "django.contrib.auth.backends.ModelBackend"
SELLER = {
    "street": "Hafen 1", "city": "Hamburg", "postal_code": "20457", "endpoint_scheme": "0088",
    "endpoint_id": "7300010000001", "iban": "DE02 1203 0000 0000 2020 51",
}  # fmt: skip
BUYER = {
    "endpoint_scheme": "0106", "endpoint_id": "12345678", "buyer_reference": "B-7",
    "city": "Delft", "postal_code": "2611",
}  # fmt: skip


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def api(company: Any) -> Api:
    return Api(company)


@pytest.fixture
def inside(company: Any) -> Callable[[], Any]:
    return lambda: tenant_context(company.id, actor="test")


@pytest.fixture
def template(api: Api) -> str:
    rows = api.get("document-templates").json()["results"]
    return f"document-templates/{rows[0]['legal_entity']}"


@pytest.fixture
def issued(inside: Any) -> Any:
    """An invoice of 500.00 and 105.00 VAT to a Dutch customer, issued in March."""
    with inside():
        LegalEntity.objects.update(country="FR", tax_id="FR 12 345678901")
        customer = make_customer(
            "Acme", "EUR", address="Kade 2\nDelft", country="NL", tax_id="NL123456789B01",
            tax_name="VAT", tax_percent=Decimal(21),
        )  # fmt: skip
        customer.contacts.create(name="Ann", email="ann@acme.example", is_primary=True)
        schedule = billed(deal(PLATFORM, currency="EUR"), now=NOW, customer=customer)
        draft = schedule.invoices.get(bill_on=date(2026, 3, 1))
        return issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=NOW)


def picture() -> str:
    written = BytesIO()
    Image.new("RGB", (60, 20), "navy").save(written, format="PNG")
    return base64.b64encode(written.getvalue()).decode()


class TestTemplates:
    def test_a_template_is_shown_changed_and_told_to_the_stream(
        self, api: Api, template: str, inside: Any
    ) -> None:
        before = api.get(template).json()
        assert (before["language"], before["electronic_format"]) == ("en", "none")

        after = api.made(
            template,
            {"language": "de", "iban": "de02 1203 0000 0000 2020 51", "footer": "Danke",
             "invoice_numbers": {"prefix": "RE-", "digits": 5}},
            method="patch", status=200,
        )  # fmt: skip

        assert (after["language"], after["iban"]) == ("de", "DE02120300000000202051")
        assert (after["footer"], after["invoice_numbers"]) == (
            "Danke",
            {"prefix": "RE-", "digits": 5},
        )
        assert after["number_format"] == before["number_format"]
        with inside():
            told = Event.objects.filter(type="legal_entity.changed").values_list("data", flat=True)
            assert "documents: language, iban, invoice numbers" in [row["changed"] for row in told]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"accent_color": "red; }"}, "accent_color"),
            ({"iban": "DE02120300000000202052"}, "iban"),
            ({"bic": "NOPE"}, "bic"),
            ({"endpoint_scheme": "0088"}, "endpoint_id"),
            ({"endpoint_scheme": "0088", "endpoint_id": "1"}, "endpoint_id"),
            ({"registration_scheme": "KVK"}, "registration_scheme"),
            ({"invoice_numbers": {"prefix": "A1", "digits": 5}}, "invoice_prefix"),
        ],
    )
    def test_what_cannot_be_is_refused_by_its_field(
        self, api: Api, template: str, body: Any, field: str
    ) -> None:
        answer = api.call("patch", template, body)

        assert answer.status_code == 409
        assert answer.json()["detail"].startswith(f"{field}: ")

    @pytest.mark.pdf
    def test_a_logo_is_set_printed_and_taken_away(self, api: Api, template: str) -> None:
        assert api.made(f"{template}/logo", {"content": picture()}, method="put", status=200)[
            "has_logo"
        ]
        pdf = PdfReader(BytesIO(api.get(f"{template}/sample").content))
        assert len(pdf.pages[0].images) == 1

        assert not api.made(f"{template}/logo", {"content": None}, method="put", status=200)[
            "has_logo"
        ]
        bad = api.call("put", f"{template}/logo", {"content": "PHN2Zy8+"})
        assert (bad.status_code, bad.json()["code"]) == (409, "logo_not_usable")

    @pytest.mark.parametrize("kind", ["invoice", "credit_note", "statement"])
    @pytest.mark.pdf
    def test_every_kind_of_document_has_a_sample(self, api: Api, template: str, kind: str) -> None:
        api.made(
            template, {"language": "fr", "usage_appendix": "pages"}, method="patch", status=200
        )

        answer = api.client.get(f"/api/v1/{template}/sample?kind={kind}", headers=api.headers)

        assert answer["Content-Type"] == "application/pdf"
        assert "Exemple" in PdfReader(BytesIO(answer.content)).pages[0].extract_text()


def test_another_companys_templates_are_not_there(api: Api, template: str, issued: Any) -> None:
    stranger = Api(make_tenant("Borg"))

    assert stranger.get("document-templates").json()["results"][0]["name"] == "Borg, Inc."
    for path in (template, f"{template}/sample", f"{template}/mail-texts"):
        assert stranger.get(path).status_code == 404
    assert stranger.call("patch", template, {"city": "x"}).status_code == 404
    assert stranger.get(f"invoices/{issued.id}/xml").status_code == 404
    assert stranger.get(f"invoices/{issued.id}/usage").status_code == 404
    assert stranger.get(f"customers/{issued.customer_id}/documents").status_code == 404


class TestMailTexts:
    def test_own_words_go_out_with_their_fields_and_run_nothing(
        self, api: Api, template: str, issued: Any, inside: Any
    ) -> None:
        made = api.made(
            f"{template}/mail-texts/invoice",
            {
                "subject": "Your {{ number }}",
                "body": "Hi {{ contact_name }},\n\n{{ total }} by {{ due_on }}.\n\n"
                "{{ bank_details }}",
            },
            method="put",
            status=200,
        )
        assert made["is_own"]
        with inside():
            issued.customer.contacts.update(name="{{ total }} {% now %}")
            delivery.send_invoice(invoice_id=issued.id, now=NOW)
            mail = OutgoingMail.objects.get()

        assert mail.subject == "Your NW-INV-000001"
        assert mail.text == "Hi {{ total }} {% now %},\n\n€605.00 by 2 Apr 2026."

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"subject": "x", "body": "{{ secret }}"}, "body: there is no field secret"),
            ({"subject": "{{7*7}}", "body": "x"}, "subject: a field is written"),
            ({"subject": "x", "body": "{% load x %}"}, "body: a field is written"),
            ({"subject": "", "body": "x"}, "subject: write something"),
        ],
    )
    def test_fields_that_do_not_exist_are_refused_by_name(
        self, api: Api, template: str, body: Any, words: str
    ) -> None:
        answer = api.call("put", f"{template}/mail-texts/invoice", body)

        assert answer.status_code == 409
        assert answer.json()["detail"].startswith(words)

    def test_our_words_follow_the_customers_language(
        self, api: Api, issued: Any, inside: Any
    ) -> None:
        api.made(
            f"customers/{issued.customer_id}/documents", {"language": "nl"}, method="patch",
            status=200,
        )  # fmt: skip
        with inside():
            delivery.send_invoice(invoice_id=issued.id, now=NOW)
            assert OutgoingMail.objects.get().text == (
                "Beste Ann,\n\nbijgaand vindt u factuur NW-INV-000001 van €605.00, te betalen "
                "uiterlijk 2 apr 2026.\n\nMet vriendelijke groet,\nNorthwind Software, Inc.\n"
            )


@pytest.mark.pdf
class TestElectronic:
    def fill_in(self, api: Api, template: str, issued: Any, **more: str) -> None:
        api.made(template, {**SELLER, **more}, method="patch", status=200)
        api.made(f"customers/{issued.customer_id}/documents", BUYER, method="patch", status=200)

    def test_what_is_missing_is_said_before_anything_is_sent(
        self, api: Api, template: str, issued: Any, inside: Any
    ) -> None:
        api.made(template, {"electronic_format": "ubl"}, method="patch", status=200)

        answer = api.post(f"invoices/{issued.id}/send")

        assert answer.json()["code"] == "electronic_invoice_incomplete"
        for words in ("the seller's street", "the customer's electronic address", "reference"):
            assert words in answer.json()["detail"]
        with inside():
            assert not OutgoingMail.objects.exists()

    def test_ubl_goes_out_beside_the_pdf_and_its_sums_tie(
        self, api: Api, template: str, issued: Any, inside: Any
    ) -> None:
        self.fill_in(api, template, issued, electronic_format="ubl")

        api.made(f"invoices/{issued.id}/send", status=200)

        root = check_ubl(api.get(f"invoices/{issued.id}/xml").content)
        assert root.findtext("{*}LegalMonetaryTotal/{*}PayableAmount") == "605.00"
        assert root.findtext("{*}BuyerReference") == "B-7"
        assert root.findtext(".//{*}PayeeFinancialAccount/{*}ID") == "DE02120300000000202051"
        with inside():
            mail = OutgoingMail.objects.get()
            assert [file.filename for file in files_of(mail)] == [
                "NW-INV-000001.pdf",
                "NW-INV-000001.xml",
            ]

    def test_the_file_is_kept_as_it_was_sent(
        self, api: Api, template: str, issued: Any, inside: Any
    ) -> None:
        self.fill_in(api, template, issued)
        first = api.get(f"invoices/{issued.id}/xml").content
        api.made(template, {"street": "Elsewhere 9"}, method="patch", status=200)

        assert api.get(f"invoices/{issued.id}/xml").content == first

    def test_factur_x_is_inside_an_archivable_pdf_that_says_so(
        self, api: Api, template: str, issued: Any
    ) -> None:
        self.fill_in(api, template, issued, electronic_format="factur_x")

        pdf = api.get(f"invoices/{issued.id}/pdf").content

        reader = PdfReader(BytesIO(pdf))
        root: Any = reader.trailer["/Root"]
        metadata = root["/Metadata"].get_data()
        assert list(reader.attachments) == ["factur-x.xml"]
        assert root["/AF"][0].get_object()["/AFRelationship"] == "/Alternative"
        assert b'pdfaid:part="3"' in metadata
        assert b"<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in metadata
        embedded = ElementTree.fromstring(reader.attachments["factur-x.xml"][0])  # noqa: S314
        assert embedded.findtext(".//{*}DuePayableAmount") == "605.00"
        assert (
            reader.attachments["factur-x.xml"][0]
            == api.get(f"invoices/{issued.id}/xml", {"syntax": "cii"}).content
        )
        assert pdf == api.get(f"invoices/{issued.id}/pdf").content

    def test_factur_x_too_is_the_same_bytes_every_time(
        self, api: Api, template: str, issued: Any, inside: Any
    ) -> None:
        self.fill_in(api, template, issued, electronic_format="factur_x")
        with inside():
            first = delivery._with_xml(issued)
            with renderer._worker() as worker:
                worker.stop()
            assert delivery._with_xml(issued) == first

    def test_a_credit_note_is_a_ubl_credit_note(
        self, api: Api, template: str, issued: Any, inside: Any
    ) -> None:
        self.fill_in(api, template, issued, electronic_format="ubl")
        with inside():
            note = credit_invoice(
                invoice_id=issued.id, reason="Outage", issued_on=date(2026, 3, 3), now=NOW
            )
        api.made(f"credit-notes/{note.id}/send", status=200)

        root = check_ubl(api.get(f"credit-notes/{note.id}/xml").content)

        assert root.tag.endswith("CreditNote")
        assert root.findtext(".//{*}InvoiceDocumentReference/{*}ID") == "NW-INV-000001"
        with inside():
            assert len(files_of(OutgoingMail.objects.get())) == 2

    def test_a_draft_has_no_electronic_form(self, api: Api, issued: Any, inside: Any) -> None:
        draft = api.get("invoices", {"status": "draft"}).json()["results"][0]

        answer = api.get(f"invoices/{draft['id']}/xml")

        assert (answer.status_code, answer.json()["code"]) == (409, "invoice_has_no_number")


class TestPages:
    @pytest.fixture
    def owner(self, company: Any) -> Client:
        client = Client()
        client.force_login(make_member(company, "owner"), backend=BACKEND)
        return client

    def form(self, **changes: str) -> dict[str, str]:
        return {
            "accent_color": "#123456", "language": "de", "number_format": "de_DE",
            "date_style": "long", "page_size": "A4", "usage_appendix": "none",
            "electronic_format": "none", "invoice_prefix": "", "invoice_digits": "6",
            "credit_note_prefix": "", "credit_note_digits": "6", **changes,
        }  # fmt: skip

    def here(self, template: str) -> str:
        return f"/billing/settings/documents/{template.rpartition('/')[2]}/"

    def test_the_form_saves_and_the_sample_beside_it_follows(
        self, owner: Client, template: str, api: Api
    ) -> None:
        here = self.here(template)
        assert owner.get("/billing/settings/documents/", follow=True).status_code == 200

        tried = owner.post(f"{here}preview", self.form(invoice_prefix="RG-")).content.decode()
        assert "Rechnung" in tried
        assert "RG-000001" in tried
        assert api.get(template).json()["language"] == "en"

        assert owner.post(here, self.form(footer="Danke")).status_code == 302
        assert api.get(template).json()["footer"] == "Danke"
        assert "2. Februar 2026" in owner.get(here).content.decode()

    def test_a_refusal_stands_at_its_field(self, owner: Client, template: str) -> None:
        answer = owner.post(self.here(template), self.form(iban="DE00"))

        assert answer.status_code == 422
        assert "The check digits of the IBAN are wrong." in answer.content.decode()

    def test_hostile_words_are_text_in_the_sample(self, owner: Client, template: str) -> None:
        answer = owner.post(
            f"{self.here(template)}preview",
            self.form(footer="</iframe><script>alert(1)</script>{{ 7|add:7 }}"),
        ).content.decode()

        assert "<script>alert" not in answer
        assert 'sandbox=""' in answer

    def test_finance_reads_templates_and_only_owners_change_them(
        self, company: Any, template: str
    ) -> None:
        client = Client()
        client.force_login(make_member(company, "finance"), backend=BACKEND)
        here = self.here(template)

        assert client.get(here).status_code == 200
        assert client.post(here, self.form()).status_code == 403
        assert (
            client.post(f"{here}mails/invoice/", {"subject": "x", "body": "y"}).status_code == 403
        )

    def test_a_mail_text_is_previewed_saved_and_given_up(
        self, owner: Client, template: str, api: Api
    ) -> None:
        here = f"{self.here(template)}mails/reminder_late/"
        assert "7 days" in owner.get(here).content.decode()
        words = {"subject": "Late: {{ number }}", "body": "{{ days_late }}"}
        assert "Late: NW-INV-000001" in owner.post(f"{here}preview", words).content.decode()
        wrong = owner.post(f"{here}preview", {**words, "body": "{{ x }}"}).content.decode()
        assert "there is no field x" in wrong

        owner.post(here, words)
        rows = {row["kind"]: row for row in api.get(f"{template}/mail-texts").json()["results"]}
        assert rows["reminder_late"]["is_own"]
        owner.post(here, {**words, "reset": "yes"})
        rows = {row["kind"]: row for row in api.get(f"{template}/mail-texts").json()["results"]}
        assert not rows["reminder_late"]["is_own"]

    def test_the_mail_is_shown_before_it_is_sent_with_what_is_missing(
        self, owner: Client, issued: Any, template: str, api: Api
    ) -> None:
        api.made(template, {"electronic_format": "ubl"}, method="patch", status=200)
        draft = api.get("invoices", {"status": "draft"}).json()["results"][0]

        for invoice_id in (issued.id, draft["id"]):
            text = owner.get(f"/billing/invoices/{invoice_id}/mail").content.decode()
            assert "ann@acme.example" in text
            assert "Missing: the seller&#x27;s street" in text

    def test_files_of_an_invoice_are_on_its_page(
        self, owner: Client, issued: Any, template: str, api: Api
    ) -> None:
        page = f"/billing/invoices/{issued.id}/"
        assert "UBL, Peppol BIS 3" in owner.get(page).content.decode()
        refused = owner.get(f"{page}xml", follow=True).content.decode()
        assert "has no electronic form yet" in refused

        TestElectronic().fill_in(api, template, issued)
        answer = owner.get(f"{page}xml?syntax=cii")
        assert answer["Content-Disposition"] == 'attachment; filename="NW-INV-000001.cii.xml"'
        assert owner.get(f"/billing/customers/{issued.customer_id}/documents").status_code == 200
