"""Tax by what is sold, who sells it and where the customer is; added up as the entity says."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice
from billing.services import taxing
from billing.services.corrections import credit_lines
from billing.services.drafts import add_manual_line, create_one_off
from billing.services.electronic import _of_invoice
from billing.services.invoicing import issue_invoice, recalculate_invoices
from billing.services.paper import invoice_context
from billing.services.reissue import void_and_reissue
from monetization.catalog.models import Product
from monetization.config.verify import CHECKS
from monetization.config.verify.base import Books
from monetization.kernel.decimals import plain
from monetization.tenancy.models import LegalEntity
from tests.factories_billing import PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.usefixtures("tenant")
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
MARCH = date(2026, 3, 1)


def entity() -> LegalEntity:
    return LegalEntity.objects.get(is_default=True)


def product(code: str, category: str) -> str:
    Product.objects.create(
        code=code, name=code, kind="fixed", recognition="straight_line", tax_category=category
    )
    return code


def rate(category: str, country: str, percent: str, **more: Any) -> None:
    taxing.set_tax_rate(
        legal_entity_id=entity().id, category=category, country=country, now=NOW,
        **{"treatment": "taxable", "name": "VAT", "percent": Decimal(percent), **more},
    )  # fmt: skip


def sold(*lines: tuple[str, str], country: str = "DE", **customer: Any) -> Invoice:
    """A one-off draft: product code and amount."""
    who = make_customer(country=country, **{"currency": "EUR", **customer})
    entries = [
        ManualEntry(code or "Help", amount=Decimal(a), product_code=code) for code, a in lines
    ]
    return create_one_off(customer_id=who.id, bill_on=MARCH, entries=entries, now=NOW)


def taxes(invoice: Invoice) -> list[tuple[str, str]]:
    rows = invoice.lines.order_by("position").values_list("tax_percent", "tax_amount")
    return [(plain(percent), f"{tax:.2f}") for percent, tax in rows]


def books_agree() -> None:
    books = Books()
    for id, check in CHECKS.items():
        if id.startswith(("I02", "I03", "I16.1", "I17")):
            found = check.run(books)
            assert not found.differing, (id, check.name, found.samples)


@pytest.fixture
def german_rates(tenant: Any) -> None:
    """19 % on most, 7 % on books, nothing on insurance, the reverse elsewhere in the world."""
    rate("standard", "DE", "19")
    rate("reduced", "DE", "7")
    rate("free", "DE", "0", treatment="exempt")
    rate("standard", "", "0", treatment="reverse_charge")
    for code, category in (("book", "reduced"), ("cover", "free"), ("tool", "standard")):
        product(code, category)


@pytest.mark.usefixtures("german_rates")
class TestRates:
    def test_every_line_has_the_rate_of_its_product(self) -> None:
        draft = sold(("tool", "100"), ("book", "50"), ("cover", "30"))
        # 19.00 and 3.50, and nothing.
        assert taxes(draft) == [("19", "19.00"), ("7", "3.50"), ("0", "0.00")]
        assert draft.total_amount == Decimal("202.50")
        rows = [(row.name, plain(row.percent), f"{row.base:.2f}", f"{row.tax:.2f}", row.treatment)
                for row in invoice_context(draft)["tax_rows"]]  # fmt: skip
        assert rows == [
            ("VAT", "19", "100.00", "19.00", "taxable"),
            ("VAT", "7", "50.00", "3.50", "taxable"),
            ("VAT", "0", "30.00", "0.00", "exempt"),
        ]
        books_agree()

    def test_another_country_has_its_own_rate_or_that_of_all_the_others(self) -> None:
        abroad = sold(("tool", "100"), country="NO")
        assert taxes(abroad) == [("0", "0.00")]
        assert invoice_context(abroad)["is_reverse_charge"]
        rate("standard", "NO", "25")
        assert taxes(sold(("tool", "100"), country="NO", name="Fjord")) == [("25", "25.00")]

    def test_a_customer_who_pays_no_tax_pays_none_on_anything(self) -> None:
        free = sold(("tool", "100"), ("book", "50"), tax_treatment="exempt")
        assert taxes(free) == [("0", "0.00"), ("0", "0.00")]

    def test_the_customers_own_rate_stands_for_the_standard_one_only(self) -> None:
        draft = sold(("tool", "100"), ("book", "50"), tax_percent=Decimal(16), tax_name="VAT")
        assert taxes(draft) == [("16", "16.00"), ("7", "3.50")]

    def test_each_rate_is_a_subtotal_of_the_electronic_invoice(self) -> None:
        LegalEntity.objects.update(tax_id="DE123456789")
        draft = sold(("tool", "100"), ("book", "50"), ("cover", "30"))
        issued = issue_invoice(invoice_id=draft.id, issued_on=MARCH, now=NOW)
        found = [(each.category, plain(each.percent), f"{each.base:.2f}", f"{each.tax:.2f}")
                 for each in _of_invoice(issued).taxes]  # fmt: skip
        assert found == [
            ("S", "19", "100.00", "19.00"),
            ("S", "7", "50.00", "3.50"),
            ("E", "0", "30.00", "0.00"),
        ]

    def test_a_credit_gives_back_the_tax_of_its_line(self) -> None:
        draft = sold(("tool", "100"), ("book", "50"))
        issued = issue_invoice(invoice_id=draft.id, issued_on=MARCH, now=NOW)
        book = issued.lines.get(product_code="book")
        note = credit_lines(
            invoice_id=issued.id, amounts={book.id: Decimal(20)}, reason="damaged",
            issued_on=MARCH, now=NOW,
        )  # fmt: skip
        assert note.total_amount == Decimal("21.40")
        books_agree()

    def test_a_draft_follows_a_new_rate_with_the_next_recalculation(self) -> None:
        schedule = billed(deal(PLATFORM), now=NOW, customer=make_customer(country="DE"))
        draft = schedule.invoices.get(bill_on=MARCH)
        assert taxes(draft) == [("19", "95.00")]
        rate("standard", "DE", "16")
        [change] = recalculate_invoices(invoice_ids=[draft.id], now=NOW)
        assert [each.cause for each in change.changes] == ["tax"]
        assert taxes(draft) == [("16", "80.00")]
        assert recalculate_invoices(invoice_ids=[draft.id], now=NOW) == []


class TestRounding:
    LINES = (("tool", "25.06"), ("tool", "25.61"), ("tool", "25.63"))

    def test_per_line_three_roundings_and_by_category_one(self) -> None:
        product("tool", "standard")
        rate("standard", "", "15")
        # By line 3.76 + 3.84 + 3.84 = 11.44; 15 % of 76.30 is 11.445, so 11.45 by category.
        assert sold(*self.LINES).tax_amount == Decimal("11.44")
        taxing.set_tax_method(
            legal_entity_id=entity().id, method="per_category", prices_include_tax=False, now=NOW
        )
        draft = sold(*self.LINES, name="Other")
        assert draft.tax_amount == Decimal("11.45")
        assert sorted(tax for _, tax in taxes(draft)) == ["3.76", "3.84", "3.85"]
        books_agree()

    def test_by_category_computed_lines_take_what_manual_ones_leave(self) -> None:
        rate("standard", "", "7.7")
        taxing.set_tax_method(
            legal_entity_id=entity().id, method="per_category", prices_include_tax=False, now=NOW
        )
        schedule = billed(deal(PLATFORM), now=NOW)
        draft = schedule.invoices.get(bill_on=MARCH)
        for amount in ("0.33", "0.33", "0.33"):
            add_manual_line(
                invoice_id=draft.id, entry=ManualEntry("Help", amount=Decimal(amount)), now=NOW
            )
        draft.refresh_from_db()
        assert draft.tax_amount == Decimal("38.58")  # 7.7 % of 500.99 is 38.57623
        recalculate_invoices(invoice_ids=[draft.id], now=NOW)
        draft.refresh_from_db()
        assert draft.tax_amount == Decimal("38.58")
        books_agree()


class TestInside:
    @pytest.fixture(autouse=True)
    def _inside(self, tenant: Any) -> None:
        rate("standard", "", "19")
        taxing.set_tax_method(
            legal_entity_id=entity().id, method="per_line", prices_include_tax=True, now=NOW
        )

    def test_the_price_is_what_the_customer_pays(self) -> None:
        schedule = billed(deal(PLATFORM), now=NOW)
        draft = schedule.invoices.get(bill_on=MARCH)
        line = draft.lines.get()
        # 500.00 contains 500 x 19/119 = 79.83 of tax.
        assert (line.amount, line.tax_amount) == (Decimal("420.17"), Decimal("79.83"))
        assert draft.total_amount == Decimal("500.00")
        assert recalculate_invoices(invoice_ids=[draft.id], now=NOW) == []
        books_agree()

    def test_a_manual_line_keeps_what_was_typed(self) -> None:
        draft = sold(("", "119"))
        assert (draft.subtotal_amount, draft.tax_amount) == (Decimal(100), Decimal(19))
        issued = issue_invoice(invoice_id=draft.id, issued_on=MARCH, now=NOW)
        again = void_and_reissue(invoice_id=issued.id, reason="address", now=NOW)
        assert again.total_amount == Decimal(119)

    def test_it_is_taken_out_line_by_line(self) -> None:
        with pytest.raises(taxing.TaxInvalid, match="method"):
            taxing.set_tax_method(
                legal_entity_id=entity().id, method="per_category", prices_include_tax=True, now=NOW
            )


@pytest.mark.parametrize(
    ("field", "bad"),
    [("country", "Germany"), ("category", ""), ("treatment", "maybe"), ("name", " "),
     ("percent", Decimal(101))],
)  # fmt: skip
def test_a_bad_rate_names_its_field(field: str, bad: Any) -> None:
    good: dict[str, Any] = {
        "legal_entity_id": entity().id, "category": "standard", "country": "DE",
        "treatment": "taxable", "name": "VAT", "percent": Decimal(19), "now": NOW,
    }  # fmt: skip
    with pytest.raises(taxing.TaxInvalid, match=f"^{field}:"):
        taxing.set_tax_rate(**{**good, field: bad})


def test_no_tax_is_charged_where_it_is_reversed() -> None:
    with pytest.raises(taxing.TaxInvalid, match=r"^percent:"):
        rate("standard", "DE", "19", treatment="reverse_charge")
