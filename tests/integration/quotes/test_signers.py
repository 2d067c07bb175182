"""Several people sign in order; each leaves evidence that nobody can change unnoticed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from quotes import services
from quotes.models import OrderForm, Quote, QuoteVersion, SignatureEvidence, Signer
from tests.integration.quotes.conftest import browser
from tests.integration.quotes.test_web_quotes import priced

NOW = datetime.now(UTC).replace(microsecond=0)
Inside = Callable[[], Any]
GOOD = {"name": "Ann Lee", "email": "ann@example.com", "title": "CFO", "consent": "on"}
PEOPLE = [
    {"name": "Cy Fox", "email": "cy@example.com", "side": "customer"},
    {"name": "Sue Seller", "email": "sue@northwind.example", "side": "seller"},
]


@pytest.fixture
def version(company: Any, quote: Quote) -> Iterator[QuoteVersion]:
    """Ann signs first, then Cy, then Sue counter-signs."""
    with tenant_context(company.id, actor="rep@example.com"):
        priced(quote)
        found = quote.versions.get()
        services.save_draft(version_id=found.id, payload={"further_signers": PEOPLE})
        yield found


def send(version: QuoteVersion) -> str:
    return services.send_version(version_id=version.id, now=NOW).rpartition("/")[2]


def mailed_to(email: str) -> str:
    """The token in the last mail to somebody."""
    text = OutgoingMail.objects.filter(to=email, text__contains="/sign/").latest("id").text
    return str(text.partition("/sign/")[2].split()[0])


def sign(token: str, name: str, email: str, **changes: Any) -> OrderForm | None:
    details: dict[str, Any] = {
        "name": name,
        "email": email,
        "title": "",
        "consent": True,
        "ip_address": "203.0.113.7",
        "user_agent": "Browser",
        "now": NOW,
    }
    return services.sign_version(token=token, **{**details, **changes})


def sign_all(version: QuoteVersion) -> OrderForm:
    sign(send(version), "Ann Lee", "ann@example.com")
    sign(mailed_to("cy@example.com"), "Cy Fox", "cy@example.com")
    form = sign(mailed_to("sue@northwind.example"), "Sue Seller", "sue@northwind.example")
    assert form is not None
    return form


class TestOrder:
    def test_the_contract_is_in_force_once_everybody_has_signed(
        self, version: QuoteVersion
    ) -> None:
        first = send(version)
        assert not OutgoingMail.objects.filter(to="cy@example.com").exists()

        assert sign(first, "Ann Lee", "ann@example.com") is None
        version.refresh_from_db()
        assert version.status == "partially_signed"
        assert sign(mailed_to("cy@example.com"), "Cy Fox", "cy@example.com") is None
        form = sign(mailed_to("sue@northwind.example"), "Sue Seller", "sue@northwind.example")

        version.refresh_from_db()
        assert version.status == "accepted"
        assert form is not None
        assert form.signer_name == "Ann Lee"
        assert [row.name for row in SignatureEvidence.objects.order_by("sequence")] == [
            "Ann Lee",
            "Cy Fox",
            "Sue Seller",
        ]
        copies = OutgoingMail.objects.filter(subject__startswith="Signed").values_list("to")
        assert {to for (to,) in copies} == {
            "ann@example.com",
            "cy@example.com",
            "sue@northwind.example",
            "test@example.com" if "@" in version.quote.owner_label else "ann@example.com",
        }

    def test_the_counter_signer_signs_for_the_seller(self, version: QuoteVersion) -> None:
        sign_all(version)

        consents = SignatureEvidence.objects.order_by("sequence").values_list(
            "consent_text", "side"
        )
        assert ["seller" in text for text, _ in consents] == [False, False, True]

    def test_signing_twice_is_one_signature(self, version: QuoteVersion) -> None:
        first = send(version)
        for _ in range(2):
            sign(first, "Ann Lee", "ann@example.com")

        assert SignatureEvidence.objects.count() == 1
        assert Signer.objects.filter(status="invited").count() == 1

    def test_one_who_declines_ends_it_for_all(self, version: QuoteVersion) -> None:
        sign(send(version), "Ann Lee", "ann@example.com")
        second = mailed_to("cy@example.com")

        services.decline_version(token=second, reason="No budget", now=NOW)

        version.refresh_from_db()
        assert version.status == "declined"
        with pytest.raises(services.SigningLinkInvalid):
            sign(second, "Cy Fox", "cy@example.com")

    def test_a_quote_half_signed_expires(self, version: QuoteVersion) -> None:
        sign(send(version), "Ann Lee", "ann@example.com")
        version.refresh_from_db()
        over = version.expires_on + timedelta(days=1)

        assert services.expire_versions(today=over, now=NOW) == 1
        with pytest.raises(services.SigningLinkInvalid):
            sign(mailed_to("cy@example.com"), "Cy Fox", "cy@example.com")


class TestHandingOver:
    def test_somebody_else_signs_instead_and_the_old_link_is_over(
        self, version: QuoteVersion
    ) -> None:
        first = send(version)
        signer = Signer.objects.get(position=1)

        services.reassign_signer(
            signer_id=signer.id, name="Bo Ray", email="bo@example.com", now=NOW
        )

        with pytest.raises(services.SigningLinkInvalid):
            sign(first, "Ann Lee", "ann@example.com")
        sign(mailed_to("bo@example.com"), "Bo Ray", "bo@example.com")
        assert SignatureEvidence.objects.get().email == "bo@example.com"

    def test_who_has_signed_is_not_replaced(self, version: QuoteVersion) -> None:
        sign(send(version), "Ann Lee", "ann@example.com")

        with pytest.raises(services.SignerNotAsked):
            services.reassign_signer(
                signer_id=Signer.objects.get(position=1).id, name="B", email="b@b.co", now=NOW
            )

    def test_a_reminder_has_a_link_of_its_own_and_the_first_goes_on_working(
        self, version: QuoteVersion
    ) -> None:
        first = send(version)

        assert services.remind_signers(now=NOW + timedelta(days=2)) == 0
        assert services.remind_signers(now=NOW + timedelta(days=3)) == 1
        assert services.remind_signers(now=NOW + timedelta(days=4)) == 0

        assert mailed_to("ann@example.com") != first
        assert services.valid_link(token=first, now=NOW).signer.position == 1


class TestPages:
    @pytest.fixture
    def signer(self) -> Client:
        return Client(headers={"User-Agent": "Phone 9"})

    def test_after_signing_the_page_says_who_comes_next(
        self, version: QuoteVersion, signer: Client
    ) -> None:
        path = f"/sign/{send(version)}"

        page = signer.post(path, GOOD, follow=True).content.decode()

        assert "Thank you, you have signed" in page
        assert "Sue Seller" in page
        again = signer.get(path).content.decode()
        assert "Sign this order form" not in again

    def test_a_signer_asks_and_reads_the_answer(
        self, company: Any, version: QuoteVersion, signer: Client
    ) -> None:
        path = f"/sign/{send(version)}"

        assert signer.post(f"{path}/ask", {"text": ""}).status_code == 422
        signer.post(f"{path}/ask", {"text": "Is <b>support</b> included?"})
        ours = browser(company)
        ours.post(f"/quotes/{version.quote_id}/comment/", {"text": "Secret", "to": "us"})
        ours.post(f"/quotes/{version.quote_id}/comment/", {"text": "It is.", "to": "customer"})

        page = signer.get(path).content.decode()
        assert "Is &lt;b&gt;support" in page
        assert "It is." in page
        assert "Secret" not in page

    def test_a_signer_hands_over_to_a_colleague(
        self, version: QuoteVersion, signer: Client
    ) -> None:
        path = f"/sign/{send(version)}"

        answer = signer.post(
            f"{path}/reassign", {"new_name": "Bo Ray", "new_email": "bo@example.com"}
        )

        assert "Bo Ray signs instead" in answer.content.decode()
        assert signer.get(path).status_code == 404
        assert signer.get(f"/sign/{mailed_to('bo@example.com')}").status_code == 200

    def test_a_code_by_mail_opens_the_page_where_one_is_asked_for(
        self, version: QuoteVersion, signer: Client
    ) -> None:
        services.save_draft(version_id=version.id, payload={"asks_email_code": True})
        path = f"/sign/{send(version)}"

        closed = signer.get(path).content.decode()
        assert "6,000" not in closed
        assert "6,000" not in signer.get(f"{path}/document.pdf").content.decode(errors="ignore")
        signer.post(path, GOOD)
        assert not SignatureEvidence.objects.exists()
        signer.post(f"{path}/code")
        code = OutgoingMail.objects.get(subject__startswith="Your code").subject[-6:]
        wrong = f"{(int(code) + 1) % 10**6:06d}"
        assert signer.post(f"{path}/code", {"code": wrong}).status_code == 422
        assert signer.post(f"{path}/code", {"code": code}).status_code == 302

        assert "6,000" in signer.get(path).content.decode()
        assert "6,000" not in Client().get(path).content.decode()
        signer.post(path, GOOD)
        assert SignatureEvidence.objects.get().has_email_code

    def test_five_wrong_codes_end_it(self, version: QuoteVersion, signer: Client) -> None:
        services.save_draft(version_id=version.id, payload={"asks_email_code": True})
        path = f"/sign/{send(version)}"
        signer.post(f"{path}/code")
        code = OutgoingMail.objects.get(subject__startswith="Your code").subject[-6:]
        for step in range(1, 6):
            signer.post(f"{path}/code", {"code": f"{(int(code) + step) % 10**6:06d}"})

        assert signer.post(f"{path}/code", {"code": code}).status_code == 422

    def test_the_order_of_signing_is_set_in_the_browser(
        self, company: Any, version: QuoteVersion
    ) -> None:
        path = f"/quotes/{version.quote_id}/agreeing/"
        page = browser(company)
        typed = {
            "signer_name": "Ann",
            "signer_email": "ann@example.com",
            "renewal_months": "24",
            "renewal_uplift_percent": "5",
            "renewal_notice_days": "30",
            "signers-TOTAL_FORMS": "2",
            "signers-INITIAL_FORMS": "0",
            "signers-0-name": "Bo",
            "signers-0-email": "bo@example.com",
            "signers-0-side": "seller",
            "signers-1-name": "",
            "signers-1-email": "",
            "signers-1-side": "customer",
        }

        assert page.get(path).status_code == 200
        assert page.post(path, {**typed, "signers-0-email": ""}).status_code == 422
        assert page.post(path, typed).status_code == 302

        version.refresh_from_db()
        assert [row["name"] for row in version.further_signers] == ["Bo"]
        assert version.renewal_months == 24
