"""A quote is drafted, sent, signed once, and billed as signed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from billing.services.schedules import create_schedule
from monetization.catalog.models import Price, PriceVersion, Product
from monetization.mail.models import OutgoingMail
from monetization.pricing.prices import PriceError
from quotes import selectors, services
from quotes.models import OrderForm, QuoteVersion
from tests.factories_billing import make_customer

NOW = datetime(2026, 1, 10, 9, tzinfo=UTC)


@pytest.fixture
def catalog(tenant: Any) -> PriceVersion:
    product = Product.objects.create(
        code="platform", name="Platform", kind="fixed", recognition="straight_line"
    )
    price = Price.objects.create(
        product=product,
        code="platform-usd",
        name="Platform",
        currency="USD",
        frequency="monthly",
        timing="in_advance",
    )
    version: PriceVersion = PriceVersion.objects.create(
        price=price, number=1, model={"model": "flat", "amount": "500"}
    )
    return version


def payload(price: PriceVersion, **changes: Any) -> dict[str, Any]:
    line = {"product": "platform", "price_version": str(price.id)}
    return {
        "signer_name": "Ann Lee",
        "signer_email": "ann@example.com",
        "phases": [
            {"name": "Trial", "kind": "trial", "months": 1, "lines": [_free(line)]},
            {"name": "Year", "months": 12, "discount_percent": "10", "lines": [line]},
        ],
        **changes,
    }


def _free(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "model": {"model": "flat", "amount": "0"}}


def drafted(price: PriceVersion, **changes: Any) -> QuoteVersion:
    quote = services.create_quote(
        customer_id=make_customer().id, title="Platform deal", start_on=date(2026, 2, 1), now=NOW
    )
    version = quote.versions.get()
    return services.save_draft(version_id=version.id, payload=payload(price, **changes))


def sent(price: PriceVersion) -> tuple[QuoteVersion, str]:
    version = drafted(price)
    address = services.send_version(version_id=version.id, now=NOW)
    version.refresh_from_db()
    return version, address.rpartition("/")[2]


def sign(token: str, **changes: Any) -> OrderForm:
    details: dict[str, Any] = {
        "name": "Ann Lee",
        "email": "ann@example.com",
        "title": "CFO",
        "consent": True,
        "ip_address": "203.0.113.7",
        "user_agent": "Browser",
        "now": NOW,
    }
    form = services.sign_version(token=token, **{**details, **changes})
    assert form is not None
    return form


class TestDraft:
    def test_a_trial_and_a_discounted_year_add_up(self, catalog: PriceVersion) -> None:
        version, _ = sent(catalog)

        # One free month, then 12 x 500.00 less 10 % = 5,400.00 over 13 months.
        assert version.total_contract_value == Decimal(5400)
        assert version.annual_contract_value == Decimal("4984.62")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"start_on": "soon"}, "start_on: must be a date"),
            ({"anchor_day": 32}, "anchor_day: must be a whole number from 1 to 31"),
            ({"phases": [{"lines": [{"product": "x"}]}]}, r"phases\[0\].lines\[0\].product"),
            ({"phases": [{"discount_percent": "101"}]}, r"phases\[0\].discount_percent"),
            ({"phases": [{"months": 0}]}, r"phases\[0\].months"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, catalog: PriceVersion, change: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(PriceError, match=message):
            drafted(catalog, **change)

    def test_saving_again_changes_nothing(self, catalog: PriceVersion) -> None:
        version = drafted(catalog)
        before = selectors.terms_of(version)

        services.save_draft(version_id=version.id, payload=payload(catalog))

        assert selectors.terms_of(version) == before

    def test_says_what_is_missing_before_it_can_be_sent(self, catalog: PriceVersion) -> None:
        version = drafted(catalog, signer_email="", phases=[{"months": 12}])

        with pytest.raises(services.DraftIncomplete, match=r"signer.*product"):
            services.send_version(version_id=version.id, now=NOW)


class TestSign:
    def test_keeps_the_evidence_and_the_frozen_terms(self, catalog: PriceVersion) -> None:
        version, token = sent(catalog)

        form = sign(token)

        assert form.terms_sha256 == version.terms_sha256
        assert form.document_sha256 == version.document_sha256
        assert (form.ip_address, form.user_agent) == ("203.0.113.7", "Browser")
        assert form.signed_document is not None
        assert OutgoingMail.objects.filter(subject__startswith="Signed").count() == 1

    def test_signing_twice_makes_one_order_form(self, catalog: PriceVersion) -> None:
        _, token = sent(catalog)

        assert sign(token).id == sign(token).id
        assert OrderForm.objects.count() == 1

    def test_the_schedule_carries_the_hash_that_was_signed(self, catalog: PriceVersion) -> None:
        version, token = sent(catalog)

        schedule = create_schedule(order_form_id=sign(token).id, now=NOW)

        assert schedule.terms_sha256 == version.terms_sha256

    @pytest.mark.parametrize("changes", [{"consent": False}, {"name": " "}, {"email": "nobody"}])
    def test_needs_consent_a_name_and_an_address(
        self, catalog: PriceVersion, changes: dict[str, Any]
    ) -> None:
        _, token = sent(catalog)

        with pytest.raises(services.ConsentMissing):
            sign(token, **changes)

    def test_a_link_that_is_over_looks_like_one_that_never_was(self, catalog: PriceVersion) -> None:
        version, token = sent(catalog)
        later = NOW + timedelta(days=60)

        with pytest.raises(services.SigningLinkInvalid) as over:
            sign(token, now=later)
        with pytest.raises(services.SigningLinkInvalid) as unknown:
            sign(services.make_token())
        services.revise_quote(quote_id=version.quote_id, now=NOW)
        with pytest.raises(services.SigningLinkInvalid) as withdrawn:
            sign(token)

        assert str(over.value) == str(unknown.value) == str(withdrawn.value)

    def test_a_revision_starts_from_what_was_sent(self, catalog: PriceVersion) -> None:
        version, _ = sent(catalog)

        draft = services.revise_quote(quote_id=version.quote_id, now=NOW)

        assert draft.number == 2
        assert selectors.terms_of(draft).phases == selectors.terms_of(version).phases
        with pytest.raises(services.VersionNotDraft):
            services.save_draft(version_id=version.id, payload={})

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE quotes_quoteversion SET terms = '{}'",
            "UPDATE quotes_orderform SET signer_name = 'X'",
            "DELETE FROM quotes_orderform",
            "UPDATE documents_document SET content = ''",
        ],
    )
    def test_what_was_signed_cannot_be_changed_by_sql(
        self, catalog: PriceVersion, statement: str
    ) -> None:
        _, token = sent(catalog)
        sign(token)

        with (
            connection.cursor() as cursor,
            pytest.raises(DatabaseError, match=r"(?i)cannot|never"),
            transaction.atomic(),
        ):
            cursor.execute(statement)
