"""What customers receive: the same bytes every time, in their language, with nothing fetched."""

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

from billing.models import DocumentFile, Invoice
from billing.services import delivery
from billing.services.corrections import credit_invoice
from billing.services.invoicing import issue_invoice
from billing.services.numbering import NumberingInvalid, next_number, set_numbering
from billing.services.paper import recipient_of
from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.documents import fonts, renderer
from monetization.documents.logos import LogoNotUsable
from monetization.documents.models import Document
from monetization.documents.services import put_logo, render_pdf, template_of
from monetization.documents.stationery import Stationery
from monetization.mail.models import OutgoingMail
from monetization.mail.services import files_of
from monetization.tenancy.models import LegalEntity
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
ISSUED = date(2026, 3, 3)


def text_of(pdf: bytes) -> str:
    text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return re.sub(r"[\u00a0\u202f]", " ", text)


def font_names(pdf: bytes) -> set[str]:
    """Return the fonts a PDF has in it, without the mark of a subset."""
    pages: Any = PdfReader(BytesIO(pdf)).pages
    return {
        str(font.get_object()["/BaseFont"]).rpartition("+")[2]
        for page in pages
        for font in page["/Resources"]["/Font"].get_object().values()
    }


def use(calls: int, day: int) -> None:
    time = datetime(2026, 2, day, tzinfo=UTC)
    event = UsageEvent("t", f"e{day}", "api", "acme", time, {"n": Decimal(calls)})
    record_usage_events([event], now=NOW)


@pytest.fixture
def customer(tenant: Any) -> Any:
    found = make_customer(
        "Acme", "EUR", address="Main Street 1\n10115 Berlin", country="DE",
        tax_id="DE 111 222 333", tax_name="VAT", tax_percent=Decimal(19),
    )  # fmt: skip
    found.contacts.create(name="Ann", email="ann@acme.example", is_primary=True)
    return found


@pytest.fixture
def issued(customer: Any) -> Callable[[], Invoice]:
    """Issue the invoice of March: 500.00 for the platform, 1,500 calls in February."""

    def issue() -> Invoice:
        create_meter(
            key="calls", name="Calls", unit="calls", event_type="api", aggregation="sum",
            value_property="n", now=NOW,
        )  # fmt: skip
        use(1000, 10)
        use(500, 11)
        schedule = billed(deal(PLATFORM, CALLS, currency="EUR"), now=NOW, customer=customer)
        draft = schedule.invoices.get(bill_on=date(2026, 3, 1))
        return issue_invoice(invoice_id=draft.id, issued_on=ISSUED, now=NOW)

    return issue


def save_template(**values: Any) -> Any:
    template = template_of(LegalEntity.objects.get(is_default=True).id)
    for name, value in values.items():
        setattr(template, name, value)
    template.save()
    return template


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20)) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, "red").save(written, format=kind)
    return written.getvalue()


