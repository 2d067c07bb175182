"""What the customer chooses on the signing page is what is signed, to the cent and the hash.

Platform 500 a month for a year: 6,000. Optional: 10 seats at 60 a month, 7,200 a year.
Alternatives for "Onboarding", billed once: standard 1,000 (chosen) or premium 2,500.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from monetization.pricing.prices import PriceError
from monetization.pricing.terms import terms_from_data, terms_hash
from monetization.tenancy.context import tenant_context
from quotes import selectors, services
from quotes.models import OrderForm, Quote, QuoteVersion
from quotes.services.approval_rules import save_rule
from quotes.services.approvals import ApprovalMissing
from quotes.services.following import draft_amendment
from quotes.services.options import OptionsNotOpen, choose_options
from tests.integration.quotes.conftest import browser
from tests.integration.quotes.test_web_builder import Builder

NOW = datetime.now(UTC).replace(microsecond=0)
Inside = Callable[[], Any]
D = Decimal


def flat(amount: str, **fields: Any) -> dict[str, Any]:
    return {"model": {"model": "flat", "amount": amount}, **fields}


LINES: list[dict[str, Any]] = [
    {"product": "platform", **flat("500")},
    {
        "product": "seats",
        "model": {"model": "per_unit", "unit_price": "60"},
        "quantity": "10",
        "is_optional": True,
    },
    {
        "product": "setup",
        "item_key": "standard",
        "description": "Standard",
        "choice_group": "Onboarding",
        **flat("1000", frequency="one_time"),
    },
    {
        "product": "setup",
        "item_key": "premium",
        "description": "Premium",
        "choice_group": "Onboarding",
        **flat("2500", frequency="one_time"),
    },
]


@pytest.fixture
def version(company: Any, quote: Quote) -> QuoteVersion:
    with tenant_context(company.id, actor="rep@example.com"):
        found = quote.versions.get()
        services.save_draft(
            version_id=found.id, payload={"phases": [{"months": 12, "lines": LINES}]}
        )
        found.refresh_from_db()
        return found


@pytest.fixture
def token(version: QuoteVersion, inside: Inside) -> str:
    with inside():
        return services.send_version(version_id=version.id, now=NOW).rpartition("/")[2]


def chosen_value(quote: Quote) -> Decimal | None:
    found: QuoteVersion = selectors.latest_versions().get(quote=quote)
    return found.total_contract_value


class TestTheOffer:
    def test_only_what_is_chosen_counts_and_the_first_alternative_is(
        self, version: QuoteVersion, inside: Inside
    ) -> None:
        with inside():
            terms = selectors.terms_of(version)
        assert version.total_contract_value == D(7000)  # 6,000 + 1,000
        assert [item.key for item in terms.phases[0].items] == ["platform", "standard"]

    def test_two_chosen_alternatives_are_refused_at_the_second(
        self, version: QuoteVersion, inside: Inside
    ) -> None:
        both = [{**line, "is_chosen": True} for line in LINES]
        with inside(), pytest.raises(PriceError, match=r"phases\[0\]\.lines\[3\]\.choice_group"):
            services.save_draft(version_id=version.id, payload={"phases": [{"lines": both}]})

    def test_a_fault_in_a_line_that_is_not_chosen_is_named_at_its_own_place(
        self, version: QuoteVersion, inside: Inside
    ) -> None:
        wrong = [*LINES[:3], {**LINES[3], "model": {"model": "flat", "amount": "x"}}]
        with inside():
            services.save_draft(version_id=version.id, payload={"phases": [{"lines": wrong}]})
            with pytest.raises(PriceError, match=r"phases\[0\]\.items\[3\]\.model\.amount"):
                selectors.terms_of_draft(version)

    def test_rules_look_at_the_furthest_the_customer_may_choose(
        self, version: QuoteVersion, inside: Inside
    ) -> None:
        with inside():
            # With seats and premium: 6,000 + 7,200 + 2,500 = 15,700.
            save_rule(values={"name": "Large", "approver_role": "finance", "value_over": D(15699)})
            with pytest.raises(ApprovalMissing, match=r"15,700"):
                services.send_version(version_id=version.id, now=NOW)

    def test_the_builder_makes_lines_optional(
        self, revops: Client, quote: Quote, inside: Inside
    ) -> None:
        builder = Builder(revops, quote)
        builder.add("platform")
        builder.add("seats")
        builder.press(phases__0__lines__1__quantity="10", phases__0__lines__1__choice="offered")

        assert "Offered beside it, not included" in builder.text
        assert builder.fields["phases-0-lines-1-choice"] == "offered"
        with inside():
            assert chosen_value(quote) == D(6000)
        builder.press(phases__0__lines__1__choice="chosen")
        with inside():
            assert chosen_value(quote) == D(13200)


class TestTheCustomer:
    def test_chooses_without_scripts_signs_at_the_same_link_and_that_is_the_contract(
        self, quote: Quote, version: QuoteVersion, token: str, inside: Inside
    ) -> None:
        customer, page = Client(), f"/sign/{token}"
        with inside():
            sent = QuoteVersion.objects.get(id=version.id)
        shown = customer.get(page).content.decode()
        assert "+ $7,200.00 over the term" in shown
        assert "+ $1,500.00 over the term" in shown  # premium instead of standard

        answer = customer.post(
            f"{page}/choose", {"option": "seats", "alternative-2": "premium"}, follow=True
        )

        assert "$15,700.00" in answer.content.decode()
        signed = customer.post(
            page, {"name": "Ann Lee", "email": "ann@example.com", "consent": "on"}, follow=True
        )
        assert "Signed." in signed.content.decode()
        with inside():
            form = OrderForm.objects.get()
            terms = terms_from_data(form.terms)
            assert [item.key for item in terms.phases[0].items] == ["platform", "seats", "premium"]
            assert terms_hash(terms) == form.terms_sha256 == form.version.terms_sha256
            assert form.version.total_contract_value == D(15700)
            assert (form.version.number, form.version.status) == (2, "accepted")
            assert form.version.expires_on == sent.expires_on
            before = QuoteVersion.objects.get(id=version.id)
            assert before.status == "superseded"
            assert (before.terms, before.document_sha256) == (sent.terms, sent.document_sha256)

    def test_reading_and_choosing_the_same_again_change_nothing(
        self, quote: Quote, version: QuoteVersion, token: str, inside: Inside
    ) -> None:
        customer = Client()
        for _ in range(2):
            customer.get(f"/sign/{token}")
            customer.head(f"/sign/{token}/choose")
            customer.post(f"/sign/{token}/choose", {"alternative-2": "standard"})
        with inside():
            assert quote.versions.count() == 1

    @pytest.mark.parametrize(
        "chosen", [set(), {"standard", "premium"}, {"standard", "platform"}, {"unknown"}]
    )
    def test_cannot_choose_what_was_not_offered(
        self, quote: Quote, token: str, inside: Inside, chosen: set[str]
    ) -> None:
        with inside():
            with pytest.raises(OptionsNotOpen):
                choose_options(token=token, chosen=chosen, now=NOW)
            assert quote.versions.count() == 1

    def test_cannot_choose_any_more_once_somebody_signed(
        self, quote: Quote, version: QuoteVersion, inside: Inside
    ) -> None:
        people = [{"name": "Cy Fox", "email": "cy@example.com", "side": "customer"}]
        with inside():
            services.save_draft(version_id=version.id, payload={"further_signers": people})
            first = services.send_version(version_id=version.id, now=NOW).rpartition("/")[2]
        customer = Client()
        customer.post(
            f"/sign/{first}", {"name": "Ann", "email": "ann@example.com", "consent": "on"}
        )

        late = customer.post(f"/sign/{first}/choose", {"option": "seats"})

        assert late.status_code == 409
        with inside():
            assert quote.versions.get().status == "partially_signed"

    def test_an_amendment_goes_on_with_what_was_chosen_alone(
        self, quote: Quote, version: QuoteVersion, token: str, inside: Inside
    ) -> None:
        with inside():
            choose_options(token=token, chosen={"seats", "premium"}, now=NOW)
            form = services.sign_version(
                token=token,
                name="Ann Lee",
                email="ann@example.com",
                title="",
                consent=True,
                ip_address=None,
                user_agent="",
                now=NOW,
            )
            assert form is not None
            follow = draft_amendment(
                order_form_id=form.id, effective_on=version.start_on.replace(month=3), now=NOW
            )
            lines = follow.versions.get().phases.get().lines.order_by("position")
            assert list(lines.values_list("item_key", "is_optional")) == [
                ("platform", False),
                ("seats", False),
            ]


def test_an_auditor_cannot_make_a_line_optional(
    company: Any, version: QuoteVersion, quote: Quote
) -> None:
    answer = browser(company, "auditor").post(f"/quotes/{quote.id}/edit/", {"do": "save"})
    assert answer.status_code == 403
