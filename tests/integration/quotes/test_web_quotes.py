"""The list and the page of a quote: found, filtered, compared, sent, revised, exported."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from monetization.catalog.models import PriceVersion
from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from quotes import services
from quotes.models import OrderForm, Quote, QuoteVersion
from quotes.tasks import expire_quotes
from tests.factories_billing import make_customer
from tests.integration.quotes.conftest import browser, make_quote

Inside = Callable[[], Any]


def priced(quote: Quote, amount: str = "500") -> QuoteVersion:
    """Give a quote one platform line for a year."""
    version = quote.versions.order_by("-number")[0]
    listed = PriceVersion.objects.get(price__code="platform-usd")
    line = {"product": "platform", "price_version": str(listed.id)}
    line["model"] = {"model": "flat", "amount": amount}  # type: ignore[assignment]
    payload = {"phases": [{"name": "Year 1", "months": 12, "lines": [line]}]}
    return services.save_draft(version_id=version.id, payload=payload)


class TestList:
    def test_shows_the_latest_version_with_its_value_owner_and_expiry(
        self, revops: Client, inside: Inside
    ) -> None:
        with inside():
            quote = make_quote("Deal")
            priced(quote, "700")
            services.send_version(version_id=quote.versions.get().id, now=timezone.now())
            services.revise_quote(quote_id=quote.id, now=timezone.now())
        body = revops.get("/quotes/").content.decode()

        assert body.count("Deal</td>") == 1
        assert "$8,400.00" in body
        assert ">Draft</span>" in body

    def test_is_filtered_by_status_customer_and_text_in_the_address(
        self, revops: Client, inside: Inside
    ) -> None:
        with inside():
            acme, borg = make_customer("Acme"), make_customer("Borg")
            sent = make_quote("First", acme)
            priced(sent)
            services.send_version(version_id=sent.versions.get().id, now=timezone.now())
            make_quote("Second", borg)

        def found(query: str) -> list[str]:
            page = revops.get(f"/quotes/?{query}").context["page"]
            return sorted(row.quote.title for row in page)

        assert found("") == ["First", "Second"]
        assert found("status=sent") == ["First"]
        assert found(f"customer={borg.id}") == ["Second"]
        assert found("q=acm") == ["First"]
        assert found("q=q-0000") == ["First", "Second"]

    @pytest.mark.parametrize(
        "query",
        [
            "status=nonsense",
            "customer=x",
            "sort=password",
            "page=-3",
            "page=9999",
            "q=%00",
            "sort=-",
        ],
    )
    def test_an_address_that_makes_no_sense_still_shows_the_list(
        self, revops: Client, quote: Quote, query: str
    ) -> None:
        assert revops.get(f"/quotes/?{query}").status_code == 200

    @pytest.mark.parametrize("key", ["number", "-value", "value", "customer", "-expires", "status"])
    def test_is_sorted_by_any_column(self, revops: Client, quote: Quote, key: str) -> None:
        assert revops.get(f"/quotes/?sort={key}").context["sort"] == key

    def test_says_the_next_step_when_there_is_nothing(self, revops: Client) -> None:
        assert "Make the first quote" in revops.get("/quotes/").content.decode()
        assert "No quote matches" in revops.get("/quotes/?q=zzz").content.decode()

    def test_takes_the_same_number_of_queries_for_one_quote_and_for_many(
        self, revops: Client, inside: Inside, django_assert_max_num_queries: Any
    ) -> None:
        with inside():
            customer = make_customer()
            for number in range(12):
                priced(make_quote(f"Deal {number}", customer))
        with django_assert_max_num_queries(12):
            page = revops.get("/quotes/").context["page"]
        assert len(page) == 12

    def test_is_exported_as_filtered_and_no_name_runs_as_a_formula(
        self, revops: Client, inside: Inside
    ) -> None:
        with inside():
            priced(make_quote("=HYPERLINK(1)"))
        body = revops.get("/quotes/export.csv?status=draft").content.decode()

        assert "'=HYPERLINK(1)" in body
        assert ",6000.00," in body


class TestCreate:
    def test_a_quote_starts_in_the_builder_on_the_customers_terms(
        self, revops: Client, inside: Inside
    ) -> None:
        with inside():
            customer = make_customer(payment_terms_days=45)
        answer = revops.post(
            "/quotes/new/", {"customer": customer.id, "title": "New", "start_on": "2027-01-01"}
        )
        with inside():
            version = QuoteVersion.objects.get()
        assert answer["Location"] == f"/quotes/{version.quote_id}/edit/"
        assert version.payment_terms_days == 45

    @pytest.mark.parametrize(
        ("typed", "field"),
        [
            ({"title": ""}, "title"),
            ({"start_on": "2027-02-30"}, "start_on"),
            ({"customer": "x"}, "customer"),
        ],
    )
    def test_a_mistake_is_named_at_its_field(
        self, revops: Client, inside: Inside, typed: dict[str, str], field: str
    ) -> None:
        with inside():
            customer = make_customer()
        data = {"customer": customer.id, "title": "New", "start_on": "2027-01-01", **typed}
        answer = revops.post("/quotes/new/", data)

        assert answer.status_code == 422
        assert field in answer.context["form"].errors

    def test_another_companys_customer_cannot_be_chosen(
        self, revops: Client, make_tenant: Callable[..., Any]
    ) -> None:
        other = make_tenant("Stranger")
        with tenant_context(other.id, actor="test"):
            customer = make_customer("Theirs")
        data = {"customer": customer.id, "title": "New", "start_on": "2027-01-01"}
        assert revops.post("/quotes/new/", data).status_code == 422


class TestQuote:
    def test_is_sent_after_a_page_that_says_what_will_happen(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote)
        page = revops.get(f"/quotes/{quote.id}/send/").content.decode()
        assert "$6,000.00" in page
        assert "ann@example.com" in page

        shown = revops.post(f"/quotes/{quote.id}/send/", follow=True).content.decode()
        with inside():
            mail = OutgoingMail.objects.get()
        address = mail.text.split("\n")[-2]
        assert address in shown  # once, to copy
        assert address not in revops.get(f"/quotes/{quote.id}/").content.decode()

    def test_cannot_be_sent_before_it_is_complete(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        answer = revops.post(f"/quotes/{quote.id}/send/", follow=True)

        assert "at least one product" in answer.content.decode()
        with inside():
            assert QuoteVersion.objects.get().status == "draft"

    def test_sending_twice_sends_once(self, revops: Client, quote: Quote, inside: Inside) -> None:
        with inside():
            priced(quote)
        for _ in range(2):
            assert revops.post(f"/quotes/{quote.id}/send/").status_code == 302
        with inside():
            assert OutgoingMail.objects.count() == 1

    def test_a_new_link_ends_the_one_before(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote)
        refused = revops.post(f"/quotes/{quote.id}/new-link/", follow=True)
        assert "this one is draft" in refused.content.decode()
        first = revops.post(f"/quotes/{quote.id}/send/", follow=True).context["signing_address"]
        second = revops.post(f"/quotes/{quote.id}/new-link/", follow=True).context[
            "signing_address"
        ]
        paths = [address.partition("/sign/")[2] for address in (first, second)]

        assert [Client().get(f"/sign/{path}").status_code for path in paths] == [404, 200]
        with inside():
            assert OutgoingMail.objects.count() == 2

    def test_a_revision_says_what_changed(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote, "500")
        revops.post(f"/quotes/{quote.id}/send/")
        answer = revops.post(f"/quotes/{quote.id}/revise/")
        assert answer["Location"] == f"/quotes/{quote.id}/edit/"
        with inside():
            priced(quote, "450")

        page = revops.get(f"/quotes/{quote.id}/")
        changes = [(c.where, c.what) for c in page.context["changes"]]
        assert changes == [("", "Total contract value"), ("Year 1 · Platform", "Price")]
        body = page.content.decode()
        assert "$500.00" in body
        assert "$450.00" in body

        same = revops.get(f"/quotes/{quote.id}/?from=2&to=2")
        assert same.context["changes"] == ()
        odd = revops.get(f"/quotes/{quote.id}/?from=x&to=99")
        assert odd.status_code == 200

    def test_shows_the_evidence_of_the_signature_and_offers_billing(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote)
            address = services.send_version(version_id=quote.versions.get().id, now=timezone.now())
            form = services.sign_version(
                token=address.rpartition("/")[2],
                name="Ann Lee",
                email="ann@example.com",
                title="CFO",
                consent=True,
                ip_address="203.0.113.7",
                user_agent="Browser 7",
                now=timezone.now(),
            )
        assert form is not None
        body = revops.get(f"/quotes/{quote.id}/").content.decode()

        for text in ("203.0.113.7", "Browser 7", "Ann Lee, CFO", form.document_sha256):
            assert text in body
        assert "Order form signed" in body
        assert f"/order-forms/{form.id}/bill" in body
        for kind in ("sent", "signed"):
            answer = revops.get(f"/quotes/{quote.id}/versions/1/{kind}.pdf")
            assert answer.content.startswith(b"%PDF")
            assert "attachment" in answer["Content-Disposition"]

    @pytest.mark.pdf
    def test_shows_a_draft_as_it_would_be_printed(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote)
        answer = revops.get(f"/quotes/{quote.id}/versions/1/preview.pdf")

        assert answer.content.startswith(b"%PDF")
        for kind in ("sent", "signed", "other"):
            assert revops.get(f"/quotes/{quote.id}/versions/1/{kind}.pdf").status_code == 404
        assert revops.get(f"/quotes/{quote.id}/versions/9/preview.pdf").status_code == 404

    def test_takes_a_bounded_number_of_queries(
        self,
        revops: Client,
        quote: Quote,
        inside: Inside,
        django_assert_max_num_queries: Any,
    ) -> None:
        with inside():
            priced(quote)
        with django_assert_max_num_queries(28):
            revops.get(f"/quotes/{quote.id}/")

    def test_expires_once_nobody_can_sign_it_any_more(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote)
            version = quote.versions.get()
            services.send_version(version_id=version.id, now=timezone.now())
            yesterday = timezone.now().date() - timedelta(days=2)
            QuoteVersion.objects.filter(id=version.id).update(expires_on=yesterday)

        assert (expire_quotes(), expire_quotes()) == (1, 0)
        assert "Expired without a signature" in revops.get(f"/quotes/{quote.id}/").content.decode()


class TestSignedElsewhere:
    def post(self, client: Client, quote: Quote, **typed: Any) -> Any:
        data = {
            "signed_on": "2026-01-15",
            "signer_name": "Ann Lee",
            "signer_email": "ann@example.com",
            **typed,
        }
        return client.post(f"/quotes/{quote.id}/signed-elsewhere/", data)

    def test_takes_the_terms_over_with_the_signed_file(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote)
        file = SimpleUploadedFile("../../contract.pdf", b"%PDF-1.7 signed", "text/html")
        assert self.post(revops, quote, file=file).status_code == 302

        with inside():
            form = OrderForm.objects.select_related("document").get()
        assert bytes(form.document.content) == b"%PDF-1.7 signed"
        assert (form.document.filename, form.document.content_type) == (
            "contract.pdf",
            "application/pdf",
        )
        assert form.signed_at.date().isoformat() == "2026-01-15"
        assert self.post(revops, quote).status_code == 302  # once
        with inside():
            assert OrderForm.objects.count() == 1

    @pytest.mark.parametrize(
        ("typed", "field"),
        [
            ({"signed_on": "2999-01-01"}, "signed_on"),
            ({"signed_on": "2150-01-01"}, "signed_on"),
            ({"signer_email": "x"}, "signer_email"),
            ({"file": SimpleUploadedFile("x.pdf", b"<html>", "application/pdf")}, "file"),
            ({"file": SimpleUploadedFile("x.pdf", b"", "application/pdf")}, "file"),
        ],
    )
    def test_a_mistake_is_named_at_its_field(
        self, revops: Client, quote: Quote, inside: Inside, typed: dict[str, Any], field: str
    ) -> None:
        with inside():
            priced(quote)
        answer = self.post(revops, quote, **typed)

        assert answer.status_code == 422
        assert field in answer.context["form"].errors


PAGES = ("", "send/", "edit/", "signed-elsewhere/", "versions/1/preview.pdf")


class TestAccess:
    @pytest.mark.parametrize(
        ("role", "reads", "writes"),
        [
            ("revops", 200, 302),
            ("finance", 200, 403),
            ("auditor", 200, 403),
            ("engineer", 403, 403),
        ],
    )
    def test_depends_on_the_role(
        self, company: Any, quote: Quote, role: str, reads: int, writes: int
    ) -> None:
        client = browser(company, role)
        assert client.get("/quotes/").status_code == reads
        assert client.get("/quotes/export.csv").status_code == reads
        assert client.get(f"/quotes/{quote.id}/").status_code == reads
        assert client.post(f"/quotes/{quote.id}/revise/").status_code == writes
        assert client.post(f"/quotes/{quote.id}/send/").status_code == writes
        may_create = 200 if writes == 302 else 403
        assert client.get("/quotes/new/").status_code == may_create

    def test_readers_see_no_buttons_they_may_not_press(self, company: Any, quote: Quote) -> None:
        body = browser(company, "finance").get(f"/quotes/{quote.id}/").content.decode()
        assert "Send for signature" not in body

    def test_strangers_sign_in_first(self, quote: Quote) -> None:
        answer = Client().get(f"/quotes/{quote.id}/")
        assert answer.status_code == 302
        assert "/accounts/login/" in answer["Location"]

    def test_another_companys_quote_is_not_there(
        self, make_tenant: Callable[..., Any], quote: Quote
    ) -> None:
        stranger = browser(make_tenant("Stranger"))
        for path in PAGES:
            assert stranger.get(f"/quotes/{quote.id}/{path}").status_code == 404
        for path in ("send/", "revise/", "new-link/", "signed-elsewhere/"):
            assert stranger.post(f"/quotes/{quote.id}/{path}").status_code == 404
        assert quote.number not in stranger.get("/quotes/").content.decode()