@pytest.mark.pdf
class TestPdf:
    def test_the_same_invoice_is_the_same_bytes_in_another_process(
        self, issued: Callable[[], Invoice]
    ) -> None:
        invoice = issued()
        first = delivery.render_invoice(invoice)
        with renderer._worker() as worker:
            worker.stop()

        again = delivery.render_invoice(invoice)

        assert first == again
        assert b"/CreationDate" not in first
        assert b"/ModDate" not in first

    def test_many_at_once_are_the_same_documents_as_one_by_one(
        self, issued: Callable[[], Invoice]
    ) -> None:
        first = issued()
        earlier = Invoice.objects.filter(schedule=first.schedule, status="draft", bill_on__lt=NOW)
        others = [issue_invoice(invoice_id=x.id, issued_on=ISSUED, now=NOW) for x in earlier]
        rows = [first, *others]
        assert len(rows) == 3
        alone = [delivery.render_invoice(row) for row in rows]

        delivery.ensure_documents(invoice_ids=[row.id for row in rows])

        for row, content in zip(rows, alone, strict=True):
            row.refresh_from_db()
            assert row.document is not None
            assert bytes(row.document.content) == content

    def test_it_is_tagged_has_a_language_and_a_title(self, issued: Callable[[], Invoice]) -> None:
        save_template(language="de")

        catalog: Any = PdfReader(BytesIO(delivery.render_invoice(issued()))).trailer["/Root"]

        metadata = catalog["/Metadata"].get_data()
        assert b'pdfuaid:part="1"' in metadata
        assert catalog["/MarkInfo"]["/Marked"]
        assert catalog["/Lang"] == "de"
        assert catalog["/StructTreeRoot"]
        assert b"Rechnung NW-INV-000001" in metadata

    def test_a_german_entity_writes_german_words_dates_and_numbers(
        self, issued: Callable[[], Invoice]
    ) -> None:
        save_template(language="de", number_format="de_DE", date_style="numeric", iban="DE02")

        text = text_of(delivery.render_invoice(issued()))

        for words in (
            "Rechnung NW-INV-000001", "Rechnung an", "03.03.2026", "640,00 €", "USt. 19 %",
            "121,60 €", "761,60 €", "Seite 1 von 1", "Bis 1.000", "IBAN",
        ):  # fmt: skip
            assert words in text, words

    def test_a_customer_may_have_another_language_than_the_entity(
        self, issued: Callable[[], Invoice], customer: Any
    ) -> None:
        recipient = recipient_of(customer)
        recipient.language = "fr"
        recipient.save()

        text = text_of(delivery.render_invoice(issued()))

        assert "Facture NW-INV-000001" in text
        assert "3 mars 2026" in text

    def test_hostile_text_and_logos_fetch_nothing_and_run_nothing(
        self, issued: Callable[[], Invoice], customer: Any
    ) -> None:
        entity = LegalEntity.objects.get(is_default=True)
        attack = (
            '{{7*7}} {% load x %} <link rel=attachment href="file:///etc/passwd">'
            '<img src="http://169.254.169.254/latest"><style>@import "http://localhost/x"</style>'
            "\"; } @page { background: url(file:///etc/passwd) } '"
        )
        for field in ("address", "footer", "bank_details"):
            setattr(entity, field, attack)
        entity.name = attack[:200]
        entity.save()
        customer.legal_name = attack[:200]
        customer.save()

        pdf = delivery.render_invoice(issued())

        text = text_of(pdf)
        assert "{{7*7}} {% load x %} <link" in text
        assert "root:" not in text
        assert PdfReader(BytesIO(pdf)).attachments == {}

    def test_no_address_but_data_is_ever_loaded(self, tmp_path: Any) -> None:
        secret = tmp_path / "secret.txt"
        secret.write_text("TOPSECRET")
        fetched = [
            f'<link rel=attachment href="file://{secret}">',
            f'<img alt="x" src="file://{secret}">',
            '<img alt="x" src="http://127.0.0.1:9/x">',
            f'<div style="background: url(file://{secret})">x</div>',
            '<style>@import url("http://127.0.0.1:9/x.css");</style>',
            f'<svg><image href="file://{secret}"/></svg>',
        ]

        pdf = renderer.lay_out(f"<html lang=en><title>t</title>{''.join(fetched)}<p>Seen</p>")

        assert "Seen" in text_of(pdf)
        assert PdfReader(BytesIO(pdf)).attachments == {}
        assert b"TOPSECRET" not in pdf

    def test_letters_of_all_of_europe_come_from_the_documents_own_font(self) -> None:
        """Two files under one family would print the glyphs of one for those of the other."""
        words = "Łódź Čeněk Größe Şişli ₺ 12,00"
        style = 'font-family: "Inter", "Inter Extended", "DejaVu Sans"'

        pdf = renderer.lay_out(
            f"<html lang=en><title>t</title><body style='{style}'>{words} <b>{words}</b>"
        )

        assert text_of(pdf).split() == [*words.split(), *words.split()]
        assert font_names(pdf) == {"Inter", "Inter-Bold", "Inter-Extended", "Inter-Extended-Bold"}

    def test_a_face_is_cut_once_for_all_processes(
        self, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.VAR_DIR = tmp_path
        fonts.faces.cache_clear()
        first = fonts.faces()
        fonts.faces.cache_clear()
        monkeypatch.setattr(fonts, "_cut", None)  # is not called again

        assert fonts.faces() == first
        assert {(face.family, face.weight) for face in first} == {
            (family, weight) for family in ("Inter", "Inter Extended") for weight in (400, 600, 700)
        }
        fonts.faces.cache_clear()

    def test_where_there_is_no_build_the_systems_fonts_do(
        self, tmp_path: Path, settings: Any
    ) -> None:
        settings.STATIC_DIST = tmp_path
        fonts.faces.cache_clear()

        pdf = renderer.lay_out("<html lang=en><title>t</title>Seen")

        assert "Seen" in text_of(pdf)
        fonts.faces.cache_clear()

    def test_what_takes_too_long_is_stopped_and_the_next_document_is_made(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(renderer, "TIME_LIMIT", 1.0)
        rows = "<tr><td>x</td><td>y</td></tr>" * 20_000

        with pytest.raises(renderer.PdfTooLarge, match="20 seconds"):
            renderer.lay_out(f"<html lang=en><title>t</title><table>{rows}</table>")

        monkeypatch.undo()
        assert renderer.lay_out("<html lang=en><title>t</title>ok").startswith(b"%PDF")

    def test_the_process_that_lays_out_knows_no_secrets(self, monkeypatch: Any) -> None:
        monkeypatch.setenv("SECRET_KEY", "hush")
        monkeypatch.setenv("DATABASE_URL", "postgres://secret")

        assert {"SECRET_KEY", "DATABASE_URL"}.isdisjoint(renderer._environment())

    def test_memory_is_bounded(self) -> None:
        probe = (
            "from monetization.documents import render_worker as w; w._limit_memory()\n"
            "try:\n b = bytearray(700 * 1024 * 1024); print('taken')\n"
            "except MemoryError:\n print('refused')"
        )
        found = subprocess.run(
            [renderer.sys.executable, "-c", probe],
            cwd=renderer._ROOT,
            capture_output=True,
            text=True,
        )
        assert found.stdout.strip() == "refused", found.stderr


@pytest.mark.pdf
class TestLogo:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    def test_a_picture_is_written_anew_and_printed(self, tenant: Any, kind: str) -> None:
        template = save_template()
        put_logo(template, picture(kind) + b"<script>alert(1)</script>")
        template.save()

        kept = bytes(Document.objects.get(id=template.logo_id).content)

        assert b"script" not in kept
        pdf = render_pdf(
            "documents/base_print.html", {"paper": Stationery(logo="data:image/png;base64,")}
        )
        assert pdf.startswith(b"%PDF")

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7",
            b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, b"x" * 500_001,
        ],
    )  # fmt: skip
    def test_what_is_no_picture_is_refused(self, tenant: Any, content: bytes) -> None:
        with pytest.raises(LogoNotUsable, match=r"^logo: must be"):
            put_logo(save_template(), content)

    def test_a_picture_that_unpacks_to_gigabytes_is_refused(self, tenant: Any) -> None:
        with pytest.raises(LogoNotUsable, match="pixels"):
            put_logo(save_template(), picture(size=(4001, 10)))


class TestNumbers:
    def test_a_prefix_changes_how_numbers_are_written_and_counting_goes_on(
        self, tenant: Any
    ) -> None:
        entity = LegalEntity.objects.get(is_default=True)
        first = next_number(entity, "invoice")
        set_numbering(legal_entity_id=entity.id, series="invoice", prefix="2026/R-", digits=4)

        assert [first, next_number(entity, "invoice")] == ["NW-INV-000001", "2026/R-0002"]

    @pytest.mark.parametrize("prefix", ["RE1", "A B", "ä-", "x" * 21, "-<b>-"])
    def test_a_prefix_that_could_write_two_numbers_alike_is_refused(
        self, tenant: Any, prefix: str
    ) -> None:
        entity = LegalEntity.objects.get(is_default=True)
        with pytest.raises(NumberingInvalid, match=r"^invoice_prefix: "):
            set_numbering(legal_entity_id=entity.id, series="invoice", prefix=prefix, digits=6)

    def test_two_series_never_share_a_prefix(self, tenant: Any) -> None:
        entity = LegalEntity.objects.get(is_default=True)
        set_numbering(legal_entity_id=entity.id, series="invoice", prefix="D-", digits=6)
        with pytest.raises(NumberingInvalid, match="another series"):
            set_numbering(legal_entity_id=entity.id, series="credit_note", prefix="D-", digits=6)


@pytest.mark.pdf
class TestUsage:
    def test_the_days_on_the_pages_add_up_to_what_is_billed(
        self, issued: Callable[[], Invoice]
    ) -> None:
        save_template(usage_appendix="pages")
        invoice = issued()

        text = text_of(delivery.render_invoice(invoice))

        assert "Usage detail" in text
        for words in ("10 Feb 2026", "1,000", "11 Feb 2026", "500", "Quantity billed", "1,500"):
            assert words in text, words
        assert "not their sum" not in text

    def test_a_file_beside_the_invoice_has_a_row_a_day_and_is_made_once(
        self, issued: Callable[[], Invoice]
    ) -> None:
        save_template(usage_appendix="file")
        invoice = issued()

        delivery.send_invoice(invoice_id=invoice.id, now=NOW)
        use(7_777, 12)
        again = delivery.ensure_usage_file(invoice)

        assert DocumentFile.objects.filter(invoice=invoice).count() == 1
        assert bytes(again.document.content).decode().splitlines() == [
            "invoice,line,meter,unit,day,quantity",
            "NW-INV-000001,API calls,Calls,calls,2026-02-10,1000",
            "NW-INV-000001,API calls,Calls,calls,2026-02-11,500",
        ]
        mail = OutgoingMail.objects.get()
        assert [file.filename for file in files_of(mail)] == [
            "NW-INV-000001.pdf",
            "NW-INV-000001.usage.csv",
        ]

    def test_usage_too_long_for_pages_goes_into_a_file(
        self, issued: Callable[[], Invoice], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("billing.services.paper.MAX_PAGE_ROWS", 1)
        save_template(usage_appendix="pages")
        invoice = issued()

        text = text_of(delivery.render_invoice(invoice))

        assert "The usage by day is in the file" in text
        assert [file.kind for file in delivery.ensure_files(invoice)] == ["usage"]


@pytest.mark.pdf
class TestCreditNote:
    def test_a_credit_note_is_written_and_mailed_in_the_entitys_language_once(
        self, issued: Callable[[], Invoice]
    ) -> None:
        save_template(language="nl", number_format="nl_NL")
        invoice = issued()
        note = credit_invoice(invoice_id=invoice.id, reason="Storing", issued_on=ISSUED, now=NOW)

        text = text_of(bytes(delivery.ensure_credit_note_document(note).content))
        for _ in range(2):
            delivery.send_credit_note(note_id=note.id, now=NOW)

        assert "Creditnota NW-CN-000001" in text
        assert "voor factuur NW-INV-000001" in text
        assert "€ 761,60" in text
        mail = OutgoingMail.objects.get()
        assert mail.subject == "Creditnota NW-CN-000001 van Northwind Software, Inc."
        assert "bij factuur NW-INV-000001: Storing" in mail.text
